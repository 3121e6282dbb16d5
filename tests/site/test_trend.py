"""ci_gpu.site.trend"""

import math

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from ci_gpu.site import trend
from ci_gpu.site.line import read
from tests.site import histories


def drawn(line):
    return etree.fromstring(str(trend.chart(line)))


def of(values, **changes):
    points = tuple(histories.point(index, value=value, **changes) for index, value in enumerate(values))
    return read(msgspec.structs.replace(histories.series(), points=points), (), 5_000)


def test_a_run_is_a_dot_and_one_that_counts_for_nothing_is_hollow():
    chart = drawn(read(histories.series(120), (), 1000))
    assert len(chart.xpath("//circle[@class='run']")) == 117
    assert len(chart.xpath("//circle[@class='masked']")) == 3


def test_a_masked_run_does_not_stretch_the_scale():
    points = (
        *(histories.point(index, value=690.0 + index) for index in range(5)),
        histories.point(5, value=1.0, masked="x"),
    )
    chart = drawn(read(msgspec.structs.replace(histories.series(), points=points), (), 10))
    assert "1" not in chart.xpath("//text/text()")
    assert float(chart.xpath("//circle[@class='masked']/@cy")[0]) == trend.HEIGHT - trend.BOTTOM


def test_upgrades_are_numbered_and_changes_have_their_size_direction_and_certainty():
    series = histories.series()
    chart = drawn(read(series, (histories.change_point(series, state="suspicious"),), 1000))
    assert len(chart.xpath("//line[@class='upgrade']")) == 3
    assert {"1", "2", "3"} <= set(chart.xpath("//text/text()"))
    assert chart.xpath("//text[@class='cut worse suspicious']/text()") == ["−5.0 %"]
    assert len(chart.xpath("//line[@class='level']")) == 2


def test_many_upgrades_are_short_ticks_so_the_runs_can_be_seen():
    points = tuple(histories.point(index, image=f"image:{index}") for index in range(30))
    chart = drawn(read(msgspec.structs.replace(histories.series(), points=points), (), 1000))
    ends = {float(line.get("y2")) - float(line.get("y1")) for line in chart.xpath("//line[@class='upgrade']")}
    assert ends == {9.0}


def test_a_larger_value_is_drawn_higher():
    low, high = (float(dot.get("cy")) for dot in drawn(of([1.0, 2.0])).xpath("//circle"))
    assert low > high


def test_many_points_are_one_path_so_the_page_stays_small():
    text = str(trend.chart(of([690.0 + math.sin(index) for index in range(1_000)])))
    assert text.count("<circle") == 0
    assert len(text) < 25_000


def test_it_has_a_name_and_says_in_words_what_is_in_it():
    series = histories.series()
    chart = drawn(read(series, (histories.change_point(series),), 1000))
    assert chart.get("role") == "img"
    assert set(chart.get("aria-labelledby").split()) == {node.get("id") for node in chart[:2]}
    assert chart[1].text.startswith("120 runs, 2026-07-01 to 2026-10-28, 650.3 to 694.8 TFLOP/s")
    assert "3 masked, 3 upgrades, 1 change point" in chart[1].text


@example([5e-324, 0.0])
@example([1.7e308, -1.7e308])
@example([1.0, 1.0 + 2e-16])
@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=12))
def test_any_numbers_stay_in_the_picture(values):
    line = of(values)
    chart = drawn(line)
    for dot in chart.xpath("//circle"):
        assert 0 <= float(dot.get("cx")) <= trend.WIDTH
        assert 0 <= float(dot.get("cy")) <= trend.HEIGHT
    assert len(chart.xpath("//line[@class='axis']")) <= 12
    assert "nan" not in str(trend.spark(line))


@pytest.mark.parametrize("created", ["", "yesterday", "<b>x</b>yyy", "２０２６-01-01"])
def test_a_day_that_is_none_is_a_dash(created):
    assert trend.day(created) == "–"


def test_no_point_is_no_picture():
    assert trend.chart(of([])) == trend.spark(of([])) == ""
