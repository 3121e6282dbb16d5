"""What failed in single containers of a comparison stands in every report, with its count."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from ci_gpu import reports, verdict
from ci_gpu.model import Block, Failure, Summary
from ci_gpu.payload.wire import CheckResult, Fact
from ci_gpu.reports import _trial, junit
from tests import samples, trials

FORMATS = ("terminal", "markdown", "junit", "json", "html")
BROKEN = CheckResult(
    "softmax.float32",
    "failed",
    message="the sum of a row is 1.03",
    hint="look at the build",
    facts=(Fact("sum", 1.03, expected="1"),),
    log="softmax: fallback kernel",
)
SILENT = Failure(kind="torch-broken", exit_code=4, what="import torch ended with SIGSEGV", remedy="look at the log")


def flaky(arm: str, pairs: tuple[int, ...] = (2, 5), **fields: object) -> Summary:
    """A comparison in which nothing changed, and a check failed in two containers of one image."""
    same = samples.comparison(trial=trials.trial(metrics=(trials.comparison(verdict="unchanged", reason=""),))).report
    assert same.trial is not None
    blocks = tuple(
        replace(block, results=tuple(BROKEN if r.check == BROKEN.check else r for r in block.results), **fields)
        if block.arm == arm and block.pair in pairs
        else block
        for block in same.trial.blocks
    )
    return judged(same.trial, blocks, same)


def judged(trial, blocks: tuple[Block, ...], report) -> Summary:
    report = replace(report, trial=replace(trial, blocks=blocks))
    return Summary(report=report, verdict=verdict.judge(report))


def text(name: str, summary: Summary) -> str:
    return " ".join(reports.load(name).render(summary).split())


@pytest.mark.attack
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("arm", ["base", "head"])
def test_every_report_says_what_failed_in_how_many_containers(name: str, arm: str) -> None:
    """A report format leaves out what failed in some containers only. Every one says what, and in how many."""
    said = text(name, flaky(arm))

    assert f"failed in 2 of 6 containers of the {arm}: the sum of a row is 1.03" in said
    assert "softmax.float32" in said
    assert "2 of 6 containers" not in text(name, flaky(arm, ()))


def test_the_first_line_says_so_of_the_head_and_is_silent_of_the_base() -> None:
    assert _trial.headline(flaky("head").report.trial) == "1 check failed when measured and all 1 metric unchanged"
    assert _trial.headline(flaky("base").report.trial) == "all 1 metric unchanged"


def test_a_run_with_such_a_check_is_red_for_the_head_alone() -> None:
    assert flaky("head").verdict.exit_code == 1
    assert flaky("base").verdict.exit_code == 0


def test_where_the_machine_spoiled_the_container_that_is_said() -> None:
    found = flaky("head", (2,), invalid="the GPU was hot", spoiled=True)

    assert found.verdict.exit_code == 0
    assert _trial.headline(found.report.trial) == "all 1 metric unchanged"
    for name in FORMATS:
        assert "failed in 1 container of the head that the machine spoiled (the GPU was hot)" in text(name, found)


def test_of_a_check_that_passed_its_examination_no_fact_is_told_as_the_reason() -> None:
    found = flaky("head")
    passed = replace(found.report.images[1], results=(samples.check_result(check=BROKEN.check),))
    report = replace(found.report, images=(found.report.images[0], replace(passed, planned=(BROKEN.check,))))

    assert "dz/dx = 10" not in text("terminal", replace(found, report=report))


def cases(summary: Summary) -> dict[str, list[str]]:
    document = ElementTree.fromstring(junit.render(summary))
    found = document.findall(f".//testcase[@classname='{junit.COMPARISON}']")
    return {case.get("name", ""): [child.tag for child in case] for case in found}


def test_in_junit_it_is_a_test_of_its_own_that_fails_or_is_skipped() -> None:
    assert cases(flaky("head"))[BROKEN.check] == ["failure"]
    assert cases(flaky("base"))[BROKEN.check] == ["skipped"]


@pytest.mark.parametrize("name", ["markdown", "html", "junit"])
def test_the_log_of_the_first_is_shown(name: str) -> None:
    assert "softmax: fallback kernel" in text(name, flaky("head"))


def silent(arm: str) -> Summary:
    found = flaky(arm, ())
    trial = found.report.trial
    assert trial is not None
    gone = Block(pair=6, arm=arm, invalid=f"the {arm} gave no answer: torch-broken", failure=SILENT)
    return judged(trial, (*trial.blocks, gone), found.report)


@pytest.mark.attack
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("arm", "count", "code"), [("base", 7, 0), ("head", 8, 4)])
def test_every_report_says_how_many_containers_gave_no_answer(name: str, arm: str, count: int, code: int) -> None:
    """A report format leaves out the containers that gave no answer. Every one says how many, and of which image."""
    found = silent(arm)

    assert f"gave no answer in 1 of {count} containers of the {arm}: import torch ended with SIGSEGV" in text(
        name, found
    )
    assert found.verdict.exit_code == code
    assert ("1 container without an answer" in _trial.headline(found.report.trial)) is (arm == "head")


def test_in_junit_it_is_an_error_of_the_head_s_and_else_skipped() -> None:
    assert cases(silent("head"))[_trial.ANSWER] == ["error"]
    assert cases(silent("base"))[_trial.ANSWER] == ["skipped"]


def test_the_json_keeps_what_every_container_said() -> None:
    blocks = json.loads(reports.load("json").render(silent("head")))["trial"]["blocks"]

    assert [block["failure"]["kind"] for block in blocks if block["failure"]] == ["torch-broken"]
    assert sum(block["spoiled"] for block in blocks) == 1


def test_a_reason_with_the_name_of_a_metric_is_told_by_its_row_only_where_it_is_its_verdict() -> None:
    """An impossible sample of a metric that is unchanged would be red without a word."""
    summary = flaky("head", ())
    metric = summary.report.trial.metrics[0].metric
    other = samples.reason(subject=metric, kind="impossible-metric", message="a sample of -1 ms is not positive")
    shut = samples.verdict(exit_code=1, conclusion="failure", reasons=(other,))

    assert _trial.other_reasons(replace(summary, verdict=shut)) == (other,)


@pytest.mark.attack
@pytest.mark.timeout(120)
def test_a_foreign_file_full_of_failures_is_judged_and_shown_in_linear_time() -> None:
    """A foreign file holds 40,000 failures, which would take a quarter of an hour. Judging and showing are linear:
    seconds on any machine.
    """
    base = flaky("head", ())
    trial = base.report.trial
    assert trial is not None
    ways = tuple(replace_kind(f"k{number}") for number in range(20_000))
    checks = tuple(CheckResult(f"a.b{number}", "failed", message="no") for number in range(20_000))
    found = judged(trial, (Block(pair=1, arm="head", results=ways + checks),), base.report)

    assert len(found.verdict.reasons) == 40_000
    for name in FORMATS:
        assert reports.load(name).render(found)


def replace_kind(kind: str) -> CheckResult:
    return CheckResult(BROKEN.check, "failed", message="no", kind=kind)
