"""The comment against GitHub's own description of its API: made, put together, changed and deleted by the book."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ci_gpu.github import api, author, comment, event
from ci_gpu.github.body import Page
from tests.action import prism
from tests.action.github import BOT, REPOSITORY, GitHub
from tests.github.thread import KEY, section, written

pytestmark = pytest.mark.contract

HEAD = "1" * 40


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    with prism.github(tmp_path_factory.mktemp("prism")) as state:
        yield state


def test_a_comment_is_made_and_changed_and_extras_are_deleted(github: GitHub) -> None:
    client = api.Api("ghs_test", github.url)
    place = comment.Place(repository=REPOSITORY, number=7, me=author.login(client, client))
    page = Page(key=KEY, head=event.head(event.PullRequest(repository=REPOSITORY, number=7), client))
    stranger = github.add(7, written(section("forged")), "mallory")
    wait = lambda _: None  # noqa: E731

    assert (place.me, page.head) == (BOT, HEAD)
    assert comment.publish(client, place, page, [section("a", exit=1, commit=HEAD)], pause=wait).action == "created"
    github.add(7, github.comments[7][-1]["body"])
    assert comment.publish(client, place, page, [section("b", commit=HEAD)], pause=wait).action == "updated"
    assert comment.publish(client, place, page, [section("b", commit=HEAD)], pause=wait).action == "unchanged"
    client.close()

    assert [one["user"]["login"] for one in github.comments[7]] == ["mallory", BOT]
    assert github.comments[7][0] == stranger
    assert "1 failed, 1 passed of 2 legs" in github.comments[7][1]["body"]
