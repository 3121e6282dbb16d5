"""What a machine can tell, out of an image against itself."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from ci_gpu.cli.calibrating import _table
from ci_gpu.compare.effects import ALPHA
from ci_gpu.compare.noise import Noise, false_alarms, noise
from ci_gpu.model import Block, Comparison, Trial
from ci_gpu.payload.wire import CheckResult, Metric

Blocks = tuple[Block, ...]


def blocks(deviation: float, pairs: int = 400, *, drift: float = 0, names: tuple[str, ...] = ("rate",)) -> Blocks:
    """Processes whose logarithms vary by that much, and those of a pair together by ``drift``."""
    draw = random.Random(7)
    together = [draw.gauss(0, drift) for _ in range(pairs + 1)]

    def metric(name: str, pair: int) -> Metric:
        return Metric(name, "m/s", "higher", (100 * math.exp(together[pair] + draw.gauss(0, deviation)),))

    def block(arm: str, pair: int) -> Block:
        metrics = tuple(metric(name, pair) for name in names)
        return Block(pair=pair, arm=arm, results=(CheckResult("speed.rate", "passed", metrics=metrics),))

    return tuple(block(arm, pair) for pair in range(1, pairs + 1) for arm in ("base", "head"))


@pytest.mark.parametrize("deviation", [0.005, 0.02])
def test_the_noise_of_one_process_is_found_again(deviation: float) -> None:
    (found,) = noise(blocks(deviation))

    assert found.deviation == pytest.approx(deviation, rel=0.1)
    assert found.pairs == 400
    assert deviation < found.visible[1] < found.visible[0] < 8 * deviation


def test_what_both_of_a_pair_have_is_no_noise() -> None:
    (found,) = noise(blocks(0.005, drift=0.1))

    assert found.deviation == pytest.approx(0.005, rel=0.1)


@pytest.mark.parametrize("names", [("rate",), ("rate", "other", "third")])
def test_what_is_visible_is_seen_in_four_of_five_cases_by_the_t_distribution(names: tuple[str, ...]) -> None:
    """One-sided, at the level of the verdict shared among the metrics, for the mean of as many differences as pairs."""
    for found in noise(blocks(0.01, names=names)):
        for pairs, visible in zip((6, 12), found.visible, strict=True):
            quantiles = stats.t.ppf(1 - ALPHA / len(names), pairs - 1) + stats.t.ppf(0.8, pairs - 1)

            assert math.log1p(visible) == pytest.approx(quantiles * found.deviation * math.sqrt(2 / pairs), rel=1e-6)


def test_what_was_found_is_frozen_and_named() -> None:
    (found,) = noise(blocks(0.01, 3))

    with pytest.raises(AttributeError):
        found.pairs = 4
    with pytest.raises(TypeError):
        Noise("a.b/c", 3, 0.01, (0.1, 0.1))


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
