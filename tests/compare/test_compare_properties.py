"""What holds of a comparison whatever was measured."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_gpu.compare import compare, unclear
from ci_gpu.model import (
    IMPROVED,
    INCONCLUSIVE,
    MISSING,
    NEW,
    NOT_COMPARABLE,
    REGRESSED,
    UNCHANGED,
    Block,
    Comparison,
    Policy,
)
from tests.paired import block, metric, noisy, pairs

TIMES = st.floats(0.5, 2.0)
NEAR = st.floats(0.9, 1.1)
MIRROR = {REGRESSED: IMPROVED, IMPROVED: REGRESSED, MISSING: NEW, NEW: MISSING}
CHANGES = st.lists(st.tuples(NEAR, NEAR), min_size=2, max_size=12)
ANY = st.floats(1e-99, 1e99)
BETTER = st.sampled_from(["lower", "higher"])


def only(blocks: list[Block], final: bool = True) -> Comparison:
    (comparison,) = compare(blocks, Policy(), final=final)
    return comparison


def of(changes: list[tuple[float, float]], better: str = "lower", scale: float = 1.0) -> list[Block]:
    base, head = zip(*changes, strict=True)
    return pairs([scale * each for each in base], [scale * each for each in head], better=better)


@given(CHANGES, BETTER, st.booleans())
def test_swapped_arms_have_the_mirrored_verdict(changes: list[tuple[float, float]], better: str, final: bool) -> None:
    there = only(of(changes, better), final)
    back = only(of([(head, base) for base, head in changes], better), final)

    assert back.verdict == MIRROR.get(there.verdict, there.verdict)
    assert back.pairs_needed == there.pairs_needed
    if there.change is not None and back.change is not None:
        assert (1 + back.change) * (1 + there.change) == pytest.approx(1)


@given(st.floats(0.8, 1.25), st.floats(0, 30), BETTER, st.sampled_from([6, 12]), st.booleans())
def test_clear_and_unclear_changes_are_mirrored_too(
    factor: float, scale: float, better: str, count: int, final: bool
) -> None:
    blocks = noisy(count, factor, scale=scale, better=better)
    swap = {"base": "head", "head": "base"}
    back = [msgspec.structs.replace(each, arm=swap[each.arm]) for each in blocks]

    assert only(back, final).verdict == MIRROR.get(only(blocks, final).verdict, only(blocks, final).verdict)


@given(CHANGES, st.integers(-40, 40), st.booleans())
def test_the_unit_of_time_changes_nothing(changes: list[tuple[float, float]], power: int, final: bool) -> None:
    here, there = only(of(changes), final), only(of(changes, scale=2.0**power), final)

    assert (there.verdict, there.pairs_needed) == (here.verdict, here.pairs_needed)
    assert there.change == pytest.approx(here.change, abs=1e-12)


@given(CHANGES, BETTER)
def test_a_rate_is_judged_as_the_time_that_it_comes_from(changes: list[tuple[float, float]], better: str) -> None:
    rates = [(1 / base, 1 / head) for base, head in changes]
    other = {"lower": "higher", "higher": "lower"}[better]

    assert only(of(rates, other)).verdict == only(of(changes, better)).verdict


@given(st.lists(TIMES, min_size=1, max_size=12), BETTER, st.booleans(), st.booleans())
def test_identical_arms_are_never_red(times: list[float], better: str, final: bool, exact: bool) -> None:
    comparison = only(pairs(times, times, better=better, exact=exact), final)

    assert comparison.verdict in (UNCHANGED, INCONCLUSIVE)


@given(st.lists(NEAR, min_size=6, max_size=6), st.floats(1.0, 1.5), st.floats(1.0, 1.2))
def test_a_head_slowed_down_further_is_never_judged_better(noise: list[float], slower: float, further: float) -> None:
    rank = [IMPROVED, UNCHANGED, INCONCLUSIVE, REGRESSED]
    base = [1.0] * 6
    here = only(pairs(base, [slower * each for each in noise]))
    there = only(pairs(base, [slower * further * each for each in noise]))

    assert here.p is not None
    assert there.p is not None
    assert there.p <= here.p * (1 + 1e-9)
    assert here.verdict != REGRESSED or there.verdict == REGRESSED
    assert rank.index(there.verdict) >= rank.index(here.verdict) or here.verdict == INCONCLUSIVE


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(1, 100)), max_size=9))
def test_only_the_medians_of_the_processes_matter(around: list[tuple[float, float]]) -> None:
    blocks = noisy(6, 1.03)
    fuller = [block(each.arm, each.pair, metric(*_about(each_median(each), around))) for each in blocks]

    assert only(fuller) == only(blocks)


def _about(middle: float, around: list[tuple[float, float]]) -> list[float]:
    return [middle, *(middle * factor for pair in around for factor in pair)]


def each_median(each: Block) -> float:
    ((_, found),) = each.metrics()
    (value,) = found.samples
    assert value is not None
    return value


@given(CHANGES, st.randoms(use_true_random=False))
def test_the_order_of_the_blocks_changes_nothing(changes: list[tuple[float, float]], random: object) -> None:
    blocks = of(changes)
    shuffled = list(blocks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert only(shuffled) == only(blocks)


@settings(max_examples=30)
@given(st.lists(st.floats(0.9, 1.3), min_size=1, max_size=8))
def test_more_gated_metrics_never_make_one_of_them_redder(factors: list[float]) -> None:
    crowd = [
        block(name, pair, *(metric(_value(name, pair, factor), name=f"m{at}") for at, factor in enumerate(factors)))
        for name in ("base", "head")
        for pair in range(1, 7)
    ]
    for at, together in enumerate(compare(crowd, Policy())):
        alone = only(
            [block(name, p, metric(_value(name, p, factors[at]))) for name in ("base", "head") for p in range(1, 7)]
        )
        assert together.p is not None
        assert alone.p is not None
        assert together.p >= alone.p
        assert together.verdict == alone.verdict or together.verdict == INCONCLUSIVE


def _value(name: str, pair: int, factor: float) -> float:
    return 1.0 if name == "base" else factor * (1 + (-1) ** pair * 0.004 * pair)


@given(CHANGES, st.booleans())
def test_an_answer_is_always_complete(changes: list[tuple[float, float]], final: bool) -> None:
    comparison = only(of(changes), final)

    assert comparison.verdict in (REGRESSED, IMPROVED, UNCHANGED, INCONCLUSIVE, NOT_COMPARABLE)
    assert comparison.reason or comparison.verdict == UNCHANGED
    assert comparison.low is not None
    assert comparison.high is not None
    assert comparison.low <= (comparison.change or 0.0) <= comparison.high
    assert (comparison.pairs_needed > comparison.pairs) == (comparison.verdict == INCONCLUSIVE)
    assert final or comparison.verdict not in (REGRESSED, INCONCLUSIVE) or unclear([comparison])


@given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=12), BETTER, st.booleans(), st.booleans())
def test_whatever_an_image_claims_to_have_measured_is_judged(
    values: list[tuple[float, float]], better: str, exact: bool, final: bool
) -> None:
    base, head = zip(*values, strict=True)
    comparison = only(pairs(base, head, better=better, exact=exact), final)

    assert comparison.verdict in (REGRESSED, IMPROVED, UNCHANGED, INCONCLUSIVE)
    assert all(math.isfinite(each) for each in (comparison.change, comparison.low, comparison.high) if each is not None)
