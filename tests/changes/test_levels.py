"""Two levels or one that wanders."""

from __future__ import annotations

import math
import random
from statistics import stdev

import pytest

from ci_gpu.changes import levels
from tests.changes.series import noise

QUIET = [0.0, 0.001] * 10


def drawn(count: int, sd: float = 1.0, share: float = 0.0, seed: int = 1) -> list[float]:
    source = random.Random(seed)
    values = [source.gauss(0, sd)]
    while len(values) < count:
        values.append(share * values[-1] + math.sqrt(1 - share**2) * source.gauss(0, sd))
    return values


@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_of_four_points_is_one_either_way_and_three_are_not(sign: int) -> None:
    assert levels.differ(QUIET, [0.05 * sign] * 4, 0.02)
    assert not levels.differ(QUIET, [0.05 * sign] * 3, 0.02)


def test_six_old_points_are_enough_and_five_are_not() -> None:
    assert levels.differ(QUIET[:6], [0.05] * 4, 0.02)
    assert not levels.differ(QUIET[:5], [0.05] * 4, 0.02)


def test_the_margin_is_asked_for() -> None:
    assert levels.differ([0.0] * 20, [0.02] * 4, 0.02)
    assert not levels.differ([0.0] * 20, [0.0199] * 4, 0.02)


def test_only_the_nearest_sixty_points_either_side_count() -> None:
    assert levels.differ([*[9.0, 0.0] * 50, *[0.0, 0.001] * 30], [*[0.05] * 60, *[-9.0] * 60], 0.02)
    assert not levels.differ([*[9.0, 0.0] * 50, *[0.0, 0.001] * 20], [0.05] * 60, 0.02)


def test_one_of_five_new_points_may_be_back_and_two_may_not() -> None:
    assert levels.differ(QUIET, [0.05, 0.05, 0.0, 0.05, 0.05], 0.02)
    assert not levels.differ(QUIET, [0.05, 0.0, 0.0, 0.05, 0.05], 0.02)


@pytest.mark.parametrize(("back", "told"), [(2, True), (3, False)])
def test_a_quarter_of_the_new_points_may_be_back(back: int, told: bool) -> None:
    assert levels.differ([0.0, 0.001] * 10, [*[0.03, 0.031] * 4][back:] + [0.0] * back, 0.01) is told


def test_of_four_new_points_none_may_be_back() -> None:
    """Seen red: three busy runs and one as before were confirmed, in five series of one push of a public dashboard."""
    assert not levels.differ(QUIET, [0.05, 0.05, 0.05, 0.0], 0.02)


POOL = [0.0, 0.08, 0.16, 0.24, 0.08, 0.0, 0.16, 0.08, 0.0, 0.24, 0.16, 0.0] * 4
"""Runs on whichever machine of a pool is free."""


@pytest.mark.parametrize("count", [4, 5, 8, 20])
def test_runs_that_stay_on_one_machine_of_a_pool_are_one_draw_of_it_however_many(count: int) -> None:
    """Seen red: the error was divided by the root of their number, as if each had drawn its machine anew."""
    steady = [-0.14, -0.141] * (count // 2) + [-0.14] * (count % 2)

    assert not levels.differ(POOL, steady, 0.02)
    assert levels.differ(POOL, [value - 0.5 for value in steady], 0.02)


def test_runs_that_vary_as_before_are_so_many_draws() -> None:
    assert levels.differ(POOL, [-0.26, -0.18, -0.1, -0.02, -0.26, -0.18, -0.14, -0.1], 0.02)


def test_how_much_steadier_is_asked_of_few_points_and_of_twelve_and_more() -> None:
    before = [-0.6745, 0.6745] * 10  # of a deviation of 1
    for count, least in ((4, 0.08), (8, 0.24), (12, 0.4), (20, 0.4)):
        for factor, expected in ((0.99, True), (1.01, False)):
            after = [5 + least * factor * (-1) ** at for at in range(count)]
            assert levels._steadier(before, after) is expected, (count, factor)


def test_one_busy_run_of_five_or_six_is_no_noise() -> None:
    assert levels._steadier(POOL, [-0.14] * 4 + [0.2])
    assert levels._steadier(POOL, [-0.14] * 5 + [0.2])
    assert not levels._steadier(POOL, [-0.14] * 4 + [0.2, 0.2])


def test_what_never_varied_is_not_steadier_than_what_never_varied() -> None:
    assert not levels._steadier([1.0] * 20, [2.0] * 20)


@pytest.mark.parametrize("count", [4, 5, 7, 10, 12, 20])
def test_noise_is_seldom_steadier_than_itself(count: int) -> None:
    found = [levels._steadier(drawn(50, seed=seed), drawn(count, seed=5000 + seed)) for seed in range(400)]

    assert sum(found) <= 16


def test_the_error_of_a_steady_stretch_is_that_of_one_draw_which_correlates_with_none() -> None:
    least = 4 * 1.05 * math.sqrt(1 + 1 / 20)
    for before in ([-0.6745, 0.6745] * 10, ([-0.6745] * 5 + [0.6745] * 5) * 2):
        assert levels._beyond_chance(before, [least * 1.001] * 5, None)
        assert not levels._beyond_chance(before, [least * 0.999] * 5, None)


def test_a_fifth_of_the_old_points_may_have_been_there_and_no_more() -> None:
    for there, expected in ((4, False), (5, True)):
        assert levels._overlap([0.0] * (20 - there) + [1.0] * there, [1.0] * 4, 1.0) is expected
        assert levels._overlap([0.0] * (20 - there) + [-1.0] * there, [-1.0] * 4, -1.0) is expected


def test_how_far_a_level_wandered_is_that_of_stretches_as_long() -> None:
    once = [0.0] * 8 + [0.4] * 4 + [0.0] * 8

    assert levels._wandered(once, 4) == pytest.approx(0.4)
    assert levels._wandered(once, 100) == pytest.approx(0.4)
    assert levels._wandered([*once, *[0.0] * 20], 100) == 0.0
    assert levels._wandered(once[:7], 4) == 0.0


def test_a_stretch_that_wandered_is_a_quarter_of_the_old_points_at_most_and_no_shorter_at_their_end() -> None:
    assert levels._wandered([0.0] * 7 + [0.4] * 2 + [0.0] * 7, 100) == pytest.approx(0.2)
    assert levels._wandered([0.0] * 14 + [0.4] * 2, 100) == pytest.approx(0.2)


def test_the_new_level_is_further_than_the_old_one_ever_was() -> None:
    before = [0.0, 0.001] * 20 + [0.04] * 6 + [0.0, 0.001] * 5

    assert not levels.differ(before, [0.05] * 6, 0.02)
    assert levels.differ(before, [0.06] * 6, 0.02)


@pytest.mark.parametrize("seed", range(3))
def test_the_deviation_is_that_of_normal_noise_and_no_less_than_the_floor(seed: int) -> None:
    values = noise(2000, 0.02, seed)

    assert levels._deviation(values) == pytest.approx(stdev(values), rel=0.07)
    assert levels._deviation([1.0] * 20) == levels.FLOOR


def test_a_second_mode_that_is_not_rare_is_noise() -> None:
    assert levels._deviation([0.0] * 15 + [1.0] * 5) == pytest.approx(1 / 1.2816)
    assert levels._deviation([0.0] * 17 + [1.0] * 3) == levels.FLOOR


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_the_correlation_of_many_points_is_found(share: float) -> None:
    assert levels._correlation(drawn(4000, share=share), 1.0) == pytest.approx(share, abs=0.06)


def test_few_points_are_known_to_show_too_little_of_it_and_none_is_not_negative() -> None:
    wave = [0.0, 1.0, 0.0, -1.0, -1.0, 0.0, 1.0, 1.0, 0.0, -1.0, 0.0]
    share = 2 / 6  # of the products of neighbours two are 1, and of the squares six

    assert levels._correlation([5 + each for each in wave], 100.0) == pytest.approx(share + (1 + 3 * share) / 11)
    assert levels._correlation([1.0, -1.0] * 20, 1.0) == 0.0
    assert levels._correlation([float(at) for at in range(60)], 100.0) == levels.MOST


def test_correlation_asks_for_a_larger_step() -> None:
    alternating, blocks = [0.0, 1.0] * 20, ([0.0] * 4 + [1.0] * 4) * 5

    assert levels._beyond_chance(alternating, [2.5, 3.5, 3.0, 2.5, 3.5], None)
    assert not levels._beyond_chance(blocks, [2.5, 3.5, 3.0, 2.5, 3.5], None)


def test_twelve_new_points_tell_of_the_noise_too() -> None:
    noisy = [0.7, 1.3] * 5

    assert levels._beyond_chance(QUIET, [*noisy, 1.0], None)
    assert levels._deviation([*noisy, 1.0, 1.0]) == pytest.approx(0.3 / 0.6745)
    assert levels._beyond_chance(QUIET, [*noisy, 1.0, 1.0], None)
    assert not levels._beyond_chance(QUIET, [1.5 * each - 0.5 for each in (*noisy, 0.7, 1.3)], None)


def test_a_point_after_that_is_uncertain_counts_as_less_and_never_as_more() -> None:
    before = drawn(60, 0.01)

    for after in ([0.05] * 4, [0.04, 0.05, 0.05, 0.06]):  # one draw, and four
        assert levels.differ(before, after, 0.02)
        assert levels.differ(before, after, 0.02, [4.0] * 4)
        assert not levels.differ(before, after, 0.02, [0.25] * 4)
    assert not levels._beyond_chance(before, [0.01, 0.018, 0.018, 0.026], [4.0] * 4)


def test_the_mean_is_the_mean_of_points_that_are_near() -> None:
    assert levels._mean([0.0, 0.0, 1.0], 1.0) == pytest.approx(1 / 3)
    assert levels._mean([0.0, 0.0, 100.0], 1.0) == pytest.approx(2 / 3)
    assert levels._mean([0.0, 0.0, -100.0], 1.0) == pytest.approx(-2 / 3)


def test_a_point_in_the_middle_is_on_neither_side() -> None:
    assert not levels._overlap([0.0] * 5 + [5.0] * 4, [10.0] * 4, 10.0)
    assert not levels._overlap([0.0] * 9, [5.0] * 4 + [10.0] * 5, 10.0)


def test_the_furthest_stretch_may_be_the_first_or_the_last_and_lie_at_any_level() -> None:
    calm = [3.0] * 12

    assert levels._wandered([*calm, 3.5, 3.5, 3.5, 3.5], 4) == pytest.approx(0.5)
    assert levels._wandered([2.5, 2.5, 2.5, 2.5, *calm], 4) == pytest.approx(0.5)
    assert levels._wandered([*calm[:6], 3.5, 3.5], 4) == pytest.approx(0.5)
    assert levels._wandered([*calm, 3.5], 1) == 0.0
    assert levels._wandered([3.0] * 14 + [3.5] * 2 + [3.0] * 7, 9) == 0.0


def test_the_error_is_that_of_the_difference_of_two_means() -> None:
    """Four of 1.05 times the root of 1/4 and 1/20, and of the correlation -1 of points in turn, which is none."""
    before = [-0.6745, 0.6745] * 10
    least = 4 * 1.05 * math.sqrt(1 / 4 + 1 / 20)

    def varying(middle: float) -> list[float]:
        return [middle - 0.2, middle + 0.2] * 2

    assert levels._beyond_chance(before, varying(least * 1.001), None)
    assert not levels._beyond_chance(before, varying(least * 0.999), None)
    assert levels._beyond_chance(before, varying(4 * 1.05 * math.sqrt(1 + 1 / 20) * 1.001), [0.5] * 4)


def test_correlation_lengthens_the_error_as_in_an_ar_1_series() -> None:
    values = drawn(4000, share=0.6)

    assert levels._longer(values) == pytest.approx(2.0, rel=0.1)
    assert levels._longer([1.0] * 20) == pytest.approx(math.sqrt(1.05 / 0.95))


def test_what_is_far_is_brought_to_two_deviations_from_the_median() -> None:
    assert levels._clipped([0.0, 0.0, 0.0, 9.0, -9.0], 0.5) == [0.0, 0.0, 0.0, 1.0, -1.0]
