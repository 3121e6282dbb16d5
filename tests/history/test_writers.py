"""Sixteen processes write to one store at once, some are killed in the middle: nothing is lost and nothing doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from ci_gpu.history import stores
from ci_gpu.history.series import Filter

WRITERS, KILLED = 16, 4
MANY = {"git": 2, "sqlite": 6, "postgresql": 6}
ROOT = Path(__file__).parents[2]


def test_sixteen_writers_and_four_deaths(place: tuple[str, dict[str, str]]) -> None:
    url, env = place
    many = MANY[url.partition(":")[0]]
    processes = [_writer(url, env, writer, 1000 if writer < KILLED else many) for writer in range(WRITERS)]
    processes[0].stdout.readline()  # that one is in the middle of its work, and the others are wherever they are
    for process in processes[:KILLED]:
        process.send_signal(signal.SIGKILL)
    outputs = [process.communicate() for process in processes]
    codes = [process.returncode for process in processes]
    assert codes == [-9] * KILLED + [0] * (WRITERS - KILLED), "\n".join(err[-600:] for _, err in outputs)

    store = stores.open_store(url, env)
    kept = list(store.records())
    promised = {run for out, _ in outputs for run in out.split("\n")[:-1]}
    assert max(Counter(record.run for record in kept).values()) == 1
    assert {record.run for record in kept} >= promised
    points = Counter(point.run for series in store.series(Filter()) for point in series.points)
    assert points == {record.run: 5 for record in kept}, "a record is there with all its points or not at all"
    assert len(store.keys()) == 5
    store.close()


def _writer(url: str, env: dict[str, str], writer: int, many: int) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "tests.history.writer", url, str(writer), str(many))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env={**os.environ, **env}, cwd=ROOT, text=True, **pipes)
