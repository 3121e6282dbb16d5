"""ci_gpu.reports._strip"""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from ci_gpu.reports import _strip
from ci_gpu.reports._trial import Dot
from tests import trials

finite = st.floats(allow_nan=False, allow_infinity=False)


def drawn(base, head):
    arms = {"base": [Dot(*dot) for dot in base], "head": [Dot(*dot) for dot in head]}
    return etree.fromstring(str(_strip.strip(trials.comparison(), arms, "s")))


def across(chart, kind):
    return [float(dot.get("cx")) for dot in chart.xpath(f"//circle[@class='{kind}']")]


def test_both_rows_are_on_one_axis_and_the_larger_value_is_further_right():
    chart = drawn([(1, 10.0, False), (2, 12.0, False)], [(1, 11.0, False), (2, 14.0, False)])
    base, head = across(chart, "base"), across(chart, "head")
    assert sorted([*base, *head]) == [base[0], head[0], base[1], head[1]]


def test_the_tick_is_the_median_of_what_is_valid():
    chart = drawn([(1, 10.0, False), (2, 12.0, False), (3, 20.0, False), (3, 99.0, True)], [])
    (tick,) = chart.xpath("//line[@class='median']")
    assert float(tick.get("x1")) == across(chart, "base")[1]


def test_an_invalid_process_is_at_the_edge_and_presses_nothing_together():
    chart = drawn([(1, 10.0, False), (2, 20.0, False)], [(1, 1.0, True)])
    assert across(chart, "invalid") == [across(chart, "base")[0]]
    assert chart.xpath("//text/text()") == ["base", "head", "10", "20"]


def test_a_line_joins_the_two_of_a_pair_and_no_others():
    chart = drawn([(1, 10.0, False), (2, 11.0, False), (3, 12.0, True)], [(1, 11.0, False), (3, 12.0, False)])
    (line,) = chart.xpath("//line[@class='pair']")
    assert (float(line.get("x1")), float(line.get("x2"))) == (across(chart, "base")[0], across(chart, "head")[0])


def test_without_a_process_there_is_no_picture():
    assert _strip.strip(trials.comparison(), {}, "s") == ""


@example([5e-324], [1.7e308])
@given(st.lists(finite, max_size=8), st.lists(finite, max_size=8))
def test_any_values_stay_in_the_picture(base, head):
    if base or head:
        chart = drawn(*([(pair, value, False) for pair, value in enumerate(values)] for values in (base, head)))
        assert all(0 <= x <= _strip.WIDTH for kind in ("base", "head") for x in across(chart, kind))


class TestTheInterval:
    def test_lies_left_of_no_change_where_all_of_it_is_smaller(self):
        chart = etree.fromstring(str(_strip.bar(trials.comparison(), "b")))
        (dot,) = chart.xpath("//circle/@cx")
        (zero,) = chart.xpath("//line[@class='zero']/@x1")
        (band,) = chart.xpath("//rect")
        assert float(dot) < float(band.get("x")) < float(zero) == _strip.BAR_WIDTH / 2
        assert chart.findtext("desc") == (
            "-5.1 %, 95 % interval -5.6 % to -4.6 %; shaded: the margin of 2 % either way"
        )

    @pytest.mark.parametrize("field", ["low", "change", "high"])
    @pytest.mark.parametrize("value", [None, math.nan, math.inf])
    def test_is_not_drawn_where_a_part_of_it_is_missing(self, field, value):
        assert _strip.bar(trials.comparison(**{field: value}), "b") == ""

    @given(finite, finite, finite, st.floats())
    def test_stays_in_the_picture_whatever_the_numbers(self, low, change, high, margin):
        one = trials.comparison(low=low, change=change, high=high, margin=margin)
        chart = etree.fromstring(str(_strip.bar(one, "b")))
        places = [float(place) for place in chart.xpath("//@x | //@x1 | //@x2 | //@cx")]
        assert all(0 <= place <= _strip.BAR_WIDTH for place in places)
