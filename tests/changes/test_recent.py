"""The last two points against the twenty before."""

from __future__ import annotations

import pytest

from ci_gpu.changes import recent
from tests.changes.series import noise

QUIET = [0.0, 0.001] * 10


@pytest.mark.parametrize("newest", [[0.03, 0.03], [-0.03, -0.04]])
def test_two_points_beyond_the_margin_are_seen(newest: list[float]) -> None:
    assert recent.detect([*QUIET, *newest], 0.02) == (20,)


@pytest.mark.parametrize("newest", [[0.03, 0.0], [0.0, 0.03], [0.03, -0.03], [0.015, 0.015]])
def test_one_point_or_both_sides_or_less_than_the_margin_are_not(newest: list[float]) -> None:
    assert recent.detect([*QUIET, *newest], 0.02) == ()


def test_four_deviations_are_asked_for_where_the_noise_is_large() -> None:
    before = [value - 1 for value in noise(20, sd=0.02, seed=3)]

    assert recent.detect([*before, 0.05, 0.05], 0.02) == ()
    assert recent.detect([*before, 0.12, 0.12], 0.02) == (20,)


@pytest.mark.parametrize(("newest", "seen"), [(0.079, ()), (0.081, (20,)), (-0.079, ()), (-0.081, (20,))])
def test_the_deviation_is_that_of_normal_noise_around_the_middle(newest: float, seen: tuple[int, ...]) -> None:
    """Nine points 0.0135 below and nine above the middle: their median deviation is 0.02 as a standard one."""
    off = 0.02 / recent.NORMAL

    assert recent.detect([1, 1, *[1 - off, 1 + off] * 9, 1 + newest, 1 + newest], 0.01) == seen


@pytest.mark.parametrize("sign", [1, -1])
def test_as_far_as_the_margin_is_far_enough(sign: int) -> None:
    assert recent.detect([*[0.0] * 20, sign * 0.25, sign * 0.25], 0.25) == (20,)


def test_the_first_point_of_a_short_history_counts() -> None:
    """The highest may be wild, the second highest is not passed. Without the first point it would be the wild one."""
    assert recent.detect([0.05, *[0.0, 0.001] * 4, 0.05, 0.03, 0.03], 0.02) == ()


def test_only_the_last_twenty_are_compared_with() -> None:
    assert recent.detect([*[0.5] * 30, *QUIET, 0.03, 0.03], 0.02) == (50,)
    assert recent.detect([*[0.5] * 30, *QUIET[:-1], 0.001, 0.001], 0.02) == ()


def test_ten_points_before_are_enough_and_nine_are_not() -> None:
    assert recent.detect([*[0.0] * 10, 0.03, 0.03], 0.02) == (10,)
    assert recent.detect([*[0.0] * 9, 0.03, 0.03], 0.02) == ()


def test_as_many_points_as_lie_beyond_are_put_together_up_to_eight() -> None:
    assert recent.detect([*QUIET, *[0.03] * 5], 0.02) == (20,)
    assert recent.detect([*QUIET, *[0.03] * 8], 0.02) == (20,)
    assert recent.detect([*QUIET, 0.03, 0.0, 0.03, 0.03], 0.02) == (22,)
    assert recent.detect([*QUIET, *[0.03] * 9], 0.02) == (21,)


def test_what_was_there_twice_before_is_no_news_and_one_wild_point_is_forgiven() -> None:
    assert recent.detect([*QUIET[:8], 0.05, *QUIET[:11], 0.03, 0.03], 0.02) == (20,)
    assert recent.detect([*QUIET[:4], 0.05, *QUIET[:6], 0.05, *QUIET[:8], 0.03, 0.03], 0.02) == ()
    assert recent.detect([*QUIET[:4], -0.05, *QUIET[:6], -0.05, *QUIET[:8], -0.03, -0.03], 0.02) == ()
