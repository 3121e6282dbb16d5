"""ci_gpu.site.line"""

import math
import statistics

import msgspec
import pytest

from ci_gpu.site.line import gpu, levels, read
from tests.site import histories


def test_only_the_newest_points_are_kept_and_those_that_are_numbers():
    points = (*histories.series(5).points, histories.point(9, value=math.nan), histories.point(10, value=math.inf))
    line = read(msgspec.structs.replace(histories.series(), points=points), (), 3)
    assert [point.run for point in line.points] == ["18200002-1-gpu", "18200003-1-gpu", "18200004-1-gpu"]
    assert line.left_out == 4


def test_another_tag_or_another_digest_is_an_upgrade():
    line = read(histories.series(120), (), 1000)
    assert [(one.number, one.index) for one in line.upgrades] == [(1, 30), (2, 60), (3, 90)]
    first, last = line.upgrades[1], line.upgrades[2]
    assert first.before.image == first.after.image
    assert last.change == pytest.approx(line.points[90].value / line.points[89].value - 1)


def test_an_upgrade_beside_a_masked_run_has_no_change():
    points = (histories.point(0), histories.point(30, masked="hot"))
    (upgrade,) = read(msgspec.structs.replace(histories.series(), points=points), (), 10).upgrades
    assert upgrade.change is None


@pytest.mark.parametrize(
    ("better", "change", "worse"), [("higher", -0.05, True), ("higher", 0.05, False), ("lower", 0.05, True)]
)
def test_a_change_is_worse_by_the_direction_of_the_metric(better, change, worse):
    series = histories.series(better=better)
    (found,) = read(series, (histories.change_point(series, change=change),), 1000).changes
    assert (found.index, found.worse) == (90, worse)


def test_a_change_of_runs_that_are_not_shown_is_left_out():
    series = histories.series()
    assert read(series, (histories.change_point(series),), 20).changes == ()


def test_changes_are_in_the_order_of_the_runs_however_they_were_found():
    series = histories.series()
    late, early = histories.change_point(series, 100), histories.change_point(series, 40)
    assert [change.index for change in read(series, (late, early), 1000).changes] == [40, 100]


def test_two_points_of_one_run_have_two_anchors():
    points = (histories.point(0), histories.point(0, image="other"), histories.point(1))
    line = read(msgspec.structs.replace(histories.series(), points=points), (), 10)
    first, second, third = line.anchors
    assert second == f"{first}-2"
    assert third != first


def test_levels_are_medians_between_changes_without_what_is_masked():
    series = histories.series()
    line = read(series, (histories.change_point(series),), 1000)
    (first, last, before), (_, end, after) = levels(line)
    assert (first, last, end) == (0, 89, 119)
    assert before == statistics.median(point.value for point in series.points[:90] if not point.masked)
    assert after == statistics.median(point.value for point in series.points[90:] if not point.masked)


def test_the_latest_is_the_last_that_counts():
    points = (histories.point(0), histories.point(1), histories.point(2, masked="hot"))
    assert read(msgspec.structs.replace(histories.series(), points=points), (), 10).latest == points[1]
    assert read(msgspec.structs.replace(histories.series(), points=points[2:]), (), 10).latest == points[2]
    assert read(msgspec.structs.replace(histories.series(), points=()), (), 10).latest is None


def test_a_gpu_is_named_by_what_tells_it_from_others():
    assert gpu(histories.key()) == "NVIDIA H100 80GB HBM3 3f2a9c, 700 W"
    assert gpu(histories.key(mig="3g.40gb", ecc="off", clocks="locked:1410")) == (
        "NVIDIA H100 80GB HBM3 3f2a9c, MIG 3g.40gb, 700 W, ECC off, locked:1410"
    )
