"""A server on loopback that answers as a test says, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from ci_gpu.github.api import Api


class Asked(msgspec.Struct, frozen=True):
    """One request."""

    method: str
    path: str
    body: Any
    token: str


class Answer(msgspec.Struct, frozen=True):
    """One answer; ``body`` is JSON unless it is bytes."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}


class GitHub(msgspec.Struct):
    """What a test sees: the address, the questions, and the seconds that we would have slept."""

    url: str
    asked: list[Asked] = []
    slept: list[float] = []

    def api(self, **changes: Any) -> Api:
        """Our client of this server, with a clock that stands still."""
        return Api("t0ken", self.url, **{"sleep": self.slept.append, "now": lambda: 1000.0, **changes})

    def paths(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]


@contextmanager
def github(answer: Callable[[Asked], Answer]) -> Iterator[GitHub]:
    """The server, up while the block lasts."""
    seen = GitHub("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "")
            asked = Asked(self.command, self.path, json.loads(raw or b"null"), token)
            seen.asked.append(asked)
            said = answer(asked)
            data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {"Content-Length": str(len(data)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names are http.server's

        def log_message(self, *_: object) -> None:
            """Nothing: `asked` has it all."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
