"""What is told of a series: levels that differ, what only looks like it, and nothing of noise."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy import stats

from ci_gpu import changes
from ci_gpu.model import ChangePoint
from tests.changes.series import TIGERBEETLE, noise, series, stepped

DASHBOARDS = Path(__file__).parents[2] / "benchmarks" / "dashboards.json"


def places(found: tuple[ChangePoint, ...], state: str = changes.CONFIRMED) -> list[int]:
    return [int(change.after.removeprefix("run-")) for change in found if change.state == state]


def _confirmed(values: list[float], at: int) -> bool:
    return any(abs(place - at) <= 2 for place in places(changes.find(series(values), margin=0.02)))


def test_the_published_changes_of_tigerbeetle_are_confirmed() -> None:
    published = next(each for each in TIGERBEETLE["expected"] if each["min_magnitude"] == 0.05)

    found = changes.find(series(TIGERBEETLE["values"]), margin=0.05)

    assert places(found) == published["indices"] == [15, 71]
    assert [change.change for change in found if change.state == changes.CONFIRMED] == pytest.approx(
        [-0.11, 0.17], abs=0.01
    )


def test_at_two_per_cent_more_of_them_are_and_none_that_was_not_published() -> None:
    published = next(e for e in TIGERBEETLE["expected"] if (e["max_pvalue"], e["min_magnitude"]) == (0.001, 0.0))

    found = changes.find(series(TIGERBEETLE["values"]), margin=0.02)

    assert places(found) == [15, 61, 71, 95, 131]
    assert set(places(found)) < set(published["indices"])


@pytest.mark.parametrize(
    ("potts", "divisive", "agreed"),
    [
        ([50], [49], {50: ("potts", "divisive")}),
        ([50], [51], {50: ("potts", "divisive")}),
        ([50], [52], {50: ("potts",), 52: ("divisive",)}),
        ([50, 52], [51], {50: ("potts", "divisive"), 52: ("potts",)}),
        ([50], [49, 51], {50: ("potts", "divisive"), 51: ("divisive",)}),
        ([50], [], {50: ("potts",)}),
        ([], [50], {50: ("divisive",)}),
    ],
)
def test_two_detectors_agree_within_one_point_and_one_to_one(
    potts: list[int], divisive: list[int], agreed: dict[int, tuple[str, ...]]
) -> None:
    assert changes._agreed({"potts": potts, "divisive": divisive}) == agreed


def test_a_place_is_put_to_the_nearest_that_its_detector_does_not_name_yet() -> None:
    agreed = changes._agreed({"potts": [49], "divisive": [49, 50], "recent": [50]})

    assert agreed == {49: ("potts", "divisive"), 50: ("divisive", "recent")}


def test_a_change_names_both_runs_its_size_and_who_saw_it() -> None:
    (found,) = changes.find(series(stepped([(30, 1.0), (30, 1.05)])), margin=0.02)

    assert (found.before, found.after) == ("run-29", "run-30")
    assert found.change == pytest.approx(0.05, abs=0.004)
    assert found.p < 1e-20
    assert (found.state, found.detectors) == ("confirmed", ("potts", "divisive"))


def test_a_fall_is_as_much_of_a_change_as_a_rise() -> None:
    (found,) = changes.find(series(stepped([(30, 1.0), (30, 0.95)])), margin=0.02)

    assert found.change == pytest.approx(-0.05, abs=0.004)


def test_what_is_smaller_than_the_margin_is_no_change() -> None:
    values = stepped([(50, 1.0), (50, 1.03)], sd=0.001)

    assert places(changes.find(series(values), margin=0.02)) == [50]
    assert changes.find(series(values), margin=0.04) == ()


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_changes(seed: int) -> None:
    assert changes.find(series(noise(100, 0.01, seed)), margin=0.02) == ()


def test_one_wild_run_is_no_change() -> None:
    values = noise(60)
    values[30] *= 1.5

    assert changes.find(series(values), margin=0.02) == ()


def test_a_masked_run_is_not_there_and_nothing_stands_in_for_it() -> None:
    values = stepped([(30, 1.0), (30, 1.05)])
    spoilt = [value * 3 if at in (10, 29, 30, 31, 50) else value for at, value in enumerate(values)]

    (found,) = changes.find(series(spoilt, masked=(10, 29, 30, 31, 50)), margin=0.02)

    assert (found.before, found.after) == ("run-28", "run-32")


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_value_without_a_logarithm_is_not_there_either(value: float) -> None:
    values = stepped([(30, 1.0), (30, 1.05)])

    assert places(changes.find(series([*values[:10], value, *values[10:]]), margin=0.02)) == [31]


def test_fewer_than_twelve_points_have_no_changes() -> None:
    values = [1.0] * 6 + [2.0] * 6

    assert places(changes.find(series(values), margin=0.02)) == [6]
    assert changes.find(series(values[:-1]), margin=0.02) == ()
    assert changes.find(series(values, masked=(0,)), margin=0.02) == ()
    assert changes.find(series([]), margin=0.02) == ()


def test_two_new_points_far_off_are_told_at_once() -> None:
    found = changes.find(series(stepped([(40, 1.0), (2, 1.05)], sd=0.01, seed=2)), margin=0.02)

    assert [int(change.after.removeprefix("run-")) for change in found] == [40]
    assert "recent" in found[0].detectors


def test_one_new_point_far_off_is_not() -> None:
    assert changes.find(series([*noise(40), 1.05]), margin=0.02) == ()


def test_what_one_detector_alone_sees_is_confirmed_if_the_levels_bear_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes.potts, "PRICE", 1000.0)

    (found,) = changes.find(series(stepped([(30, 1.0), (30, 1.05)])), margin=0.02)

    assert (found.state, found.detectors) == (changes.CONFIRMED, ("divisive",))


def test_what_all_see_is_suspicious_until_four_points_bear_it_out() -> None:
    values = stepped([(40, 1.0), (4, 1.06)])

    (three,) = changes.find(series(values[:-1]), margin=0.02)
    (four,) = changes.find(series(values), margin=0.02)

    assert (three.state, len(three.detectors)) == ("suspicious", 3)
    assert (four.state, four.after) == (changes.CONFIRMED, "run-40")


def _told(values: list[float], lengths: Iterable[int]) -> list[list[int]]:
    """What looks after so many points confirm."""
    return [places(changes.find(series(values[:end]), margin=0.02)) for end in lengths]


@pytest.mark.parametrize("count", [4, 6, 10, 14])
def test_runs_that_were_slow_for_a_while_are_told_while_they_are_and_no_level_afterwards(count: int) -> None:
    """Seen red: both ends of four slow runs were confirmed for ever; of six, their end was an alarm of its own."""
    told = _told(stepped([(40, 1.0), (count, 1.06), (40, 1.0)]), range(41, 81 + count))

    assert [40] in told
    assert all(set(found) <= {40} for found in told)
    assert told[-1] == []


def test_a_level_that_lasted_eighteen_points_has_an_end() -> None:
    lasting, short = (stepped([(40, 1.0), (count, 1.06), (40, 1.0)], sd=0.001) for count in (18, 17))

    assert places(changes.find(series(lasting), margin=0.02)) == [40, 58]
    assert places(changes.find(series(short), margin=0.02)) == []


def test_steps_that_follow_soon_and_lead_elsewhere_are_each_told() -> None:
    for second in (1.12, 1.03, 0.94):
        values = stepped([(40, 1.0), (10, 1.06), (40, second)], sd=0.003)

        assert places(changes.find(series(values), margin=0.02)) == [40, 50], second


def test_of_three_short_steps_that_lead_ever_higher_none_is_forgotten() -> None:
    values = stepped([(40, 1.0), (8, 1.06), (8, 1.12), (30, 1.18)], sd=0.003)

    assert places(changes.find(series(values), margin=0.02)) == [40, 48, 56]


def test_all_short_levels_are_forgotten_that_lead_back() -> None:
    values = stepped([(40, 1.0), (8, 1.06), (8, 1.12), (30, 1.0)])

    assert places(changes.find(series(values[:56]), margin=0.02)) == [40, 48]
    assert places(changes.find(series(values), margin=0.02)) == []


def test_a_new_machine_of_a_shared_pool_is_no_new_level_of_the_image() -> None:
    """Seen red: Python's and JavaScript's runners became one steady model, in all series of a push."""
    for name, at in (
        ("Python Benchmark with pytest-benchmark: bench.py::test_fib_10", 185),
        ("Benchmark.js Benchmark: fib(10)", 231),
    ):
        values = json.loads(DASHBOARDS.read_text(encoding="utf-8"))["series"][name]

        told = [place for found in _told(values, [at + new for new in (4, 5, 6, 8, 12, 20, 40)]) for place in found]

        assert not [place for place in told if abs(place - at) <= 2]


def test_a_level_that_was_seen_but_not_confirmed_is_no_part_of_the_one_before_if_it_is_long() -> None:
    rising = [0.0, 0.001] * 10 + [0.03, 0.031] * 10 + [0.06, 0.061] * 10
    weights = [1.0] * 20 + [0.01] * 20 + [1.0] * 20  # what is so uncertain confirms nothing

    assert changes._confirmed(rising, 0.02, weights, [20, 40]) == {40}
    assert changes._confirmed(rising[3:], 0.02, weights[3:], [17, 37]) == {37}
    assert changes._confirmed([*rising[:20], *rising[37:]], 0.02, weights[3:], [20, 23]) == {23}
    for count, confirmed in ((18, {38}), (17, set())):
        values = [*rising[: 20 + count], *rising[40:]]
        assert changes._confirmed(values, 0.02, weights[20 - count :], [20, 20 + count]) == confirmed


@pytest.mark.parametrize(("share", "most"), [(0.3, 1), (0.5, 1), (0.8, 10)])
def test_noise_that_wanders_is_seldom_confirmed(share: float, most: int) -> None:
    """Seen red at 0.5 and 0.8, where two detectors that agree were enough.

    At 0.8 a hundred points are too few to tell wandering from levels.
    """
    source, confirmed = random.Random(1), 0
    for _ in range(40):
        values = [source.gauss(0, 1)]
        while len(values) < 100:
            values.append(share * values[-1] + math.sqrt(1 - share**2) * source.gauss(0, 1))
        confirmed += bool(places(changes.find(series([math.exp(0.022 * value) for value in values]), margin=0.02)))

    assert confirmed <= most


def test_a_shared_runner_s_dashboard_tells_its_sustained_changes_alone() -> None:
    """C++ fib_10: a steady machine from 158 on, which is none, and a new level at 191; the noise before is 8 %."""
    document = json.loads(DASHBOARDS.read_text(encoding="utf-8"))
    values = document["series"]["C++ Benchmark: fib_10"]

    told = _told(values, [*range(162, 205, 6), 205])

    assert all(at == 191 for found in told for at in found if at >= 150)
    assert 191 in told[-1]


def test_what_one_alone_sees_beside_another_change_is_the_same_change() -> None:
    both, one = ("potts", "divisive"), ("divisive",)

    assert changes._apart({50: both, 59: one, 70: one, 79: one, 90: one}) == {50: both, 70: one, 90: one}
    assert changes._apart({41: one, 50: both, 53: both}) == {50: both, 53: both}
    assert changes._apart({40: one, 50: both, 60: one, 69: one}) == {40: one, 50: both, 60: one}


@pytest.mark.parametrize("old", [50, 200, 980])
def test_a_step_of_three_deviations_is_confirmed_within_five_points_whatever_its_age(old: int) -> None:
    """Seen red: the price grew with the length, and at 980 points none was confirmed."""
    seen = [_confirmed(stepped([(old, 1.0), (5, 1.03)], sd=0.01, seed=seed), old) for seed in range(20)]

    assert sum(seen) >= 14


def test_so_is_one_with_others_before_it() -> None:
    levels = [(20, 1.0 + 0.1 * (at % 2)) for at in range(40)]
    seen = [_confirmed(stepped([*levels, (30, 1.0), (5, 1.03)], sd=0.01, seed=seed), 830) for seed in range(20)]

    assert sum(seen) >= 14


def test_of_fifty_steps_of_two_and_a_half_deviations_most_are_confirmed() -> None:
    found = changes.find(series(stepped([(20, 1.05**at) for at in range(50)], sd=0.02, seed=4)), margin=0.02)

    assert sum(any(abs(place - 20 * at) <= 2 for place in places(found)) for at in range(1, 50)) >= 35


@pytest.mark.parametrize("seed", range(4))
def test_a_clean_step_has_no_phantom_beside_it(seed: int) -> None:
    """Seen red: the two newest points were compared with the old level, and told again at every push."""
    values = stepped([(60, 1.0), (16, 1.1)], sd=0.01, seed=seed)

    told = [change.after for new in range(2, 17) for change in changes.find(series(values[: 60 + new]), margin=0.02)]

    assert told
    assert all(abs(int(after.removeprefix("run-")) - 60) <= 2 for after in told)


def test_a_history_of_two_modes_does_not_change() -> None:
    source = random.Random(3)
    values = [source.choice([0.98, 1.02]) * source.gauss(1, 0.002) for _ in range(120)]

    assert all(places(changes.find(series(values[:end]), margin=0.02)) == [] for end in range(40, 121))


SHAPES = {
    "ramp": [1 + 2 * at / 1000 for at in range(1000)],
    "noise": noise(1000),
    "constant": [1.0] * 1000,
    "two in turn": [1.0 + at % 2 for at in range(1000)],
    "steps": stepped([(20, 1.0 + 0.05 * (at % 2)) for at in range(50)], sd=0.01),
    "steep": [math.exp(at / 10) for at in range(1000)],
    "outliers": [value * (3 if at % 31 == 0 else 1) for at, value in enumerate(noise(1000))],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_a_thousand_points_costs_more_than_a_few_hundred_levels_a_point(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ramp was said to take 9 s before; counted, because clocks differ."""
    counted = []
    fresh = changes.potts._fresh

    def count(*given: Any) -> Any:
        counted.append(found := list(fresh(*given)))
        return found

    monkeypatch.setattr(changes.potts, "_fresh", count)
    changes.find(series(SHAPES[shape]), margin=0.02)

    assert len(counted) == 999
    assert max(map(len, counted)) <= 260


def test_exact_values_that_never_vary_have_exact_changes() -> None:
    found = changes.find(series([100.0] * 20 + [103.0] * 20 + [101.0] * 20), margin=0.01)

    assert places(found) == [20, 40]
    assert [change.p for change in found] == [0.0, 0.0]


def test_a_run_of_wide_error_weighs_less() -> None:
    values, deviations = stepped([(40, 1.0), (6, 1.03)], sd=0.005), [0.005] * 46
    deviations[40:] = [0.08] * 6

    assert places(changes.find(series(values, deviations=deviations), margin=0.02)) == [40]
    assert places(changes.find(series(values, deviations=deviations), margin=0.02, weighted=True)) == []


def _weights(deviations: Sequence[float]) -> list[float]:
    return changes._weights(series([1.0] * len(deviations), deviations=deviations).points)


def test_a_point_weighs_by_its_error_beside_the_usual_one_between_a_quarter_and_four() -> None:
    assert _weights([2.0, 2.0, 1.0, 4.0, 2.0]) == [1.0, 1.0, 2.0, 0.5, 1.0]
    assert _weights([0.2, 0.2, 0.01, 40.0, 0.2]) == [1.0, 1.0, 4.0, 0.25, 1.0]


def test_a_point_whose_error_is_not_known_weighs_as_the_usual_one() -> None:
    assert _weights([0.0, 0.0]) == [1.0, 1.0]
    assert _weights([0.0, 0.0, 0.0, 2.0, 4.0, 8.0]) == [1.0, 1.0, 1.0, 2.0, 1.0, 0.5]


def test_the_error_of_a_mean_falls_with_the_root_of_the_processes() -> None:
    points = series([1.0] * 3, deviations=[1.0, 1.0, 2.0]).points

    weights = changes._weights(
        [replace(point, processes=count) for point, count in zip(points, (4, 1, 16), strict=True)]
    )

    assert weights == [1.0, 0.5, 1.0]


def test_two_new_points_are_told_from_the_twelfth_on() -> None:
    (found,) = changes.find(series([*[1.0, 1.001] * 5, 1.2, 1.2]), margin=0.02)

    assert (found.after, found.detectors[-1]) == ("run-10", "recent")


def test_what_is_recent_is_looked_for_on_the_level_that_began_nine_points_ago_or_earlier() -> None:
    levels = [0.0] * 20 + [0.1] * 20
    for new, found in ((8, (40,)), (9, ())):
        assert changes._found([*levels, *[0.2] * new], 0.02, None)["recent"] == found


def test_a_stretch_of_six_points_that_has_ended_is_a_level_and_one_of_five_an_excursion() -> None:
    quiet = [0.0, 0.001] * 10
    for count, confirmed in ((6, {20, 26}), (5, set())):
        values = [*quiet, *[0.05, 0.051] * 2, 0.05, 0.051][: 20 + count] + [0.1, 0.101] * 5
        assert changes._confirmed(values, 0.02, None, [20, 20 + count]) == confirmed


def test_only_the_newest_thousand_points_are_looked_at() -> None:
    values = stepped([(20, 1.0), (980, 1.2), (20, 1.3)], sd=0.001)

    assert places(changes.find(series(values), margin=0.02)) == [1000]


def test_of_a_thousand_and_one_points_the_first_is_not_looked_at() -> None:
    values = stepped([(2, 1.0), (999, 1.2)], sd=0.001)

    assert [change.after for change in changes.find(series(values[:-1]), margin=0.02)] == ["run-2"]
    assert changes.find(series(values), margin=0.02) == ()


def test_p_is_that_of_student_s_test_of_all_points_on_either_side() -> None:
    values = [1.01, *stepped([(20, 1.0), (20, 1.05)])]
    logarithms = [math.log(value) for value in values]

    (found,) = changes.find(series(values), margin=0.02)

    assert found.p == pytest.approx(stats.ttest_ind(logarithms[:21], logarithms[21:]).pvalue)


def test_a_change_is_measured_up_to_the_nearest_others_that_one_of_its_detectors_saw() -> None:
    agreed = {20: ("potts",), 30: ("divisive",), 60: ("potts", "divisive"), 80: ("recent",)}

    assert changes._neighbourhoods(agreed, 100) == [(0, 20, 60), (0, 30, 60), (30, 60, 100), (0, 80, 100)]


@pytest.mark.timeout(60)  # an algorithm of the third power would take minutes
def test_a_thousand_points_take_seconds_at_most() -> None:
    values = stepped([(250, 1.0), (250, 1.04), (300, 0.99), (200, 1.03)], sd=0.01)

    found = changes.find(series(values), margin=0.02)

    assert places(found) == [250, 500, 800]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([1e-9, 0.5, 1.0, 1.01, 1.5, 2.0, 1e12]), max_size=40), st.sampled_from([0.0, 0.02, 0.5])
)
def test_whatever_the_values_changes_are_ordered_apart_and_large_enough(values: list[float], margin: float) -> None:
    found = changes.find(series(values), margin=margin)

    at = [int(change.after.removeprefix("run-")) for change in found]
    assert at == sorted(set(at))
    assert all(2 <= place <= len(values) - 2 for place in at)
    assert all(0.0 <= change.p <= 1.0 and math.isfinite(change.change) for change in found)
    assert all(change.before == f"run-{place - 1}" for change, place in zip(found, at, strict=True))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1e-6, 1e6]))
def test_the_unit_of_the_values_changes_nothing(seed: int, unit: float) -> None:
    values = stepped([(20, 1.0), (20, 1.05)], sd=0.01, seed=seed)

    ours, other = (changes.find(series(each), margin=0.02) for each in (values, [value * unit for value in values]))

    assert [(change.after, change.state) for change in ours] == [(change.after, change.state) for change in other]
