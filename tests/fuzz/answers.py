"""The bytes of an answer, as GitHub's API, a registry or what stands in for one of them may send them.

The client is the real one, down to the socket: `urllib3.util.connection.create_connection`, which opens the connection,
gives one end of a pair of sockets here, and the answer lies in the other.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any
from unittest import mock

import urllib3.util.connection
from hypothesis import strategies as st

from ci_gpu import registry
from ci_gpu.errors import GitHubError
from ci_gpu.github import api, comment, event
from ci_gpu.history import branch
from ci_gpu.model import ImageRef
from tests.answers import FAULTS

_SHA = "0123456789abcdef0123456789abcdef01234567"
_FIELDS = (
    "tags",
    "token",
    "access_token",
    "message",
    "errors",
    "login",
    "id",
    "html_url",
    "body",
    "user",
    "number",
    "state",
)
_FIELDS += ("head", "sha", "object", "tree", "truncated", "path", "type", "content", "encoding")
_LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from((_SHA, "tree", "blob", "commit", "a\ud800", "../../x", "\r\nX: y", "1" * 129)),
)
_DOCUMENT = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(_FIELDS), st.text(max_size=5)), inner, max_size=6),
    ),
    max_leaves=20,
)
_JSON = st.one_of(
    _DOCUMENT.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.sampled_from((b'{"object": {"sha": "%s"}}', b'{"tree": {"sha": "%s"}}')).map(lambda text: text % _SHA.encode()),
    st.tuples(st.sampled_from((b"[", b'{"a":', b'[{"user":')), st.integers(1, 20_000)).map(
        lambda pair: pair[0] * pair[1]
    ),
)
_WORD = st.one_of(
    st.sampled_from(
        ("0", "1", "7", "\xb2", "-1", "NaN", "inf", "9" * 400, "1e9", "gzip", "deflate", "br", "chunked", "*")
    ),
    st.sampled_from(
        ("Fri, 31 Dec 0001 23:59:59 GMT", "Thu, 01 Jan 99999 00:00:00 GMT", "gzip, gzip", "Basic", "Bearer")
    ),
    st.sampled_from(
        ('Bearer realm="http://127.0.0.1:9/t",service="s"', 'Bearer realm="http://[::1",a="', "Bearer " + "a" * 900)
    ),
    st.sampled_from(
        (
            '<http://127.0.0.1:9/x?page=2>; rel="next"',
            '<http://[::1?>; rel="next"',
            "<>;;rel=next",
            "sha256:" + "a" * 64,
        )
    ),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=20),
)
_NAMES = (
    "Content-Length",
    "Content-Encoding",
    "Transfer-Encoding",
    "Link",
    "Location",
    "Retry-After",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "WWW-Authenticate",
    "Docker-Content-Digest",
    "Set-Cookie",
    "Connection",
)
_NAME = st.one_of(
    st.sampled_from(_NAMES),
    st.text(st.characters(max_codepoint=255), max_size=6),
)
_STATUS = st.one_of(
    st.sampled_from(
        (200, 200, 200, 201, 301, 302, 307, 401, 401, 403, 404, 409, 410, 422, 429, 500, 502, 100, 101, 999)
    ),
    st.integers(0, 9999),
)


def _raw(parts: tuple[int, list[tuple[str, str]], bytes, str, bool]) -> bytes:
    status, headers, body, packing, measured = parts
    body = gzip.compress(body, 1, mtime=0) if packing else body
    lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers)]
    lines += [f"Content-Encoding: {packing}"] if packing else []
    lines += [f"Content-Length: {len(body)}"] if measured else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _damaged(pair: tuple[bytes, list[tuple[int, int]], int]) -> bytes:
    raw, changes, end = pair
    spoiled = bytearray(raw)
    for place, value in changes:
        if spoiled:
            spoiled[place % len(spoiled)] = value
    return bytes(spoiled[: end if end >= 0 else None])


_ANSWER = st.tuples(
    _STATUS,
    st.lists(st.tuples(_NAME, _WORD), max_size=5),
    st.one_of(_JSON, _JSON, st.binary(max_size=40)),
    st.sampled_from(("", "", "", "gzip", "x-gzip, gzip")),
    st.booleans(),
).map(_raw)
_DAMAGE = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)

INPUTS = st.one_of(
    _ANSWER,
    st.tuples(_ANSWER, _DAMAGE, st.integers(-300, 300)).map(_damaged),
    st.tuples(st.sampled_from([raw[:2_000] for raw in FAULTS.values()]), _DAMAGE, st.integers(-300, 2_000)).map(
        _damaged
    ),
    st.binary(max_size=60),
)
DOCUMENTED = (GitHubError,)
KEPT = tuple(raw for raw in FAULTS.values() if len(raw) < 2_000)


def attempt(raw: bytes) -> None:
    """Each question that is asked gets this answer, and each ends as a value or as exit code 5."""
    with _answering(raw):
        _ask_the_registry()
        refused = [_refused(question) for question in _QUESTIONS]
    assert all(error is None or error.exit_code == 5 for error in refused)


def _ask_the_registry() -> None:
    ref = ImageRef.parse("127.0.0.1:9/a/b:1")
    with contextlib.suppress(registry.NoRepositoryError):
        assert all(len(tag) <= 128 and tag.isascii() for tag in registry.tags(ref, {}, "docker"))
    assert len(registry.digest(ref, {}, "docker")) in (0, 71)


def _refused(question: Any) -> GitHubError | None:
    try:
        question(api.Api("t", "http://127.0.0.1:9", sleep=lambda _: None))
    except GitHubError as error:
        return error
    return None


def _files(_: api.Api) -> None:
    branch.Branch("t", "http://127.0.0.1:9", "a/b", "c", pause=lambda _: None).files()


_QUESTIONS = (
    lambda client: list(client.pages("/x", comment._Comment)),
    lambda client: list(client.pages("/x", event._Pull)),
    lambda client: client.post("/x", {}, comment._Comment),
    lambda client: client.get("/user", comment._User),
    _files,
)


@contextlib.contextmanager
def _answering(raw: bytes) -> Iterator[None]:
    others: list[socket.socket] = []

    def connected(*_: object, **__: object) -> socket.socket:
        ours, other = socket.socketpair()
        other.sendall(raw)
        other.shutdown(socket.SHUT_WR)
        others.append(other)
        return ours

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(urllib3.util.connection, "create_connection", connected))
        for module in (api, branch):  # to try again brings the same answer
            stack.enter_context(mock.patch.object(module, "TRIES", 1))
        stack.enter_context(mock.patch.object(api, "MAX_PAGES", 2))
        yield
    for other in others:
        other.close()
