"""Other tools' files: what can be taken over from them, and what they can read of ours. Pure.

github-action-benchmark keeps ``data.js`` and reads a list of ``{name, unit, value, range}``; pytest-benchmark writes
JSON with statistics; Apache Otava reads CSV with a column of times and one a metric.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from math import exp
from typing import Any

from ci_gpu.errors import ConfigError
from ci_gpu.history.record import Entry, Record, decode, encode
from ci_gpu.model import Point, Series, SeriesKey

EXPORTS = ("records", "github-action-benchmark", "otava")

_HIGHER = ("ops/sec", "op/s", "ops/s", "rows/s", "MB/s", "GB/s", "TFLOP/s", "iter/sec")
"""Units of which more is better: github-action-benchmark knows it by the tool, and its file does not say."""


def read(text: str, name: str) -> tuple[Record, ...]:
    """Records from any of these files: our own records, data.js, or pytest-benchmark's JSON.

    Raises:
        ConfigError: it is none of them.
    """
    try:
        if text.lstrip().startswith("window.BENCHMARK_DATA"):
            return tuple(_from_data_js(json.loads(text.partition("=")[2].strip().rstrip(";"))))
        lines = [line for line in text.splitlines() if line.strip()]
        if lines and lines[0].startswith('{"format"'):
            return tuple(decode(line.encode()) for line in lines)
        document = json.loads(text)
        if "benchmarks" in document:
            return (_from_pytest(document),)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise _unreadable(name, str(error)) from error
    raise _unreadable(name, "it is no file of a kind that is known")


def write(form: str, records: Sequence[Record], series: Sequence[Series]) -> str:
    """The history in the format of another tool.

    Raises:
        ConfigError: there is no such format.
    """
    if form == "records":
        return "".join(f"{encode(kept).decode()}\n" for kept in records)
    if form == "github-action-benchmark":
        return json.dumps([_bench(each) for each in series if _valid(each)], indent=1) + "\n"
    if form == "otava":
        return _otava(series)
    raise ConfigError(
        f"there is no format {form[:40]!r}",
        why="the history is exported for the tools that are known",
        remedy=f"one of {', '.join(EXPORTS)}",
    )


def _from_data_js(document: Mapping[str, Any]) -> Iterator[Record]:
    for suite, runs in document["entries"].items():
        for run in runs:
            commit = run["commit"]
            created = datetime.fromtimestamp(run["date"] / 1000, timezone.utc).isoformat(timespec="seconds")
            name = f"import-{_hashed(json.dumps([suite, run], sort_keys=True))}"
            entries = [
                _entry(f"{suite}/{bench['name']}", str(bench["unit"]), bench["value"], name, created, commit["id"])
                for bench in run["benches"]
            ]
            yield Record(id=name, created=created, commit=str(commit["id"]), entries=tuple(filter(None, entries)))


def _from_pytest(document: Mapping[str, Any]) -> Record:
    commit, machine = document.get("commit_info") or {}, document.get("machine_info") or {}
    created = str(document["datetime"])
    name = f"import-{_hashed(json.dumps(document, sort_keys=True))}"
    gpu, uuid = str((machine.get("cpu") or {}).get("brand_raw", "")), str(machine.get("node", ""))
    entries = []
    for bench in document["benchmarks"]:
        entry = _entry(str(bench["fullname"]), "s", bench["stats"]["median"], name, created, str(commit.get("id", "")))
        if entry:
            key = SeriesKey(metric=entry.key.metric, device="cpu", gpu=gpu, uuid=_hashed(uuid))
            entries.append(Entry(key=key, unit=entry.unit, better=entry.better, point=entry.point))
    return Record(id=name, created=created, commit=str(commit.get("id", "")), entries=tuple(entries))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _entry(name: str, unit: str, value: object, run: str, created: str, commit: str) -> Entry | None:
    """A point of another tool's: it tells neither machine nor image. None where the value cannot be true."""
    number = float(str(value))
    if not 0 < number < float("inf"):
        return None
    point = Point(run=run, created=created, image="", commit=commit, value=number)
    better = "higher" if unit in _HIGHER else "lower"
    return Entry(key=SeriesKey(metric=name, device="cpu"), unit=unit, better=better, point=point)


def _valid(series: Series) -> list[Point]:
    return [point for point in series.points if not point.masked]


def _bench(series: Series) -> dict[str, Any]:
    last = _valid(series)[-1]
    return {
        "name": f"{series.key.metric} on {series.key.gpu}",
        "unit": series.unit,
        "value": last.value,
        "range": f"± {last.value * (exp(last.deviation) - 1):.3g}",
        "extra": f"{last.image} {last.digest}".strip(),
    }


def _otava(series: Sequence[Series]) -> str:
    """A row a run, a column a series; what a run did not measure stays empty."""
    names = [f"{each.key.metric}@{each.key.uuid or each.key.gpu}" for each in series]
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for name, each in zip(names, series, strict=True):
        for point in _valid(each):
            rows.setdefault((point.created, point.run), {})[name] = point.value
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("time", "run", *names))
    for (created, run), values in sorted(rows.items()):
        writer.writerow((created, _cell(run), *(values.get(name, "") for name in names)))
    return buffer.getvalue()


def _cell(text: str) -> str:
    """A spreadsheet would run what begins like a formula."""
    return f"'{text}" if text[:1] in "=+-@" else text


def _unreadable(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"{name} cannot be imported: {why[:200]}",
        why="it is damaged, or none of: run.json, records, github-action-benchmark's data.js, pytest-benchmark's JSON",
        remedy="look at the first line of the file",
    )
