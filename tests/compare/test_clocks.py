"""A verdict that the clocks alone could explain is none."""

from __future__ import annotations

from typing import Any

import pytest

from ci_gpu.compare.clocks import balanced
from ci_gpu.model import Block, Comparison, GpuState, Telemetry


def block(arm: str, mhz: int | None, invalid: str = "") -> Block:
    states = (GpuState(seconds=0.0, sm_mhz=mhz), GpuState(seconds=1.0, sm_mhz=mhz))
    return Block(pair=1, arm=arm, telemetry=(Telemetry(gpu="GPU-1", states=states),), invalid=invalid)


def blocks(base: int | None, head: int | None) -> list[Block]:
    return [block("base", base), block("head", head)]


def compared(change: float, verdict: str, better: str = "higher", **fields: Any) -> Comparison:
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
    ],
)
def test_a_change_is_believed_if_the_clocks_do_not_explain_it(
    base: int | None, head: int | None, change: float, better: str, verdict: str, expected: str
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


def test_the_words_carry_the_numbers() -> None:
    (found,) = balanced([compared(-0.05, "regressed")], blocks(2000, 1900))

    assert found.reason == "clocks differ: the head's were 5.0% slower, which alone could explain the change"
