"""How much a series varies from run to run, around each of its points: by medians, so that neither steps nor wild
points count as noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

WINDOW = 60
"""Differences that tell of the noise around a point."""
LONGER = 200
"""Those that tell whether the noise wanders: a ratio of two scales needs more of them."""
FLOOR = 1e-4
"""0.01 % of a value is no news."""
NORMAL = 0.9539
"""The median of the absolute difference of two normal values, in standard deviations of one."""
TAIL, TAIL_NORMAL = 0.85, 2.0358
"""A quantile of it, and what that is for normal noise: two modes have no median between them, but a tail."""
LAG = 2
"""The shortest that tells of correlation: a step spoils as many differences."""
CHANCE = 2.5
"""What may pass for correlation in noise that has none, times the root of the number of differences."""
MOST = 0.95
ENOUGH = 30
"""Differences that are asked for before a series is said to wander: in fewer of them one step would look like it."""


def scales(values: Sequence[float]) -> list[float]:
    """The standard deviation that a mean of the points around each one has to be judged by, times the root of their
    number: larger than the points' own where one foretells the next."""
    near = [abs(right - left) for left, right in pairwise(values)]
    far = [abs(right - left) for left, right in zip(values, values[LAG:], strict=False)]
    if not far:
        return [FLOOR] * len(values)
    step = WINDOW // 6
    blocks = [_scale(near, far, at) for at in range(step // 2, len(values) + step, step)]
    return [blocks[at // step] for at in range(len(values))]


def cleaned(values: Sequence[float], deviations: Sequence[float], most: float = 3.0) -> list[float]:
    """The values, none further than so many deviations from their neighbours' median: one wild point is no level."""
    found = []
    for at, (value, deviation) in enumerate(zip(values, deviations, strict=True)):
        middle = median(values[max(0, at - 2) : at + 3])
        found.append(min(middle + most * deviation, max(middle - most * deviation, value)))
    return found


def _scale(near: Sequence[float], far: Sequence[float], at: int) -> float:
    around = sorted(_around(near, at, WINDOW))
    deviation = max(median(around) / NORMAL, around[int(TAIL * len(around))] / TAIL_NORMAL, FLOOR)
    return deviation * _wandering(near, far, at)


def _wandering(near: Sequence[float], far: Sequence[float], at: int) -> float:
    """How many times more than by single differences a mean varies, as AR(1) noise would.

    The variances of its differences at lag 2 and 1 have the ratio of one and the correlation.
    """
    if len(far) < ENOUGH:
        return 1.0
    ratio = median(_around(far, at, LONGER)) / max(median(_around(near, at, LONGER)), FLOOR)
    chance = CHANCE / math.sqrt(min(len(far), LONGER))
    correlation = min(MOST, max(0.0, (ratio**2 - 1.0 - chance) / (1.0 - chance)))
    return math.sqrt(1.0 + correlation) / (1.0 - correlation)


def _around(values: Sequence[float], at: int, size: int) -> Sequence[float]:
    start = max(0, min(at - size // 2, len(values) - size))
    return values[start : start + size]
