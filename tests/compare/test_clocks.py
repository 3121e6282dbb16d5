"""A verdict that the clocks alone could explain is none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from ci_gpu.compare import compare
from ci_gpu.compare.clocks import balanced
from ci_gpu.model import Block, Comparison, MetricRule, Policy
from ci_gpu.payload.wire import CheckResult, GpuState, Metric, Telemetry


def block(arm: str, mhz: int | None, invalid: str = "") -> Block:
    states = (GpuState(seconds=0.0, sm_mhz=mhz), GpuState(seconds=1.0, sm_mhz=mhz))
    return Block(pair=1, arm=arm, telemetry=(Telemetry(gpu="GPU-1", states=states),), invalid=invalid)


def blocks(base: int | None, head: int | None) -> list[Block]:
    return [block("base", base), block("head", head)]


def compared(change: float | None, verdict: str, better: str = "higher", **fields: Any) -> Comparison:
    return Comparison(metric="m", unit="u", better=better, change=change, margin=0.02, verdict=verdict, **fields)


@pytest.mark.parametrize(
    ("base", "head", "change", "better", "verdict", "expected"),
    [
        (1980, 1980, -0.05, "higher", "regressed", "regressed"),
        (1980, 1970, -0.05, "higher", "regressed", "regressed"),
        (1980, 1880, -0.05, "higher", "regressed", "inconclusive"),
        (1980, 1880, +0.05, "lower", "regressed", "inconclusive"),
        (1980, 1880, -0.15, "higher", "regressed", "regressed"),
        (1880, 1980, -0.05, "higher", "regressed", "regressed"),
        (1880, 1980, +0.05, "higher", "improved", "inconclusive"),
        (1880, 1980, +0.20, "higher", "improved", "improved"),
        (1980, 1880, +0.00, "higher", "unchanged", "unchanged"),
        (None, None, -0.05, "higher", "regressed", "regressed"),
        (None, 1880, -0.05, "higher", "regressed", "regressed"),
        (1980, None, -0.05, "higher", "regressed", "regressed"),
        (1980, 1970, -0.022, "higher", "regressed", "regressed"),  # half a percent would explain it, and is none
        (1980, 1909, -0.05, "higher", "regressed", "inconclusive"),  # 1.5 % are left, of a margin of 2 %
        (1909, 1975, +0.05, "higher", "improved", "inconclusive"),
        (1980, 1880, +0.15, "lower", "regressed", "regressed"),
        (1980, 1880, -1.0, "lower", "regressed", "regressed"),  # down to zero: no ratio
        (1980, 1880, None, "lower", "regressed", "regressed"),
    ],
)
def test_a_change_is_believed_if_the_clocks_do_not_explain_it(
    base: int | None, head: int | None, change: float | None, better: str, verdict: str, expected: str
) -> None:
    (found,) = balanced([compared(change, verdict, better)], blocks(base, head))

    assert found.verdict == expected
    assert ("clocks differ" in found.reason) == (expected == "inconclusive")


def test_counts_do_not_depend_on_clocks() -> None:
    (found,) = balanced([compared(0.05, "regressed", "lower", exact=True)], blocks(1980, 1880))

    assert found.verdict == "regressed"


def test_invalid_blocks_have_no_say() -> None:
    seen = [*blocks(1980, 1980), block("head", 900, "throttled")]
    (found,) = balanced([compared(-0.05, "regressed")], seen)

    assert found.verdict == "regressed"


def test_a_longer_start_on_an_idle_gpu_is_no_slower_clock() -> None:
    """345 MHz before the first kernel, for a second longer in the head."""
    seen = [looks("base", busy=80, idle=20), looks("head", busy=80, idle=24)]
    (found,) = balanced([compared(-0.05, "regressed")], seen)

    assert found.verdict == "regressed"


@pytest.mark.parametrize(
    ("idle", "busy"),
    [
        ({"throttle": 0x1}, {"throttle": 0x0}),
        ({"throttle": 0x0, "utilization": 0}, {"throttle": 0x0, "utilization": 98}),
        ({"utilization": 0}, {"utilization": 98}),
        ({}, {}),
    ],
    ids=["by the reason", "by the utilization", "by the utilization alone", "by the clock alone"],
)
def test_an_idle_gpu_is_known_by_what_its_driver_tells(idle: dict[str, int], busy: dict[str, int]) -> None:
    """Of the same work, but for a start of the head's that takes longer."""
    seen = [looks("base", 80, 20, told=(idle, busy)), looks("head", 80, 30, told=(idle, busy))]
    (found,) = balanced([compared(-0.05, "regressed")], seen)

    assert found.verdict == "regressed"


@pytest.mark.parametrize("told", [{}, {"throttle": 0x4}, {"utilization": 90}])
def test_a_slow_clock_under_load_is_no_idle_one(told: dict[str, int]) -> None:
    (found,) = balanced([compared(-0.05, "regressed")], [loaded("base", 1980, told), loaded("head", 1200, told)])

    assert found.verdict == "inconclusive"


def loaded(arm: str, mhz: int, told: dict[str, int]) -> Block:
    states = (GpuState(seconds=0.0, sm_mhz=1980, **told), *[GpuState(seconds=1.0, sm_mhz=mhz, **told)] * 20)
    return Block(pair=1, arm=arm, telemetry=(Telemetry(gpu="GPU-1", states=states),))


REASONS = ({"throttle": 0x1}, {"throttle": 0x0})


def looks(arm: str, busy: int, idle: int, told: tuple[dict[str, int], dict[str, int]] = REASONS) -> Block:
    before = [GpuState(seconds=0.0, sm_mhz=345, **told[0])] * idle
    states = (*before, *([GpuState(seconds=9.0, sm_mhz=1980, **told[1])] * busy))
    return Block(pair=1, arm=arm, telemetry=(Telemetry(gpu="GPU-1", states=states),))


def test_an_image_cannot_talk_itself_out_of_a_regression() -> None:
    """Where the images watch the clocks, theirs may cast doubt on an improvement alone."""
    seen = [
        replace(each, telemetry=(dataclasses.replace(each.telemetry[0], inside=True),)) for each in blocks(1980, 1880)
    ]
    other = [
        replace(each, telemetry=(dataclasses.replace(each.telemetry[0], inside=True),)) for each in blocks(1880, 1980)
    ]

    assert balanced([compared(-0.05, "regressed")], seen)[0].verdict == "regressed"
    assert balanced([compared(+0.05, "improved")], other)[0].verdict == "inconclusive"


def test_the_words_carry_the_numbers() -> None:
    (found,) = balanced([compared(-0.05, "regressed", pairs_needed=24)], blocks(2000, 1900))
    (faster,) = balanced([compared(+0.05, "improved")], blocks(1900, 2000))

    assert found.reason == "clocks differ: the head's were 5.0% slower, which alone could explain the change"
    assert "5.3% faster" in faster.reason
    assert found.pairs_needed == 0  # more of them would not help


def measured(arm: str, pair: int, rate: float, mhz: int) -> Block:
    metric = Metric("rate", "m/s", "higher", (rate * (1 + pair % 3 / 1000),))
    result = CheckResult("speed.rate", "passed", metrics=(metric,))
    states = (GpuState(seconds=0.0, sm_mhz=mhz),)
    return Block(pair=pair, arm=arm, results=(result,), telemetry=(Telemetry(gpu="GPU-1", states=states),))


def judged(head_mhz: int, policy: Policy, *, final: bool = True) -> Comparison:
    """A head that is 5 % slower in twelve pairs, at these clocks."""
    found = [measured("base", pair, 100.0, 1980) for pair in range(1, 13)]
    found += [measured("head", pair, 95.0, head_mhz) for pair in range(1, 13)]
    (comparison,) = compare(found, policy, final=final)
    return comparison


def test_the_last_look_asks_the_clocks_and_the_first_leaves_them_to_more_pairs() -> None:
    assert judged(1980, Policy()).verdict == "regressed"
    assert judged(1880, Policy()).verdict == "inconclusive"
    assert judged(1880, Policy(), final=False).verdict == "regressed"


def test_a_floor_of_the_user_s_holds_whatever_the_clocks() -> None:
    rules = (("speed.*", MetricRule(floor=99.0, unit="m/s")),)

    assert judged(1880, Policy(rules=rules)).verdict == "regressed"
