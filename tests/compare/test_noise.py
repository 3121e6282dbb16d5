"""What a machine can tell, out of an image against itself."""

from __future__ import annotations

import math
import random

import pytest

from ci_gpu.cli.calibrating import _table
from ci_gpu.compare.noise import false_alarms, noise
from ci_gpu.model import Block, Comparison, Trial
from ci_gpu.payload.wire import CheckResult, Metric


def blocks(deviation: float, pairs: int = 400) -> tuple[Block, ...]:
    """Processes whose logarithms vary by that much."""
    draw = random.Random(7)

    def block(arm: str, pair: int) -> Block:
        metric = Metric("rate", "m/s", "higher", (100 * math.exp(draw.gauss(0, deviation)),))
        return Block(pair=pair, arm=arm, results=(CheckResult("speed.rate", "passed", metrics=(metric,)),))

    return tuple(block(arm, pair) for pair in range(1, pairs + 1) for arm in ("base", "head"))


@pytest.mark.parametrize("deviation", [0.005, 0.02])
def test_the_noise_of_one_process_is_found_again(deviation: float) -> None:
    (found,) = noise(blocks(deviation))

    assert found.deviation == pytest.approx(deviation, rel=0.1)
    assert found.pairs == 400
    assert deviation < found.visible[1] < found.visible[0] < 8 * deviation


def test_three_pairs_are_the_fewest() -> None:
    assert noise(blocks(0.01, 2)) == ()
    assert len(noise(blocks(0.01, 3))) == 1


def test_the_table_counts_the_false_alarms() -> None:
    def compared(verdict: str) -> Comparison:
        return Comparison(metric=f"a.b/{verdict}", unit="s", better="lower", verdict=verdict)

    words = ("regressed", "unchanged", "inconclusive", "improved")
    trial = Trial(base="a", head="a", blocks=blocks(0.01, 10), metrics=tuple(map(compared, words)))

    assert false_alarms([trial]) == ("a.b/regressed", "a.b/improved")
    text = _table([trial])
    assert "2 false alarms in 4 metrics of 1 comparisons of an image with itself" in text
    assert "speed.rate/rate" in text
