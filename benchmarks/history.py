"""Whether reading a history costs more as other series grow: 10^4 and 10^6 points in SQLite and PostgreSQL.

    python benchmarks/history.py [--output benchmarks/results/history.json] [--readings 60]

verdict  the newest 30 points of one series on one branch: what a run needs to be judged against its history
page     all points of one metric on four GPUs (400): what a plot shows

Each database holds the same 400 points of the read metric; the rest is filler, 100 points a series and 100 a run, made
by SQL in the database. Sizes are read in turn (A B B A …), so that a drift of the machine meets both. Target for the
ratio of the medians, 10^6 over 10^4: at most 2. PostgreSQL is a fresh cluster on a socket, as in the tests.
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from ci_gpu.history import stores
from ci_gpu.history.series import Filter
from tests.history import postgres, records

SIZES = (10_000, 1_000_000)
GPUS = ("0a" * 8, "0b" * 8, "0c" * 8, "0d" * 8)
FILLER = (
    "INSERT INTO ci_gpu_run (id, name, created, repository, commit_id, document) SELECT 1000 + n, 'filler-' || n,"
    " '2026-01-01T00:00:00Z', '', '', {blob} FROM {runs}",
    "INSERT INTO ci_gpu_series (id, metric, version, device, gpu, uuid, mig, power_limit, ecc, clocks, apart, unit,"
    " better)"
    " SELECT 1000 + n, 'filler.metric/' || n, 1, 'cuda', 'NVIDIA H100 80GB HBM3', '{uuid}', '', 0, '', '', '', 's',"
    " 'lower' FROM {runs}",
    "INSERT INTO ci_gpu_point (series, run, run_name, commit_id, created, place, branch, image, digest, value,"
    " deviation, processes, verdict, masked) SELECT 1000 + n / 100, 1000 + n % {groups}, 'filler', '',"
    " '2026-01-01T00:00:00Z', n / {groups} % 100, 'main', 'docker.io/pytorch/pytorch:2.9.0', '', 1.5, 0, 6, '', ''"
    " FROM {points}",
    "ANALYZE",
)


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder, postgres.cluster() as url:
        results = {
            "sqlite": _measure(_sqlite(Path(folder)), options.readings),
            "postgresql": _measure(_postgresql(url), options.readings),
        }
    machine = {"python": platform.python_version(), "system": platform.platform(), "sqlite": sqlite3.sqlite_version}
    document = {"machine": machine, "sizes": SIZES, "readings": options.readings, "results": results}
    options.output.write_text(json.dumps(document, indent=2) + "\n")
    for name, found in results.items():
        for what, times in found.items():
            print(f"{name:<11} {what:<8} {times}")


def _options() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/history.json"))
    parser.add_argument("--readings", type=int, default=60)
    return parser.parse_args()


def _sqlite(folder: Path) -> dict[int, stores.Store]:
    found = {}
    for size in SIZES:
        path = folder / f"{size}.db"
        found[size] = stores.open_store(f"sqlite:///{path}", {})
        _read_series(found[size])
        with sqlite3.connect(path) as connection:
            for statement in _filler(size, "x''", _recursive):
                connection.execute(statement)
        connection.close()
    return found


def _postgresql(url: str) -> dict[int, stores.Store]:
    import psycopg

    found = {}
    for size in SIZES:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE size_{size}")
        own = url.replace("/postgres?", f"/size_{size}?")
        found[size] = stores.open_store(own, {})
        _read_series(found[size])
        with psycopg.connect(own) as connection:
            for statement in _filler(size, "''::bytea", lambda count: f"generate_series(0, {count - 1}) AS n"):
                connection.execute(statement)
    return found


def _recursive(count: int) -> str:
    numbers = f"WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {count - 1}) SELECT n FROM s"
    return f"({numbers})"


def _filler(size: int, blob: str, rows: Any) -> list[str]:
    points = size - 100 * len(GPUS)
    groups = points // 100
    words = {"blob": blob, "uuid": GPUS[0], "groups": groups, "runs": rows(groups), "points": rows(points)}
    return [statement.format(**words) for statement in FILLER]


def _read_series(store: stores.Store) -> None:
    for number in range(100):
        measured = tuple(records.measurement(uuid=uuid, value=690.0 + number) for uuid in GPUS)
        store.add(records.record(number, measurements=measured))


def _measure(by_size: dict[int, stores.Store], readings: int) -> dict[str, dict[str, float]]:
    key = records.measurement(uuid=GPUS[0]).key
    asked = {"verdict": (Filter(key=key, branch="main", last=30), 30), "page": (Filter(metric=key.metric), 400)}
    return {what: _times(by_size, wanted, count, readings) for what, (wanted, count) in asked.items()}


def _times(by_size: dict[int, stores.Store], wanted: Filter, count: int, readings: int) -> dict[str, float]:
    times: dict[int, list[float]] = {size: [] for size in by_size}
    for reading in range(readings):
        for size in list(by_size)[:: 1 if reading % 2 else -1]:
            begin = time.perf_counter()
            found = by_size[size].series(wanted)
            times[size].append(time.perf_counter() - begin)
            assert sum(len(one.points) for one in found) == count
    medians = {f"{size} rows, ms": round(1000 * statistics.median(each), 3) for size, each in times.items()}
    small, large = (statistics.median(times[size]) for size in SIZES)
    return {**medians, "ratio": round(large / small, 3)}


if __name__ == "__main__":
    main()
