"""A series as its page tells it: its newest points, the upgrades among them, and the changes of its level."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from ci_gpu.model import ChangePoint, Point, Series, SeriesKey
from ci_gpu.reports import _words
from ci_gpu.site import identity


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """The image became another one at the point of this index. ``change``: of the value, in fractions."""

    number: int
    index: int
    before: Point
    after: Point
    change: float | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change point that lies among the shown points: the level changed before the point of this index."""

    id: str
    index: int
    created: str
    point: ChangePoint
    worse: bool


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One series. ``points`` are finite, oldest first, each with its anchor; ``left_out`` are not among them."""

    id: str
    key: SeriesKey
    metric: str
    gpu: str
    unit: str
    better: str
    points: tuple[Point, ...]
    anchors: tuple[str, ...]
    left_out: int
    upgrades: tuple[Upgrade, ...]
    changes: tuple[Change, ...]

    @property
    def latest(self) -> Point | None:
        """The newest point that counts; else the newest."""
        return next((point for point in reversed(self.points) if not point.masked), (self.points or (None,))[-1])

    @property
    def conditions(self) -> list[tuple[str, str]]:
        """All that is the same for every point."""
        key = self.key
        pairs = [
            ("metric", f"{key.metric}, version {key.version}"),
            ("device", key.device),
            ("model", key.gpu),
            ("this one (hashed)", key.uuid),
            ("MIG", key.mig),
            ("power limit", f"{key.power_limit} W" if key.power_limit else ""),
            ("ECC", key.ecc),
            ("clocks", key.clocks),
            ("apart from the main line", key.apart),
        ]
        return [(label, text) for label, text in pairs if text]

    def value(self, point: Point) -> str:
        return f"{_words.number(point.value)} {self.unit}"


def read(series: Series, changes: Sequence[ChangePoint], most: int) -> Line:
    """The newest ``most`` points and what happened among them."""
    points = tuple(point for point in series.points if math.isfinite(point.value))[-most:]
    return Line(
        id=identity.of_series(series.key),
        key=series.key,
        metric=_name(series.key),
        gpu=gpu(series.key),
        unit=series.unit,
        better=series.better,
        points=points,
        anchors=tuple(_anchors(points)),
        left_out=len(series.points) - len(points),
        upgrades=tuple(_upgrades(points)),
        changes=tuple(_changes(series, points, changes)),
    )


def _name(key: SeriesKey) -> str:
    version = f" (version {key.version})" if key.version != 1 else ""
    return f"{key.metric}{version}" + (f", apart: {key.apart}" if key.apart else "")


def gpu(key: SeriesKey) -> str:
    """``NVIDIA H100 80GB HBM3 3f2a9c, MIG 3g.40gb``: as much as tells two columns apart."""
    name = f"{key.gpu or key.device} {key.uuid[:6]}".rstrip()
    rest = [f"MIG {key.mig}" if key.mig else "", f"{key.power_limit} W" if key.power_limit else ""]
    rest += [f"ECC {key.ecc}" if key.ecc == "off" else "", key.clocks if key.clocks not in ("", "default") else ""]
    return ", ".join(filter(None, (name, *rest)))


def image_name(image: str) -> str:
    """Without the registry that everybody means who names none."""
    return image.removeprefix("docker.io/")


def levels(line: Line) -> list[tuple[int, int, float]]:
    """First index, last index and median of each stretch between changes; what is masked does not count."""
    cuts = [0, *sorted({change.index for change in line.changes}), len(line.points)]
    found = []
    for first, end in pairwise(cuts):
        values = [point.value for point in line.points[first:end] if not point.masked]
        if values:
            found.append((first, end - 1, statistics.median(values)))
    return found


def _anchors(points: Sequence[Point]) -> list[str]:
    """A run that compared two images may have a point for each: the second anchor is not the first again."""
    seen: dict[str, int] = {}
    found = []
    for point in points:
        seen[point.run] = seen.get(point.run, 0) + 1
        found.append(identity.of_run(point.run) + (f"-{seen[point.run]}" if seen[point.run] > 1 else ""))
    return found


def _upgrades(points: Sequence[Point]) -> list[Upgrade]:
    found: list[Upgrade] = []
    for index, (before, after) in enumerate(pairwise(points), 1):
        if (before.image, before.digest) != (after.image, after.digest):
            change = (
                after.value / before.value - 1 if before.value > 0 and not (before.masked or after.masked) else None
            )
            found.append(Upgrade(number=len(found) + 1, index=index, before=before, after=after, change=change))
    return found


def _changes(series: Series, points: Sequence[Point], changes: Sequence[ChangePoint]) -> list[Change]:
    places = {point.run: index for index, point in reversed(list(enumerate(points)))}
    found = [
        Change(
            id=identity.of_change(change),
            index=places[change.after],
            created=points[places[change.after]].created,
            point=change,
            worse=(change.change > 0) == (series.better == "lower"),
        )
        for change in changes
        if change.after in places
    ]
    return sorted(found, key=lambda change: change.index)
