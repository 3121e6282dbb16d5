"""Two reports compared afterwards: counts are judged, times only as far as there are processes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ci_gpu.compare.side_by_side import side_by_side
from ci_gpu.errors import ConfigError
from ci_gpu.model import Block, Policy, RunReport
from ci_gpu.payload.wire import Metric
from ci_gpu.verdict import judge
from tests import paired, samples


def report(*metrics: Metric, **changes: Any) -> RunReport:
    image = samples.image_report(results=(samples.check_result(metrics=metrics),))
    return samples.run_report(images=(image,), **changes)


def memory(size: float) -> Metric:
    return Metric("peak", "B", "lower", (size,), exact=True)


def refusal(base: RunReport, head: RunReport) -> str:
    trial = side_by_side(base, head, Policy()).trial
    assert trial is not None
    return trial.refused


def on(device: str, host: str = "runner", **environment: Any) -> RunReport:
    """A run on this device of this host; the environment is what was seen inside of the image."""
    seen = samples.environment(**environment) if environment else None
    machine = samples.host(name=host, gpus=(samples.gpu(uuid="GPU-of-the-host"),))
    images = (samples.image_report(environment=seen, results=()),)
    return samples.run_report(images=images, host=machine, device=device)


def verdicts(base: RunReport, head: RunReport) -> dict[str, str]:
    trial = side_by_side(base, head, Policy()).trial
    assert trial is not None
    return {one.metric.rpartition("/")[2]: one.verdict for one in trial.metrics}


def test_sizes_are_judged_and_one_process_of_each_says_nothing_of_times() -> None:
    base, head = (report(memory(size), samples.metric()) for size in (4096.0, 4200.0))

    assert verdicts(base, base) == {"peak": "unchanged", "throughput": "inconclusive"}
    assert verdicts(base, head) == {"peak": "regressed", "throughput": "inconclusive"}
    assert verdicts(head, base) == {"peak": "improved", "throughput": "inconclusive"}
    assert judge(side_by_side(base, head, Policy())).exit_code == 1


def test_what_vanished_is_missing() -> None:
    assert verdicts(report(memory(1.0), samples.metric()), report(memory(1.0)))["throughput"] == "missing"


def test_runs_that_measured_their_head_often_are_compared_by_it() -> None:
    found = side_by_side(samples.comparison().report, samples.comparison().report, Policy())
    trial = found.trial
    assert trial is not None

    assert {one.verdict for one in trial.metrics if one.pairs} == {"unchanged"}
    assert len({block.pair for block in trial.blocks}) >= 6


def test_other_machines_are_told_and_their_times_withdrawn() -> None:
    elsewhere = report(memory(1.0), samples.metric(), host=samples.host(name="gpu-runner-8"))
    trial = side_by_side(report(memory(1.0), samples.metric()), elsewhere, Policy()).trial
    assert trial is not None

    assert trial.refused.startswith("measured on different machines: ")
    assert [one.verdict for one in trial.metrics if one.exact] == ["unchanged"]


def test_the_machine_is_the_gpus_that_the_image_saw_and_the_host() -> None:
    """Two GPUs of one model are two machines: they may run at other clocks, and one may be throttled."""
    first, second, cpu = samples.gpu(uuid="GPU-1"), samples.gpu(uuid="GPU-2"), "AMD EPYC 9654 96-Core Processor"
    both, one = on("cuda", gpus=(first, second)), on("cuda", gpus=(first,))

    assert refusal(both, both) == refusal(one, on("cuda", gpus=(first,), cpu="another")) == ""
    assert refusal(both, one) == (
        "measured on different machines: cuda GPU-1, GPU-2 of runner and cuda GPU-1 of runner"
    )
    assert refusal(on("cuda"), on("cuda", "other", gpus=())) == (
        "measured on different machines: cuda GPU-of-the-host of runner and cuda GPU-of-the-host of other"
    )
    assert refusal(on("cpu", cpu=cpu, gpus=(first,)), on("cpu", cpu=cpu, gpus=())) == ""
    assert refusal(on("cpu", cpu=cpu), on("cpu")) == (
        f"measured on different machines: cpu {cpu} of runner and cpu of runner"
    )


def test_what_measured_the_baseline_of_a_run_and_what_was_spoilt_is_not_of_its_image() -> None:
    measured = samples.comparison().report
    assert measured.trial is not None
    others = (
        paired.block("base", 1, paired.metric(2.0)),
        paired.block("head", 2, paired.metric(1.0), control=(1.0,)),
        paired.block("head", 3, paired.metric(3.0), invalid="another process used the GPU"),
        paired.block("head", 7, paired.metric(4.0)),
    )
    trial = msgspec.structs.replace(measured.trial, blocks=others)
    head = msgspec.structs.replace(measured, trial=trial)
    spoilt = msgspec.structs.replace(measured, trial=msgspec.structs.replace(trial, blocks=others[::2]))

    assert numbered(head) == [("base", 1, 1.0), ("base", 2, 4.0), ("head", 1, 1.0), ("head", 2, 4.0)]
    assert [(arm, pair) for arm, pair, _ in numbered(spoilt)] == [("base", 1), ("head", 1)]


def numbered(run: RunReport) -> list[tuple[str, int, object]]:
    """Arm, pair and value of each block of the run compared with itself."""
    trial = side_by_side(run, run, Policy()).trial
    assert trial is not None
    assert not any(block.control for block in trial.blocks)
    return [(block.arm, block.pair, value(block)) for block in trial.blocks]


def value(block: Block) -> object:
    return next((metric.samples[0] for result in block.results for metric in result.metrics), None)


def test_the_image_of_a_run_is_its_first() -> None:
    """The second is the baseline of that run."""
    with_base = samples.run_report(images=(samples.image_report(), samples.image_report(name="baseline")))

    assert side_by_side(with_base, with_base, Policy()).images[0].name == samples.IMAGE


def test_one_tag_at_two_times_has_two_names() -> None:
    base = report(memory(1.0), created="2026-11-22T00:00:00Z")
    found = side_by_side(base, report(memory(1.0)), Policy())

    assert found.trial is not None
    assert found.trial.base == f"{samples.IMAGE} (2026-11-22T00:00:00Z)"
    assert found.trial.head == samples.IMAGE


def test_a_report_without_an_image_is_told() -> None:
    with pytest.raises(ConfigError, match="no image to compare") as raised:
        side_by_side(report(memory(1.0)), msgspec.structs.replace(report(), images=()), Policy())
    assert raised.value.why == "the run ended before any image was examined"
    assert raised.value.remedy == "compare two reports of runs that examined one image each"


@pytest.mark.attack
def test_what_failed_while_an_image_was_measured_is_not_left_in_its_file() -> None:
    """An image failed while it was measured, also in a pair that was measured again, and `compare` of two files would
    have left it there. It is told from the file.
    """
    measured = samples.comparison().report
    assert measured.trial is not None
    wrong = paired.block("head", 1, outcome="failed", invalid="the base gave no answer: torch-broken")
    blocks = (wrong, *paired.noisy(3))
    run = msgspec.structs.replace(measured, trial=msgspec.structs.replace(measured.trial, blocks=blocks))
    found = side_by_side(run, run, Policy())
    ended = judge(found)

    assert [(arm, pair) for arm, pair, _ in numbered(run)] == [(a, p) for a in ("base", "head") for p in (1, 2, 3, 4)]
    assert [(one.image, one.subject) for one in ended.reasons if one.kind == "failed"] == [
        (samples.trials.BASE, "suite.one")
    ]
    assert [(one.image, one.subject) for one in ended.advice] == [
        (found.trial.base if found.trial else "", "suite.one")
    ]


def test_what_a_plain_run_fails_is_told_once_of_the_head_and_said_of_the_base() -> None:
    wrong = samples.check_result(outcome="failed", message="off by 3 %", metrics=())
    failing = samples.run_report(images=(samples.image_report(results=(wrong,), planned=(wrong.check,)),))
    good = report(memory(1.0), created="2026-11-22T00:00:00Z")
    head, base = judge(side_by_side(good, failing, Policy())), judge(side_by_side(failing, good, Policy()))

    assert [one.message for one in head.reasons if one.subject == wrong.check] == ["off by 3 %"]
    assert [one.message for one in base.advice] == ["failed in 1 of 1 container of the base: off by 3 %"]
    assert verdicts(failing, good) == {"peak": "inconclusive"}


def test_a_sample_of_a_plain_run_that_cannot_be_true_is_told_once() -> None:
    good, broken = report(memory(1.0)), report(memory(1.0), samples.metric(samples=(-1.0,)))
    found = judge(side_by_side(good, broken, Policy()))

    assert [one.message for one in found.reasons if one.kind == "impossible-metric"] == [
        "a sample of -1 TFLOP/s is not positive"
    ]
