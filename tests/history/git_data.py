"""GitHub's Git Data API, as far as a branch needs it: objects that stay, and a ref that moves only forward.

Statuses and messages are GitHub's own. ``fault`` may answer in its place, or after it (`Lost`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import msgspec

REPOSITORY = "octo-org/octo-repo"
GIT = f"/repos/{REPOSITORY}/git"
NOT_FOUND = 404, {"message": "Not Found"}


class Fault(msgspec.Struct, frozen=True):
    """An answer instead of the true one; ``done`` means that the request was carried out all the same."""

    status: int
    body: dict[str, Any] = {}
    headers: dict[str, str] = {}
    done: bool = False


class GitData:
    """The state of one repository."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.objects: dict[str, Any] = {}
        self.refs: dict[str, str] = {}
        self.calls: list[str] = []
        self.fault: Callable[[str, str, int], Fault | None] = lambda method, path, number: None
        self.url = ""

    def files(self, branch: str = "ci-gpu-history") -> dict[str, bytes]:
        """What a checkout of the branch would have."""
        commit = self.objects[self.refs[f"refs/heads/{branch}"]]
        return {path: self.objects[sha] for path, sha in self.objects[commit["tree"]].items()}

    def commits(self, branch: str = "ci-gpu-history") -> int:
        """The length of the branch: a fork in it would make this fewer than the additions."""
        count, sha = 0, self.refs.get(f"refs/heads/{branch}", "")
        while sha:
            count, sha = count + 1, next(iter(self.objects[sha]["parents"]), "")
        return count

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        path = unquote(path.partition("?")[0])
        if method == "GET" and (match := re.fullmatch(rf"{GIT}/ref/heads/(.+)", path)):
            sha = self.refs.get(f"refs/heads/{match[1]}")
            return (200, {"object": {"sha": sha, "type": "commit"}}) if sha else NOT_FOUND
        if method == "GET" and (match := re.fullmatch(rf"{GIT}/(commits|trees|blobs)/([0-9a-f]+)", path)):
            return self._read(match[1], match[2]) if match[2] in self.objects else NOT_FOUND
        if method == "PATCH" and (match := re.fullmatch(rf"{GIT}/refs/(heads/.+)", path)):
            return self._move(f"refs/{match[1]}", body)
        made = {"blobs": self._blob, "trees": self._tree, "commits": self._commit, "refs": self._ref}
        kind = path.removeprefix(f"{GIT}/")
        return made[kind](body) if method == "POST" and kind in made else NOT_FOUND

    def _read(self, kind: str, sha: str) -> tuple[int, Any]:
        found = self.objects[sha]
        if kind == "blobs":
            return 200, {"content": base64.encodebytes(found).decode(), "encoding": "base64", "sha": sha}
        if kind == "commits":
            return 200, {"sha": sha, "tree": {"sha": found["tree"]}}
        entries = [{"path": path, "type": "blob", "sha": blob} for path, blob in found.items()]
        folders = {path.rpartition("/")[0] for path in found} - {""}
        return 200, {
            "tree": [*({"path": f, "type": "tree", "sha": "0"} for f in folders), *entries],
            "truncated": False,
        }

    def _keep(self, thing: Any, text: bytes) -> tuple[int, Any]:
        sha = hashlib.sha1(text).hexdigest()
        self.objects[sha] = thing
        return 201, {"sha": sha}

    def _blob(self, body: dict[str, Any]) -> tuple[int, Any]:
        content = base64.b64decode(body["content"])
        return self._keep(content, b"blob" + content)

    def _tree(self, body: dict[str, Any]) -> tuple[int, Any]:
        files = dict(self.objects[body["base_tree"]]) if "base_tree" in body else {}
        for entry in body["tree"]:
            if entry["sha"] is None:
                del files[entry["path"]]
            else:
                assert isinstance(self.objects[entry["sha"]], bytes)
                files[entry["path"]] = entry["sha"]
        return self._keep(files, b"tree" + json.dumps(files, sort_keys=True).encode())

    def _commit(self, body: dict[str, Any]) -> tuple[int, Any]:
        return self._keep(dict(body), b"commit" + json.dumps(body, sort_keys=True).encode())

    def _ref(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["ref"] in self.refs:
            return 422, {"message": "Reference already exists"}
        self.refs[body["ref"]] = body["sha"]
        return 201, {"ref": body["ref"]}

    def _move(self, ref: str, body: dict[str, Any]) -> tuple[int, Any]:
        assert body["force"] is False, "nothing may ever be forced"
        if self.refs[ref] not in self.objects[body["sha"]]["parents"]:
            return 422, {"message": "Update is not a fast forward"}
        self.refs[ref] = body["sha"]
        return 200, {"ref": ref}


@contextmanager
def serve() -> Iterator[GitData]:
    """The repository on a free port of loopback."""
    state = GitData()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            with state.lock:
                state.calls.append(f"{self.command} {self.path}")
                fault = state.fault(self.command, self.path, len(state.calls))
                status, document = state.answer(self.command, self.path, body) if not fault or fault.done else (0, {})
            status, document = (fault.status, fault.body) if fault else (status, document)
            self._send(status, document, fault.headers if fault else {})

        def _send(self, status: int, document: Any, headers: dict[str, str]) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PATCH = do_GET  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_: object) -> None:
            """Silence; `calls` has it all."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """A client that was killed has closed its end; that is what the test is about."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
