"""Whether the points on either side of a place lie on two levels, or on one that wanders.

The detectors propose places; this decides which are confirmed. All of it is relative to what the points before the
place did, so a series of a shared runner has to move further than one of a machine of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from ci_gpu.changes.noise import FLOOR

NEWEST = 4
"""A level has so many points at least: two or three are a busy machine."""
OLDEST = 6
REACH = 60
"""Points either side that are compared: the nearest."""
DEVIATIONS = 4.0
"""Standard errors between the levels. A place is chosen among many, and a history is looked at after every push."""
FEW = 0.2
"""Of the old points so many may lie on the new level's side of the middle: noise of two modes has been there before."""
LATER = 0.25
"""Of the new ones so many may lie on the old level's side, beside the fewest that make a level."""
WANDERED = 1.3
"""How many times further than the old level ever was from itself, for as many points in a row, the new one is."""
CLIP = 2.0
"""Deviations from the median at which a point counts as if it were no further."""
CLIPPED = 1.05
"""The standard error of such a mean, relative to the mean's."""
NORMAL = 0.6745
"""The median of the absolute deviation of normal noise."""
TAIL, TAIL_NORMAL = 0.8, 1.2816
"""A quantile of it, for noise of two modes."""
TELLING = 12
"""Points that tell of the noise."""
STEADIER = 0.4
"""Of the old deviation, what so many points vary by at most if they are all of one machine, where the old ones were of
several. Fewer points vary by less of it, in proportion to those beyond two: in the same noise 2 % do by chance."""
MOST = 0.9


def differ(
    before: Sequence[float], after: Sequence[float], margin: float, certainty: Sequence[float] | None = None
) -> bool:
    """Whether the level changed by ``margin`` at least, in the unit of the values, and by more than chance.

    ``certainty`` is a weight of each point after: what is below 1 counts as less than a point.
    """
    before, after = before[-REACH:], after[:REACH]
    if len(before) < OLDEST or len(after) < NEWEST:
        return False
    shift = median(after) - median(before)
    if abs(shift) < margin or _overlap(before, after, shift):
        return False
    return abs(shift) >= WANDERED * _wandered(before, len(after)) and _beyond_chance(before, after, certainty)


def _overlap(before: Sequence[float], after: Sequence[float], shift: float) -> bool:
    """Whether either side has more than a few points that would fit the other."""
    middle = median(before) + shift / 2
    there = sum((value - middle) * shift > 0 for value in before)
    back = sum((value - middle) * shift < 0 for value in after)
    return there > FEW * len(before) or back > LATER * len(after) or len(after) - back < NEWEST


def _wandered(before: Sequence[float], size: int) -> float:
    """The furthest that so many points in a row were, by their median, from all of them: up to a quarter of them."""
    size, level = max(1, min(size, len(before) // 4)), median(before)
    if size == 1:  # a single point is no stretch
        return 0.0
    return max(abs(median(before[at : at + size]) - level) for at in range(len(before) - size + 1))


def _beyond_chance(before: Sequence[float], after: Sequence[float], certainty: Sequence[float] | None) -> bool:
    """The distance of the means in standard errors, by the noisier side: four new points do not tell of noise."""
    sides = [before, after] if len(after) >= TELLING else [before]
    deviation, longer = max(map(_deviation, sides)), max(map(_longer, sides))
    counts = sum(min(1.0, weight) ** 2 for weight in certainty[: len(after)]) if certainty else len(after)
    if _steadier(before, after):
        counts, longer = min(1.0, counts), 1.0
    error = CLIPPED * deviation * longer * math.sqrt(1 / counts + 1 / len(before))
    return abs(_mean(after, deviation) - _mean(before, deviation)) >= DEVIATIONS * error


def _steadier(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether the new points vary so much less that they are no draws from the old noise: all are one draw of it.

    So are the runs that stay on one machine of a pool, or on its new model: they are no more certain than a single one.
    """
    level = median(after)
    furthest = sorted(abs(value - level) for value in after)[int(TAIL * (len(after) - 1))]
    least = STEADIER * min(1.0, (len(after) - 2) / (TELLING - 2))
    return max(furthest, FLOOR) < least * _deviation(before)


def _longer(values: Sequence[float]) -> float:
    """How many times more than without correlation a mean varies in the long run, as AR(1) noise does."""
    correlation = _correlation(values, _deviation(values))
    return math.sqrt((1 + correlation) / (1 - correlation))


def _deviation(values: Sequence[float]) -> float:
    """The standard deviation around the level, by quantiles; steps and wandering within it count."""
    level = median(values)
    distances = sorted(abs(value - level) for value in values)
    return max(median(distances) / NORMAL, distances[int(TAIL * len(distances))] / TAIL_NORMAL, FLOOR)


def _clipped(values: Sequence[float], deviation: float) -> list[float]:
    """Distances from the median, none of them further than a few deviations."""
    level = median(values)
    return [min(CLIP * deviation, max(-CLIP * deviation, value - level)) for value in values]


def _mean(values: Sequence[float], deviation: float) -> float:
    return median(values) + fmean(_clipped(values, deviation))


def _correlation(values: Sequence[float], deviation: float) -> float:
    """Of a point with the next, without the bias of few points (Kendall 1954, doi:10.1093/biomet/41.3-4.403)."""
    distances = _clipped(values, deviation)
    squares = math.fsum(each**2 for each in distances)
    products = math.fsum(left * right for left, right in pairwise(distances))
    share = products / squares if squares else 0.0
    return min(MOST, max(0.0, share + (1 + 3 * share) / len(values)))
