"""What a machine can tell: the noise between processes of one image, and the smallest change that stands out of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1, sqrt

import msgspec

from ci_gpu.compare.effects import ALPHA, FLOOR
from ci_gpu.compare.readings import Reading, read
from ci_gpu.model import IMPROVED, MISSING, NEW, REGRESSED, Block, Trial
from ci_gpu.statistics import t_quantile, variance

POWER = 0.8


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """Of one metric: the relative standard deviation of one process, and what is seen with six and with twelve pairs.

    A change of ``visible`` is found with a probability of `POWER`.
    """

    metric: str
    pairs: int
    deviation: float
    visible: tuple[float, float]


def noise(blocks: Sequence[Block]) -> tuple[Noise, ...]:
    """The noise of every timed metric that at least three pairs of one image measured."""
    readings = [each for each in read(blocks) if each.comparable and not each.kind.exact and len(each.pairs()) >= 3]
    return tuple(_noise(reading, len(readings)) for reading in readings)


def _noise(reading: Reading, family: int) -> Noise:
    pairs = reading.pairs()
    base, head = (reading.logarithms(arm, pairs) for arm in (reading.base, reading.head))
    deviation = max(sqrt(variance([after - before for before, after in zip(base, head, strict=True)])), FLOOR)
    return Noise(
        metric=reading.metric,
        pairs=len(pairs),
        deviation=deviation / sqrt(2),
        visible=(_visible(deviation, 6, family), _visible(deviation, 12, family)),
    )


def _visible(deviation: float, pairs: int, family: int) -> float:
    reach = t_quantile(1 - ALPHA / family, pairs - 1) + t_quantile(POWER, pairs - 1)
    return expm1(reach * deviation / sqrt(pairs))


def false_alarms(trials: Sequence[Trial]) -> tuple[str, ...]:
    """What was said to have changed between an image and itself."""
    changed = (REGRESSED, IMPROVED, NEW, MISSING)
    return tuple(one.metric for trial in trials for one in trial.metrics if one.verdict in changed)
