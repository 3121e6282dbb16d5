"""What is judged without statistics: exact metrics, the user's bounds, and the control."""

from __future__ import annotations

import msgspec
import pytest

from ci_gpu.compare import control, unclear, withdrawn
from ci_gpu.errors import ConfigError
from ci_gpu.model import Block, Policy
from tests.paired import arm, block, noisy, only, pairs, ruled


@pytest.mark.parametrize(
    ("base", "head", "better", "effect", "verdict"),
    [
        (100, 100, "lower", None, "unchanged"),
        (100, 101, "lower", None, "regressed"),
        (100, 99, "lower", None, "improved"),
        (100, 101, "higher", None, "improved"),
        (100, 99, "higher", None, "regressed"),
        (100, 105, "lower", 0.05, "unchanged"),
        (100, 95, "higher", 0.05, "unchanged"),
        (100, 106, "lower", 0.05, "regressed"),
        (0, 0, "lower", None, "unchanged"),
        (0, 1, "lower", None, "regressed"),
        (1, 0, "lower", None, "improved"),
    ],
)
def test_an_exact_metric_is_compared_without_statistics(
    base: float, head: float, better: str, effect: float | None, verdict: str
) -> None:
    comparison = only(pairs([base], [head], better=better, unit="1", exact=True), ruled(min_effect=effect))

    assert comparison.verdict == verdict
    assert comparison.change == (pytest.approx(head / base - 1) if base else None)
    assert (comparison.p, comparison.low, comparison.margin) == (None, None, effect or 0.0)
    assert unclear([comparison]) == set()


def test_an_exact_metric_tells_both_values() -> None:
    assert only(pairs([100], [103], unit="B", exact=True)).reason == "100 became 103 B"
    assert only(pairs([100], [100], unit="B", exact=True)).reason == ""


@pytest.mark.parametrize("varies", ["base", "head"])
def test_an_exact_metric_that_varies_is_not_exact(varies: str) -> None:
    blocks = [each for each in noisy(6, exact=True, unit="B") if each.arm != varies]
    comparison = only(arm(varies, [1.0, 1.0, 2.0, 1.0, 1.0, 1.0], exact=True, unit="B") + blocks)

    assert comparison.verdict == "inconclusive"
    assert comparison.reason == "an exact metric is not exact: 1 to 2 B in one image"


@pytest.mark.parametrize(("unit", "verdict"), [("1", "regressed"), ("B", "unchanged")])
def test_the_policys_min_effect_is_for_bytes_and_not_for_counts(unit: str, verdict: str) -> None:
    assert only(pairs([100], [101], unit=unit, exact=True), Policy(min_effect=0.5)).verdict == verdict


@pytest.mark.parametrize("blocks", [noisy(6), arm("head", [1.0] * 6), arm("base", [2.0]) + arm("head", [1.0])])
@pytest.mark.parametrize(
    ("bound", "told"),
    [
        ({"floor": 1.5}, "1 ms is below the floor of 1.5 ms"),
        ({"ceiling": 0.5}, "1 ms is above the ceiling of 0.5 ms"),
    ],
)
def test_a_broken_bound_is_red_with_or_without_a_base(blocks: list[Block], bound: dict[str, float], told: str) -> None:
    comparison = only(blocks, ruled(unit="ms", **bound))

    assert (comparison.verdict, comparison.pairs_needed) == ("regressed", 0)
    assert comparison.reason == told
    assert unclear([comparison]) == set()


def test_a_broken_bound_is_not_worth_more_pairs_however_noisy() -> None:
    comparison = only(noisy(6, scale=40), ruled(unit="ms", floor=1.5))

    assert (comparison.verdict, comparison.pairs_needed) == ("regressed", 0)


def test_a_kept_bound_changes_nothing() -> None:
    assert only(noisy(6), ruled(unit="ms", floor=0.5, ceiling=1.5)) == only(noisy(6))


def test_a_bound_in_another_unit_is_the_users_mistake() -> None:
    with pytest.raises(ConfigError, match=r"the bounds of suite.one/time are in TFLOP/s, and it is measured in ms"):
        only(noisy(6), ruled(unit="TFLOP/s", floor=0.5))


def controls(base: list[float], head: list[float]) -> list[Block]:
    return [
        Block(pair=pair, arm=name, control=(value, value))
        for name, values in (("base", base), ("head", head))
        for pair, value in enumerate(values, 1)
    ]


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        ([1.0, 1.001, 0.999, 1.0, 1.002, 0.998], "unchanged"),
        ([1.004, 1.004, 1.004, 1.004, 1.004, 1.004], "unchanged"),  # not by chance, and too small to matter
        ([1.006, 1.0061, 1.0062, 1.0059, 1.006, 1.006], "inconclusive"),
        ([0.994, 0.9941, 0.994, 0.9939, 0.994, 0.994], "inconclusive"),
        ([1.2, 0.95, 1.0, 1.1, 0.99, 1.0], "unchanged"),  # large, and perhaps by chance: intervals tell of it
        ([1.03, 0.97, 1.02, 0.98, 1.04, 0.96], "unchanged"),  # noise without a direction
    ],
)
def test_the_control_must_not_drift(head: list[float], verdict: str) -> None:
    comparison = control(controls([1.0] * 6, head))

    assert comparison is not None
    assert (comparison.metric, comparison.verdict) == ("control", verdict)
    assert comparison.reason.startswith("control drift of ") == (verdict == "inconclusive")


def test_the_control_tells_how_far_it_drifted_its_chance_and_what_it_is() -> None:
    """Twice the one-sided chance, because a control that became faster spoils as much as a slower one."""
    slower = controls([1.0] * 6, [1.02, 1.0201, 1.02, 1.0199, 1.02, 1.02])
    found, timed = control(slower), only(pairs([1.0] * 6, [1.02, 1.0201, 1.02, 1.0199, 1.02, 1.02], unit="s"))
    assert found is not None

    assert found.reason == "control drift of +2 %: the machine changed between the images"
    assert (found.version, found.unit, found.better, found.exact) == (1, "s", "lower", False)
    assert (found.base, found.head) == (1.0, 1.02)
    assert found.p == pytest.approx(2 * timed.p)
    level = control(controls([1.0] * 6, [1.0] * 6))
    assert level is not None
    assert (level.p, level.reason) == (1.0, "")


def test_a_comparison_on_a_machine_that_is_not_trusted_keeps_what_was_not_timed() -> None:
    timed, counted = only(noisy(6, 1.02, scale=15)), only(pairs([100], [101], unit="1", exact=True))
    gone = only([*arm("base", [1.0] * 6), block("head", 1, outcome="failed")])

    clock, count, missing = withdrawn([timed, counted, gone], "the control drifted")
    assert (clock.verdict, clock.reason, clock.pairs_needed) == ("inconclusive", "the control drifted", 0)
    assert timed.pairs_needed > 0
    assert (count, missing) == (counted, gone)
    assert gone.verdict == "missing"


def test_a_control_that_was_compiled_in_the_images_may_drift_by_their_compilers() -> None:
    drifting = controls([1.0] * 6, [1.006, 1.0061, 1.0062, 1.0059, 1.006, 1.006])
    found = control([msgspec.structs.replace(block, control_compiled=block.arm == "head") for block in drifting])

    assert found is not None
    assert found.reason.endswith("the machine, or what compiles the control in the images, changed between the images")


def test_a_control_of_an_invalid_block_or_without_a_time_is_none() -> None:
    good = controls([1.0] * 6, [1.0, 1.001, 0.999, 1.0, 1.002, 0.998])
    spoiled = [Block(pair=pair, arm="head", control=(2.0,), invalid="throttled") for pair in range(1, 7)]
    empty = [Block(pair=7, arm=name, control=(0.0, 1.0)) for name in ("base", "head")]

    assert control(good + spoiled + empty) == control(good)


def test_no_control_is_no_verdict_and_half_a_control_no_good_one() -> None:
    assert control(noisy(6)) is None
    half = control(controls([1.0], [1.0]))
    assert half is not None
    assert (half.verdict, half.reason) == ("inconclusive", "too few pairs: 1 of 1 can be used")
    one_armed = control(controls([1.0] * 6, []))
    assert one_armed is not None
    assert one_armed.verdict == "inconclusive"
