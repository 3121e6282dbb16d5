"""One comment on a pull request: ours, found on whatever page, each leg changed alone."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ci_gpu.errors import GitHubError
from ci_gpu.github import comment
from ci_gpu.github.api import MAX_PAGES
from ci_gpu.github.body import marker
from tests.github.scripted import Answer, Asked, github
from tests.github.thread import BOT, HEAD, KEY, OLD, REFUSED, Thread, section, written


def test_a_comment_is_created_and_then_updated_and_then_left_alone() -> None:
    thread = Thread(("somebody", "hello"))

    assert thread.publish(section(exit=1))[0].action == "created"
    assert thread.publish(section(run=6))[0].action == "updated"
    published, server = thread.publish(section(run=6))
    assert published.action == "unchanged"
    assert {asked.method for asked in server.asked} == {"GET"}
    assert thread.bodies == ["hello", written(section(run=6))]


def test_an_unchanged_comment_is_not_written() -> None:
    thread = Thread((BOT, written(section()).replace("\n", "\r\n") + "\r\n"))

    assert thread.publish()[0].action == "unchanged"


@pytest.mark.attack
def test_it_is_found_among_more_comments_than_are_read() -> None:
    """Somebody writes so many comments that ours lies beyond the pages that are read.

    Each run made another comment of ours. The newest pages are read first, so that at most one more is made.
    """
    thread = Thread(*[("somebody", "chatter")] * 100 * (MAX_PAGES + 2), (BOT, written(section(exit=1))))

    assert thread.publish()[0].action == "updated"
    assert len(thread.comments) == 100 * (MAX_PAGES + 2) + 1


def test_beyond_the_pages_that_are_read_one_more_is_made_and_then_kept() -> None:
    chatter = [("somebody", "chatter")] * 100
    thread = Thread(*chatter, (BOT, written(section("old"))), *chatter * (MAX_PAGES + 2))

    assert [thread.publish(section(run=run))[0].action for run in (6, 7)] == ["created", "updated"]
    assert thread.bodies[100] == written(section("old"))


def test_every_page_is_asked_for_once() -> None:
    _, server = Thread(*[("somebody", "chatter")] * 250, (BOT, written(section()))).publish()
    path = "GET /repos/org/repo/issues/7/comments?per_page=100&page="

    assert server.paths() == [f"{path}{number}" for number in (1, 3, 2)]


@pytest.mark.attack
@pytest.mark.parametrize(
    ("login", "text"),
    [
        ("mallory", written(section("forged"))),
        ("mallory[bot]", written(section("forged"))),
        (BOT, f"> {written(section('quoted'))}"),
        (BOT, f"{marker('other')}\nother"),
    ],
    ids=["a stranger's", "a stranger's app's", "quoted by us", "of another key"],
)
def test_what_is_not_ours_is_never_touched_nor_read(login: str, text: str) -> None:
    """A stranger writes a comment that begins as ours does, with a green section.

    We would write into the stranger's comment, or take its section for one of ours. A comment is ours by its first line
    and its author, both.
    """
    thread = Thread((login, text))

    assert thread.publish()[0].action == "created"
    assert thread.bodies == [text, written(section())]


def test_with_a_token_of_a_user_ours_are_that_user_s() -> None:
    thread = Thread((BOT, written(section("another's"))), ("deploy", written(section(exit=1, run=4))), me="deploy")

    assert thread.publish()[0].action == "updated"
    assert thread.bodies == [written(section("another's")), written(section())]


def test_who_was_taken_for_somebody_else_learns_it_from_the_first_comment() -> None:
    """An app whose token is refused everywhere: its older comment is found by the author of the new one."""
    thread = Thread(("our-app[bot]", written(section("before", exit=1))), app="our-app[bot]")
    published, _ = thread.publish(section(), me=BOT)

    assert published.url.endswith("/1")
    assert thread.legs == {"before": 1, "gpu": 0}
    assert len(thread.comments) == 1


@pytest.mark.attack
def test_a_green_leg_overwrites_no_red_one() -> None:
    """Two uses in one job, or two legs of a matrix: the one that is ready last is green.

    Its comment took the place of the red one. Each leg has a section of its own, red first.
    """
    thread = Thread()
    thread.publish(section("leg 1", exit=1))
    thread.publish(section("leg 2"))

    assert thread.legs == {"leg 1": 1, "leg 2": 0}
    (text,) = thread.bodies
    assert "## ❌ GPU image checks: 1 failed, 1 passed of 2 legs" in text
    assert text.index("leg 1") < text.index("leg 2")


def test_two_uses_that_are_alike_in_all_we_know_are_two_legs() -> None:
    thread = Thread()
    for run in (5, 6):
        thread.publish(section("gpu", exit=1, run=run, use="1" * 12))
        thread.publish(section("gpu", exit=0, run=run, use="2" * 12))

        assert thread.bodies[0].count("<!-- ci-gpu:leg") == 2
        assert "1 failed, 1 passed of 2 legs" in thread.bodies[0]


def test_a_leg_that_is_run_again_is_replaced() -> None:
    thread = Thread()
    for attempt, exit_code in ((1, 1), (2, 0)):
        thread.publish(section("gpu", exit=exit_code, attempt=attempt))

    assert thread.legs == {"gpu": 0}


def test_several_reports_are_published_at_once() -> None:
    thread = Thread()
    _, server = thread.publish(section("leg 1"), section("leg 2", exit=4))

    assert thread.legs == {"leg 1": 0, "leg 2": 4}
    assert sum(asked.method == "POST" for asked in server.asked) == 1


def test_a_push_makes_what_was_said_before_old_and_its_legs_replace_it() -> None:
    thread = Thread()
    thread.publish(section("leg 1", exit=1, commit=OLD), section("leg 2", commit=OLD, run=4), head=OLD)
    thread.publish(section("leg 1", run=6))

    assert "## ⏳ GPU image checks: 1 of 1 leg passed; 1 not yet for this commit" in thread.bodies[0]
    assert f"passed, of an older commit `{OLD[:7]}`" in thread.bodies[0]
    thread.publish(section("leg 2", run=6))
    assert OLD[:7] not in thread.bodies[0]


def test_a_job_of_an_older_commit_that_is_late_hides_nothing() -> None:
    thread = Thread()
    thread.publish(section("gpu", exit=1, run=6))
    thread.publish(section("gpu", exit=0, run=5, commit=OLD))

    assert thread.legs == {"gpu": 1}


def test_a_text_that_github_finds_too_long_is_made_shorter() -> None:
    thread = Thread()
    thread.limit = 40_000
    published, _ = thread.publish(section(text="x" * 100_000))

    assert published.action == "created"
    assert 20_000 < len(thread.bodies[0]) <= 30_000


def test_a_comment_that_is_deleted_meanwhile_is_made_anew() -> None:
    thread = Thread((BOT, written(section(exit=1, run=4))))
    thread.on_call = lambda asked: thread.comments.clear() if asked.method == "PATCH" else None

    assert thread.publish()[0].action == "updated"
    assert thread.bodies == [written(section())]


@pytest.mark.attack
def test_what_another_job_writes_over_is_written_again() -> None:
    """Six jobs end at once and each writes the whole comment that it has read: the last one takes the others' legs out.

    A red leg would be lost. After it has written, each job reads once more and puts its own leg back.
    """
    thread = Thread((BOT, written(section("other"))))
    others = [written(section("other", run=run)) for run in (9, 8)]

    def overwrite(_: float) -> None:
        if others:
            thread.comments[0]["body"] = others.pop()

    thread.publish(section("mine", exit=1), pause=overwrite)
    assert thread.legs == {"mine": 1, "other": 0}


def test_who_is_always_written_over_is_told() -> None:
    thread = Thread((BOT, written(section("other"))))

    def overwrite(_: float) -> None:
        thread.comments[0]["body"] = written(section("other", use="e" * 12))

    with pytest.raises(GitHubError) as caught:
        thread.publish(section("mine", exit=1), pause=overwrite)
    assert caught.value.kind == "conflict"


@pytest.mark.attack
def test_jobs_that_post_at_once_leave_one_comment_with_all_their_legs() -> None:
    """Six jobs find no comment and each makes one: their verdicts lay in six, of which the later runs changed one."""
    thread, barrier = Thread(), threading.Barrier(6)
    lock = threading.Lock()
    answer = thread.__call__

    def locked(asked: Asked) -> Answer:
        with lock:
            return answer(asked)

    with github(locked) as server:
        thread.url = server.url

        def job(number: int) -> None:
            place = comment.Place(repository="org/repo", number=7, me=BOT)
            page = comment.Page(key=KEY, head=HEAD)
            wait = lambda _: barrier.wait(60)  # noqa: E731 - each waits until all have written
            with barrier_left(barrier):
                comment.publish(server.api(), place, page, [section(f"leg {number}", exit=number % 2)], pause=wait)

        jobs = [threading.Thread(target=job, args=(number,)) for number in range(6)]
        for each in jobs:
            each.start()
        for each in jobs:
            each.join(120)
    for number in range(6):  # what one job wrote over another's is there again with that one's next run
        assert thread.publish(section(f"leg {number}", run=6, exit=number % 2))[0].action == "updated"
    assert len(thread.comments) == 1
    assert thread.legs == {f"leg {number}": number % 2 for number in range(6)}


class barrier_left:  # noqa: N801 - read like a keyword
    """Who is done no longer keeps the others waiting."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self._barrier = barrier

    def __enter__(self) -> None:
        pass

    def __exit__(self, *fault: object) -> bool:
        self._barrier.abort()
        return fault[0] is threading.BrokenBarrierError


@pytest.mark.attack
def test_extras_that_no_listing_showed_are_put_together_by_the_next_run() -> None:
    """The listing lags: each of three jobs sees its own comment alone. The next run merges their legs into the oldest
    and deletes the rest, ours only."""
    thread = Thread()
    for number in range(3):
        thread.hidden = len(thread.comments)
        thread.on_call = lambda asked: setattr(thread, "hidden", thread.hidden + (asked.method == "POST"))
        thread.publish(section(f"leg {number}", exit=number % 2))
    thread.hidden, thread.on_call = 0, lambda asked: None
    stranger = thread.add("mallory", written(section("leg 1")))
    assert len(thread.comments) == 4

    thread.publish(section("leg 3"))
    assert [each["id"] for each in thread.comments] == [1, stranger["id"]]
    thread.comments.remove(stranger)
    assert thread.legs == {"leg 0": 0, "leg 1": 1, "leg 2": 0, "leg 3": 0}


def test_an_extra_that_may_not_be_deleted_keeps_nothing_from_being_told() -> None:
    thread = Thread((BOT, written(section("a"))), (BOT, written(section("b", exit=1))))
    refusing: Any = lambda asked: REFUSED if asked.method == "DELETE" else thread(asked)  # noqa: E731
    with github(refusing) as server:
        place = comment.Place(repository="org/repo", number=7, me=BOT)
        comment.publish(server.api(), place, comment.Page(key=KEY, head=HEAD), [section("c")], pause=lambda _: None)

    assert "1 failed, 2 passed of 3 legs" in thread.bodies[0]


def test_a_refusal_is_passed_on() -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(200, []) if asked.method == "GET" and "comments" in asked.path else REFUSED

    place = comment.Place(repository="org/repo", number=7, me=BOT)
    with github(answer) as server, pytest.raises(GitHubError) as caught:
        comment.publish(server.api(), place, comment.Page(key=KEY), [section()])

    assert caught.value.kind == "read-only-token"
