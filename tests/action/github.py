"""GitHub, as far as a comment needs it: comments that stay, and a token that may or may not write.

Answers have the shape of GitHub's own examples; `tests.action.prism` in front of it checks that, and the questions.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.git_data import GitData

REPOSITORY = "octo-org/octo-repo"
COMMENTS = re.compile(rf"/repos/{REPOSITORY}/issues/(\d+)/comments")
PULL = re.compile(rf"/repos/{REPOSITORY}/pulls/\d+")
COMMENT = re.compile(rf"/repos/{REPOSITORY}/issues/comments/(\d+)")
BOT = "github-actions[bot]"
REFUSED = (
    403,
    {"message": "Resource not accessible by integration", "documentation_url": "https://docs.github.com/rest"},
)
NOT_FOUND = 404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}


class GitHub:
    """The state. ``read_only`` is the token of a pull request from a fork; ``calls`` is every method and path.

    ``pull`` is what is said of each pull request; ``pulls`` are the open ones of whatever head is asked for;
    ``queries`` are those that were asked.
    """

    def __init__(self, example: dict[str, Any]) -> None:
        self._example = example
        self.pulls: list[dict[str, Any]] = []
        self.pull: dict[str, Any] = {}
        self.queries: list[str] = []
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.calls: list[str] = []
        self.read_only = False
        self.url = ""
        self.git = GitData(REPOSITORY)

    def add(self, number: int, body: str, login: str = BOT) -> dict[str, Any]:
        """A comment on a pull request."""
        comment = copy.deepcopy(self._example)
        comment["id"] = 1 + sum(map(len, self.comments.values()))
        comment["html_url"] = f"https://github.com/{REPOSITORY}/pull/{number}#issuecomment-{comment['id']}"
        comment["body"], comment["user"]["login"] = body, login
        self.comments.setdefault(number, []).append(comment)
        return comment

    def answer(self, method: str, path: str, body: dict[str, Any], query: str) -> tuple[int, Any]:
        """Status and document. A workflow's own token is no user, so `/user` is always refused."""
        self.calls.append(f"{method} {path}")
        if path == "/user" or (self.read_only and method != "GET"):
            return REFUSED
        if (match := COMMENTS.fullmatch(path)) and method == "GET":
            return 200, self.comments.get(int(match[1]), [])
        if match and method == "POST":
            return 201, self.add(int(match[1]), body["body"])
        if (match := COMMENT.fullmatch(path)) and method == "PATCH":
            return self._edit(int(match[1]), body["body"])
        if match := PULL.fullmatch(path):
            return (200, self.pull) if self.pull else NOT_FOUND
        if (match := COMMENT.fullmatch(path)) and method == "DELETE":
            return self._delete(int(match[1]))
        if (found := self.git.answer(method, f"{path}?{query}", body)) is not None:
            return found
        return (200, self.pulls) if path == f"/repos/{REPOSITORY}/pulls" else NOT_FOUND

    def _delete(self, identity: int) -> tuple[int, Any]:
        for several in self.comments.values():
            several[:] = [one for one in several if one["id"] != identity]
        return 204, None

    def _edit(self, identity: int, body: str) -> tuple[int, Any]:
        for comment in (one for several in self.comments.values() for one in several):
            if comment["id"] == identity:
                comment["body"] = body
                return 200, comment
        return NOT_FOUND


@contextmanager
def serve(example: dict[str, Any]) -> Iterator[GitHub]:
    """GitHub on a free port of loopback; ``example`` is one of its issue comments."""
    state = GitHub(example)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "{}")
            path, _, query = self.path.partition("?")
            state.queries.append(query)
            status, document = state.answer(self.command, path, body, query)
            data = b"" if status == 204 else json.dumps(document).encode()
            self.send_response(status)
            if data:
                self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_: object) -> None:
            """Silence; `calls` has it all."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
