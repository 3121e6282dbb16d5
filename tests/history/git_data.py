"""GitHub's Git Data API on a port of its own, with troubles: ``fault`` may answer in its place, or after it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from tests.git_data import GitData

REPOSITORY = "octo-org/octo-repo"


class Fault(msgspec.Struct, frozen=True):
    """An answer instead of the true one; ``done`` means that the request was carried out all the same."""

    status: int
    body: dict[str, Any] = {}
    headers: dict[str, str] = {}
    done: bool = False


class Faulty(GitData):
    """The state of one repository, every request to it, and what goes wrong with them."""

    def __init__(self) -> None:
        super().__init__(REPOSITORY)
        self.lock = threading.Lock()
        self.calls: list[str] = []
        self.fault: Callable[[str, str, int], Fault | None] = lambda method, path, number: None
        self.url = ""


def _done(fault: Fault | None) -> bool:
    return fault is None or fault.done


@contextmanager
def serve() -> Iterator[Faulty]:
    """The repository on a free port of loopback."""
    state = Faulty()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            with state.lock:
                state.calls.append(f"{self.command} {self.path}")
                fault = state.fault(self.command, self.path, len(state.calls))
                true = state.answer(self.command, self.path, body) if _done(fault) else None
            status, document = (fault.status, fault.body) if fault else true or (404, {"message": "Not Found"})
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
