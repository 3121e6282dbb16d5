"""The conversation of pull request 7 as GitHub keeps it: oldest first, a hundred a page, changed as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ci_gpu.github import body, legs
from ci_gpu.github.body import Page
from ci_gpu.github.comment import Place, Published, Section, publish
from ci_gpu.github.legs import Leg
from tests.github.scripted import Answer, Asked, GitHub, github

BOT = "github-actions[bot]"
KEY = "GPU .github/workflows/gpu.yml"
HEAD, OLD = "b" * 40, "a" * 40
PAGE = Page(key=KEY, head=HEAD, runs="https://github.com/org/repo/actions/runs")
REFUSED = Answer(403, {"message": "Resource not accessible by integration"})


def leg(name: str = "gpu", **changes: Any) -> Leg:
    """A green leg of the newest commit; ``name`` makes its hashes."""
    digest = legs._hash(name)
    fields: dict[str, Any] = {
        "id": digest,
        "seat": digest,
        "use": legs._hash([name, changes]),
        "label": legs._cut(name),
    }
    fields |= {"exit": 0, "run": 5, "attempt": 1, "commit": HEAD, "created": "2026-11-24T08:00:00Z", "fork": False}
    return Leg(**{**fields, **changes})


def section(name: str = "gpu", text: str = "", **changes: Any) -> Section:
    """A section of so many words; it becomes as short as it must."""
    one = leg(name, **changes)
    words = text or f"### {'❌' if one.exit else '✅'} GPU image check of `{name}`"
    return Section(leg=one, render=lambda budget: words[:budget])


def written(*sections: Section) -> str:
    """The comment that these sections make."""
    several = legs.merged((), [each.leg for each in sections], HEAD)
    return body.write(PAGE, several, {each.leg.use: each.render for each in sections}, 60_000)


class Thread:
    """``me`` is the user of the token, ``app`` the bot of an app's token. ``hidden``: so many of the newest comments a
    listing does not show yet. ``on_call`` is told of each request before it is answered.
    """

    def __init__(self, *comments: tuple[str, str], me: str = "", app: str = "") -> None:
        self.comments: list[dict[str, Any]] = []
        self.me, self.app, self.limit, self.hidden = me, app, 65_536, 0
        self.head = HEAD
        self.on_call: Callable[[Asked], None] = lambda asked: None
        self.url, self._last = "", 0
        for login, text in comments:
            self.add(login, text)

    def add(self, login: str, text: str) -> dict[str, Any]:
        self._last += 1
        url = f"https://example.test/{self._last}"
        self.comments.append({"id": self._last, "body": text, "user": {"login": login}, "html_url": url})
        return self.comments[-1]

    def __call__(self, asked: Asked) -> Answer:
        self.on_call(asked)
        path, _, query = asked.path.partition("?")
        if path == "/user":
            return Answer(200, {"login": self.me}) if self.me else REFUSED
        if path == "/graphql":
            return Answer(200, {"data": {"viewer": {"login": self.app}}}) if self.app else REFUSED
        if path.endswith("/pulls/7"):
            return Answer(200, {"number": 7, "state": "open", "head": {"sha": self.head}})
        return self._of_comments(asked, path, query)

    def _of_comments(self, asked: Asked, path: str, query: str) -> Answer:
        if asked.method == "GET":
            return self._page(path, int((re.search(r"\bpage=(\d+)", query.replace("per_page", "")) or [0, 1])[1]))
        if asked.method == "POST":
            return self._too_long(asked) or Answer(201, self.add(self.me or self.app or BOT, asked.body["body"]))
        found = [each for each in self.comments if each["id"] == int(path.rpartition("/")[2])]
        if not found:
            return Answer(404, {"message": "Not Found"})
        if asked.method == "DELETE":
            self.comments.remove(found[0])
            return Answer(204, b"")
        return self._too_long(asked) or Answer(200, found[0] | {"body": self._changed(found[0], asked.body["body"])})

    def _changed(self, comment: dict[str, Any], text: str) -> str:
        comment["body"] = text
        return text

    def _too_long(self, asked: Asked) -> Answer | None:
        return Answer(422, {"message": "body is too long"}) if len(asked.body["body"]) > self.limit else None

    def _page(self, path: str, page: int) -> Answer:
        shown = self.comments[: len(self.comments) - self.hidden]
        last = max(1, -(-len(shown) // 100))
        link = ", ".join(
            f'<{self.url}{path}?per_page=100&page={number}>; rel="{name}"'
            for name, number in (("next", page + 1), ("last", last))
            if page < last
        )
        return Answer(200, shown[(page - 1) * 100 : page * 100], {"Link": link} if link else {})

    def publish(self, *sections: Section, me: str = "", head: str = HEAD, **changes: Any) -> tuple[Published, GitHub]:
        place = Place(repository="org/repo", number=7, me=me or self.me or self.app or BOT)
        page = Page(key=KEY, head=head, runs=PAGE.runs)
        with github(self) as server:
            self.url = server.url
            published = publish(
                server.api(), place, page, sections or [section()], **{"pause": lambda _: None, **changes}
            )
            return published, server

    @property
    def bodies(self) -> list[str]:
        return [each["body"] for each in self.comments]

    @property
    def legs(self) -> dict[str, int]:
        """Label to exit code of the legs in the only comment of ours."""
        (text,) = [each for each in self.bodies if each.startswith(body.marker(KEY))]
        return {one.label: one.exit for one in body.read(text)}
