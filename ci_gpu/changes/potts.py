"""A piecewise constant fit of absolute deviations (the Potts problem), each counted up to a limit.

The fit minimises ``sum min(|y - level| / scale, LIMIT) + PRICE * jumps`` by dynamic programming over levels (as in
Weinmann, Storath and Demaret, "The L1-Potts Functional for Robust Jump-Sparse Reconstruction", arXiv:1207.4642). The
limit is that of Fearnhead and Rigaill, "Changepoint Detection in the Presence of Outliers" (arXiv:1609.07363): a wild
point costs no more than a level that is off. Price and limit do not depend on how long the series is, so what is found
at its end does not depend on its age.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from statistics import fmean

from ci_gpu.changes.noise import scales

PRICE = 5.5
"""What a jump costs, in deviations of the noise."""
LIMIT = 4.0
"""What a point costs at most."""
FINENESS = 4
"""Levels in a deviation of the noise, from four to eight."""
REACH = 3.0
"""How far from one of its first two points a level may lie, in deviations."""
MOST = 64
"""Levels on either side of a point, where its neighbour's deviation is far smaller than its own."""
ROUNDING = 1e-12


def detect(values: Sequence[float], margin: float, weights: Sequence[float] | None = None) -> tuple[int, ...]:
    """Where a new level begins: indices of the first points of all segments but the first.

    Neighbouring segments' medians differ by ``margin`` at least, in the unit of the values. A segment has two points
    or more. ``weights`` are relative and positive.
    """
    weights = list(weights) if weights is not None else [1.0] * len(values)
    deviations = [scale / weight for scale, weight in zip(scales(values), weights, strict=True)]
    return _sized(values, weights, fit(values, deviations, PRICE), margin)


def fit(values: Sequence[float], deviations: Sequence[float], price: float) -> tuple[int, ...]:
    """The first points of all segments but the first, of the best fit.

    Viterbi's way through the levels, where a new segment is always begun with two points at once. A level that costs
    more than the best, a jump and one point is forgotten.
    """
    levels: dict[float, tuple[float, int]] = {}  # the level of the last segment: the cost of all, where it starts
    cheapest = {0: -price}  # of so many values; no jump leads to the first segment
    begun: dict[int, int] = {}  # where the last segment of so many values starts
    most = math.inf
    for at in range(1, len(values)):
        value, unit = values[at], 1 / deviations[at]
        levels = {
            level: (cost + min(abs(value - level) * unit, LIMIT), start)
            for level, (cost, start) in levels.items()
            if cost <= most
        }
        paid = cheapest.get(at - 1, math.inf) + price
        for level, cost in _fresh(values, deviations, at):
            fresh = paid + cost, at - 1
            levels[level] = min(levels.get(level, fresh), fresh)
        cheapest[at + 1], begun[at + 1] = least, _ = min(levels.values())
        most = least + price + LIMIT
    return _walked_back(begun, len(values))


def _fresh(values: Sequence[float], deviations: Sequence[float], at: int) -> Iterator[tuple[float, float]]:
    """The levels of a segment that begins at the point before, and what these two points cost."""
    before, value = values[at - 1], values[at]
    units = 1 / deviations[at - 1], 1 / deviations[at]
    grid = 2.0 ** math.floor(math.log2(min(deviations[at - 1], deviations[at]) / FINENESS))
    for level in {*_near(before, deviations[at - 1], grid), *_near(value, deviations[at], grid)}:
        yield level, min(abs(before - level) * units[0], LIMIT) + min(abs(value - level) * units[1], LIMIT)


def _near(value: float, deviation: float, grid: float) -> Iterator[float]:
    reach = min(MOST, math.ceil(REACH * deviation / grid))
    middle = round(value / grid)
    return (cell * grid for cell in range(middle - reach, middle + reach + 1))


def _walked_back(begun: Mapping[int, int], end: int) -> tuple[int, ...]:
    edges = [end]
    while edges[-1] in begun:
        edges.append(begun[edges[-1]])
    return tuple(reversed(edges[1:-1]))


def weighted_median(weighted: list[tuple[float, float]]) -> float:
    """Of values with their weights: where half of the weight lies below, in the middle between two if it is there."""
    weighted.sort()
    sums = list(accumulate(weight for _, weight in weighted))
    half = sums[-1] / 2
    slack = ROUNDING * half
    return fmean(weighted[bisect_left(sums, bound)][0] for bound in (half - slack, half + slack))


def _sized(values: Sequence[float], weights: Sequence[float], found: tuple[int, ...], margin: float) -> tuple[int, ...]:
    """Drop the smallest step, one at a time, as long as it is below the margin."""
    while found:
        edges = (0, *found, len(values))
        levels = [
            weighted_median(list(zip(values[start:stop], weights[start:stop], strict=True)))
            for start, stop in pairwise(edges)
        ]
        steps = [abs(right - left) for left, right in pairwise(levels)]
        if min(steps) >= margin:
            break
        smallest = steps.index(min(steps))
        found = found[:smallest] + found[smallest + 1 :]
    return found
