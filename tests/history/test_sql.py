"""A file and a real PostgreSQL: whole or not at all, once and only once, whoever else writes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_gpu.errors import ConfigError
from ci_gpu.history import Store, store
from tests.containers.ground import free_port
from tests.history.records import record
from tests.needs import unavailable

pytest.importorskip("sqlalchemy", reason="the history in a database is an extra")

WRITERS, RECORDS = 16, 5

WRITER = """
import sys
from ci_gpu.history import store
from tests.history.records import record
kept = store(sys.argv[1], {})
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    kept.add(record(f"run-{sys.argv[2]}-{number}"))
    kept.add(record("the-same-for-all"))
"""


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A cluster of its own, on loopback. Not in pytest's folder, which is shut to all users but one."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not homes:
        unavailable("PostgreSQL is not installed")
    folder, port = Path(tempfile.mkdtemp(prefix="ci-gpu-postgresql-")), free_port()
    as_user = _as_postgres(folder)
    data = str(folder / "data")
    run = {"check": True, "capture_output": True, "cwd": "/"}
    subprocess.run([*as_user, str(homes[-1] / "initdb"), "-A", "trust", "-U", "test", "-D", data], **run)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
    control = [*as_user, str(homes[-1] / "pg_ctl"), "-D", data]
    subprocess.run([*control, "-w", "-l", str(folder / "log"), "-o", options, "start"], **run)
    try:
        yield f"postgresql://test@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **run)
        shutil.rmtree(folder)


def _as_postgres(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["runuser", "-u", "postgres", "--"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    address = str(request.getfixturevalue("postgresql"))
    import sqlalchemy

    name = f"test_{os.urandom(6).hex()}"
    engine = sqlalchemy.create_engine(address.replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return f"{address.rpartition('/')[0]}/{name}"


@pytest.fixture
def kept(url: str) -> Store:
    return store(url, {})


def test_a_record_comes_back_whole_from_a_store_that_was_closed(kept: Store, url: str) -> None:
    first = record("run-1", branch="main", commit="1" * 40, pull_request=7, conclusion="success")

    assert kept.add(first) is True
    assert list(store(url, {}).records()) == [first]


def test_the_same_job_twice_is_one_record(kept: Store) -> None:
    assert [kept.add(record()), kept.add(record())] == [True, False]
    assert len(list(kept.records())) == 1
    assert [len(series.points) for series in kept.series()] == [1, 1]


def test_a_series_is_found_by_metric_and_gpu(kept: Store) -> None:
    kept.add(record("run-1"))
    kept.add(record("run-2", created="2026-11-24T08:00:00+00:00"))
    (series,) = kept.series("matmul.throughput/x")

    assert [point.run for point in series.points] == ["run-1", "run-2"]
    assert kept.series("matmul.throughput/x", series.key.uuid) == (series,)
    assert kept.series("matmul.throughput/x", "another") == kept.series("sonnet") == ()


def test_what_a_pull_request_measured_is_kept_and_is_in_no_series(kept: Store) -> None:
    kept.add(record("run-1", pull_request=7))

    assert [one.pull_request for one in kept.records()] == [7]
    assert kept.series() == ()


def test_sixteen_writers_at_once_lose_nothing_and_double_nothing(kept: Store, url: str) -> None:
    writers = [start(url, number) for number in range(WRITERS)]

    for writer in writers:
        writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    found = [one.id for one in kept.records()]
    assert sorted(found) == sorted(
        ["the-same-for-all", *(f"run-{writer}-{number}" for writer in range(WRITERS) for number in range(RECORDS))]
    )
    assert [len(series.points) for series in kept.series()] == [len(found)] * 2


def test_writers_that_are_killed_leave_whole_records_only(kept: Store, url: str) -> None:
    writers = [start(url, number, 10_000) for number in range(4)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    time.sleep(0.5)
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    found = list(kept.records())

    assert found
    assert {len(one.entries) for one in found} == {2}
    assert kept.add(record("after-all")) is True
    assert [len(series.points) for series in kept.series()] == [len(found) + 1] * 2


def start(url: str, number: int, records: int = RECORDS) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITER, url, str(number), str(records)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://x", "there is no history store 'mysql'"),
        ("sqlite:////nonexistent/folder/x.db", "cannot be opened"),
        ("postgresql://test:secret@127.0.0.1:1/x", "cannot be opened"),
    ],
)
def test_a_store_that_is_none_is_told_without_its_password(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        store(url, {}).add(record())

    assert "secret" not in str(error.value.what)
