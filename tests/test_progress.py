"""ci_gpu.progress: what is told while a run goes on."""

from __future__ import annotations

import io
import re

from ci_gpu import progress
from ci_gpu.payload.wire import CheckResult, Finished
from tests import samples


def told(*results: CheckResult) -> list[str]:
    """The lines, without their times."""
    stream = io.StringIO()
    watch = progress.Plain(stream)
    for result in results:
        watch.event(Finished(result))
    return [re.sub(r"^ *[\d.]+ s +", "", line) for line in stream.getvalue().splitlines()]


def test_why_checks_are_not_made_is_told_once_in_a_row() -> None:
    kept = samples.not_made("a.b"), samples.not_made("a.c")
    failed = samples.failed(check="a.d", seconds=1.0)

    assert told(*kept, failed, samples.not_made("a.e")) == [
        "! a.b not made, because torch was built without CUDA",
        "! a.c not made",
        "✗ a.d failed in 1.0 s: dz/dy is 30.69 and not 31",
        "! a.e not made, because torch was built without CUDA",
    ]


def test_two_failures_with_the_same_words_are_both_told() -> None:
    assert told(samples.failed(), samples.failed())[0] == told(samples.failed(), samples.failed())[1]
