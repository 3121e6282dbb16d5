"""Upgrades in a row, across machines: each job measures its own base image, so only ratios are chained.

    I_k = I_(k-1) · exp(r_k),   error²_k = error²_(k-1) + error²(r_k)

The error grows with every link; a job whose base is the anchor image starts anew from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby

import msgspec

from ci_gpu.model import Point

HIGHEST = 700.0
"""Logarithm of the highest level that is told: beyond it there is no number, and no image is so much faster."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The level of one image, as a multiple of the first image of its segment (or of the anchor).

    ``error`` is the standard error of the level's logarithm. Levels of different segments are not comparable:
    nothing ever compared their images.
    """

    run: str
    created: str
    image: str
    digest: str
    level: float
    error: float
    segment: int


def chain(points: Iterable[Point], anchor: str = "") -> tuple[Link, ...]:
    """Chain the comparisons of one metric, oldest first. ``anchor`` is an image's reference or digest: its level is 1.

    Points of several machines may be mixed. Masked points, and runs that compared nothing, are left out.
    """
    known: dict[str, tuple[float, float, int]] = {}
    links: list[Link] = []
    segment = 0
    for base, head in _compared(points):
        if anchor and anchor in (base.image, base.digest):
            known[_identity(base)] = (0.0, 0.0, 0)
        elif _identity(base) not in known:
            segment += 1
            known[_identity(base)] = (0.0, 0.0, segment)
        level, variance, part = known[_identity(base)]
        assert head.change is not None
        level, variance = level + head.change, variance + (head.change_error or 0.0) * (head.change_error or 0.0)
        links.append(_link(head, level, variance, part))
        _remember(known, _identity(head), (level, variance, part))
    return tuple(links)


def _remember(known: dict[str, tuple[float, float, int]], image: str, found: tuple[float, float, int]) -> None:
    """The better known level stays; one in the anchor's own segment (0) is better than any other."""
    before = known.get(image)
    if before is None or (found[2], found[1]) <= (before[2], before[1]):
        known[image] = found


def _link(head: Point, level: float, variance: float, segment: int) -> Link:
    return Link(
        run=head.run,
        created=head.created,
        image=head.image,
        digest=head.digest,
        level=math.exp(min(level, HIGHEST)),
        error=math.sqrt(variance),
        segment=segment,
    )


def _compared(points: Iterable[Point]) -> Iterable[tuple[Point, Point]]:
    """Base and head of every run that has both."""
    ordered = sorted((point for point in points if not point.masked), key=lambda point: (point.created, point.run))
    for _, group in groupby(ordered, key=lambda point: point.run):
        several = list(group)
        heads = [point for point in several if point.change is not None]
        bases = [point for point in several if point.change is None]
        if len(heads) == 1 and len(bases) == 1:
            yield bases[0], heads[0]


def _identity(point: Point) -> str:
    return point.digest or point.image
