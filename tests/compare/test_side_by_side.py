"""Two reports compared afterwards: counts are judged, times only as far as there are processes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ci_gpu.compare.side_by_side import side_by_side
from ci_gpu.errors import ConfigError
from ci_gpu.model import Policy, RunReport
from ci_gpu.payload.wire import Metric
from ci_gpu.verdict import judge
from tests import samples


def report(*metrics: Metric, **changes: Any) -> RunReport:
    image = samples.image_report(results=(samples.check_result(metrics=metrics),))
    return samples.run_report(images=(image,), **changes)


def memory(size: float) -> Metric:
    return Metric("peak", "B", "lower", (size,), exact=True)


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


def test_one_tag_at_two_times_has_two_names() -> None:
    base = report(memory(1.0), created="2026-11-22T00:00:00Z")
    found = side_by_side(base, report(memory(1.0)), Policy())

    assert found.trial is not None
    assert found.trial.base == f"{samples.IMAGE} (2026-11-22T00:00:00Z)"
    assert found.trial.head == samples.IMAGE


def test_a_report_without_an_image_is_told() -> None:
    with pytest.raises(ConfigError, match="no image to compare"):
        side_by_side(report(memory(1.0)), msgspec.structs.replace(report(), images=()), Policy())
