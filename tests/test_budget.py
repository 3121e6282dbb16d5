"""What an image says costs ci-gpu bounded memory and time, and what a run writes can be read again."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_gpu import budget, layout
from ci_gpu.budget import KIND, RUN, Budget, Weight
from ci_gpu.errors import ImageError
from ci_gpu.model import Block, ImageReport, PulledImage, RunReport, Summary, Trial
from ci_gpu.payload.wire import (
    Bye,
    CheckResult,
    Environment,
    Event,
    Fact,
    Finished,
    Gpu,
    GpuState,
    Metric,
    Started,
    Telemetry,
    Unusable,
    Watched,
    encode,
)
from ci_gpu.reports import json as report
from ci_gpu.transcript import LOG_BYTES, Transcript
from ci_gpu.verdict import judge
from tests import samples
from tests.test_layout import JSON
from tests.test_transcript import ENVIRONMENT, HELLO, NONCE

FACT = Fact("n", 1)


def metric(name: str = "m", samples: tuple[float, ...] = (1.0,), unit: str = "s") -> Metric:
    return Metric(name, unit, "lower", samples)


def passed(check: str, **fields: Any) -> CheckResult:
    return CheckResult(check, "passed", **{"facts": (FACT,), **fields})


def ids(number: int) -> tuple[str, ...]:
    return tuple(f"a.c{each}" for each in range(number))


def hear(*events: Event, promised: tuple[str, ...] = ("a.c0",), spending: Budget | None = None) -> Transcript:
    transcript = Transcript(NONCE, promised, watched=True, spending=spending)
    for event in events:
        transcript.hear("stdout", NONCE + encode(event))
    return transcript


def answered(result: CheckResult) -> CheckResult:
    """What is kept of one result."""
    return hear(HELLO, ENVIRONMENT, Started("a.c0"), Finished(result)).results["a.c0"]


def watched(clock: int) -> Watched:
    """What an image says of its GPU."""
    return Watched((Telemetry("GPU-1", (GpuState(0.0, clock),)),))


def refusal(*events: Event, **more: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        hear(*events, **more)
    return caught.value


def objects(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(objects, value.values()))
    return sum(map(objects, value)) if isinstance(value, list) else 0


@given(JSON, st.integers(1, 20))
def test_a_piece_of_json_is_weighed_without_decoding_it(value: Any, step: int) -> None:
    data = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "_STEP", step)
        weight = budget.weigh(data)

    assert (weight.octets, weight.objects) == (len(data), objects(value))
    assert weight == budget.weigh(data)


@pytest.mark.attack
@pytest.mark.parametrize(
    "fields",
    [
        {"metrics": tuple(metric(f"m{each}") for each in range(2_000))},
        {"facts": (FACT,) * 2_000},
        {"notes": ("n",) * 2_000},
        {"metrics": (metric(samples=(1.0,) * 30_000),)},
        {"metrics": (metric("m" * 300),)},
        {"metrics": (metric(unit="s" * 300),)},
        {"facts": tuple(Fact(str(each), "x" * 150_000) for each in range(10))},
        {"message": "\U0001f525" * 100_000},
        {"log": "\x01" * 190_000},
    ],
    ids=["metrics", "facts", "notes", "samples", "name", "unit", "texts", "astral", "control"],
)
def test_a_check_that_says_too_much_is_an_error_of_the_image_s(fields: dict[str, Any]) -> None:
    """An image answers a check with thousands of metrics, facts or samples, or with texts of megabytes, each within its
    own limit. It would take gigabytes and minutes of the runner. Nothing of that check is kept, and it is red.
    """
    kept = answered(passed("a.c0", **fields))

    assert (kept.outcome, kept.kind) == ("error", KIND)
    assert (kept.facts, kept.metrics, kept.notes, kept.log) == ((), (), (), "")
    assert len(layout.text(kept)) < 2_000


def test_what_an_honest_check_says_is_kept_as_it_is() -> None:
    many = passed("a.c0", facts=(FACT,) * 200, metrics=(metric(samples=(1.0 / 3,) * 20_000),))

    assert answered(many) == many


@pytest.mark.attack
def test_checks_that_keep_to_their_limits_are_paid_for_together() -> None:
    """An image has many checks say as much as one check may. Their sum would fill memory and make a run.json that
    nothing reads, so that no comment tells of the image. All share one budget, and the image ends as over-budget.
    """
    big = (Fact("n", "x" * 100_000),) * 5
    checks = ids(200)
    error = refusal(
        HELLO,
        *(each for check in checks for each in (Started(check), Finished(passed(check, facts=big)))),
        promised=checks,
    )

    assert (error.kind, error.exit_code) == (KIND, 4)
    assert error.remedy


@pytest.mark.attack
def test_containers_of_one_image_share_its_budget() -> None:
    """An image says as much as it may in each of the many containers of a comparison. What each container may say would
    be multiplied by their number. The budget is the image's, over all of its containers.
    """
    spending = Budget(Weight(100_000, 1_000, 10_000))
    events = HELLO, Started("a.c0"), Finished(passed("a.c0", facts=(Fact("n", "x" * 20_000),)))
    for _ in range(4):
        hear(*events, spending=spending)
    error = refusal(*events, spending=spending)

    assert error.kind == KIND


@pytest.mark.attack
def test_new_names_in_each_container_are_paid_for_by_what_is_concluded_of_them() -> None:
    """An image measures under other names in each container. Each name makes a row and a reason of its own, many times
    as long as what was said. They are paid for in advance.
    """
    spending = Budget()
    said = 0
    with contextlib.suppress(ImageError):
        for said in range(1_000):
            many = tuple(metric(f"m{said}x{each}") for each in range(200))
            hear(HELLO, Started("a.c0"), Finished(passed("a.c0", metrics=many)), spending=spending)

    assert 10 < said < 100


@pytest.mark.attack
@pytest.mark.parametrize(
    "event",
    [
        Environment("3", "x", "2", gpus=tuple(Gpu(n, "g") for n in range(21_000))),
        Environment("3", "x", "2", arch_list=("sm_90",) * 200_000),
        Environment("3", "x", "2", packages={f"p{n}": "1" for n in range(200_000)}),
        Watched((Telemetry("GPU-1", (GpuState(0.0, 1980),) * 21_000),)),
        Unusable("no-torch", "x" * (3 << 20)),
    ],
    ids=["gpus", "architectures", "packages", "looks", "text"],
)
def test_one_event_that_holds_too_much_is_not_decoded(event: Event) -> None:
    """An image sends one event with a hundred thousand GPUs, packages or looks at a clock. Decoded it would take many
    times its bytes, and each loop over them minutes. It is weighed before it is decoded, and refused.
    """
    assert refusal(event, promised=()).kind == KIND


@pytest.mark.attack
def test_an_event_may_be_sent_again_as_long_as_it_is_paid_for() -> None:
    """An image says without end that it cannot be used. Each time a text would be decoded and kept. It is paid for each
    time, and ends.
    """
    error = refusal(*(Unusable("no-torch", "x" * 150_000),) * 300)

    assert error.kind == KIND


@pytest.mark.attack
@pytest.mark.parametrize("outcome", ["passed"])
@pytest.mark.parametrize("fields", [{"facts": ()}, {"facts": (), "notes": ("all is well",), "used_gpu": True}])
def test_a_pass_without_evidence_is_none(outcome: str, fields: dict[str, Any]) -> None:
    """An image sends `passed` for every check and never ran one. It would be green with nothing measured. A check that
    passed without a fact or a metric is an error.
    """
    kept = answered(passed("a.c0", **fields))

    assert (kept.outcome, kept.kind) == ("error", "no-evidence")


@pytest.mark.attack
@pytest.mark.parametrize("line", ["x" * 5_000, "##[" * 2_000, "\U0001f525" * 5_000, "\x01" * 5_000, ""])
def test_the_log_is_bounded_by_the_bytes_that_it_takes_in_the_report(line: str) -> None:
    """An image prints what takes twelve bytes a character in JSON. A log bounded by characters is twelve times as long
    in each report. It is bounded by what it takes there.
    """
    transcript = Transcript(NONCE, ())
    for _ in range(100 if line else 70_000):
        transcript.hear("stderr", line)

    assert len(layout.text(transcript.log)) <= LOG_BYTES


TEXT = st.text(max_size=40) | st.sampled_from(
    ["\x01" * 300, "\U0001f525" * 200, '"\\' * 100, "x" * 1_000, "##[" * 100, "\ud800"]
)
RESULTS = st.builds(
    CheckResult,
    check=st.sampled_from(ids(6)),
    outcome=st.sampled_from(["passed", "failed", "error", "skipped"]),
    seconds=st.floats(0, 1e6),
    message=TEXT,
    hint=TEXT,
    kind=TEXT,
    log=TEXT,
    facts=st.lists(st.builds(Fact, TEXT, TEXT | st.floats() | st.integers() | st.booleans(), TEXT), max_size=4).map(
        tuple
    ),
    notes=st.lists(TEXT, max_size=3).map(tuple),
    metrics=st.lists(
        st.builds(
            Metric,
            st.text(min_size=1, max_size=40),
            st.sampled_from(["s", "MiB", "\x01" * 100]),
            st.sampled_from(["higher", "lower"]),
            st.lists(st.floats() | st.none(), min_size=1, max_size=9).map(tuple),
            version=st.integers(0, 2**70),
            exact=st.booleans(),
        ),
        max_size=4,
        unique_by=lambda one: one.name,
    ).map(tuple),
)
OURS_OF_A_RUN, OURS_OF_A_BLOCK, OURS_OF_A_RESULT = 4_000, 1_500, 1_500
"""Bytes that a report takes whatever the image says; those of a result are its reasons, without its words."""


def paid(result: CheckResult, arm: Budget) -> CheckResult | None:
    """What is kept of a result that an image sends; None if it was refused."""
    transcript = Transcript(NONCE, (result.check,), spending=arm)
    try:
        for event in (Started(result.check), Finished(result)):
            transcript.hear("stdout", NONCE + encode(event))
    except ImageError:
        return None
    return transcript.results[result.check]


def compared(examined: tuple[tuple[CheckResult, ...], ...], blocks: tuple[Block, ...], planned: tuple[str, ...]) -> str:
    """The run.json of a comparison with these results."""
    from ci_gpu.compare.judged import judged

    images = tuple(
        ImageReport(name=name, planned=planned, image=PulledImage(reference=name), environment=ENVIRONMENT, results=own)
        for name, own in zip(("head", "base"), examined, strict=True)
    )
    trial = judged(Trial(base="base", head="head", blocks=blocks))
    run = RunReport(
        version="1",
        created="2026",
        device="cpu",
        gpus="none",
        engine="local",
        host=samples.host(),
        images=images,
        trial=trial,
    )
    return report.render(Summary(report=run, verdict=judge(run)))


@pytest.mark.attack
@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(RESULTS, max_size=6, unique_by=lambda one: one.check), min_size=6, max_size=6))
def test_what_is_paid_for_covers_what_is_written_and_that_reads_back(said: list[list[CheckResult]]) -> None:
    """An image finds words that take more in a report than they cost: escapes, names that are repeated, failures of
    each kind. What a run writes would be more than it reads. Whatever is accepted is paid for by what it takes.
    """
    arms = Budget(), Budget()
    kept = [
        [one for one in (paid(result, arms[number % 2]) for result in results) if one]
        for number, results in enumerate(said)
    ]
    blocks = tuple(
        Block(pair=1 + number // 2, arm=("head", "base")[number % 2], results=tuple(results))
        for number, results in enumerate(kept[2:])
    )
    planned = ids(6)
    text = compared((tuple(kept[0]), tuple(kept[1])), blocks, planned)
    spent = sum(RUN.octets - arm._left.octets for arm in arms)
    ours = OURS_OF_A_RUN + 4 * OURS_OF_A_BLOCK + OURS_OF_A_RESULT * (len(planned) * 2 + sum(map(len, kept)))

    assert len(text) <= spent + ours
    assert len(report.parse(text).images[0].results) == len(kept[0])


@pytest.mark.attack
def test_a_comparison_that_spends_all_that_it_may_can_be_read() -> None:
    """Both images of a comparison say all that they may. The run.json would be too big for `report` and `comment`, so
    that an image could suppress its own comment. The reader's limit is above what images may say.
    """
    texts = (Fact("n", "x" * 190_000),) * 5
    arms = [Budget().share(2) for _ in range(2)]
    blocks: list[Block] = []
    while len(blocks) < 200:
        arm = len(blocks) % 2
        results = tuple(one for each in range(2) if (one := paid(passed(f"a.c{each}", facts=texts), arms[arm])))
        blocks.append(Block(pair=1 + len(blocks) // 2, arm=("head", "base")[arm], results=results, invalid="x"))
        if not results:
            break
    text = compared(((), ()), tuple(blocks), ids(2))

    assert 30 << 20 < len(text) < budget.REPORT.octets
    assert len(report.parse(text).trial.blocks) == len(blocks)  # type: ignore[union-attr]


@pytest.mark.attack
@pytest.mark.parametrize("piece", ['{"seconds": 0}', "[]", "0", '""'])
def test_a_file_of_very_many_small_things_is_refused_before_it_is_decoded(piece: str) -> None:
    """Somebody hands over a report of many small objects within the limit of its bytes. Decoded it takes thirty times
    as much. Objects and values are counted first.
    """
    text = '{"schema": 1, "images": [' + ",".join([piece] * 1_600_000) + "]}"
    with pytest.raises(Exception, match="values are read"):
        report.parse(text)


@pytest.mark.attack
def test_the_longest_list_that_is_taken_is_read() -> None:
    """An image has a hundred thousand packages, as many as are taken. The reader of its run.json counted names and
    versions, and refused it, so that the image suppressed its own comment. Both count alike.
    """
    transcript = hear(HELLO, Environment("3", "x", "2", packages={f"p{n}": "1" for n in range(100_000)}))
    image = samples.image_report(environment=transcript.environment)
    run = samples.run_report(images=(image,))

    assert report.parse(report.render(Summary(report=run, verdict=judge(run)))) == run


def test_looks_at_gpus_are_spread_over_the_time() -> None:
    states = tuple(GpuState(float(second)) for second in range(1_000))
    kept = budget.thinned((Telemetry("GPU-1", states), Telemetry("GPU-2", states)), 100)

    assert [len(one.states) for one in kept] == [48, 48]
    assert kept[0].states[-1].seconds > 900
    assert budget.thinned((Telemetry("GPU-1", states),), 1_000) == (Telemetry("GPU-1", states),)


def test_the_event_that_all_is_done_is_still_heard() -> None:
    assert hear(HELLO, ENVIRONMENT, Started("a.c0"), Finished(passed("a.c0")), Watched(()), Bye(1)).bye
