"""GitHub's REST API, as far as we need it: one token, bounded patience, and refusals told apart.

Rules of patience, after GitHub's own best practices: a secondary rate limit says how long to wait, a primary one when
it ends; a server error is tried again, unless it was a POST, which may have been done. All waiting together is
bounded, and a wait beyond that is told at once; then the caller hears of it.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from ci_gpu import __version__, untyped
from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.http_client import Answer, Client, NoAnswerError, TooSlowError, decoded, seconds_to_wait

IDLE = 20.0
TOTAL = 60.0
PROMPT = 5.0
"""Seconds. What an answer takes beyond that is charged like a wait: many answers that are just in time are no end."""

MAX_WAIT = 180.0
MAX_BYTES = 16 << 20
MAX_PAGES = 50
TRIES = 3

_T = TypeVar("_T")


class Api:
    """A token that goes to this base address and nowhere else. Each answer is decoded into the shape that is given.

    Raises:
        ConfigError: the token cannot be one.
    """

    def __init__(
        self,
        token: str,
        base: str = "https://api.github.com",
        *,
        total: float = TOTAL,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        _require_token(token)
        self._base = base.rstrip("/")
        self._client = Client(idle=IDLE, total=total, max_bytes=MAX_BYTES)
        self._headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": f"ci-gpu/{__version__}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        self._sleep, self._now = sleep, now
        self._patience = MAX_WAIT

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def get(self, path: str, shape: type[_T]) -> _T:
        """The document at a path."""
        return self._decoded(self._call("GET", path), shape)

    def pages(self, path: str, shape: type[_T]) -> Iterator[_T]:
        """All items of a list, page by page; the shape is that of one item."""
        following = _paged(path)
        for _ in range(MAX_PAGES):
            answer = self._call("GET", following)
            yield from self._decoded(answer, list[shape])  # type: ignore[valid-type]
            if not answer.following.startswith(f"{self._base}/"):
                return
            following = answer.following.removeprefix(self._base)

    def newest_first(self, path: str, shape: type[_T]) -> Iterator[_T]:
        """All items of a list that GitHub gives oldest first: its last page first, and so many pages at most."""
        first = self._call("GET", _page(path, 1))
        last = re.search(r'[?&]page=([0-9]{1,9})[^>]*>; rel="last"', first.headers.get("link", ""))
        newest = int(last[1]) if last else 1
        for number in range(newest, max(1, newest - MAX_PAGES + 1), -1):
            yield from reversed(self._decoded(self._call("GET", _page(path, number)), list[shape]))  # type: ignore[valid-type]
        yield from reversed(self._decoded(first, list[shape]))  # type: ignore[valid-type]

    def post(self, path: str, body: Mapping[str, Any], shape: type[_T]) -> _T:
        """Make something new."""
        return self._decoded(self._call("POST", path, body), shape)

    def patch(self, path: str, body: Mapping[str, Any], shape: type[_T]) -> _T:
        """Change something."""
        return self._decoded(self._call("PATCH", path, body), shape)

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
                raise refusal(answer, method, path, wait)
            self._patience -= wait
            self._sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, *, last: bool) -> Answer | None:
        """The answer; None if there was none and it may be tried again."""
        started = time.monotonic()
        try:
            if self._patience < 0:
                raise TooSlowError("its answers took too long, all together")
            return self._client.ask(method, self._base + path, self._headers, body)
        except NoAnswerError as error:
            if last or method == "POST" or isinstance(error, TooSlowError):
                raise _unreachable(self._base, error) from error
            return None
        finally:
            self._patience -= max(0.0, time.monotonic() - started - PROMPT)

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
        asked = seconds_to_wait(headers.get("retry-after", ""), self._now())
        if asked is not None:
            return max(1.0, asked)
        ends = headers.get("x-ratelimit-reset", "")
        if headers.get("x-ratelimit-remaining") == "0" and re.fullmatch("[0-9]{1,12}", ends):
            return max(1.0, float(ends) - self._now())
        return 60.0 if answer.status == 429 or "secondary rate" in message_of(answer).lower() else None

    def _decoded(self, answer: Answer, shape: type[_T]) -> _T:
        try:
            return decoded(answer.body, shape)
        except NoAnswerError as error:
            raise GitHubError(
                f"{self._base} answered with something that GitHub does not say: {error}",
                why="something between us and GitHub answers in its place, such as a proxy that wants a login",
                remedy="check GITHUB_API_URL and HTTPS_PROXY on the runner",
                kind="github-unreachable",
            ) from error


def _paged(path: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}per_page=100"


def _page(path: str, number: int) -> str:
    return f"{_paged(path)}&page={number}"


def _require_token(token: str) -> None:
    if not re.fullmatch("[!-~]+", token):
        raise ConfigError(
            "the GitHub token has a character that no token has, such as the end of a line",
            why="the secret was stored with the line's end of the file or the terminal that it came from",
            remedy="store it anew without that: printf %s TOKEN | gh secret set NAME",
            kind="bad-token",
        )


class _Words(msgspec.Struct):
    """An error, as GitHub documents it: the words, and more of them where fields are wrong or rules forbid it."""

    message: str = ""
    errors: Any = None


def message_of(answer: Answer) -> str:
    """GitHub's own words in an error; empty if it said none."""
    try:
        said = decoded(answer.body, _Words)
    except NoAnswerError:
        return ""
    more = (untyped.text(untyped.table(one).get("message")) or untyped.text(one) for one in untyped.array(said.errors))
    return "; ".join(text for text in (said.message, *more) if text)[:300]


def refusal(answer: Answer | None, method: str, path: str, wait: float | None = None) -> GitHubError:
    """The error for an answer that is none of success; ``wait`` is how long it asks to wait, in seconds."""
    status = answer.status if answer is not None else 0
    said = message_of(answer) if answer is not None else ""
    found = next(each for each in _REFUSALS if status in each.statuses and re.search(each.words, said, re.IGNORECASE))
    what = f"GitHub refused {method} {path.partition('?')[0]}: {status} {said}".strip()
    limit = f"; it asks to wait {wait:.0f} s" if wait is not None and status in (403, 429) else ""
    return GitHubError(f"{what}{limit}", why=found.why, remedy=found.remedy, kind=found.kind)


class _Refusal(NamedTuple):
    """One way in which GitHub says no: the statuses and the words that it is known by, and what is told of it."""

    statuses: tuple[int, ...] | range
    words: str
    kind: str
    why: str
    remedy: str


_LIMITED = (
    "github-rate-limited",
    "too many requests with this token, for longer than we may wait",
    "run `ci-gpu comment run.json` in a later job of the workflow",
)

_REFUSALS = tuple(
    _Refusal(*row)
    for row in (
        (
            (403, 409, 422),
            "rule violation|protected branch|protected ref|through a pull request",
            "branch-rules",
            "a rule of the repository or a protected branch forbids it",
            "let the token pass that rule, or take the branch out of it",
        ),
        (
            (422,),
            "fast.?forward|reference already exists|(reference|object|sha) does not exist",
            "conflict",
            "somebody else changed it at the same moment",
            "try again",
        ),
        ((409,), "repository is empty", "empty-repository", "nothing was ever pushed to it", "push a first commit"),
        ((401,), "", "bad-token", "the token is wrong or expired, or belongs to another GitHub", "check github-token"),
        ((429,), "", *_LIMITED),
        ((403,), "rate limit", *_LIMITED),
        (
            (403, 422),
            "more than [0-9,]+ comments",
            "full",
            "GitHub takes no more comments on this pull request",
            "go on in a new pull request: the step summary has the report",
        ),
        (
            (403,),
            "not accessible by integration",
            "read-only-token",
            "pull requests of forks and Dependabot get a token that may only read; other jobs get what they ask for",
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
        ((301, 302, 303, 307, 308), "", "moved", "the repository was renamed or moved", "name it as it is called now"),
        (
            range(500, 600),
            "",
            "github-down",
            "GitHub has trouble of its own",
            "see githubstatus.com, and try again later",
        ),
        (range(1000), "", "github", "GitHub did not say why", "try again"),
    )
)


def _unreachable(base: str, error: Exception) -> GitHubError:
    return GitHubError(
        f"{base} gave no answer that can be read: {error}",
        why="no network, a proxy, or a certificate that is not trusted",
        remedy="check GITHUB_API_URL, HTTPS_PROXY and REQUESTS_CA_BUNDLE on the runner",
        kind="github-too-slow" if isinstance(error, TooSlowError) else "github-unreachable",
    )
