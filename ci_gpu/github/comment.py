"""The one comment of ours on a pull request: found by its first line and its author, changed only where it differs."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from ci_gpu.errors import GitHubError
from ci_gpu.github.api import Api

BUDGETS = (60_000, 30_000, 8_000)
"""Sizes that are tried one after the other: GitHub counts 65 536 characters, and not as we do."""

ACTIONS_LOGIN = "github-actions[bot]"

Render = Callable[[int], str]


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What was done: ``created``, ``updated`` or ``unchanged``."""

    url: str
    action: str


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


def marker(key: str) -> str:
    """The first line of the comment; ``key`` tells several of them on one pull request apart."""
    slug = re.sub(r"[^a-z0-9_./]+", "-", key.lower()).strip("-")[:100] or "default"
    return f"<!-- ci-gpu:comment v1 key={slug} -->"


def publish(api: Api, *, repository: str, number: int, key: str, render: Render) -> Published:
    """Create the comment, or bring the one that is there up to date.

    Raises:
        GitHubError: GitHub refused.
    """
    me = _login(api)
    mine = _ours(api, repository, number, key, me)
    if mine:
        return _update(api, repository, number, key, mine[0], render)
    return _create(api, repository, number, key, me, render)


def _login(api: Api) -> str:
    """Whose comments are ours. A workflow's own token is not a user, and GitHub refuses to say who it is."""
    try:
        return api.get("/user", _User).login
    except GitHubError as error:
        if error.kind in ("read-only-token", "forbidden", "not-found"):
            return ACTIONS_LOGIN
        raise


def _ours(api: Api, repository: str, number: int, key: str, me: str) -> list[_Comment]:
    """Our comments under that key, oldest first. A stranger can plant the marker, but not write as us."""
    first = marker(key)
    comments = api.pages(f"/repos/{repository}/issues/{number}/comments", _Comment)
    return [each for each in comments if each.text.startswith(first) and each.user and each.user.login == me]


def _update(api: Api, repository: str, number: int, key: str, comment: _Comment, render: Render) -> Published:
    body = _body(key, render, BUDGETS[0])
    if comment.text.replace("\r\n", "\n").strip() == body.strip():
        return Published(url=comment.html_url, action="unchanged")
    path = f"/repos/{repository}/issues/comments/{comment.id}"
    try:
        changed = _shrinking(lambda text: api.patch(path, {"body": text}, _Comment), key, render)
    except GitHubError as error:
        if error.kind != "not-found":
            raise
        changed = _post(api, repository, number, key, render)  # deleted since we looked
    return Published(url=changed.html_url, action="updated")


def _create(api: Api, repository: str, number: int, key: str, me: str, render: Render) -> Published:
    made = _post(api, repository, number, key, render)
    others = [each for each in _ours(api, repository, number, key, me) if each.id != made.id]
    if others and min(each.id for each in others) < made.id:  # another job of this run was faster
        api.delete(f"/repos/{repository}/issues/comments/{made.id}")
        return _update(api, repository, number, key, others[0], render)
    return Published(url=made.html_url, action="created")


def _post(api: Api, repository: str, number: int, key: str, render: Render) -> _Comment:
    path = f"/repos/{repository}/issues/{number}/comments"
    return _shrinking(lambda text: api.post(path, {"body": text}, _Comment), key, render)


def _shrinking(send: Callable[[str], _Comment], key: str, render: Render) -> _Comment:
    for budget in BUDGETS[:-1]:
        try:
            return send(_body(key, render, budget))
        except GitHubError as error:
            if error.kind != "invalid":
                raise
    return send(_body(key, render, BUDGETS[-1]))


def _body(key: str, render: Render, budget: int) -> str:
    first = marker(key)
    return f"{first}\n{render(budget - len(first) - 1)}"
