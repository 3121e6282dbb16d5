"""A registry that keeps what it is told: for attacks on a password, and for who may not hear it.

It answers as the distribution specification has it: 401 with a challenge to whoever brings no Authorization, then what
was asked for. Whoever brings one is let in: what counts is that it came.
"""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Heard(NamedTuple):
    """One question, with the Authorization that came with it."""

    path: str
    login: str


@contextmanager
def listening(
    challenge: str = 'Basic realm="registry"', *, redirect: str = "", certificate: Path | None = None
) -> Iterator[tuple[str, list[Heard]]]:
    """Its address, and what it heard. In the challenge ``ADDRESS`` is its own.

    ``redirect``: where it sends whoever brings an Authorization.
    """
    heard: list[Heard] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = self.headers.get("Authorization", "")
            heard.append(Heard(self.path, login))
            if not login and not self.path.startswith("/token"):
                self._say(401, {"WWW-Authenticate": challenge.replace("ADDRESS", address)})
            elif redirect:
                self._say(307, {"Location": f"{redirect}{self.path}"})
            else:
                self._say(200, {})

        def _say(self, status: int, headers: dict[str, str]) -> None:
            body = json.dumps({"token": "t0ken", "name": "a/b", "tags": ["1"]} if status == 200 else {}).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the tests' own output is enough."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    address = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield address, heard
    finally:
        server.shutdown()
        server.server_close()
