"""A bound that is broken and does not gate is said by every report, and shuts nothing."""

from __future__ import annotations

import json

import msgspec
import pytest

from ci_gpu import reports, verdict
from ci_gpu.model import Failure, MetricRule, Policy, Summary
from tests import samples

SAID = "5 ms is above the ceiling of 3 ms"


def summary(*, gate: bool) -> Summary:
    metric = samples.metric(name="latency", unit="ms", better="lower", samples=(5.0,), limit=None)
    results = (samples.check_result(check="mine.fast", metrics=(metric,)),)
    policy = Policy(rules=(("mine.*", MetricRule(ceiling=3.0, unit="ms", gate=gate)),))
    image = samples.image_report(planned=("mine.fast",), results=results)
    report = samples.run_report(images=(image,), policy=policy)
    return Summary(report=report, verdict=verdict.judge(report))


@pytest.mark.parametrize("name", ["terminal", "markdown", "junit", "json", "html"])
def test_every_report_says_that_a_bound_which_does_not_gate_is_broken(name: str) -> None:
    text = " ".join(reports.load(name).render(summary(gate=False)).split())

    assert SAID in text
    assert "mine.fast/latency" in text
    assert "does not gate" in text


@pytest.mark.parametrize("name", ["terminal", "markdown", "junit", "json", "html"])
def test_where_it_gates_it_is_a_reason_and_no_advice(name: str) -> None:
    assert "does not gate" not in reports.load(name).render(summary(gate=True))


def test_it_is_no_reason_and_changes_no_exit_code() -> None:
    found = verdict.judge(summary(gate=False).report)
    (advice,) = json.loads(reports.load("json").render(summary(gate=False)))["verdict"]["advice"]

    assert (found.exit_code, found.conclusion, found.reasons) == (0, "success", ())
    assert (advice["kind"], advice["subject"], advice["exit_code"]) == ("beyond-bound", "mine.fast/latency", 0)
    assert verdict.judge(summary(gate=True).report).advice == ()


def test_a_bound_in_another_unit_that_does_not_gate_is_said_too() -> None:
    policy = Policy(rules=(("mine.*", MetricRule(ceiling=3.0, unit="s", gate=False)),))
    report = summary(gate=False).report
    (advice,) = verdict.judge(samples.run_report(images=report.images, policy=policy)).advice

    assert (advice.kind, advice.exit_code) == ("unit-mismatch", 0)


BOUND = MetricRule(floor=1.0, unit="ms")


@pytest.mark.parametrize(
    ("rules", "unused"),
    [
        ((("mine.fast/latency", BOUND), ("mine.fast/latncy", BOUND)), ["mine.fast/latncy"]),
        ((("mine.*", MetricRule()), ("mine.fast/*", BOUND)), ["mine.fast/*"]),  # the first that fits is taken
        ((("mine.fast/latncy", MetricRule(min_effect=0.1)),), []),
        ((("mine.*/lat*", BOUND),), []),
    ],
)
def test_a_bound_that_no_metric_takes_is_said(rules: tuple[tuple[str, MetricRule], ...], unused: list[str]) -> None:
    """A floor of a misspelt metric would look kept for ever."""
    report = msgspec.structs.replace(summary(gate=True).report, policy=Policy(rules=rules))
    found = verdict.judge(report)

    assert [(one.kind, one.subject, one.exit_code) for one in found.advice] == [
        ("unused-bound", pattern, 0) for pattern in unused
    ]
    assert found.exit_code == 0


@pytest.mark.parametrize("name", ["terminal", "markdown", "junit", "json", "html"])
def test_every_report_says_that_a_bound_holds_nothing(name: str) -> None:
    report = msgspec.structs.replace(summary(gate=True).report, policy=Policy(rules=(("mine.fast/latncy", BOUND),)))
    text = reports.load(name).render(Summary(report=report, verdict=verdict.judge(report)))

    assert "no metric of this run takes it" in " ".join(text.split())


def test_of_an_image_that_failed_no_bound_is_said() -> None:
    policy = Policy(rules=(("mine.fast/latncy", BOUND),))
    failed = samples.image_report(failure=Failure(kind="no-space", what="no disk", exit_code=3))

    assert verdict.judge(samples.run_report(images=(failed,), policy=policy)).advice == ()


def test_in_a_comparison_it_is_said_once_and_a_broken_one_by_the_table() -> None:
    compared = samples.comparison().report
    assert compared.trial is not None
    metric = compared.trial.metrics[0]
    rules = (("nothing/*", BOUND), ("*", MetricRule(ceiling=1e-9, unit=metric.unit, gate=False)))
    found = verdict.judge(msgspec.structs.replace(compared, policy=Policy(rules=rules)))

    assert [(one.kind, one.image, one.subject) for one in found.advice] == [
        ("unused-bound", compared.trial.head, "nothing/*")
    ]
