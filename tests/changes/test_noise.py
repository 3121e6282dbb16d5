"""The noise around a point, by what it does from run to run."""

from __future__ import annotations

import random
from statistics import median

import pytest

from ci_gpu.changes import noise
from tests.changes.series import noise as drawn
from tests.changes.series import stepped


@pytest.mark.parametrize("sd", [0.002, 0.02])
def test_white_noise_has_its_deviation(sd: float) -> None:
    assert median(noise.scales(drawn(600, sd))) == pytest.approx(sd, rel=0.15)


def test_neither_steps_nor_wild_points_are_noise() -> None:
    values = stepped([(20, 1.0 + 0.2 * (at % 2)) for at in range(30)], sd=0.01)
    wild = [value * (2 if at % 50 == 7 else 1) for at, value in enumerate(drawn(600, 0.01))]

    assert median(noise.scales(values)) == pytest.approx(0.0125, rel=0.25)
    assert median(noise.scales(wild)) == pytest.approx(0.01, rel=0.2)


def test_each_part_has_its_own() -> None:
    found = noise.scales([*drawn(300, 0.002), *drawn(300, 0.02, seed=2)])

    assert found[50] == pytest.approx(0.002, rel=0.5)
    assert found[-50] == pytest.approx(0.02, rel=0.5)


@pytest.mark.parametrize(("share", "low", "high"), [(0.5, 1.1, 2.3), (0.9, 4.0, 15.0)])
def test_noise_that_wanders_has_a_larger_one(share: float, low: float, high: float) -> None:
    """AR(1): its mean varies by (1 + share) / (1 - share), from which chance is taken off."""
    source, values = random.Random(2), [0.0]
    while len(values) < 600:
        values.append(share * values[-1] + source.gauss(0, (1 - share**2) ** 0.5))

    assert low < median(noise.scales(values)) < high


def test_what_never_varies_has_the_least() -> None:
    assert set(noise.scales([2.0] * 100)) == {noise.FLOOR}
    assert noise.scales([1.0, 2.0]) == [noise.FLOOR] * 2


def test_where_a_third_of_the_runs_are_noisy_the_tail_tells_and_where_all_are_the_median() -> None:
    """Differences of 0.02 in each run, and in a fifth of them: 85 of 100 are below the larger one in the second."""
    even = noise.scales([0.02 * (at % 2) for at in range(100)])
    rare = noise.scales([0.02 * (at % 10 == 0) for at in range(100)])

    assert even[50] == pytest.approx(0.02 / 0.9539)
    assert rare[50] == pytest.approx(0.02 / 2.0358)


def test_three_deviations_are_left_of_a_wild_point_whatever_a_deviation_is() -> None:
    assert noise.cleaned([0.0, 0.0, 9.0, 0.0, 0.0], [0.5] * 5)[2] == 1.5
    assert noise.cleaned([0.0, 0.0, -9.0, 0.0, 0.0], [0.5] * 5)[2] == -1.5


def test_a_series_of_few_points_does_not_wander() -> None:
    """A ramp is the extreme of what foretells itself: its differences at lag 2 are twice those at lag 1."""
    ramp = [0.01 * at for at in range(100)]

    few, enough = noise.scales(ramp[:31]), noise.scales(ramp[:32])
    assert few[0] == pytest.approx(0.01 / 0.9539)
    assert enough[0] > 5 * few[0]


def test_the_noise_around_the_first_and_the_last_point_is_that_of_the_window_at_the_end() -> None:
    """Sixty differences of 0.02, then sixty of 0.002: at either end no other are looked at, in the middle both."""
    values = [0.02 * (at % 2) for at in range(61)] + [0.002 * (at % 2) for at in range(60)]
    found = noise.scales(values)

    assert found[0] == found[25] == pytest.approx(0.02 / 0.9539)
    assert found[-1] == found[95] == pytest.approx(0.002 / 0.9539)


def test_one_wild_point_is_brought_near_its_neighbours_and_a_step_is_left() -> None:
    assert noise.cleaned([0.0, 0.0, 9.0, 0.0, 0.0], [1.0] * 5) == [0.0, 0.0, 3.0, 0.0, 0.0]
    assert noise.cleaned([0.0, 0.0, -9.0, 0.0, 0.0], [1.0] * 5) == [0.0, 0.0, -3.0, 0.0, 0.0]
    step = [0.0] * 5 + [9.0] * 5
    assert noise.cleaned(step, [1.0] * 10) == step
