"""Series out of records: what the stores without indexes do by reading, and what all of them must answer."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ci_gpu.history.record import Record, place, points
from ci_gpu.model import Point, Series, SeriesKey


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which series, and which of their points. Empty means any; all texts must be equal, not alike.

    ``last`` keeps that many of the newest points of each series. What was not measured for the main line has series of
    its own: ``pull`` adds those of that pull request, ``apart`` those of that event.
    """

    metric: str = ""
    gpu: str = ""
    uuid: str = ""
    branch: str = ""
    since: str = ""  # RFC 3339, UTC: the first moment that counts
    last: int = 0
    pull: int = 0
    apart: str = ""
    key: SeriesKey | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list of series: how many points, and the newest of them."""

    key: SeriesKey
    unit: str
    better: str
    count: int
    last: Point


def gather(records: Iterable[Record], wanted: Filter) -> tuple[Series, ...]:
    """The series of these records, in the order of their keys; a run that is there twice counts once."""
    found: dict[tuple[str, ...], tuple[SeriesKey, str, str, list[Point]]] = {}
    seen: set[str] = set()
    for record in records:
        if record.run in seen or not _fits(record, wanted):
            continue
        seen.add(record.run)
        for measured, point in points(record):
            if fits_key(measured.key, wanted):
                identity = (*key_order(measured.key), measured.unit, measured.better)
                _, _, _, several = found.setdefault(identity, (measured.key, measured.unit, measured.better, []))
                several.append(point)
    return tuple(_series(*found[identity], wanted.last) for identity in sorted(found))


def listed(every: Iterable[Series]) -> tuple[Listed, ...]:
    """The list of whole series."""
    return tuple(
        Listed(key=one.key, unit=one.unit, better=one.better, count=len(one.points), last=one.points[-1])
        for one in every
    )


def one_a_run(series: Series) -> Series:
    """Of each run the last point, which is the head's: the base's would turn a line back at every run."""
    points = {point.run: point for point in series.points}
    return msgspec.structs.replace(series, points=tuple(points.values()))


def key_order(key: SeriesKey) -> tuple[str, ...]:
    """A key as texts, in the order in which series are listed."""
    return tuple(str(getattr(key, name)) for name in key.__struct_fields__)


def fits_key(key: SeriesKey, wanted: Filter) -> bool:
    """Whether a filter asks for this series."""
    if wanted.key is not None and key != wanted.key:
        return False
    asked = ((wanted.metric, key.metric), (wanted.gpu, key.gpu), (wanted.uuid, key.uuid))
    return all(value in ("", found) for value, found in asked)


def places(wanted: Filter) -> tuple[str, ...]:
    """The places of a record (`record.place`) that a filter asks for."""
    return ("", *((f"pull request {wanted.pull}",) if wanted.pull else ()), *filter(None, (wanted.apart,)))


def _fits(record: Record, wanted: Filter) -> bool:
    return (
        place(record) in places(wanted)
        and wanted.branch in ("", record.branch)
        and (not wanted.since or record.created >= wanted.since)
    )


def _series(key: SeriesKey, unit: str, better: str, several: list[Point], last: int) -> Series:
    """Oldest first; of one run the base before the head, as it was written."""
    ordered = sorted(several, key=lambda point: (point.created, point.run))
    return Series(key=key, unit=unit, better=better, points=tuple(ordered[-last:] if last else ordered))
