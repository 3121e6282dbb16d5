"""The piecewise constant fit is the best there is, and its penalty sees noise for what it is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest

from ci_gpu.changes import potts
from tests.changes.series import noise, stepped

LEVELS = [at / 4 for at in range(-12, 40)]


def cost(values: Sequence[float], found: Sequence[int], price: float, deviations: Sequence[float] = ()) -> float:
    """Of this segmentation, with the best of the levels for each segment."""
    edges = (0, *found, len(values))
    scales = deviations or [1.0] * len(values)
    return len(found) * price + sum(
        min(
            sum(min(abs(values[at] - level) / scales[at], potts.LIMIT) for at in range(start, stop)) for level in LEVELS
        )
        for start, stop in pairwise(edges)
    )


def best(values: Sequence[float], price: float, deviations: Sequence[float] = ()) -> float:
    """By trying all segmentations with two points or more in each segment."""
    every = (
        found
        for jumps in range(len(values) // 2)
        for found in combinations(range(2, len(values) - 1), jumps)
        if all(right - left >= 2 for left, right in pairwise((0, *found, len(values))))
    )
    return min(cost(values, found, price, deviations) for found in every)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("price", [0.5, 1.5, 4.0])
def test_no_other_segmentation_costs_less(seed: int, price: float) -> None:
    source = random.Random(seed)
    values = [float(source.choice([0, 0, 1, 2, 5])) for _ in range(10)]

    found = potts.fit(values, [1.0] * len(values), price)

    assert cost(values, found, price) == pytest.approx(best(values, price))


@pytest.mark.parametrize("seed", range(8))
def test_each_point_counts_by_its_own_deviation(seed: int) -> None:
    source = random.Random(seed)
    values = [float(source.choice([0, 1, 2, 5, 8])) for _ in range(9)]
    deviations = [source.choice([1.0, 2.0]) for _ in values]

    found = potts.fit(values, deviations, 1.0)

    assert cost(values, found, 1.0, deviations) == pytest.approx(best(values, 1.0, deviations))


def test_no_segment_is_shorter_than_two_points() -> None:
    source = random.Random(1)
    values = [float(source.choice([0, 9])) for _ in range(300)]

    edges = (0, *potts.fit(values, [1.0] * 300, 1e-6), 300)

    assert len(edges) > 50
    assert min(right - left for left, right in pairwise(edges)) == 2


def test_one_wild_point_costs_no_more_than_the_limit() -> None:
    values = [0.0] * 10 + [1000.0] + [0.0] * 10

    assert potts.fit(values, [1.0] * 21, potts.LIMIT) == ()


def test_two_wild_points_between_levels_are_none_and_three_are_one() -> None:
    flat = [0.0] * 10

    assert potts.fit([*flat, 30.0, 30.0, *flat], [1.0] * 22, potts.PRICE) == ()
    assert potts.fit([*flat, 30.0, 30.0, 30.0, *flat], [1.0] * 23, potts.PRICE) == (10, 13)


@pytest.mark.parametrize(("price", "found"), [(3.9, (10, 12)), (4.1, ())])
def test_a_point_costs_four_at_most(price: float, found: tuple[int, ...]) -> None:
    """Two wild points cost eight, and a level of their own two jumps."""
    flat = [0.0] * 10

    assert potts.fit([*flat, 30.0, 30.0, *flat], [1.0] * 22, price) == found


def test_a_level_may_lie_three_deviations_from_its_first_points() -> None:
    """Two points 2.5 off cost five, and a jump behind them would cost 5.5."""
    assert potts.fit([*[100.0] * 10, 2.5, 2.5, *[0.0] * 8], [1.0] * 20, 5.5) == (10,)


@pytest.mark.parametrize("first", [0.003, 0.25, 1.0, 1.9, 40.0])
@pytest.mark.parametrize("second", [0.6, 1.0, 2.6])
def test_a_segment_may_begin_on_levels_all_around_its_two_points(first: float, second: float) -> None:
    """Four to eight in the smaller deviation, to three deviations from each point and no level further."""
    values, deviations = (1000.0, 2000.0), (first, first * second)

    levels = sorted(level for level, _ in potts._fresh(values, deviations, 1))

    near = [[level - value for level in levels if abs(level - value) < 500] for value in values]
    widths = {right - left for side in near for left, right in pairwise(side)}
    (width,) = widths
    assert min(deviations) / 8 < width <= min(deviations) / 4
    for side, deviation in zip(near, deviations, strict=True):
        assert 3 * deviation - width / 2 <= -side[0] <= 3 * deviation + 1.5 * width
        assert 3 * deviation - width / 2 <= side[-1] <= 3 * deviation + 1.5 * width


def test_a_point_of_far_larger_deviation_brings_no_more_than_64_levels_either_side() -> None:
    levels = sorted(level for level, _ in potts._fresh((0.0, 1000.0), (1.0, 1e6), 1))

    assert levels == [level / 4 for level in (*range(-12, 13), *range(4000 - 64, 4000 + 65))]


@pytest.mark.parametrize(
    ("weighted", "middle"),
    [
        ([(8.0, 1.0), (1.0, 1.0), (4.0, 1.0), (2.0, 1.0)], 3.0),
        ([(4.0, 1.0), (1.0, 1.0), (2.0, 1.0)], 2.0),
        ([(4.0, 3.0), (1.0, 1.0), (2.0, 1.0)], 4.0),
        ([(4.0, 2.0), (1.0, 1.0), (2.0, 1.0)], 3.0),
        ([(7.0, 0.1)], 7.0),
        ([(float(at), 0.1) for at in range(10)], 4.5),
        (list(enumerate((0.1, 0.7, 0.7, 0.7, 0.7, 0.1))), 2.5),
        (list(enumerate((3040552.2, 4963480.7, 4595928.5, 4595928.5, 4963480.7, 3040552.2))), 2.5),
    ],
)
def test_half_of_the_weight_lies_below_the_median(weighted: list[tuple[float, float]], middle: float) -> None:
    """The last three: such weights add up to a little more, or less, than half of their sum."""
    assert potts.weighted_median(weighted) == middle


def test_fewer_than_four_values_have_no_steps() -> None:
    for few in range(4):
        assert potts.fit([0.0, 0.0, 9.0][:few], [1.0] * few, 1.0) == ()
    assert potts.fit([0.0, 0.0, 9.0, 9.0], [1.0] * 4, 1.0) == (2,)


def test_a_weight_counts_like_so_many_points() -> None:
    values = [*noise(30), 1.03, 1.03, 1.03, *noise(30, seed=2)]
    weights = [1.0] * 30 + [0.25] * 3 + [1.0] * 30

    assert potts.detect(values, 0.0) == (30, 33)
    assert potts.detect(values, 0.0, weights) == ()


def test_a_series_that_wanders_is_cut_into_few_steps() -> None:
    """A long one, whose correlation can be told from chance."""
    source, wander = random.Random(3), [1.0]
    while len(wander) < 400:
        wander.append(1 + 0.95 * (wander[-1] - 1) + source.gauss(0, 0.01))

    assert len(potts.detect(wander, 0.0)) <= 6


@pytest.mark.parametrize("size", [4, 12, 60, 300])
def test_noise_is_one_segment(size: int) -> None:
    assert potts.detect(noise(size), 0.0) == ()


def test_a_flat_series_is_one_segment() -> None:
    assert potts.detect([2.0] * 30, 0.0) == ()


def test_steps_far_larger_than_the_noise_are_all_found() -> None:
    values = stepped([(30, 1.0), (30, 1.01), (30, 2.0)], sd=0.0005)

    assert potts.detect(values, 0.0) == (30, 60)


def test_small_steps_are_put_together_the_smallest_first() -> None:
    values = [0.0] * 20 + [0.03] * 20 + [0.04] * 20

    assert potts.detect(values, 0.0) == (20, 40)
    assert potts.detect(values, 0.02) == (20,)
    assert potts.detect(values, 0.05) == ()


def test_a_step_of_the_margin_is_one() -> None:
    values = [0.0] * 20 + [0.25] * 20

    assert potts.detect(values, 0.25) == (20,)
    assert potts.detect(values, 0.26) == ()


def test_the_level_of_a_segment_is_that_of_all_its_points() -> None:
    values, weights = [0.0, 1.0, 5.0, 5.0], [1.0] * 4

    assert potts._sized(values, weights, (2,), 4.5) == (2,)
    assert potts._sized(values, weights, (2,), 4.6) == ()


def test_each_value_has_a_weight() -> None:
    with pytest.raises(ValueError, match="zip"):
        potts.detect(noise(20), 0.0, [1.0] * 19)


def test_without_weights_each_point_counts_once() -> None:
    """Two points a little off are no segment, unless each counts twice; three are one, unless each counts half."""
    two, three = ([*noise(30), *off, *noise(30, seed=2)] for off in ([1.01] * 2, [1.015] * 3))

    assert potts.detect(two, 0.0) == ()
    assert potts.detect(two, 0.0, [2.0] * 62) == (30, 33)
    assert potts.detect(three, 0.0) == (30, 34)
    assert potts.detect(three, 0.0, [0.5] * 63) == ()
