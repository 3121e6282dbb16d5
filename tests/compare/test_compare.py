"""Every verdict, and every way not to give one."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from ci_gpu import compare as judgement
from ci_gpu.compare import compare, unclear
from ci_gpu.compare.effects import Effect
from ci_gpu.compare.noise import Noise
from ci_gpu.compare.readings import Arm, Kind, Reading
from ci_gpu.model import Block, MetricRule, Policy
from ci_gpu.statistics import t_quantile
from tests.paired import ID, arm, block, metric, noisy, only, pairs, ruled


@pytest.mark.parametrize(
    ("better", "factor", "verdict"),
    [
        ("lower", 1.05, "regressed"),
        ("lower", 0.95, "improved"),
        ("higher", 1.05, "improved"),
        ("higher", 0.95, "regressed"),
        ("lower", 1.0, "unchanged"),
        ("higher", 1.0, "unchanged"),
        ("lower", 1.01, "unchanged"),  # real, and smaller than the margin
        ("lower", 0.99, "unchanged"),
    ],
)
@pytest.mark.parametrize("count", [6, 12])
def test_a_clear_change_is_called_by_its_name(better: str, factor: float, verdict: str, count: int) -> None:
    comparison = only(noisy(count, factor, better=better))

    assert comparison.verdict == verdict
    assert comparison.pairs == count
    assert comparison.change == pytest.approx(factor - 1, abs=0.001)
    assert comparison.low < comparison.change < comparison.high
    assert comparison.hodges_lehmann == pytest.approx(comparison.change, abs=0.001)
    assert (comparison.base, comparison.margin, comparison.gated) == (1.0, 0.02, True)
    assert comparison.head == pytest.approx(factor, rel=0.002)


def test_the_change_is_told_in_the_raw_direction_where_more_is_better() -> None:
    comparison = only(noisy(6, 0.95, better="higher"))

    assert comparison.high < 0
    assert comparison.reason.startswith("-5 % worse in 6 pairs")


def test_red_at_the_first_look_is_provisional_and_worth_more_pairs() -> None:
    comparison = only(noisy(6, 1.05), final=False)

    assert (comparison.verdict, comparison.pairs_needed) == ("regressed", 0)
    assert comparison.reason.startswith("provisional: +5 % worse in 6 pairs")
    assert unclear([comparison]) == {ID}


def test_red_after_six_pairs_and_no_more_says_that_nothing_confirms_it() -> None:
    comparison = only(noisy(6, 1.05))

    assert comparison.verdict == "regressed"
    assert comparison.reason.endswith("not confirmed by further pairs")
    assert unclear([comparison]) == set()


def test_the_seventh_pair_is_a_further_one() -> None:
    assert "not confirmed" not in only(noisy(7, 1.05)).reason


def test_what_is_unchanged_needs_no_reason() -> None:
    comparison = only(noisy(6))

    assert (comparison.verdict, comparison.reason, comparison.pairs_needed) == ("unchanged", "", 0)


def test_red_after_twelve_pairs_is_confirmed() -> None:
    comparison = only(noisy(12, 1.05))

    assert comparison.reason.startswith("+5 % worse in 12 pairs (margin 2 %, p ")
    assert "confirmed" not in comparison.reason


@pytest.mark.parametrize(("late", "verdict"), [(1.008, "inconclusive"), (1.009, "inconclusive"), (1.02, "regressed")])
def test_the_later_pairs_must_show_half_of_the_margin_by_themselves(late: float, verdict: str) -> None:
    early = noisy(6, 1.05, scale=0.1)
    comparison = only(early + shifted(noisy(6, late, scale=0.1)), ruled(min_effect=0.02))

    assert comparison.verdict == verdict
    assert comparison.reason.startswith("not confirmed: ") == (verdict == "inconclusive")


def test_the_first_look_may_be_at_another_number_of_pairs() -> None:
    early, late = noisy(6, 1.05, scale=0.1), shifted(noisy(6, 1.008, scale=0.1))
    (comparison,) = compare(early + late, Policy(), first=3)

    assert comparison.verdict == "regressed"
    assert "not confirmed" not in comparison.reason


def shifted(blocks: list[Block]) -> list[Block]:
    return [msgspec.structs.replace(each, pair=each.pair + 6) for each in blocks]


def test_a_clear_improvement_at_the_first_look_needs_no_more_pairs() -> None:
    comparison = only(noisy(6, 0.95), final=False)

    assert comparison.verdict == "improved"
    assert unclear([comparison]) == set()


def test_noise_is_said_with_its_interval_and_the_pairs_it_would_take() -> None:
    comparison = only(noisy(6, 1.02, scale=15))

    assert comparison.verdict == "inconclusive"
    assert comparison.reason.startswith("noise: the change is between -")
    assert comparison.reason.endswith("after 6 pairs, the margin is 2 %")
    assert comparison.pairs_needed > 20
    assert unclear([comparison]) == {ID}


def test_more_noise_needs_more_pairs() -> None:
    needed = [only(noisy(6, 1.0, scale=scale)).pairs_needed for scale in (20, 40, 80)]

    assert 6 < needed[0] < needed[1] < needed[2]


def test_a_change_too_near_to_the_margin_needs_more_pairs_than_there_are() -> None:
    comparison = only(noisy(12, 1.0195, scale=3))

    assert comparison.verdict == "inconclusive"
    assert comparison.pairs_needed > 100  # 12 show a change of 2 %; telling 1.95 % from it is another matter


def test_one_wild_process_makes_no_regression() -> None:
    comparison = only(pairs([1.0] * 12, [1.0, 1.001, 0.999, 1.002, 0.998, 1.0, 1.001, 0.999, 1.0, 1.0, 1.0, 1.4]))

    assert comparison.verdict == "inconclusive"
    assert comparison.reason.startswith("outlier process: the mean of the pairs says +2.8")


def test_one_wild_process_hides_no_regression_that_all_the_others_show() -> None:
    heads = [1.10, 1.101, 1.099, 1.1, 1.102, 1.098, 1.1, 1.1, 1.101, 1.099, 1.1, 1.2]

    assert only(pairs([1.0] * 12, heads)).verdict == "regressed"


def test_two_wild_processes_do_not_lift_a_small_change_over_the_margin() -> None:
    comparison = only(pairs([1.0] * 12, [1.1, 1.1] + [1.019] * 10))

    assert comparison.p is not None
    assert comparison.p < 0.007
    assert comparison.verdict == "inconclusive"
    assert comparison.reason == "outlier process: the mean of the pairs says +3.21 %, their middle +1.9 %"


def test_a_few_large_pairs_are_no_proof_that_signs_do_not_bear_out() -> None:
    heads = [1.05, 0.9995, 1.05, 1.052, 0.9995, 0.9995, 1.055, 1.05, 0.9995, 0.9995, 1.05, 1.05]
    judged = only(pairs([1.0] * 12, heads))

    assert judged.verdict == "inconclusive"
    assert judged.reason == "noise: the change of +2.92 % rests on a few of the pairs"


@pytest.mark.parametrize(
    ("base", "head", "reason"),
    [
        ([1.0], [1.5], "too few pairs: 1 of 1 can be used"),
        ([1.0, 1.0, None], [None, 1.5, 1.5], "too few pairs: 1 of 3 can be used"),
        ([1.0] * 6, [1.5, 1.5, None, None, None, None], "too few pairs: 2 of 6 can be used"),
    ],
)
def test_too_few_pairs_prove_nothing(base: list[float | None], head: list[float | None], reason: str) -> None:
    comparison = only(pairs(base, head))

    assert (comparison.verdict, comparison.reason) == ("inconclusive", reason)
    assert comparison.change is None
    assert unclear([comparison]) == set()


@pytest.mark.parametrize("count", [2, 3])
def test_half_of_the_pairs_are_enough_and_two_at_least(count: int) -> None:
    lost: list[float | None] = [None] * count

    assert "too few" not in only(pairs([1.0] * 2 * count, [*[1.5] * count, *lost])).reason
    assert only(pairs([1.0] * (2 * count + 1), [*[1.5] * count, *lost, None])).reason.startswith("too few pairs")


def test_a_metric_only_in_the_base_is_missing_and_only_in_the_head_is_new() -> None:
    base = [block("base", 1, metric(1.0, name="old"), metric(1.0, name="both"))]
    head = [block("head", 1, metric(1.0, name="both"), metric(2.0, name="young"))]
    judged = {each.metric.split("/")[1]: each for each in compare(base + head, Policy())}

    assert (judged["old"].verdict, judged["old"].base, judged["old"].head) == ("missing", 1.0, None)
    assert (judged["young"].verdict, judged["young"].base, judged["young"].head) == ("new", None, 2.0)
    assert judged["old"].reason == "the head has no valid value of it"


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), 0.0, -1.0, 5e-324, 1.7e308])
def test_a_metric_with_an_impossible_sample_is_not_there(bad: float | None) -> None:
    base, head = arm("base", [1.0] * 6), [block("head", pair, metric(1.0, bad, 1.0)) for pair in range(1, 7)]

    assert only(base + head).verdict == "missing"


def test_a_sample_at_the_physical_limit_is_possible_and_one_beyond_it_is_not() -> None:
    for limit, verdicts in ((1.0, ["unchanged"]), (0.999, [])):
        assert [one.verdict for one in compare(pairs([1.0] * 6, [1.0] * 6, limit=limit), Policy())] == verdicts


def test_an_arm_without_a_valid_block_is_not_an_arm_without_the_metric() -> None:
    blocks = [*arm("base", [1.0] * 6), block("head", 1, metric(1.0), invalid="throttled")]

    assert only(blocks).reason == "too few pairs: no valid block of the head"
    assert only(arm("head", [1.0] * 6)).reason == "too few pairs: no valid block of the base"


def test_invalid_blocks_count_for_nothing() -> None:
    spoiled = [block("head", pair, metric(9.0), invalid="hw-thermal-slowdown") for pair in range(1, 7)]

    assert compare(noisy(6) + spoiled, Policy()) == compare(noisy(6), Policy())


def test_a_check_that_failed_has_no_metric() -> None:
    failed = [block("head", pair, metric(1.0), outcome="failed") for pair in range(1, 7)]

    assert only(arm("base", [1.0] * 6) + failed).verdict == "missing"


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (
            {"unit": "s"},
            "the base measured version 1 in ms (lower is better), the head version 1 in s (lower is better)",
        ),
        ({"version": 2}, "version 2 in ms"),
        ({"better": "higher"}, "(higher is better)"),
        ({"exact": True}, "(lower is better, exact)"),
    ],
)
def test_what_is_measured_differently_is_not_comparable(other: dict[str, Any], told: str) -> None:
    comparison = only(arm("base", [1.0] * 6) + arm("head", [2.0] * 6, **other))

    assert comparison.verdict == "not-comparable"
    assert told in comparison.reason
    assert comparison.change is None


def test_a_metric_that_changes_its_unit_within_an_arm_is_not_comparable() -> None:
    blocks = noisy(6) + arm("head", [1.0], first=7, unit="s") + arm("base", [1.0], first=7, unit="s")

    assert only(blocks).verdict == "not-comparable"
    both = "version 1 in ms (lower is better) and version 1 in s (lower is better)"
    assert only(blocks).reason == f"the base measured {both}, the head {both}"


def test_p_is_adjusted_for_the_gated_metrics_alone() -> None:
    alone = only(noisy(6, 1.03)).p
    crowd = [block(each.arm, each.pair, *_crowd(each)) for each in noisy(6, 1.03)]
    (first, *others) = compare(crowd, Policy(rules=(("suite.one/ungated*", MetricRule(gate=False)),)))

    assert first.p == pytest.approx(4 * alone)
    assert [each.gated for each in others] == [True] * 3 + [False] * 2
    assert others[-1].p == pytest.approx(alone)


def test_pairs_needed_count_the_gated_metrics_and_no_others() -> None:
    crowd = [block(each.arm, each.pair, *_crowd(each)) for each in noisy(6, scale=40)]
    (first, *_, last) = compare(crowd, Policy(rules=(("suite.one/ungated*", MetricRule(gate=False)),)))
    alone = only(noisy(6, scale=40))

    assert first.pairs_needed > alone.pairs_needed == last.pairs_needed > 6


def test_differences_without_noise_have_the_interval_of_the_clocks_steps() -> None:
    comparison = only(pairs([1.0] * 6, [1.01] * 6))
    reach = t_quantile(0.975, 5) * math.sqrt(2) * 0.001 / math.sqrt(6)

    assert comparison.low == pytest.approx(1.01 * math.exp(-reach) - 1)
    assert comparison.high == pytest.approx(1.01 * math.exp(reach) - 1)


def _crowd(each: Block) -> list[Any]:
    (value,) = (found.samples[0] for _, found in each.metrics())
    names = ["time", "a", "b", "c", "ungated1", "ungated2"]
    return [metric(value, name=name) for name in names]


def test_an_ungated_metric_is_judged_and_not_worth_more_pairs() -> None:
    comparison = only(noisy(6, 1.05), ruled(gate=False), final=False)

    assert (comparison.verdict, comparison.gated) == ("regressed", False)
    assert unclear([comparison]) == set()


def test_bounds_in_another_unit_are_told_beside_the_verdict_where_the_rule_does_not_gate() -> None:
    blocks = noisy(6, 1.2)

    found = only(blocks, ruled(gate=False, ceiling=0.5, unit="s"))

    assert found.verdict == "regressed"
    assert found.reason == f"{only(blocks).reason}; the bounds of {ID} are in s, and it is measured in ms"


def test_nothing_measured_is_nothing_compared() -> None:
    assert compare([], Policy()) == ()


def test_the_margin_is_part_of_the_interface() -> None:
    assert judgement.margin("matmul.float32/time", "ms", Policy()) == 0.02


@pytest.mark.parametrize("value", [Arm, Effect, Kind, Noise, Reading])
def test_what_was_read_and_judged_is_frozen_and_named(value: type[msgspec.Struct]) -> None:
    assert value.__struct_config__.frozen
    if value is not Kind:
        with pytest.raises(TypeError, match="positional"):
            value(None)
