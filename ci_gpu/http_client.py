"""The one place that asks anything over HTTP, and the one reader of what comes back.

Whatever is on the other side (a proxy, a registry that an image names, a bad network) is not trusted. An answer is
bounded in bytes, before and after it is unpacked, and in time, from the first look-up of a name to the last byte. It is
decoded into a schema. Whatever goes wrong is one exception, `NoAnswerError`.

requests does the proxies (HTTPS_PROXY, NO_PROXY) and the certificates (REQUESTS_CA_BUNDLE). Credentials are the
caller's alone: no .netrc is read, and no redirect is followed.
"""

from __future__ import annotations

import email.utils
import math
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    import requests
    import urllib3

_T = TypeVar("_T")

_CHUNK = 1 << 16


class NoAnswerError(Exception):
    """There was no answer, or none that can be read. The words say which, without anything of what was sent."""


class TooSlowError(NoAnswerError):
    """It was not there in time. To try again would take as long again."""


class Answer(NamedTuple):
    """What came back. ``following`` is the address of the next page as the answer has it, if there is one."""

    status: int
    headers: Mapping[str, str]
    following: str
    body: bytes


class Client:
    """Connections of which each answer is read within bounds.

    ``idle`` is how many seconds may lie between two bytes, ``total`` how many an answer may take, and ``lifetime`` how
    many all of them together.
    """

    def __init__(self, *, idle: float, total: float, max_bytes: int, lifetime: float = math.inf) -> None:
        self._idle, self._total, self._max_bytes = idle, total, max_bytes
        self._end = time.monotonic() + lifetime
        self._session = _session()

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Answer:
        """The answer, of whatever status; ``body`` is sent as JSON.

        Raises:
            NoAnswerError: there is none, or it is beyond the bounds.
        """
        end = min(self._end, time.monotonic() + self._total)
        try:
            return _until(end, lambda: self._asked(method, url, headers, body, end))
        except _faults() as error:
            raise NoAnswerError(type(error).__name__) from error

    def _asked(self, method: str, url: str, headers: Mapping[str, str], body: Any, end: float) -> Answer:
        with self._session.request(
            method, url, headers=dict(headers), json=body, timeout=self._idle, allow_redirects=False, stream=True
        ) as response:
            said = self._body(response.raw, end)
            following = response.links.get("next", {}).get("url", "")
            return Answer(response.status_code, response.headers, following, said)

    def _body(self, raw: urllib3.HTTPResponse, end: float) -> bytes:
        """Unpacked, piece by piece: urllib3 unpacks no more than is asked for."""
        said = bytearray()
        while piece := raw.read1(_CHUNK, decode_content=True):
            said += piece
            if len(said) > self._max_bytes:
                raise NoAnswerError(f"more than {self._max_bytes} bytes")
            if time.monotonic() > end:
                raise _too_slow()
        return bytes(said)


def decoded(body: bytes, shape: type[_T]) -> _T:
    """The JSON document as a value of that type.

    Raises:
        NoAnswerError: it is no JSON, nested too deep, or of another shape.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except (ValueError, RecursionError) as error:
        raise NoAnswerError("it is no JSON of the documented shape") from error


def seconds_to_wait(asked: str, now: float) -> float | None:
    """What Retry-After asks for: seconds, or a date (RFC 9110, 10.2.3); None where it is neither."""
    if re.fullmatch("[0-9]{1,12}", asked):
        return float(asked)
    try:
        return email.utils.parsedate_to_datetime(asked[:100]).timestamp() - now
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _session() -> requests.Session:
    """requests is imported where something is asked: many runs ask nothing."""
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            """Nowhere. A redirect takes the token along, and requests reads its whole body, of whatever size."""

    session = Session()
    session.auth = lambda request: request  # else a .netrc's password takes the place of our Authorization
    return session


def _faults() -> tuple[type[Exception], ...]:
    """What requests, urllib3 and http.client raise over bytes that they cannot read."""
    import http.client

    import requests
    import urllib3

    return (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)


def _until(end: float, work: Callable[[], _T]) -> _T:
    """Work that is given up when the time is over.

    In a thread, because a look-up, a handshake or headers that come byte by byte have no deadline of their own: the
    time-out of a socket begins anew with each byte. A thread that is given up ends with its next piece of the body.
    """
    done: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=max(0.0, end - time.monotonic()))
    except queue.Empty:
        raise _too_slow() from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # there is no error, so there is a result


def _too_slow() -> TooSlowError:
    return TooSlowError("it was not there to its end in time")
