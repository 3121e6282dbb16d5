"""What is kept of a job, and what is not believed when it comes back."""

from __future__ import annotations

from math import exp, log
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.errors import ConfigError
from ci_gpu.history.origin import origin
from ci_gpu.history.record import Origin, chained, decode, encode, folded
from ci_gpu.history.record import record as make
from ci_gpu.model import Point, Summary
from tests import samples
from tests.history.records import record

HERE = Origin(run="7-1-gpu", repository="octo-org/octo-repo", branch="main", commit="1" * 40, salt="pepper")


def measured(**report: Any) -> Summary:
    """A green run with one metric."""
    image = samples.image_report(results=(samples.check_result(metrics=(samples.metric(),)),))
    made = samples.run_report(images=(image,), **report)
    return Summary(report=made, verdict=samples.verdict(exit_code=0, conclusion="success", reasons=()))


def test_of_a_run_every_metric_of_every_image_is_a_point() -> None:
    kept = make(measured(), HERE)
    (image,) = measured().report.images
    metrics = [f"{result.check}/{metric.name}" for result, metric in image.metrics()]

    assert [entry.key.metric for entry in kept.entries] == metrics
    assert kept.entries[0].point.image == image.image.reference
    assert kept.entries[0].point.digest == image.image.digest
    assert kept.entries[0].point.processes == 1
    assert (kept.id, kept.branch, kept.conclusion) == ("7-1-gpu", "main", "success")


def test_of_a_comparison_the_head_is_the_point_and_the_base_its_link() -> None:
    summary = samples.comparison()
    trial = summary.report.trial
    assert trial is not None
    kept = make(summary, HERE)
    points = {entry.key.metric: entry.point for entry in kept.entries}
    changed = next(one for one in trial.metrics if one.verdict == "regressed")
    point = points[changed.metric]

    assert {each.image for each in points.values()} == {trial.head}
    assert point.value == pytest.approx(changed.head, rel=0.02)
    assert point.change == pytest.approx(log(1 + (changed.change or 0)))
    assert point.processes == len([block for block in trial.blocks if block.arm == "head" and not block.invalid])
    assert 0 < (point.change_error or 0) < 0.02
    assert point.verdict == "regressed"


def test_what_a_refused_comparison_measured_is_masked() -> None:
    summary = samples.comparison()
    trial = msgspec.structs.replace(summary.report.trial, refused="control drift")
    report = msgspec.structs.replace(summary.report, trial=trial)
    kept = make(msgspec.structs.replace(summary, report=report), HERE)

    assert {entry.point.masked for entry in kept.entries} == {"control drift"}


def test_no_hardware_id_is_kept_and_two_repositories_have_different_hashes() -> None:
    kept = make(measured(), HERE)
    other = make(measured(), msgspec.structs.replace(HERE, salt="salt"))

    assert samples.gpu().uuid.encode() not in encode(kept)
    assert kept.entries[0].key.uuid != other.entries[0].key.uuid
    assert len(kept.entries[0].key.uuid) == 16


def test_on_the_cpu_the_processor_is_the_device() -> None:
    kept = make(measured(device="cpu"), HERE)

    assert [(entry.key.device, entry.key.gpu) for entry in kept.entries] == [("cpu", samples.environment().cpu)]


def test_a_record_comes_back_as_it_was() -> None:
    kept = make(samples.comparison(), HERE)

    assert decode(encode(kept)) == kept


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'{"format":2,"id":"a","created":"b"}',
        b'{"format":1,"id":"","created":""}',
        b'{"format":1,"id":1,"created":""}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    with pytest.raises(ConfigError):
        decode(data)


def test_series_are_never_mixed_and_their_oldest_point_is_first() -> None:
    late = record("run-2", created="2026-12-01T00:00:00+00:00")
    series = folded([late, record("run-1")])

    assert [each.key.metric for each in series] == ["matmul.throughput/x", "matmul.cold_call/cold_call"]
    assert [point.run for point in series[0].points] == ["run-1", "run-2"]


def test_links_chain_over_machines_and_their_errors_add_up_in_squares() -> None:
    def point(change: float | None, error: float | None = None, masked: str = "") -> Point:
        return Point(run="r", created="", image="i", value=1.0, change=change, change_error=error, masked=masked)

    links = [point(None), point(0.03, 0.003), point(9.0, 9.0, "throttled"), point(-0.01, 0.004), point(None)]
    levels = [(round(exp(level), 4), round(error, 4)) for _, level, error in chained(links)]

    assert levels == [(1.0, 0.0), (1.0305, 0.003), (1.0202, 0.005), (1.0202, 0.0)]


def test_a_job_is_named_by_its_workflow_and_its_report_so_that_legs_of_a_matrix_differ() -> None:
    env = {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "gpu", "GITHUB_REPOSITORY": "a/b"}
    one, other = (origin(summary.report, env) for summary in (measured(), samples.red()))

    assert one.run.startswith("7-2-gpu-")
    assert one.run != other.run
    assert origin(measured().report, env) == one
    assert origin(measured().report, {}).run.startswith("local-")


def test_what_a_pull_request_measured_is_known_by_its_ref() -> None:
    assert origin(measured().report, {"GITHUB_REF": "refs/pull/12/merge"}).pull_request == 12
    assert origin(measured().report, {"GITHUB_REF": "refs/heads/main"}).pull_request == 0
