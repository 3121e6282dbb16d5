"""E-divisive means in sliding windows, with Student's t for significance.

After Matteson and James, "A Nonparametric Approach for Multiple Change Point Analysis of Multivariate Data"
(arXiv:1306.4933), and Fleming et al., "Hunter: Using Change Point Detection to Hunt for Performance Regressions"
(doi:10.1145/3578244.3583719). The deviations are those of a sample (divisor n - 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from ci_gpu.statistics import t_sf

WINDOW = 50
SIGNIFICANT = 1e-4
WEAKER = 10  # the first pass lets through more, the merge decides with whole segments
LEAST = 2
ROUNDING = 1e-12


def detect(
    values: Sequence[float],
    margin: float,
    *,
    significant: float = SIGNIFICANT,
    window: int = WINDOW,
    least: int = LEAST,
) -> tuple[int, ...]:
    """Where a new level begins: indices of the first points of all segments but the first.

    Neighbouring segments' means differ by ``margin`` at least (in the unit of the values) and with a two-sided
    p-value below ``significant``. A segment has ``least`` points or more.
    """
    return _merged(values, _weak(values, significant * WEAKER, window, least), margin, significant)


def p_value(left: Sequence[float], right: Sequence[float]) -> float:
    """Two-sided, by Student's t with the pooled deviation. 1 where there are too few points to have one."""
    degrees = len(left) + len(right) - 2
    means = fmean(left), fmean(right)
    shift = abs(means[1] - means[0])
    if degrees < 1 or shift <= ROUNDING * max(map(abs, means)):
        return 1.0
    squares = math.fsum((x - means[0]) ** 2 for x in left) + math.fsum((x - means[1]) ** 2 for x in right)
    error = math.sqrt(squares / degrees * (1 / len(left) + 1 / len(right)))
    if error <= ROUNDING * shift:  # nothing but a step: no noise to test it against
        return 0.0
    return 2 * t_sf(shift / error, degrees)


def best_split(values: Sequence[float], least: int = LEAST) -> tuple[float, int]:
    """The greatest divergence of two neighbouring stretches, and where the second begins.

    The first stretch starts where ``values`` start; the second may end before they do. (-inf, 0) without candidates.
    """
    within, best = _within(values), (-math.inf, 0)
    for at in range(least, len(values)):
        for size in range(least, len(values) - at + 1):
            left, right, total = within[0][at], within[at][size], within[0][at + size]
            divergence = total - left - right
            divergence -= size * left / max(1, at - 1)  # of a single value the distances are 0
            divergence -= at * right / max(1, size - 1)
            best = max(best, (2 * divergence / (at + size), -at))
    return best[0], -best[1]


def _within(values: Sequence[float]) -> list[list[float]]:
    """Row ``a``, column ``n``: the sum of the distances of all pairs among the ``n`` values from ``a`` on."""
    rows: list[list[float]] = [[0.0]]
    for start in range(len(values) - 1, -1, -1):
        first, shorter, row, outward = values[start], rows[-1], [0.0], 0.0
        for size, without in enumerate(shorter):
            outward += abs(first - values[start + size])
            row.append(without + outward)
        rows.append(row)
    rows.reverse()
    return rows


def _weak(values: Sequence[float], significant: float, window: int, least: int) -> list[int]:
    """Candidates of all windows. A window begins behind whatever was found before, so that none is found twice."""
    found: list[int] = []
    start = 0
    while stretch := values[start : start + window]:
        found += (start + at for at in _split(stretch, significant, least))
        start = max([start + window // 2, *found])
    return found


def _split(values: Sequence[float], significant: float, least: int) -> list[int]:
    """Divide where the divergence is greatest, until the greatest is not significant."""
    segments = [_candidate(values, 0, len(values), least)]
    found: list[int] = []
    while segments:
        best = max(segments)
        _, at, start, stop = best
        if start == at or p_value(values[start:at], values[at:stop]) > significant:
            break
        segments.remove(best)
        segments += [_candidate(values, start, at, least), _candidate(values, at, stop, least)]
        found.append(at)
    return sorted(found)


def _candidate(values: Sequence[float], start: int, stop: int, least: int) -> tuple[float, int, int, int]:
    divergence, at = best_split(values[start:stop], least)
    return divergence, start + at, start, stop


def _merged(values: Sequence[float], found: list[int], margin: float, significant: float) -> tuple[int, ...]:
    """Drop the weakest change, one at a time: each makes its neighbours' segments longer."""
    while found:
        tested = list(_tested(values, found))
        weakest = max(tested)
        if weakest[0] < significant:
            weakest = min(tested, key=lambda each: each[1])
            if weakest[1] >= margin:
                break
        found = [at for at in found if at != weakest[2]]
    return tuple(found)


def _tested(values: Sequence[float], found: Sequence[int]) -> Iterator[tuple[float, float, int]]:
    """p-value, size and place of every change."""
    edges = [0, *found, len(values)]
    for start, at, stop in zip(edges, edges[1:], edges[2:], strict=False):
        left, right = values[start:at], values[at:stop]
        yield p_value(left, right), abs(fmean(right) - fmean(left)), at
