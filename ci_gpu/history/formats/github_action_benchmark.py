"""github-action-benchmark: its ``data.js``, both ways, and the JSON of its two custom tools.

Source: ``src/write.ts``, ``src/extract.ts`` and ``src/config.ts`` of benchmark-action/github-action-benchmark 1.22.
It stores no machine, so what comes from it is one series whatever it ran on.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

import msgspec

from ci_gpu import misread
from ci_gpu.errors import ConfigError
from ci_gpu.history import document
from ci_gpu.history.record import Image, Measurement, Record
from ci_gpu.model import Point, Series, SeriesKey

PREFIX = "window.BENCHMARK_DATA ="
_HEAD = re.compile(rb"\s*window\.BENCHMARK_DATA\s*=")
_FURTHER = re.compile(r"\t\s*([-+0-9.eE]+)\s+(\S+)")
"""More values of a line of ``go test -benchmem``, which older versions of the action kept in the unit of the first."""
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
    id: Any = ""
    timestamp: Any = ""


class _Entry(msgspec.Struct):
    tool: str
    benches: list[_Bench]
    date: int | float | None = None
    commit: _Commit | None = None


class _Data(msgspec.Struct):
    entries: dict[str, msgspec.Raw]
    repoUrl: str = ""  # noqa: N815 - the file's own word


def fits(data: bytes) -> bool:
    """Whether this looks like a ``data.js``."""
    return _HEAD.match(data.removeprefix(codecs.BOM_UTF8)) is not None


def read(data: bytes, source: str, salt: str) -> Iterator[Record]:
    """One record for each entry; the suite is the first part of each metric's name.

    Raises:
        ConfigError: it is no ``data.js``, or a tool in it is unknown, so that nobody knows which way is better.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    head = _HEAD.match(data)
    if len(data) > MAX_BYTES or not head:
        raise _bad(source, f"{PREFIX} is expected at its beginning, and at most {MAX_BYTES} bytes")
    try:
        found = msgspec.json.decode(data[head.end() :].rstrip(b"; \t\r\n"), type=_Data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise misread.of_json(misread.DATA_JS, source, error, behind=PREFIX) from error
    repository = found.repoUrl.removeprefix("https://github.com/")
    for suite, raw in found.entries.items():
        for number, entry in enumerate(_entries(raw, source, f"entries[{suite[:80]!r}]")):
            yield _record(suite, entry, repository, source, f"entries[{suite[:80]!r}][{number}]")


def _entries(raw: msgspec.Raw, source: str, at: str) -> list[_Entry]:
    """Of one suite, decoded by itself: the decoder does not say in which one a fault is."""
    try:
        return msgspec.json.decode(raw, type=list[_Entry])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise misread.of_json(misread.DATA_JS, source, error, at=at) from error


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


def _record(suite: str, entry: _Entry, repository: str, source: str, at: str) -> Record:
    """Checked as a store does it, so that a file goes in whole or not at all. Of one name twice the last counts."""
    fault = next(_faults(suite, entry), "")
    if fault:
        raise _bad(source, at + fault)
    commit = entry.commit or _Commit()
    identity = commit.id if isinstance(commit.id, str) else ""
    line = document.line
    measured = {each.key: each for bench in entry.benches for each in _measurements(line(suite), bench, entry.tool)}
    found = Record(
        run=_run(f"{repository} {suite} {entry.date} {identity} {entry.benches}"),
        created=_created(entry.date, commit.timestamp, source, at),
        version=entry.tool,
        repository=line(repository),
        commit=line(identity),
        device="other",
        images=(Image(name=line(suite)),),
        measurements=tuple(measured.values()),
    )
    return document.decode(msgspec.json.encode(found), f"{source}: {at}")


def _run(content: str) -> str:
    """The same for the same entry, so that a file may be imported again."""
    return f"benchmark-{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()[:20]}"


def _faults(suite: str, entry: _Entry) -> Iterator[str]:
    """What no record can hold, each with its field: in the file, not in the record that is made of it."""
    if entry.tool not in LARGER + SMALLER:
        known = ", ".join(sorted(LARGER + SMALLER))
        said = "is not known, so nobody knows which way is better"
        yield f".tool: {entry.tool[:40]!r} {said}; expected is one of {known}"
    for number, bench in enumerate(entry.benches):
        at, most, length = f".benches[{number}]", document.MAX_TEXT, len(f"{suite}/{bench.name}")
        if not document.line(bench.name):
            yield f"{at}.name: the name of a benchmark is expected, and it is empty"
        if length > most:
            yield f"{at}.name: at most {most} characters are read of suite and name, and there are {length}"
        unit = document.text_fault(document.line(bench.unit))
        if unit:
            yield f"{at}.unit: {unit}"


def _created(date: float | None, timestamp: Any, source: str, at: str) -> str:
    """The entry's date, else its commit's."""
    try:
        if date is None:
            moment = datetime.fromisoformat(str(timestamp).replace("Z", "+00:00")).astimezone(timezone.utc)
        else:
            moment = datetime.fromtimestamp(date / 1000, tz=timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise _bad(source, at + _no_time(date, timestamp)) from error
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _no_time(date: float | None, timestamp: Any) -> str:
    if date is not None:
        return f".date: milliseconds since 1970 are expected, and {str(date)[:40]} is no time"
    if timestamp:
        return f".commit.timestamp: {misread.TIME}, and {str(timestamp)[:40]!r} is none"
    return ".date: milliseconds since 1970 are expected, or a time in commit.timestamp, and there is neither"


def _bad(source: str, said: str) -> ConfigError:
    return misread.error(misread.DATA_JS, source, said)


def _measurements(suite: str, bench: _Bench, tool: str) -> Iterator[Measurement]:
    """Of one bench: several where the unit holds the further values of its line."""
    name_, unit = document.line(bench.name), bench.unit
    named = f"{suite}/{name_}" if name_ else ""
    further = list(_FURTHER.finditer(unit)) if tool == "go" else []
    yield _measurement(named, suite, bench.value, unit[: further[0].start()] if further else unit, tool)
    for each in further:
        value = _number(each[1])
        if value is not None:
            yield _measurement(f"{named} - {document.line(each[2])}", suite, value, each[2], tool)


def _measurement(metric: str, suite: str, value: float, unit: str, tool: str) -> Measurement:
    faster = tool in LARGER or (tool == "go" and unit.endswith("/s"))
    key = SeriesKey(metric=metric, device="other")
    return Measurement(
        key=key, unit=document.line(unit), better="higher" if faster else "lower", image=suite, value=value
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


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
    where = ", ".join(part for part in (*parts, key.ecc and f"ECC {key.ecc}", key.apart) if part)
    return f"{key.metric}{version} ({where})" if where else f"{key.metric}{version}"
