"""A server that answers with whatever bytes a test says, whether or not they are HTTP; and answers that nobody wants.

What a right answer looks like is RFC 9112 (HTTP/1.1) and RFC 9110 (Content-Encoding, Retry-After).
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An answer as a server would send it; ``length`` is what it says of the body."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


def bomb(size: int) -> bytes:
    """So many zeros, a thousandth of it on the wire."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


GOOD = json.dumps({"tags": ["1"], "token": "t", "login": "x", "object": {"sha": "0" * 40}}).encode()

FAULTS: dict[str, bytes] = {
    "a body that is cut": answer(b'{"tags": ["1"', length=1000),
    "no gzip, and said to be": answer(GOOD, "Content-Encoding: gzip"),
    "gzip that is cut": answer(gzip.compress(GOOD * 50)[:-20], "Content-Encoding: gzip"),
    "a bomb of gzip": answer(bomb(64 << 20), "Content-Encoding: gzip"),
    "gzip in gzip in gzip": answer(GOOD, "Content-Encoding: " + ", ".join(["gzip"] * 40)),
    "an unknown encoding": answer(GOOD, "Content-Encoding: sdch"),
    "chunks of no length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunks that are cut": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}",
    "a negative length": answer(GOOD, length=-5),
    "a length that is no number": answer(GOOD).replace(b"Content-Length: ", b"Content-Length: x"),
    "an object where a list is due": answer(b'{"tags": {"a": 1}, "token": {}, "login": [], "object": 7}'),
    "a list where an object is due": answer(b"[1, 2]"),
    "null": answer(b"null"),
    "a number": answer(b"7"),
    "no JSON": answer(b"<html>log in</html>"),
    "nothing": answer(b""),
    "deep arrays": answer(b"[" * 200_000),
    "deep objects": answer(b'{"a":' * 200_000),
    "deep where nobody looks": answer(b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "no UTF-8": answer(b'{"tags": ["\xff"], "token": "\xff", "login": "\xff", "object": {"sha": "\xff"}}'),
    "a lone surrogate": answer(rb'{"tags": "\ud800", "token": "\ud800", "login": "\ud800x", "object": "\ud800"}'),
    "a number without end": answer(b'{"login": ' + b"9" * 10_000 + b"}"),
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n{}",
    "headers without number": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n{}",
    "a header that is no header": b"HTTP/1.1 200 OK\r\n\xff\xfe: \x00\r\n:::\r\n\r\n{}",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no status": b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n{}",
    "a status of many digits": b"HTTP/1.1 20000000 OK\r\n\r\n{}",
    "a status of no kind": answer(GOOD, status="999 Unknown"),
    "not a byte": b"",
    "a redirect to itself": answer(b"", "Location: /again", status="302 Found"),
    "a redirect to no address": answer(b"", "Location: http://[::1/\\\xff", status="301 Moved Permanently"),
    "a redirect with a bomb": answer(bomb(64 << 20), "Content-Encoding: gzip", "Location: /x", status="302 Found"),
    "a link to no address": answer(b"[]", 'Link: <http://[::1>; rel="next", <<>;;=,'),
    "a time to wait in odd digits": answer(b"{}", "Retry-After: \xb2", status="429 Too Many Requests"),
    "a negative time to wait": answer(b"{}", "Retry-After: -5", status="429 Too Many Requests"),
    "a time to wait that is no number": answer(b"{}", "Retry-After: NaN", status="429 Too Many Requests"),
    "an endless time to wait": answer(b"{}", "Retry-After: inf", status="429 Too Many Requests"),
    "a huge time to wait": answer(b"{}", f"Retry-After: {'9' * 5_000}", status="429 Too Many Requests"),
    "a date long ago": answer(b"{}", "Retry-After: Fri, 31 Dec 0001 23:59:59 GMT", status="403 Forbidden"),
    "a limit that ends in odd digits": answer(
        b"{}", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: \xb9\xb2", status="403 Forbidden"
    ),
    "a refusal in words of no kind": answer(b'{"message": {"a": []}, "errors": 7}', status="422 Unprocessable"),
    "a refusal in a deep list": answer(b"[" * 200_000, status="403 Forbidden"),
}
"""What a network, a proxy or a hostile server may send in place of an answer."""

SLOW: dict[str, tuple[bytes, bytes]] = {
    "the status": (b"", b"H"),
    "the headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"[:1]),
    "the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
    "the chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1"),
    "gzip": (answer(gzip.compress(GOOD)[:10], "Content-Encoding: gzip", length=1000000), b"\x00"),
}
"""What is sent at once, and what then comes for ever, a byte at a time."""


@contextmanager
def saying(raw: bytes, drip: bytes = b"", pause: float = 0.0) -> Iterator[str]:
    """The address of a server that says this to every question, after a pause; with ``drip``, that byte for ever."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    stop = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=talk, args=(client,), daemon=True).start()

    def talk(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.recv(1 << 16)
            stop.wait(pause)
            client.sendall(raw)
            while drip and not stop.wait(0.02):
                client.sendall(drip)
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 16):  # until the other end has all
                pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        stop.set()
        server.close()
