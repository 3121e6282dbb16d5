"""github-action-benchmark: its ``data.js``, both ways, and the JSON of its two custom tools.

Source: ``src/write.ts``, ``src/extract.ts`` and ``src/config.ts`` of benchmark-action/github-action-benchmark 1.22.
It stores no machine, so what comes from it is one series whatever it ran on.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

import msgspec

from ci_gpu.history import document
from ci_gpu.history.record import Image, Measurement, Record
from ci_gpu.model import Point, Series, SeriesKey

PREFIX = "window.BENCHMARK_DATA ="
MAX_BYTES = 200 << 20
LARGER = ("benchmarkjs", "customBiggerIsBetter", "pytest")
SMALLER = (
    "benchmarkdotnet",
    "benchmarkluau",
    "cargo",
    "catch2",
    "customSmallerIsBetter",
    "go",
    "googlecpp",
    "jmh",
    "julia",
)
TOOLS = {"higher": "customBiggerIsBetter", "lower": "customSmallerIsBetter"}


class _Bench(msgspec.Struct):
    name: str
    value: float
    unit: str = ""


class _Commit(msgspec.Struct):
    id: str = ""


class _Entry(msgspec.Struct):
    date: int
    tool: str
    benches: list[_Bench]
    commit: _Commit = msgspec.field(default_factory=_Commit)


class _Data(msgspec.Struct):
    entries: dict[str, list[_Entry]]
    repoUrl: str = ""  # noqa: N815 - the file's own word


def fits(data: bytes) -> bool:
    """Whether this looks like a ``data.js``."""
    return data.lstrip()[: len(PREFIX)] == PREFIX.encode()


def read(data: bytes, source: str, salt: str) -> Iterator[Record]:
    """One record for each entry; the suite is the first part of each metric's name.

    Raises:
        ConfigError: it is no ``data.js``, or a tool in it is unknown, so that nobody knows which way is better.
    """
    if len(data) > MAX_BYTES or not fits(data):
        raise document.bad(source, "it does not begin with window.BENCHMARK_DATA, or is too large")
    try:
        found = msgspec.json.decode(data.strip()[len(PREFIX) :].rstrip(b"; \n"), type=_Data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise document.bad(source, str(error)[:200]) from error
    repository = found.repoUrl.removeprefix("https://github.com/")
    for suite, entries in found.entries.items():
        for entry in entries:
            yield _record(suite, entry, repository, source)


def write(several: Iterable[Series]) -> str:
    """A ``data.js`` with one suite for each direction; each run is an entry."""
    entries: dict[str, list[dict[str, Any]]] = {}
    last = 0
    for better, tool in TOOLS.items():
        runs = _by_run(one for one in several if one.better == better)
        if runs:
            entries[f"ci-gpu, {better} is better"] = [_entry(point, tool, benches) for point, benches in runs]
            last = max(last, *(milliseconds(point.created) for point, _ in runs))
    content = {"lastUpdate": last, "repoUrl": "", "entries": entries}
    return f"{PREFIX} {json.dumps(content, indent=2, allow_nan=False)}\n"


def write_custom(several: Iterable[Series], better: str) -> str:
    """The input of customSmallerIsBetter or customBiggerIsBetter: the newest value of each series."""
    chosen = [one for one in several if one.better == better and one.points]
    return json.dumps([_bench(one, one.points[-1]) for one in chosen], indent=2, allow_nan=False) + "\n"


def milliseconds(created: str) -> int:
    """Of an RFC 3339 time in UTC, since 1970."""
    whole, _, fraction = created.rstrip("Z").partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 1000 + int(f"{fraction}000"[:3])


def _record(suite: str, entry: _Entry, repository: str, source: str) -> Record:
    if entry.tool not in LARGER + SMALLER:
        raise document.bad(source, f"nobody knows which way is better for the tool {entry.tool[:40]!r}")
    try:
        moment = datetime.fromtimestamp(entry.date / 1000, tz=timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise document.bad(source, "a date is none") from error
    better = "higher" if entry.tool in LARGER else "lower"
    content = f"{repository} {suite} {entry.date} {entry.commit.id} {entry.benches}"
    run = f"benchmark-{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()[:20]}"
    return Record(
        run=run,
        created=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        version=entry.tool,
        repository=repository,
        commit=entry.commit.id,
        device="other",
        images=(Image(name=suite),),
        measurements=tuple(_measurement(suite, bench, better) for bench in entry.benches if math.isfinite(bench.value)),
    )


def _measurement(suite: str, bench: _Bench, better: str) -> Measurement:
    key = SeriesKey(metric=f"{suite}/{bench.name}", device="other")
    return Measurement(key=key, unit=bench.unit, better=better, image=suite, value=bench.value)


def _by_run(several: Iterable[Series]) -> list[tuple[Point, list[dict[str, Any]]]]:
    """Runs oldest first, each with its benches."""
    found: dict[tuple[str, str, str], tuple[Point, list[dict[str, Any]]]] = {}
    for one in several:
        for point in one.points:
            identity = (point.created, point.run, point.image)
            found.setdefault(identity, (point, []))[1].append(_bench(one, point))
    return [found[identity] for identity in sorted(found)]


def _bench(one: Series, point: Point) -> dict[str, Any]:
    spread = f"± {100 * point.deviation:.2f} %"
    count = f"{point.processes} process{'es' * (point.processes != 1)}"
    extra = f"{point.image}\n{count}\n{point.run}"
    return {"name": name(one.key), "value": point.value, "unit": one.unit, "range": spread, "extra": extra}


def _entry(point: Point, tool: str, benches: list[dict[str, Any]]) -> dict[str, Any]:
    nobody = {"email": "", "name": "ci-gpu", "username": "ci-gpu"}
    commit = {
        "author": nobody,
        "committer": nobody,
        "distinct": True,
        "id": point.commit,
        "message": point.image,
        "timestamp": point.created,
        "tree_id": "",
        "url": "",
    }
    return {"commit": commit, "date": milliseconds(point.created), "tool": tool, "benches": benches}


def name(key: SeriesKey) -> str:
    """A series in one line: two series never have the same."""
    parts = (key.gpu, key.uuid[:16], key.mig, f"{key.power_limit} W" if key.power_limit else "", key.clocks)
    version = f" v{key.version}" if key.version != 1 else ""
    where = ", ".join(part for part in (*parts, key.ecc and f"ECC {key.ecc}") if part)
    return f"{key.metric}{version} ({where})" if where else f"{key.metric}{version}"
