"""The piecewise constant fit is the best there is, and its penalty sees noise for what it is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, pairwise
from statistics import median

import pytest

from ci_gpu.changes import potts
from tests.changes.series import TIGERBEETLE, noise, stepped
from tests.needs import module


def cost(values: Sequence[float], found: Sequence[int], penalty: float) -> float:
    edges = (0, *found, len(values))
    segments = (values[start:stop] for start, stop in pairwise(edges))
    return len(found) * penalty + sum(abs(value - median(each)) for each in segments for value in each)


def best(values: Sequence[float], penalty: float) -> float:
    """By trying all segmentations with two points or more in each segment."""
    every = (
        found
        for jumps in range(len(values) // 2)
        for found in combinations(range(2, len(values) - 1), jumps)
        if all(right - left >= 2 for left, right in pairwise(found))
    )
    return min(cost(values, found, penalty) for found in every)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("penalty", [0.5, 1.5, 4.0])
def test_no_other_segmentation_costs_less(seed: int, penalty: float) -> None:
    source = random.Random(seed)
    values = [float(source.choice([0, 0, 1, 2, 5])) for _ in range(11)]
    values[:4] = [0.0] * 4  # a typical step of 0: then levels are not rounded
    values[-4:] = [values[-1]] * 4

    found = potts.fit(values, [1.0] * len(values), penalty)

    assert cost(values, found, penalty) == pytest.approx(best(values, penalty))


@pytest.mark.parametrize("seed", range(5))
def test_rounded_levels_cost_next_to_nothing(seed: int) -> None:
    values = stepped([(6, 1.0), (6, 1.02)], sd=0.01, seed=seed)

    found = potts.fit(values, [1.0] * len(values), 0.02)

    assert cost(values, found, 0.02) <= best(values, 0.02) * 1.02


def test_no_segment_is_shorter_than_two_points() -> None:
    values = [1.0, 9.0, 1.0, 1.0, 9.0, 9.0, 1.0, 1.0, 1.0, 9.0]

    assert potts.fit(values, [1.0] * 10, 1e-6) == (2, 4, 6, 8)


def test_a_weight_counts_like_so_many_points() -> None:
    values = [0.0] * 6 + [1.0] * 2 + [0.0] * 6
    weights = [1.0] * 6 + [3.0] * 2 + [1.0] * 6

    assert potts.fit(values, [1.0] * 14, 2.5) == ()
    assert potts.fit(values, weights, 2.5) == (6, 8)


@pytest.mark.parametrize("seed", range(8))
def test_a_series_that_wanders_is_not_cut_into_steps(seed: int) -> None:
    source, wander = random.Random(seed), [1.0]
    while len(wander) < 100:
        wander.append(1 + 0.95 * (wander[-1] - 1) + source.gauss(0, 0.01))

    assert potts.detect(wander, 0.0) == ()


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


def test_the_long_segments_of_tigerbeetle_are_those_of_asv() -> None:
    detect_steps = module("asv.step_detect", "asv").detect_steps
    values = TIGERBEETLE["values"]

    steps = [left for left, right, *_ in detect_steps(values) if left and right - left > 10]

    assert set(steps) <= set(potts.detect([float(value) for value in values], 0.0))
