"""Where the level of a series changed. Several detectors propose places; ``levels`` decides which are confirmed.

Advice, never the gate: the gate is two images measured in turn on one machine. Nothing is filled in: a point that was
masked, or that has no logarithm, is not there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from statistics import median

from ci_gpu.changes import divisive, levels, noise, potts, recent
from ci_gpu.model import ChangePoint, Point, Series

FEWEST = 12
MOST = 1000
"""Only so many of the newest points are looked at: what changed before them is no news."""

NEAR = 1
"""Two detectors mean the same change if they place it at most so many points apart."""

APART = 10
"""What one detector alone sees must be so many points from any other change."""

LEVEL = 18
"""So many points since a place that somebody saw are a level, whether it was confirmed or not."""

CONFIRMED, SUSPICIOUS = "confirmed", "suspicious"


def find(series: Series, *, margin: float, weighted: bool = False) -> tuple[ChangePoint, ...]:
    """Every change of at least ``margin`` (a fraction: 0.02 is 2 %), the oldest first.

    ``confirmed`` is a place whose two sides are levels that differ by more than chance; ``suspicious`` what a detector
    sees and that does not bear out, or not yet. ``weighted`` lets a point count by the standard error that its
    processes had. Fewer than 12 points have no changes.
    """
    points = [point for point in series.points if not point.masked and 0.0 < point.value < math.inf][-MOST:]
    if len(points) < FEWEST:
        return ()
    values = [math.log(point.value) for point in points]
    least = math.log1p(margin)
    weights = _weights(points) if weighted else None
    agreed = _apart(_agreed(_found(values, least, weights)))
    confirmed = _confirmed(values, least, weights, list(agreed))
    return tuple(
        _change(points, values, (start, at, stop), agreed[at], CONFIRMED if at in confirmed else SUSPICIOUS)
        for start, at, stop in _neighbourhoods(agreed, len(points))
    )


def _found(values: Sequence[float], least: float, weights: Sequence[float] | None) -> dict[str, tuple[int, ...]]:
    """Who sees a change where. What is recent is looked for on the level that began before the newest points."""
    by_fit = potts.detect(values, least, weights)
    by_means = divisive.detect(noise.cleaned(values, noise.scales(values)), least)
    level = max((at for at in (*by_fit, *by_means) if at < len(values) - recent.MOST), default=0)
    newest = tuple(level + at for at in recent.detect(values[level:], least))
    return {"potts": by_fit, "divisive": by_means, "recent": newest}


def _weights(points: Sequence[Point]) -> list[float]:
    """One over the standard error, relative to the usual one, and never more than four times or less than a quarter."""
    errors = [point.deviation / math.sqrt(point.processes) for point in points]
    known = [error for error in errors if error > 0.0]
    usual = median(known) if known else math.nan  # then there is none to compare
    return [min(4.0, max(0.25, usual / error)) if error > 0.0 else 1.0 for error in errors]


def _agreed(found: Mapping[str, Sequence[int]]) -> dict[int, tuple[str, ...]]:
    """Places and who saw them. The first detector that sees a change places it."""
    agreed: dict[int, tuple[str, ...]] = {}
    for name, places in found.items():
        for place in places:
            free = [at for at in agreed if abs(at - place) <= NEAR and name not in agreed[at]]
            at = min(free, key=lambda at: abs(at - place), default=place)
            agreed[at] = (*agreed.get(at, ()), name)
    return dict(sorted(agreed.items()))


def _apart(agreed: Mapping[int, tuple[str, ...]]) -> dict[int, tuple[str, ...]]:
    """Without what one alone sees a few points from a change that is better known: the same, seen elsewhere."""
    kept: list[int] = []
    for at in sorted(agreed, key=lambda at: (-len(agreed[at]), at)):
        if len(agreed[at]) > 1 or all(abs(at - other) >= APART for other in kept):
            kept.append(at)
    return {at: agreed[at] for at in sorted(kept)}


def _confirmed(
    values: Sequence[float], least: float, weights: Sequence[float] | None, places: Sequence[int]
) -> set[int]:
    """From the oldest on. A stretch that is short and has ended is an excursion, and part of the level around it.

    So is a level that was confirmed, if it was soon left for the one before it: an outage is told while it lasts.
    """
    since: dict[int, int] = {}  # where the level before each confirmed place begins
    for at, stop in pairwise((*places, len(values))):
        lasts = stop == len(values) or stop - at >= levels.OLDEST
        certainty = weights[at:stop] if weights else None
        differs = partial(levels.differ, after=values[at:stop], margin=least, certainty=certainty)
        begun = max((place for place in places if place in since or place <= at - LEVEL), default=0)
        if lasts and differs(values[begun:at]):
            young = [place for place in since if place > at - LEVEL]
            back = young and not differs(values[since[young[0]] : young[0]])
            since = {place: since[place] for place in since if place not in young} if back else since | {at: begun}
    return set(since)


def _neighbourhoods(agreed: Mapping[int, tuple[str, ...]], end: int) -> list[tuple[int, int, int]]:
    """For each place the stretch to the nearest other one that somebody of the same opinion saw, either side."""
    neighbourhoods = []
    for at, names in agreed.items():
        edges = [0, *(other for other in agreed if set(agreed[other]) & set(names)), end]
        neighbourhoods += [each for each in zip(edges, edges[1:], edges[2:], strict=False) if each[1] == at]
    return neighbourhoods


def _change(
    points: Sequence[Point],
    values: Sequence[float],
    where: tuple[int, int, int],
    detectors: tuple[str, ...],
    state: str,
) -> ChangePoint:
    start, at, stop = where
    left, right = values[start:at], values[at:stop]
    return ChangePoint(
        before=points[at - 1].run,
        after=points[at].run,
        change=math.expm1(median(right) - median(left)),
        p=divisive.p_value(left, right),
        state=state,
        detectors=detectors,
    )
