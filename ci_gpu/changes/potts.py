"""A piecewise constant fit of least absolute deviations (the L1 Potts problem), and a penalty that knows AR(1) noise.

The fit minimises ``sum w |y - level| + penalty * jumps`` exactly, by dynamic programming over the levels (as in
Weinmann, Storath and Demaret, "The L1-Potts Functional for Robust Jump-Sparse Reconstruction", arXiv:1207.4642). The
penalty is chosen as airspeed velocity documents its own ("Step detection"): the number of segments and the logarithm
of the residuals are balanced, after what a residual tells of the next one has been taken away. So a wandering series
is not cut into steps.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from statistics import median

LEAST = 2
FLOOR = 1e-4  # mean residual that is never asked to be smaller: 0.01 % of a value is no news
FINENESS = 10  # levels a typical step from point to point
PENALTIES = 2.0  # each tried is so many times smaller than the last
WORTHLESS = 8
CROWDED = 8  # a fit with segments shorter than this on average explains nothing


def detect(values: Sequence[float], margin: float, weights: Sequence[float] | None = None) -> tuple[int, ...]:
    """Where a new level begins: indices of the first points of all segments but the first.

    Neighbouring segments' medians differ by ``margin`` at least, in the unit of the values. A segment has two points
    or more. ``weights`` are relative and positive.
    """
    weights = list(weights) if weights is not None else [1.0] * len(values)
    best = min(_fits(values, weights), key=lambda found: _objective(values, weights, found))
    return _sized(values, weights, best, margin)


def fit(values: Sequence[float], weights: Sequence[float], penalty: float) -> tuple[int, ...]:
    """The first points of all segments but the first, of the best fit at this penalty a jump."""
    return _fit(_costs(values, weights, _levels(values)), penalty)


def _fits(values: Sequence[float], weights: Sequence[float]) -> Iterator[tuple[int, ...]]:
    """Fits of ever more segments, until the next jump could save only a fraction of what a segment has to save."""
    found: tuple[int, ...] = ()
    costs, floor = _costs(values, weights, _levels(values)), FLOOR * sum(weights)
    residual = _residual(values, weights, found)
    penalty = residual / PENALTIES
    while len(found) <= len(values) / CROWDED:
        yield found
        if penalty < _price(values) * (residual + floor) / WORTHLESS:
            break
        found = _fit(costs, penalty)
        residual, penalty = _residual(values, weights, found), penalty / PENALTIES


def _levels(values: Sequence[float]) -> list[float]:
    """Where a segment may lie: at its points, or within a twentieth of a typical step of them."""
    grid = median(abs(right - left) for left, right in pairwise(values)) / FINENESS
    if grid <= 0.0:
        return sorted(set(values))
    return [grid * cell for cell in sorted({round(value / grid) for value in values})]


def _costs(values: Sequence[float], weights: Sequence[float], levels: Sequence[float]) -> list[list[float]]:
    return [[weight * abs(value - level) for level in levels] for value, weight in zip(values, weights, strict=True)]


def _fit(costs: Sequence[list[float]], penalty: float) -> tuple[int, ...]:
    """Viterbi's way through the levels, where a new segment is always begun with two points at once."""
    if len(costs) < 2 * LEAST:
        return ()
    totals = [first + second for first, second in zip(costs[0], costs[1], strict=True)]
    starts = [0] * len(totals)
    cheapest, begun = [math.inf, min(totals)], [0, 0]  # of all values up to each: the cost, the last segment's start
    for at in range(2, len(costs)):
        jumped = cheapest[at - 2] + penalty
        fresh = [jumped + before for before in costs[at - 1]]
        starts = [at - 1 if new < old else start for new, old, start in zip(fresh, totals, starts, strict=True)]
        totals = [(new if new < old else old) + cost for new, old, cost in zip(fresh, totals, costs[at], strict=True)]
        least = min(totals)
        cheapest.append(least)
        begun.append(starts[totals.index(least)])
    return _walk_back(begun)


def _walk_back(begun: Sequence[int]) -> tuple[int, ...]:
    found: list[int] = []
    at = begun[-1]
    while at > 0:
        found.append(at)
        at = begun[at - 1]
    return tuple(reversed(found))


def _objective(values: Sequence[float], weights: Sequence[float], found: tuple[int, ...]) -> float:
    """The smaller the better: a segment has to pay for itself with residuals."""
    noise = FLOOR * sum(weights) + _unforeseen(_residuals(values, weights, found), weights)
    return _price(values) * (len(found) + 1) + math.log(noise)


def _price(values: Sequence[float]) -> float:
    """By how much a segment has to lower the logarithm of the residuals."""
    return 4 * math.log(len(values)) / len(values)


def _unforeseen(residuals: Sequence[float], weights: Sequence[float]) -> float:
    """What is left of the residuals without the part that the residual before foretells, by least deviations."""
    terms = [(left, right, weight) for (left, right), weight in zip(pairwise(residuals), weights[1:], strict=True)]
    ratios = [(right / left, abs(left) * weight) for left, right, weight in terms if left]
    share = max(-1.0, min(1.0, _weighted_median(ratios))) if ratios else 0.0
    first = abs(residuals[0]) * weights[0]
    return first + math.fsum(abs(right - share * left) * weight for left, right, weight in terms)


def _residual(values: Sequence[float], weights: Sequence[float], found: tuple[int, ...]) -> float:
    residuals = _residuals(values, weights, found)
    return math.fsum(abs(residual) * weight for residual, weight in zip(residuals, weights, strict=True))


def _residuals(values: Sequence[float], weights: Sequence[float], found: Sequence[int]) -> list[float]:
    residuals: list[float] = []
    for start, stop in pairwise((0, *found, len(values))):
        middle = _weighted_median(list(zip(values[start:stop], weights[start:stop], strict=True)))
        residuals += [value - middle for value in values[start:stop]]
    return residuals


def _weighted_median(weighted: list[tuple[float, float]]) -> float:
    weighted.sort()
    sums = list(accumulate(weight for _, weight in weighted))
    half = sums[-1] / 2
    at = bisect_left(sums, half * (1 - 1e-12))
    if sums[at] <= half * (1 + 1e-12) and at + 1 < len(weighted):
        return (weighted[at][0] + weighted[at + 1][0]) / 2
    return weighted[at][0]


def _sized(values: Sequence[float], weights: Sequence[float], found: tuple[int, ...], margin: float) -> tuple[int, ...]:
    """Drop the smallest step, one at a time, as long as it is below the margin."""
    while found:
        edges = (0, *found, len(values))
        levels = [
            _weighted_median(list(zip(values[start:stop], weights[start:stop], strict=True)))
            for start, stop in pairwise(edges)
        ]
        steps = [abs(right - left) for left, right in pairwise(levels)]
        if min(steps) >= margin:
            break
        smallest = steps.index(min(steps))
        found = found[:smallest] + found[smallest + 1 :]
    return found
