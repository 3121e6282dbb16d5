"""E-divisive against the published answers, and against Apache Otava where it is installed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ci_gpu.changes import divisive
from tests.changes.series import TIGERBEETLE, noise, stepped
from tests.needs import module

VALUES: list[float] = [float(value) for value in TIGERBEETLE["values"]]


def published(p: float, magnitude: float) -> list[int]:
    (indices,) = (
        each["indices"]
        for each in TIGERBEETLE["expected"]
        if (each["max_pvalue"], each["min_magnitude"]) == (p, magnitude)
    )
    return list(indices)


@pytest.fixture
def otava() -> Any:
    return module("otava.analysis", "apache-otava")


@pytest.fixture
def divisor_n(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otava's p-values: its deviations divide by n where a sample's divide by n - 1."""

    def p_value(left: Sequence[float], right: Sequence[float]) -> float:
        if len(left) + len(right) < 3:
            return 1.0
        moments = [each for side in (left, right) for each in (np.mean(side), np.std(side), len(side))]
        return float(stats.ttest_ind_from_stats(*moments).pvalue)

    monkeypatch.setattr(divisive, "p_value", p_value)


@pytest.mark.parametrize("p", [0.0001, 0.00001])
@pytest.mark.usefixtures("divisor_n")
def test_with_the_publisher_s_deviations_the_published_changes_come_out(p: float) -> None:
    assert list(divisive.detect(VALUES, 0.0, significant=p, window=30, least=1)) == published(p, 0.0)


@pytest.mark.parametrize("p", [0.01, 0.001, 0.0001, 0.00001])
def test_with_a_sample_s_deviations_the_same_or_fewer_do(p: float) -> None:
    found = divisive.detect(VALUES, 0.0, significant=p, window=30, least=1)

    assert {71, 95, 131, 192} <= set(found) <= set(published(p, 0.0))


def test_the_magnitude_leaves_the_two_that_are_published() -> None:
    logarithms = [math.log(value) for value in VALUES]

    assert list(divisive.detect(logarithms, math.log1p(0.05))) == published(0.01, 0.05)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(20))
def test_the_best_split_is_otava_s(otava: Any, seed: int) -> None:
    values = noise(2 + seed * 3, seed=seed)

    split = otava.PairDistanceCalculator(np.array(values)).get_candidate_change_point(slice(0, len(values)))

    assert divisive.best_split(values, least=1) == (pytest.approx(split.qhat), split.index)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("divisor_n")
@pytest.mark.parametrize("p", [0.01, 0.001])
def test_so_are_the_candidates_of_all_windows(otava: Any, p: float) -> None:
    candidates = [int(change.index) for change in otava.split(VALUES, 30, p)]

    assert divisive._weak(VALUES, p, 30, 1) == candidates


@pytest.mark.parametrize(("left", "right"), [(1, 2), (2, 2), (5, 40), (90, 2), (300, 200)])
def test_the_p_value_is_scipy_s(left: int, right: int) -> None:
    sides = noise(left, seed=3), [value + 0.004 for value in noise(right, seed=4)]

    assert divisive.p_value(*sides) == pytest.approx(stats.ttest_ind(*sides).pvalue, rel=1e-9)


def test_the_p_value_keeps_its_digits_far_out_among_many_points() -> None:
    sides = noise(120, seed=3), [value + 0.006 for value in noise(120, seed=4)]
    wanted = stats.ttest_ind(*sides).pvalue

    assert 1e-30 < wanted < 1e-15
    assert divisive.p_value(*sides) == pytest.approx(wanted, rel=1e-6)


def test_a_step_without_noise_is_certain_and_no_step_is_none() -> None:
    assert divisive.p_value([1.0, 1.0], [2.0, 2.0]) == 0.0
    assert divisive.p_value([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert divisive.p_value([0.0, 0.0], [0.0, 0.0]) == 1.0
    assert divisive.p_value([1.0], [2.0]) == 1.0


def test_what_rounding_leaves_is_neither_a_step_nor_noise() -> None:
    """A double holds sixteen digits, and a mean of a hundred loses some."""
    assert divisive.p_value([1e9, 1e9], [1e9 + 1e-6, 1e9 + 1e-6]) == 1.0
    assert divisive.p_value([1e9, 1e9], [1e9 + 1e-2, 1e9 + 1e-2]) == 0.0
    assert divisive.p_value([0.0, 2e-11], [100.0, 100.0]) == 0.0
    assert divisive.p_value([0.0, 2e-9], [100.0, 100.0]) > 0.0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_values_than_two_segments_have_no_split(count: int) -> None:
    assert divisive.best_split([0.0, 0.0, 9.0][:count]) == (-math.inf, 0)
    assert divisive.detect([0.0, 0.0, 9.0][:count], 0.0) == ()


def test_two_values_are_a_segment_at_either_end() -> None:
    assert divisive.detect([1.0] * 2 + [2.0] * 20, 0.0) == (2,)
    assert divisive.detect([1.0] * 20 + [2.0] * 2, 0.0) == (20,)


def test_a_step_of_the_margin_is_one() -> None:
    values = [0.0] * 20 + [0.25] * 20

    assert divisive.detect(values, 0.25) == (20,)
    assert divisive.detect(values, 0.26) == ()


def test_changes_are_found_in_every_window_of_a_long_series() -> None:
    wanted = list(range(40, 800, 40))
    values = stepped([(40, 1.0 + 0.1 * (at % 2)) for at in range(20)], sd=0.01)

    assert list(divisive.detect(values, 0.02)) == wanted


def test_no_segment_is_shorter_than_two_points() -> None:
    source = random.Random(1)
    values = [source.choice([1.0, 2.0]) for _ in range(300)]

    edges = [0, *divisive.detect(values, 0.0, significant=0.5), len(values)]

    assert len(edges) > 2
    assert min(np.diff(edges)) >= 2
