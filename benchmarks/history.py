"""Whether reading one series stays as quick when the rows beside it become many.

    python benchmarks/history.py sqlite:////tmp/history.db [postgresql://…] [--output benchmarks/results/history.json]

One series of 200 points is read as a verdict reads it (by metric and GPU) and drawn as a page, in a store with 10^4
rows and then in the same store with 10^6. The databases are filled; do not name one that you need.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ci_gpu import changes, site
from ci_gpu.history import store
from ci_gpu.history.record import Entry, Record
from ci_gpu.history.sql import SqlStore
from ci_gpu.model import Point, SeriesKey

ROWS = (10_000, 1_000_000)
POINTS = 200
METRICS = 50
"""Of one job: rows are added 50 a record."""

WANTED = SeriesKey(metric="wanted", gpu="NVIDIA H100", uuid="3f2a9c1e0d4b4f67")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--output", default="benchmarks/results/history.json")
    parser.add_argument("--rows", type=int, nargs=2, default=ROWS)
    options = parser.parse_args()
    document = {url.partition(":")[0]: measured(url, tuple(options.rows)) for url in options.urls}
    Path(options.output).write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


def measured(url: str, rows: tuple[int, ...]) -> dict[str, Any]:
    kept = store(url, {})
    assert isinstance(kept, SqlStore)
    fill(kept, "wanted", POINTS, lambda number: (entry(WANTED, number),))
    found: dict[str, Any] = {}
    have = 0
    for goal in rows:
        fill(kept, f"other-{goal}", (goal - have) // METRICS, others)
        have = goal
        found[f"{goal} rows"] = {"verdict": seconds(lambda: verdict(kept)), "page": seconds(lambda: page(kept))}
    few, many = (found[f"{goal} rows"] for goal in rows)
    found["ratio"] = {name: round(many[name] / few[name], 2) for name in few}
    return found


def fill(kept: SqlStore, name: str, records: int, entries: Callable[[int], tuple[Entry, ...]]) -> None:
    for number in range(records):
        kept.add(Record(id=f"{name}-{number}", created=created(number), entries=entries(number)))


def others(number: int) -> tuple[Entry, ...]:
    uuid = f"{number % 40:016x}"
    keys = (SeriesKey(metric=f"metric-{index}", gpu="NVIDIA H100", uuid=uuid) for index in range(METRICS))
    return tuple(entry(key, number) for key in keys)


def entry(key: SeriesKey, number: int) -> Entry:
    value = 690.0 + number * 7919 % 13
    point = Point(run=f"run-{number}", created=created(number), image="pytorch:2.9", value=value, deviation=0.004)
    return Entry(key=key, unit="TFLOP/s", better="higher", point=point)


def created(number: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(1_700_000_000 + 3_600 * number))


def verdict(kept: SqlStore) -> None:
    (series,) = kept.series(WANTED.metric, WANTED.uuid)
    assert len(series.points) == POINTS


def page(kept: SqlStore) -> None:
    series = kept.series(WANTED.metric, WANTED.uuid)
    site.render(series, {one.key: changes.find(one, margin=0.02) for one in series}, title="history")


def seconds(function: Callable[[], None]) -> float:
    function()
    taken = []
    for _ in range(9):
        started = time.perf_counter()
        function()
        taken.append(time.perf_counter() - started)
    return round(statistics.median(taken), 5)


if __name__ == "__main__":
    main()
