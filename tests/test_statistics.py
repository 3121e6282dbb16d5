"""Our few lines of statistics against scipy's many."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats

from ci_gpu import statistics

DF = st.one_of(st.integers(1, 200).map(float), st.floats(0.5, 1e4))
DIFFERENCE = st.floats(-1, 1).filter(lambda value: value == 0 or abs(value) > 1e-9)
DIFFERENCES = st.lists(DIFFERENCE, min_size=2, max_size=12)


@given(st.floats(-1e4, 1e4), DF)
def test_the_tail_of_t_is_scipys_to_ten_digits_far_out_too(t: float, df: float) -> None:
    expected = stats.t.sf(t, df)
    assume(expected > 1e-290)

    assert statistics.t_sf(t, df) == pytest.approx(expected, rel=1e-9 if expected < 1e-30 else 1e-10)
    assert statistics.t_cdf(t, df) == pytest.approx(stats.t.cdf(t, df), rel=1e-9)


@given(st.floats(1e-9, 1 - 1e-9), DF.filter(lambda df: df >= 1))
def test_the_quantile_of_t_is_scipys(p: float, df: float) -> None:
    assert statistics.t_quantile(p, df) == pytest.approx(float(stats.t.ppf(p, df)), rel=1e-6, abs=1e-9)


@given(st.floats(1e-6, 0.999999), st.integers(1, 60))
def test_the_quantile_undoes_the_distribution(p: float, df: int) -> None:
    assert statistics.t_cdf(statistics.t_quantile(p, df), df) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize("p", [0.0, 1.0, -1.0, 2.0, math.nan])
def test_there_is_no_quantile_outside_of_the_open_interval(p: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        statistics.t_quantile(p, 5)


def test_t_of_not_a_number_is_not_a_number() -> None:
    assert math.isnan(statistics.t_sf(math.nan, 5))


@pytest.mark.parametrize(("t", "tail"), [(math.inf, 0.0), (-math.inf, 1.0), (0.0, 0.5)])
def test_the_ends_of_t_are_exact(t: float, tail: float) -> None:
    assert statistics.t_sf(t, 5) == tail


@given(st.floats(0, 1), st.floats(0.25, 500), st.floats(0.25, 500))
def test_the_incomplete_beta_function_is_scipys(x: float, a: float, b: float) -> None:
    expected = special.betainc(a, b, x)
    assume(expected == 0 or expected > 1e-290)

    assert statistics.beta_cdf(x, a, b) == pytest.approx(expected, rel=1e-9, abs=1e-13)


@given(DIFFERENCES)
def test_the_paired_t_is_scipys(differences: list[float]) -> None:
    assume(np.std(differences) > 1e-8)
    estimate = statistics.paired_t(differences)
    oracle = stats.ttest_1samp(differences, 0, alternative="greater")
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)

    assert estimate.p_above == pytest.approx(oracle.pvalue, rel=1e-6)
    assert estimate.interval(0.95) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


@given(DIFFERENCES, st.floats(0.01, 10))
def test_the_deviation_is_never_below_the_floor(differences: list[float], floor: float) -> None:
    estimate = statistics.paired_t(differences, floor)

    assert estimate.deviation == pytest.approx(max(np.std(differences, ddof=1), floor))
    assert estimate.error == pytest.approx(estimate.deviation / math.sqrt(len(differences)))


def test_equal_differences_without_a_floor_leave_no_doubt() -> None:
    assert statistics.paired_t([0.1, 0.1]).p_above == 0.0
    assert statistics.paired_t([-0.1, -0.1]).p_above == 1.0
    assert statistics.paired_t([0.0, 0.0]).p_above == 0.5


@given(DIFFERENCES, DIFFERENCES)
def test_welchs_t_is_scipys(low: list[float], high: list[float]) -> None:
    assume(np.std(low) > 1e-8 and np.std(high) > 1e-8)
    oracle = stats.ttest_ind(high, low, equal_var=False, alternative="greater")

    assert statistics.welch_p(low, high) == pytest.approx(oracle.pvalue, rel=1e-6)


@given(st.floats(-1, 1), st.integers(2, 12), st.floats(0.001, 0.1))
def test_welchs_t_of_constant_arms_rests_on_the_floor(shift: float, pairs: int, floor: float) -> None:
    p = statistics.welch_p([0.0] * pairs, [shift] * pairs, floor)

    assert p == pytest.approx(stats.t.sf(shift / floor * math.sqrt(pairs), pairs - 1), rel=1e-9)


@given(DIFFERENCES)
def test_hodges_lehmann_is_the_median_of_the_walsh_averages(differences: list[float]) -> None:
    walsh = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(differences, 2)]

    assert statistics.hodges_lehmann(differences) == pytest.approx(float(np.median(walsh)), abs=1e-15)


def test_hodges_lehmann_is_not_moved_far_by_one_wild_value() -> None:
    assert statistics.hodges_lehmann([0.01, 0.011, 0.012, 0.013, 0.014, 5.0]) < 0.02


@settings(max_examples=50)
@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=10))
def test_the_sign_flip_p_counts_all_signs(differences: list[int]) -> None:
    signs = itertools.product((1, -1), repeat=len(differences))
    sums = [sum(sign * value for sign, value in zip(row, differences, strict=True)) for row in signs]

    expected = sum(value >= sum(differences) for value in sums) / len(sums)

    assert statistics.sign_flip_p([float(value) for value in differences]) == expected


@settings(max_examples=20)
@given(st.lists(st.floats(1e-3, 1).map(lambda value: value - 0.3), min_size=3, max_size=9))
def test_the_sign_flip_p_is_scipys_permutation_test(differences: list[float]) -> None:
    oracle = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf, vectorized=False
    )

    assert statistics.sign_flip_p(differences) == pytest.approx(oracle.pvalue, abs=1e-12)


def test_twelve_equal_signs_are_one_in_4096() -> None:
    assert statistics.sign_flip_p([0.1] * 12) == 1 / 4096
    assert statistics.sign_flip_p([0.1] * 24) == 2.0**-24


def test_more_signs_than_can_be_counted_are_refused() -> None:
    with pytest.raises(ValueError, match="25"):
        statistics.sign_flip_p([0.1] * 25)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_the_step_down_of_bonferroni(p_values: list[float]) -> None:
    adjusted = statistics.holm(p_values)
    order = np.argsort(p_values, kind="stable")
    scaled = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    expected = np.minimum(1, np.maximum.accumulate(scaled))

    assert [adjusted[at] for at in order] == pytest.approx(list(expected))
    assert all(own <= raised for own, raised in zip(p_values, adjusted, strict=True))


def test_holm_of_nothing_is_nothing() -> None:
    assert statistics.holm([]) == ()


@given(DIFFERENCES, st.floats(0.001, 0.5))
def test_within_is_two_one_sided_tests(differences: list[float], margin: float) -> None:
    assume(np.std(differences) > 1e-8)
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    assume(abs(max(above, below) - 0.05) > 1e-9)

    assert statistics.within(statistics.paired_t(differences), margin, 0.05) == (max(above, below) < 0.05)


@given(st.floats(1e-4, 0.1), st.floats(0.001, 0.2), st.floats(1e-4, 0.05))
def test_pairs_needed_is_the_fewest_that_suffice(deviation: float, effect: float, alpha: float) -> None:
    def suffice(pairs: int) -> bool:
        reach = stats.t.ppf(1 - alpha, pairs - 1) + stats.t.ppf(0.8, pairs - 1)
        return bool(reach * deviation <= effect * math.sqrt(pairs))

    needed = statistics.pairs_needed(deviation, effect, alpha)

    assert needed == statistics.MOST_PAIRS or suffice(needed)
    assert needed == 2 or not suffice(needed - 1)


def test_pairs_needed_have_the_power_they_promise() -> None:
    needed = statistics.pairs_needed(0.01, 0.01, 0.01)
    draws = np.random.default_rng(7).normal(0.01, 0.01, (20_000, needed))
    power = float(np.mean(stats.ttest_1samp(draws, 0, axis=1, alternative="greater").pvalue < 0.01))

    assert 0.78 < power < 0.88
