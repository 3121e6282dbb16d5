"""One comment on a pull request: ours, found on whatever page, changed only where it differs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ci_gpu.errors import GitHubError
from ci_gpu.github.comment import Published, marker, publish
from tests.github.scripted import Answer, Asked, GitHub, github

BOT = "github-actions[bot]"
KEY = "GPU/gpu"
REFUSED = Answer(403, {"message": "Resource not accessible by integration"})


class Thread:
    """The comments of pull request 7, kept as GitHub keeps them, a hundred a page."""

    def __init__(self, *comments: tuple[str, str], me: str = "") -> None:
        self.comments = [self._comment(number, *each) for number, each in enumerate(comments, start=1)]
        self.me, self.limit = me, 65_536
        self.on_post: Any = None

    def _comment(self, number: int, login: str, body: str) -> dict[str, Any]:
        return {"id": number, "body": body, "user": {"login": login}, "html_url": f"https://example.test/{number}"}

    def __call__(self, asked: Asked) -> Answer:
        path, _, query = asked.path.partition("?")
        if path == "/user":
            return Answer(200, {"login": self.me}) if self.me else REFUSED
        if asked.method == "GET":
            page = int((re.search(r"\bpage=(\d+)", query.replace("per_page", "")) or [0, 1])[1])
            rest = self.comments[page * 100 :]
            link = {"Link": f'<{self.url}{path}?per_page=100&page={page + 1}>; rel="next"'} if rest else {}
            return Answer(200, self.comments[(page - 1) * 100 : page * 100], link)
        if asked.method == "DELETE":
            self.comments = [each for each in self.comments if each["id"] != int(path.rpartition("/")[2])]
            return Answer(200, {})
        if len(asked.body["body"]) > self.limit:
            return Answer(422, {"message": "body is too long"})
        return self._write(asked, path)

    def _write(self, asked: Asked, path: str) -> Answer:
        if asked.method == "POST":
            if self.on_post:
                self.on_post()
            made = self._comment(len(self.comments) + 1, self.me or BOT, asked.body["body"])
            self.comments.append(made)
            return Answer(201, made)
        for comment in self.comments:
            if comment["id"] == int(path.rpartition("/")[2]):
                comment["body"] = asked.body["body"]
                return Answer(200, comment)
        return Answer(404, {"message": "Not Found"})

    url = ""

    def publish(self, text: str = "report") -> tuple[Published, GitHub]:
        with github(self) as server:
            self.url = server.url
            render = lambda budget: text[:budget]  # noqa: E731 - as short as it reads
            return publish(server.api(), repository="org/repo", number=7, key=KEY, render=render), server

    @property
    def bodies(self) -> list[str]:
        return [each["body"] for each in self.comments]


def test_the_first_line_is_the_marker_and_harmless() -> None:
    assert marker("GPU/gpu") == "<!-- ci-gpu:comment v1 key=gpu/gpu -->"
    assert marker("a --> <script>") == "<!-- ci-gpu:comment v1 key=a-script -->"
    assert marker("") == "<!-- ci-gpu:comment v1 key=default -->"
    assert marker("/") == "<!-- ci-gpu:comment v1 key=/ -->"


def test_a_comment_is_created_and_then_updated_and_then_left_alone() -> None:
    thread = Thread(("somebody", "hello"))

    assert thread.publish("first")[0].action == "created"
    assert thread.publish("second")[0].action == "updated"
    assert thread.publish("second")[0].action == "unchanged"
    assert thread.bodies == ["hello", f"{marker(KEY)}\nsecond"]


def test_an_unchanged_comment_is_not_written() -> None:
    thread = Thread((BOT, f"{marker(KEY)}\r\nreport\r\n"))
    published, server = thread.publish()

    assert published.action == "unchanged"
    assert {asked.method for asked in server.asked} == {"GET"}


def test_it_is_found_behind_hundreds_of_others() -> None:
    thread = Thread(*[("somebody", "chatter")] * 250, (BOT, f"{marker(KEY)}\nold"))

    assert thread.publish()[0].action == "updated"
    assert len(thread.comments) == 251


@pytest.mark.parametrize(
    ("login", "body"),
    [
        ("mallory", f"{marker(KEY)}\nmine"),  # the marker planted by a stranger
        (BOT, f"> {marker(KEY)}\nquoted"),  # ours, and not at its beginning
        (BOT, f"{marker('other/job')}\nother"),  # ours, and another job's
    ],
)
def test_what_is_not_ours_is_never_touched(login: str, body: str) -> None:
    thread = Thread((login, body))

    assert thread.publish()[0].action == "created"
    assert thread.bodies[0] == body


def test_with_a_token_of_a_user_ours_are_that_user_s() -> None:
    thread = Thread((BOT, f"{marker(KEY)}\nanother's"), ("deploy", f"{marker(KEY)}\nold"), me="deploy")

    assert thread.publish()[0].action == "updated"
    assert thread.bodies == [f"{marker(KEY)}\nanother's", f"{marker(KEY)}\nreport"]


def test_a_text_that_github_finds_too_long_is_made_shorter() -> None:
    thread = Thread()
    thread.limit = 40_000
    published, _ = thread.publish("x" * 100_000)

    assert published.action == "created"
    assert 20_000 < len(thread.bodies[0]) <= 30_000


def test_no_text_is_longer_than_the_budget() -> None:
    thread = Thread()
    thread.publish("x" * 100_000)

    assert len(thread.bodies[0]) <= 60_000


def test_a_comment_that_is_deleted_meanwhile_is_made_anew() -> None:
    thread = Thread((BOT, f"{marker(KEY)}\nold"))
    thread.comments[0]["id"] = 99
    listed = dict(thread.comments[0])

    class Deleted(Thread):
        def _write(self, asked: Asked, path: str) -> Answer:
            if asked.method == "PATCH":
                self.comments = []
            return super()._write(asked, path)

    deleted = Deleted((BOT, listed["body"]))

    assert deleted.publish()[0].action == "updated"
    assert deleted.bodies == [f"{marker(KEY)}\nreport"]


def test_two_jobs_at_once_leave_one_comment() -> None:
    thread = Thread()
    thread.on_post = lambda: thread.comments.append(thread._comment(1, BOT, f"{marker(KEY)}\nthe other's"))
    published, _ = thread.publish()

    assert published.url.endswith("/1")
    assert thread.bodies == [f"{marker(KEY)}\nreport"]


def test_a_refusal_is_passed_on() -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(200, []) if asked.method == "GET" and "comments" in asked.path else REFUSED

    with github(answer) as server, pytest.raises(GitHubError) as caught:
        publish(server.api(), repository="org/repo", number=7, key=KEY, render=lambda budget: "report")

    assert caught.value.kind == "read-only-token"
