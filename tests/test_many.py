"""However many things an image or a file tells of, what is concluded of them takes time and words in proportion."""

from __future__ import annotations

import pytest

from ci_gpu.compare import compare
from ci_gpu.history import medians
from ci_gpu.history.record import record
from ci_gpu.model import Block, Comparison, Policy, Series, SeriesKey, Summary, Trial
from ci_gpu.origin import Origin
from ci_gpu.payload.wire import CheckResult, Fact, Gpu, Metric
from ci_gpu.reports import _trend, _words
from ci_gpu.transcript import Transcript
from ci_gpu.trial import _seconds
from ci_gpu.verdict import judge
from tests import samples
from tests.test_budget import NONCE, answered, hear, refusal, watched

MANY = 40_000
pytestmark = [pytest.mark.attack, pytest.mark.timeout(120)]  # what grows with the square takes hours


def metric(name: str, unit: str = "s", value: float = 1.0) -> Metric:
    return Metric(name, unit, "lower", (value,))


def test_gpu_names() -> None:
    """An image tells of forty thousand GPUs, each of its own name. Each name was counted among all of them, which took
    minutes in every report. They are counted in one pass.
    """
    gpus = tuple(Gpu(number, f"GPU {number}") for number in range(MANY))
    image = samples.image_report(environment=samples.environment(gpus=gpus))

    assert _words.gpu_names(image, samples.run_report()).count(", ") == MANY - 1


def test_checks_and_families() -> None:
    """A forged report has forty thousand checks, each a family of its own. Each was looked up among all of them. They
    are grouped in one pass.
    """
    checks = tuple(f"f{number}.c" for number in range(MANY))
    results = tuple(CheckResult(check, "passed", facts=(Fact("n", 1),)) for check in checks)
    verdict = judge(samples.run_report(device="cpu", images=(samples.image_report(planned=checks, results=results),)))

    assert verdict.exit_code == 0


def test_reasons_that_depend_on_one_cause() -> None:
    """A forged report has forty thousand checks that were not made for one cause. Each was looked up among all others.
    They are held in a set.
    """
    checks = tuple(f"a.c{number}" for number in range(MANY))
    results = tuple(CheckResult(check, "error", message="no GPU", kind="not-made", cause="no-gpu") for check in checks)
    run = samples.run_report(images=(samples.image_report(planned=checks, results=results),))
    (reason,) = [one for one in judge(run).reasons if one.dependents]

    assert f"{MANY} checks" in _words.because(reason, run)


def blocks(number: int) -> tuple[Block, ...]:
    results = tuple(
        CheckResult(f"a.c{check}", "passed", metrics=tuple(metric(f"m{each}") for each in range(200)))
        for check in range(number // 200)
    )
    return tuple(Block(pair=pair, arm=arm, results=results) for pair in (1, 2, 3) for arm in ("base", "head"))


def test_metrics_of_the_history() -> None:
    """An image measures eight thousand metrics. For each, the medians of all were made anew. They are made once."""
    measured = blocks(8_000)
    trial = Trial(base="old", head="new", blocks=measured)
    images = (samples.image_report(name="new"), samples.image_report(name="old"))
    run = samples.run_report(images=images, trial=trial)
    kept = record(Summary(report=run, verdict=judge(run)), Origin(), salt="")

    assert sum(one.change == 0 for one in kept.measurements) == 8_000
    assert len(medians.links({}, medians.of_arm(measured, "head"))) == 8_000


def test_trends() -> None:
    """A history or an image has forty thousand metrics. Each was compared with each series. They are found by name."""
    rows = [
        Comparison(metric=f"a.b/{number}", unit="s", better="lower", verdict="regressed", head=1.0)
        for number in range(MANY)
    ]
    series = [
        Series(key=SeriesKey(metric=f"a.b/{number}"), unit="s", better="lower", points=()) for number in range(MANY)
    ]

    assert _trend.charts(rows, series) == []


@pytest.mark.parametrize("way", ["kinds", "units"])
def test_words_of_a_comparison(way: str) -> None:
    """An image fails, or measures under one name, in another way in each container. Of each metric all ways were told:
    megabytes of words of a few that it said. The ways of one outcome are told together, of units the first three.
    """
    said = []
    for pair in range(1, 101):
        many = tuple(metric(f"m{each}", f"unit {pair}" if way == "units" else "s") for each in range(20))
        failed = CheckResult("a.b", "error", kind=f"kind {pair}")
        head = failed if way == "kinds" and pair > 4 else CheckResult("a.b", "passed", metrics=many)
        said += [
            Block(pair=pair, arm="base", results=(CheckResult("a.b", "passed", metrics=many),)),
            Block(pair=pair, arm="head", results=(head,)),
        ]
    rows = compare(tuple(said), Policy(), first=100)

    assert len(rows) == 20
    assert max(len(row.reason) for row in rows) < 1_000


def test_an_image_cannot_say_what_a_reader_refuses() -> None:
    """An image tells of a clock, a time or a number that a reader of run.json refuses. The run would be written and
    never be read, so that no comment tells of the image. It is refused, or left out, when it is said.
    """
    beyond = CheckResult("a.c0", "passed", metrics=(Metric("m", "s", "lower", (1.0,), version=2**64),))
    control = CheckResult("control.kernel", "passed", metrics=(Metric("call", "ms", "lower", (5.0, 1e300, -1.0)),))

    assert refusal(watched(2_000_000), promised=()).kind == "damaged-events"
    assert hear(watched(1_980), promised=()).telemetry
    with pytest.raises(Exception, match="a number beyond all bounds"):
        answered(beyond)
    assert _seconds((control,)) == (0.005,)


def test_a_conversation_about_many_checks() -> None:
    """A user has ten thousand checks, and an image that answers them quickly. For each, all were gone through. A check
    is looked up by its name.
    """
    checks = tuple(f"a.c{number}" for number in range(10_000))
    transcript = Transcript(NONCE, checks)
    for check in checks:
        transcript.hear("stdout", f'{NONCE}{{"event": "started", "check": "{check}"}}')
        result = f'{{"check": "{check}", "outcome": "skipped"}}'
        transcript.hear("stdout", f'{NONCE}{{"event": "finished", "result": {result}}}')

    assert transcript.remaining == ()
