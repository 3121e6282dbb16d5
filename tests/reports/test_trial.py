"""ci_gpu.reports._trial"""

import dataclasses

import pytest
from msgspec.structs import replace

from ci_gpu import reports
from ci_gpu.model import Block, Policy
from ci_gpu.reports import _trial
from tests import samples, trials


def of(*verdicts, **changes):
    found = tuple(trials.comparison(metric=f"a.b/{index}", verdict=word) for index, word in enumerate(verdicts))
    return trials.trial(metrics=found, **changes)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (("regressed", "regressed", "missing", "improved"), "2 metrics regressed and 1 metric missing"),
        (("missing", "unchanged"), "1 metric missing"),
        (("unchanged",) * 3, "all 3 metrics unchanged"),
        (("unchanged", "improved", "new"), "no metric regressed"),
        (("unchanged", "inconclusive", "not-comparable"), "no metric regressed, 2 undecided"),
        (("inconclusive", "not-comparable"), "no metric could be decided"),
        ((), "no metric was compared"),
    ],
)
def test_the_headline_says_the_worst(verdicts, said):
    assert _trial.headline(of(*verdicts)) == said


def test_the_headline_of_a_refusal_says_that_nothing_is_known():
    assert _trial.headline(of("regressed", refused="shared")) == "nothing was concluded"


def test_what_is_not_gated_is_no_headline():
    trial = trials.trial(metrics=(trials.comparison(gated=False), trials.comparison(verdict="unchanged")))
    assert _trial.headline(trial) == "no gated metric regressed"


def test_rows_are_in_the_order_in_which_a_reader_needs_them():
    rows = [
        trials.comparison(metric="small", change=-0.03),
        trials.comparison(metric="same", verdict="unchanged"),
        trials.comparison(metric="unsure", verdict="inconclusive"),
        trials.comparison(metric="free", change=-0.9, gated=False),
        trials.comparison(metric="large", change=0.2),
        trials.comparison(metric="gone", verdict="missing", change=None),
    ]
    assert [row.metric for row in _trial.ordered(rows)] == ["large", "small", "free", "gone", "unsure", "same"]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0312, "+3.1 %"),
        (-0.0512, "-5.1 %"),
        (0.00071, "+0.07 %"),
        (0.0, "0 %"),
        (-0.0000001, "0 %"),
        (2.5, "+250 %"),
        (1e9, "+1.0e+11 %"),
        (None, "–"),
        (float("nan"), "–"),
        (float("-inf"), "–"),
    ],
)
def test_a_change_has_a_sign_and_as_many_digits_as_it_needs(fraction, text):
    assert _trial.percent(fraction) == text


@pytest.mark.parametrize("rule", ["pass", "warn", "fail"])
@pytest.mark.parametrize("word", _trial.VERDICTS)
@pytest.mark.parametrize("gated", [True, False])
def test_the_standing_of_a_metric_is_what_the_policy_makes_of_its_verdict(word, gated, rule):
    trial = trials.trial(policy=Policy(inconclusive=rule))
    doubtful = word in ("inconclusive", "not-comparable")
    fails = gated and (word in ("regressed", "missing") or (doubtful and rule == "fail"))
    expected = "failed" if fails else "skipped" if doubtful else "passed"
    assert _trial.standing(trials.comparison(verdict=word, gated=gated), trial) == expected


def test_a_process_has_its_median_and_an_invalid_one_is_kept_apart():
    found = _trial.processes(trials.trial())["matmul.bfloat16/throughput"]
    assert [dot.pair for dot in found["base"]] == [1, 2, 3, 4, 5, 6]
    assert [dot.invalid for dot in found["head"]].count(True) == 1
    assert len(found["head"]) == 7


def test_pairs_are_those_that_both_arms_gave():
    assert _trial.pairs(trials.trial()) == 6
    assert _trial.pairs(trials.trial(blocks=(trials.block(), trials.block(arm="head", invalid="hot")))) == 0


def test_reasons_that_no_row_tells_are_left():
    summary = samples.comparison()
    other = samples.reason(subject="autograd.polynomial")
    verdict = samples.verdict(exit_code=1, conclusion="failure", reasons=(*summary.verdict.reasons, other))
    assert _trial.other_reasons(samples.summary(report=summary.report, verdict=verdict)) == (other,)


def test_there_is_advice_for_every_verdict():
    assert _trial.ADVICE.keys() == set(_trial.VERDICTS)


@pytest.mark.parametrize("name", ["markdown", "html", "terminal"])
def test_a_gpu_that_nobody_or_only_the_images_watched_is_told(name: str) -> None:
    """Beside the sample, which the host watched, and which says nothing of it."""
    summary = samples.comparison()
    blocks = summary.report.trial.blocks
    inside = [
        replace(one, telemetry=tuple(dataclasses.replace(t, inside=True) for t in one.telemetry)) for one in blocks
    ]
    blind = [replace(one, telemetry=()) for one in blocks]

    def said(changed: list[Block]) -> str:
        trial = replace(summary.report.trial, blocks=tuple(changed))
        text = reports.load(name).render(replace(summary, report=replace(summary.report, trial=trial)))
        return " ".join(text.split())

    assert f"Nobody watched the GPU in {len(blocks)} of {len(blocks)} blocks" in said(blind)
    assert "The images themselves told this" in said(inside)
    assert "watched the GPU" not in said(list(blocks))
    assert "themselves told" not in said(list(blocks))
