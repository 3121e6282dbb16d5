"""GitHub's REST API, as far as we need it: one session, bounded patience, and refusals told apart.

Rules of patience, after GitHub's own best practices: a secondary rate limit says how long to wait, a primary one when
it ends; a server error is tried again, unless it was a POST, which may have been done. All waiting together is
bounded; then the caller hears of it.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

from ci_gpu import __version__
from ci_gpu.errors import GitHubError

TIMEOUT = 20
MAX_WAIT = 180.0
MAX_BYTES = 16 << 20
MAX_PAGES = 50
TRIES = 3


class Answer(NamedTuple):
    """What came back. ``following`` is the address of the next page, if there is one."""

    status: int
    headers: Mapping[str, str]
    following: str
    body: bytes


class Api:
    """A session with a token that goes to this base address and nowhere else."""

    def __init__(
        self,
        token: str,
        base: str = "https://api.github.com",
        *,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._base = base.rstrip("/")
        self._session = session or requests.Session()
        self._session.headers.update(
            {
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "User-Agent": f"ci-gpu/{__version__}",
                "X-GitHub-Api-Version": "2022-11-28",
            }
        )
        self._sleep, self._now = sleep, now
        self._patience = MAX_WAIT

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def get(self, path: str) -> Any:
        """The JSON document at a path."""
        return self._json(self._call("GET", path))

    def pages(self, path: str) -> Iterator[Any]:
        """All items of a list, page by page."""
        following = f"{path}{'&' if '?' in path else '?'}per_page=100"
        for _ in range(MAX_PAGES):
            answer = self._call("GET", following)
            yield from self._json(answer)
            if urlsplit(answer.following).netloc != urlsplit(self._base).netloc:
                return
            following = answer.following.removeprefix(self._base)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make something new."""
        return self._json(self._call("POST", path, body))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change something."""
        return self._json(self._call("PATCH", path, body))

    def delete(self, path: str) -> None:
        """Remove something."""
        self._call("DELETE", path)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        for attempt in range(1, TRIES + 1):
            answer = self._send(method, path, body, last=attempt == TRIES)
            if answer is not None and answer.status < 300:  # a redirect would take the token along
                return answer
            wait = self._wait(method, answer, attempt)
            if wait is None or wait > self._patience or attempt == TRIES:
                raise refusal(answer, method, path)
            self._patience -= wait
            self._sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, *, last: bool) -> Answer | None:
        """The answer; None if there was none and it may be tried again."""
        try:
            answer = self._session.request(
                method, self._base + path, json=body, timeout=TIMEOUT, allow_redirects=False, stream=True
            )
            return _read(answer)
        except requests.RequestException as error:
            if last or method == "POST":
                raise _unreachable(self._base, error) from error
            return None

    def _wait(self, method: str, answer: Answer | None, attempt: int) -> float | None:
        """Seconds until it may be tried again; None if it may not."""
        backoff = 2.0**attempt + random.random()  # noqa: S311 - jitter
        if answer is None:
            return backoff
        if answer.status in (403, 429):
            return self._limit(answer)
        return backoff if answer.status >= 500 and method != "POST" else None

    def _limit(self, answer: Answer) -> float | None:
        headers = answer.headers
        if headers.get("retry-after", "").isdigit():
            return float(headers["retry-after"]) or 1.0
        if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdigit():
            return max(1.0, float(headers["x-ratelimit-reset"]) - self._now())
        return 60.0 if answer.status == 429 or "secondary rate" in message_of(answer).lower() else None

    def _json(self, answer: Answer) -> Any:
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise GitHubError(
                f"{self._base} answered with something that is no JSON",
                why="something between us and GitHub answers in its place, such as a proxy that wants a login",
                remedy="check GITHUB_API_URL and HTTPS_PROXY on the runner",
                kind="github-unreachable",
            ) from error


def _read(answer: requests.Response) -> Answer:
    """The answer with its body; one that is beyond all bounds is as good as none."""
    body = answer.raw.read(MAX_BYTES + 1, decode_content=True)
    answer.close()
    following = answer.links.get("next", {}).get("url", "")
    return Answer(answer.status_code, answer.headers, following, body if len(body) <= MAX_BYTES else b"")


def message_of(answer: Answer) -> str:
    """GitHub's own words in an error; empty if it said none."""
    try:
        return str(json.loads(answer.body).get("message", ""))[:300]
    except (ValueError, AttributeError, RecursionError):
        return ""


def refusal(answer: Answer | None, method: str, path: str) -> GitHubError:
    """The error for an answer that is none of success."""
    status = answer.status if answer is not None else 0
    said = message_of(answer) if answer is not None else ""
    found = next(each for each in _REFUSALS if status in each[0] and re.search(each[1], said, re.IGNORECASE))
    _, _, kind, why, remedy = found
    what = f"GitHub refused {method} {path.partition('?')[0]}: {status} {said}".strip()
    return GitHubError(what, why=why, remedy=remedy, kind=kind)


_REFUSALS: tuple[tuple[Any, str, str, str, str], ...] = (
    ((401,), "", "bad-token", "the token is wrong or expired, or belongs to another GitHub", "check github-token"),
    (
        (403, 429),
        "rate limit",
        "github-rate-limited",
        "too many requests with this token, for longer than we may wait",
        "run `ci-gpu comment run.json` later",
    ),
    (
        (403,),
        "not accessible by integration",
        "read-only-token",
        "pull requests from forks and from Dependabot get a token that may only read; other jobs get what they ask for",
        "in a job of your own: permissions: pull-requests: write; for forks: examples/fork-safe",
    ),
    ((403, 410), "lock|disabled", "locked", "the conversation is locked, or issues are disabled", "unlock it"),
    ((403,), "", "forbidden", "the token may not do this", "give the job permissions: pull-requests: write"),
    (
        (404,),
        "",
        "not-found",
        "there is no such thing, or the token cannot see the repository",
        "check repository and token",
    ),
    ((409,), "", "conflict", "somebody else changed it at the same moment", "try again"),
    ((422,), "", "invalid", "GitHub does not accept the content", "please report it"),
    (range(500, 600), "", "github-down", "GitHub has trouble of its own", "see githubstatus.com, and try again later"),
    (range(600), "", "github", "GitHub did not say why", "try again"),
)


def _unreachable(base: str, error: Exception) -> GitHubError:
    return GitHubError(
        f"{base} cannot be reached: {type(error).__name__}",
        why="no network, a proxy, or a certificate that is not trusted",
        remedy="check GITHUB_API_URL, HTTPS_PROXY and REQUESTS_CA_BUNDLE on the runner",
        kind="github-unreachable",
    )
