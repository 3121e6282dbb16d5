"""The one comment of ours on a pull request: a section for each leg of the workflow, each brought up to date alone.

GitHub changes a comment as a whole, and knows no condition on that. So what is there is read, merged and written, and
after a while read again: what others wrote over meanwhile is merged once more. A comment that was made twice is put
together and deleted. What is lost all the same, the next run mends.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Sequence

import msgspec

from ci_gpu.errors import GitHubError
from ci_gpu.github import body, legs
from ci_gpu.github.api import Api
from ci_gpu.github.body import Page, Render
from ci_gpu.github.legs import Leg

BUDGETS = (60_000, 30_000, 8_000)
"""Bytes that are tried one after the other: GitHub counts 65 536 characters, and not as we do."""

TRIES = 5
SETTLE = 2.0
"""Seconds after which nobody is left who read the comment before we wrote it."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What was done: ``created``, ``updated`` or ``unchanged``."""

    url: str
    action: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The conversation, and whose comments in it are ours."""

    repository: str
    number: int
    me: str


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A leg to publish, and what makes its text of a size."""

    leg: Leg
    render: Render


class _User(msgspec.Struct, frozen=True):
    login: str


class _Comment(msgspec.Struct, frozen=True):
    """A comment, as GitHub documents it; that of a deleted user has none."""

    id: int
    html_url: str
    body: str | None = None
    user: _User | None = None

    @property
    def text(self) -> str:
        return self.body or ""


class _Write(msgspec.Struct, frozen=True, kw_only=True):
    """What one publication is about."""

    api: Api
    place: Place
    page: Page
    sections: Sequence[Section]

    @property
    def comments(self) -> str:
        return f"/repos/{self.place.repository}/issues/{self.place.number}/comments"

    def comment(self, number: int) -> str:
        return f"/repos/{self.place.repository}/issues/comments/{number}"


def publish(
    api: Api,
    place: Place,
    page: Page,
    sections: Sequence[Section],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Published:
    """Create the comment, or bring the legs of ours in it up to date.

    Raises:
        GitHubError: GitHub refused, or others wrote over it each time.
    """
    write = _Write(api=api, place=place, page=page, sections=sections)
    mine, action = _ours(write), "unchanged"
    if not mine:
        write, mine = _created(write)
        action = "created"
    for attempt in range(TRIES):
        url, changed = _written(write, mine)
        if not changed and (attempt or action == "unchanged"):
            return Published(url=url, action=action)
        action = "updated" if action == "unchanged" else action
        pause(SETTLE * (1 + random.random()))  # noqa: S311 - jitter
        mine = _ours(write) or mine
    if not _is_told(write, mine):
        raise _overwritten(write.place)
    return Published(url=url, action=action)


def _ours(write: _Write) -> list[_Comment]:
    """Our comments under that key, oldest first. A stranger can plant the marker, but not write as us."""
    first = body.marker(write.page.key)
    found = {
        each.id: each
        for each in write.api.newest_first(write.comments, _Comment)
        if each.text.startswith(first) and each.user and each.user.login == write.place.me
    }
    return [found[number] for number in sorted(found)]


def _created(write: _Write) -> tuple[_Write, list[_Comment]]:
    """A new comment, beside those that others made meanwhile. Its author is who we are, whatever we took us for."""
    made = _shrinking(write, (), lambda text: write.api.post(write.comments, {"body": text}, _Comment))
    if made.user and made.user.login != write.place.me:
        place = msgspec.structs.replace(write.place, me=made.user.login)
        write = msgspec.structs.replace(write, place=place)
    mine = _ours(write)
    return write, mine if any(each.id == made.id for each in mine) else sorted([*mine, made], key=lambda each: each.id)


def _written(write: _Write, mine: Sequence[_Comment]) -> tuple[str, bool]:
    """The oldest comment as it should be, and all others of ours gone; whether anything had to be done for that."""
    known = [leg for each in reversed(mine) for leg in body.read(each.text)]
    oldest, *extra = mine
    wanted = _body(write, known, BUDGETS[0])
    if not extra and oldest.text.replace("\r\n", "\n").strip() == wanted.strip():
        return oldest.html_url, False
    try:
        changed = _shrinking(
            write, known, lambda text: write.api.patch(write.comment(oldest.id), {"body": text}, _Comment)
        )
    except GitHubError as error:
        if error.kind != "not-found":
            raise
        changed = _shrinking(write, known, lambda text: write.api.post(write.comments, {"body": text}, _Comment))
    for each in extra:
        with contextlib.suppress(GitHubError):  # gone already, or not ours to delete: the next run tries again
            write.api.delete(write.comment(each.id))
    return changed.html_url, True


def _shrinking(write: _Write, known: Sequence[Leg], send: Callable[[str], _Comment]) -> _Comment:
    for budget in BUDGETS[:-1]:
        try:
            return send(_body(write, known, budget))
        except GitHubError as error:
            if error.kind != "invalid":
                raise
    return send(_body(write, known, BUDGETS[-1]))


def _body(write: _Write, known: Sequence[Leg], budget: int) -> str:
    several = legs.merged(known, [each.leg for each in write.sections], write.page.head)
    return body.write(write.page, several, {each.leg.use: each.render for each in write.sections}, budget)


def _is_told(write: _Write, mine: Sequence[_Comment]) -> bool:
    found = [leg for each in mine for leg in body.read(each.text)]
    return all(legs.holds(found, each.leg) for each in write.sections if each.leg.commit == write.page.head)


def _overwritten(place: Place) -> GitHubError:
    return GitHubError(
        f"the comment on pull request {place.number} was written over {TRIES} times",
        why="many jobs write it at once",
        remedy="run `ci-gpu comment run.json` once for all of them, in a later job of the workflow",
        kind="conflict",
    )
