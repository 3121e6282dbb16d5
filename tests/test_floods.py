"""Images that say more than can be heard, in a process of their own and through its pipes."""

from __future__ import annotations

import contextlib
import queue
from pathlib import Path

import pytest

from ci_gpu import engines, guest, process
from ci_gpu.budget import KIND
from ci_gpu.catalogue import CheckInfo
from ci_gpu.job import Job
from ci_gpu.model import Failure
from ci_gpu.payload.wire import Event
from tests import hostile_image


class Silent:
    """Hears and says nothing."""

    def event(self, event: Event) -> None:
        """Nothing."""

    def log(self, line: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


def visit(folder: Path, body: str, checks: int = 1) -> guest.Answers:
    """What comes of an image that says this."""
    infos = tuple(
        CheckInfo(family="a", name=f"c{each}", proves="", needs_gpu=False, timeout=1) for each in range(checks)
    )
    path = hostile_image.told(folder, body)
    engine, job = engines.load("local"), Job(image="", name="", labels=())
    return guest.examine(
        guest.Visit(engine=engine, job=job, run="t", device="cpu", checks=infos, timeout=1, pythons=(str(path),)),
        Silent(),
    )


FLOOD = """
hello()
event("started", check=checks[0])
while True:
    out.write(b"and on\\n" * 1000)
"""


@pytest.mark.attack
def test_an_image_that_prints_without_end_is_cut_off_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image prints without a pause. Its deadline was looked at only where there was nothing to hear, so it could
    hold the runner for ever. The time counts while there is something to hear, too.
    """
    monkeypatch.setattr(guest, "GRACE_SECONDS", 1)
    answers = visit(tmp_path, FLOOD)

    assert [(result.outcome, result.kind) for result in answers.results] == [("error", "timeout")]


@pytest.mark.attack
def test_an_image_that_says_too_much_ends_as_over_budget_through_the_true_wire(tmp_path: Path) -> None:
    """An image says more than a run keeps, one check after the other.

    It would be kept, up to a run.json that nobody can read. From its budget on nothing is taken, and it gave no valid
    answer.
    """
    body = "hello()\nfor check in checks: result(check, facts=[{'name': 'n', 'value': 'x' * 190000}] * 5)\nbye()\n"
    answers = visit(tmp_path, body, checks=60)

    assert answers.failure is not None
    assert Failure.from_error(answers.failure).kind == KIND


@pytest.mark.attack
def test_lines_that_were_not_heard_yet_are_bounded_by_their_bytes() -> None:
    """An image prints lines of megabytes faster than they are heard. Thousands of them would wait in memory. What waits
    is bounded in bytes, and the image waits.
    """
    waiting = process._Lines(maxsize=process.MAX_WAITING)
    for _ in range(5):
        with contextlib.suppress(queue.Full):
            waiting.put(process._Came("stdout", b"x" * process.MAX_LINE), block=False)

    assert waiting.qsize() < process.MAX_WAITING + 2 * process.MAX_LINE
    assert len(waiting.queue) == 4
    assert waiting.get().data == b"x" * process.MAX_LINE
    waiting.put(process._Came("stdout", b""), block=False)
