"""ci_gpu.reports._clocks"""

import msgspec
import pytest
from lxml import etree

from ci_gpu.payload.wire import GpuState, Telemetry
from ci_gpu.reports import _clocks
from tests import trials


def watched(*states, gpu="GPU-1", **changes):
    return trials.block(telemetry=(Telemetry(gpu=gpu, states=states, **changes),))


def drawn(*blocks):
    return etree.fromstring(str(_clocks.chart(trials.trial(blocks=blocks), "GPU-1", "k")))


def state(second, clock, temperature=60):
    return GpuState(seconds=second, sm_mhz=clock, temperature=temperature)


def test_of_many_looks_the_slowest_of_each_stretch_is_drawn():
    states = [state(second / 4, 1410 if second == 777 else 1980) for second in range(1_000)]
    chart = drawn(watched(*states))
    (trace, _) = chart.xpath("//path/@d")
    assert trace.count("L") < _clocks.LOOKS
    assert "1410" in chart.xpath("//text/text()")


def test_a_number_that_the_gpu_does_not_tell_is_not_zero():
    chart = drawn(watched(GpuState(seconds=0.0, temperature=60), GpuState(seconds=1.0, temperature=61)))
    assert "not told by this GPU" in chart.xpath("//text/text()")
    assert chart.findtext("desc") == "1 block, order A; SM clock not told; temperature 60–61 °C; none invalid"
    (row,) = _clocks.rows(trials.trial(blocks=(watched(GpuState(seconds=0.0)),)))
    assert (row.clock, row.temperature, row.power) == ("", "", "")


def test_a_block_without_looks_leaves_its_place_empty():
    chart = drawn(watched(state(0, 1980), state(1, 1965)), trials.block(arm="head"))
    assert len(chart.xpath("//rect")) == 2
    assert len(chart.xpath("//path")) == 2


def test_the_gpus_are_those_that_were_looked_at():
    blocks = (watched(state(0, 1980), gpu="GPU-2"), watched(gpu="GPU-3"), watched(state(0, 1980), gpu="GPU-1"))
    assert _clocks.gpus(trials.trial(blocks=blocks)) == ["GPU-2", "GPU-1"]


def test_a_row_tells_what_throttled_it_and_why_it_counts_for_nothing():
    row = _clocks.rows(trials.trial())[5]
    assert (row.number, row.pair, row.arm) == (6, 3, "head")
    assert row.clock == "1365–1980 MHz"
    assert row.throttle == "power-cap, hw-thermal-slowdown"
    assert row.control == "10.12 ms"
    assert row.invalid.endswith("throttled: hw-thermal-slowdown")


@pytest.mark.parametrize("value", [10**12, -(10**12), 2**62])
def test_a_clock_that_cannot_be_is_left_out(value):
    chart = drawn(watched(state(0, 1980), state(1, value)))
    assert chart.findtext("desc").startswith("1 block, order A; SM clock 1980 MHz;")


def test_any_block_is_drawn_even_of_an_arm_that_is_none():
    chart = drawn(msgspec.structs.replace(watched(state(0, 1980)), arm="<b>"))
    assert chart.xpath("//text[@class='on']/text()") == ["?"]
