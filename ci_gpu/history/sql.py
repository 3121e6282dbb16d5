"""SQLite for one machine and PostgreSQL for a fleet: one schema, by SQLAlchemy Core.

One transaction a record, under the unique id of its job: a job that is killed leaves nothing, and one that is run
twice changes nothing. A series is found by its index, however many rows there are beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ci_gpu.errors import ConfigError
from ci_gpu.history.record import Entry, Record
from ci_gpu.model import Point, Series, SeriesKey

BUSY_SECONDS = 60
"""How long a writer waits for the others to finish."""


def open_store(url: str, env: Mapping[str, str]) -> SqlStore:
    """The database, with its tables.

    Raises:
        ConfigError: SQLAlchemy or the driver is missing, or the database cannot be reached.
    """
    try:
        import sqlalchemy
    except ImportError as error:
        raise _missing("sqlalchemy") from error
    address = sqlalchemy.make_url(url)
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    try:
        return SqlStore(_engine(sqlalchemy, address))
    except ImportError as error:
        raise _missing("psycopg") from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _unreachable(address.render_as_string(hide_password=True), error) from error


class SqlStore:
    """An open database."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._run, self._series, self._point = _tables(engine)
        self._ids: dict[tuple[SeriesKey, str, str], int] = {}  # of series that are committed: they never change

    def add(self, kept: Record) -> bool:
        """Keep a record; False if the job's was there already."""
        from sqlalchemy.exc import IntegrityError

        for _ in range(3):
            try:
                with self._engine.begin() as connection:
                    if self._have(connection, kept.id):
                        return False
                    connection.execute(self._run.insert().values(**_run_row(kept)))
                    ids = {
                        key: self._series_id(connection, *key) for key in dict.fromkeys(map(_of_series, kept.entries))
                    }
                    rows = [_point_row(kept, entry, ids[_of_series(entry)]) for entry in kept.entries]
                    if rows:
                        connection.execute(self._point.insert(), rows)
                self._ids |= ids
                return True
            except IntegrityError:  # another writer made the same series, or wrote the same job
                continue
        return False

    def series(self, metric: str = "", gpu: str = "") -> tuple[Series, ...]:
        """The series of a metric and a GPU, each by its index, without what pull requests measured."""
        table = self._series
        question = table.select().order_by(table.c.id)
        question = question.where(table.c.metric == metric) if metric else question
        question = question.where(table.c.uuid == gpu) if gpu else question
        with self._engine.connect() as connection:
            found = connection.execute(question).mappings().all()
            filled = (self._filled(connection, row) for row in found)
            return tuple(series for series in filled if series.points)

    def records(self) -> Iterator[Record]:
        """Everything, oldest first, a job at a time."""
        with self._engine.connect() as connection:
            for row in connection.execute(self._run.select().order_by(self._run.c.created, self._run.c.id)).mappings():
                fields = {name: row[name] for name in _RUN}
                yield Record(**fields, entries=tuple(self._entries(connection, row["id"])))

    def _have(self, connection: Any, run: str) -> bool:
        return connection.execute(self._run.select().where(self._run.c.id == run)).first() is not None

    def _series_id(self, connection: Any, key: SeriesKey, unit: str, better: str) -> int:
        if (key, unit, better) in self._ids:
            return self._ids[key, unit, better]
        fields, table = msgspec.structs.asdict(key), self._series
        found = connection.execute(table.select().where(*(table.c[name] == fields[name] for name in fields))).first()
        if found is not None:
            return int(found.id)
        made = connection.execute(table.insert().values(**fields, unit=unit, better=better))
        return int(made.inserted_primary_key[0])

    def _filled(self, connection: Any, row: Any) -> Series:
        point, run = self._point, self._run
        question = point.select().join(run, run.c.id == point.c.run).order_by(point.c.created, point.c.run)
        question = question.where(point.c.series == row["id"], run.c.pull_request == 0)
        points = tuple(_point(each) for each in connection.execute(question).mappings())
        return Series(key=_key(row), unit=row["unit"], better=row["better"], points=points)

    def _entries(self, connection: Any, run: str) -> Iterator[Entry]:
        joined = self._point.join(self._series, self._point.c.series == self._series.c.id)
        from sqlalchemy import select

        question = select(self._point, self._series).select_from(joined).where(self._point.c.run == run)
        for row in connection.execute(question.order_by(self._point.c.id)).mappings():
            yield Entry(key=_key(row), unit=row["unit"], better=row["better"], point=_point(row))


_RUN = ("id", "created", "repository", "branch", "commit", "pull_request", "conclusion")


def _run_row(kept: Record) -> dict[str, Any]:
    return {name: getattr(kept, name) for name in _RUN}


def _of_series(entry: Entry) -> tuple[SeriesKey, str, str]:
    return entry.key, entry.unit, entry.better


def _point_row(kept: Record, entry: Entry, series: int) -> dict[str, Any]:
    return {**msgspec.structs.asdict(entry.point), "run": kept.id, "series": series}


def _key(row: Any) -> SeriesKey:
    return SeriesKey(**{name: row[name] for name in SeriesKey.__struct_fields__})


def _point(row: Any) -> Point:
    return Point(**{name: row[name] for name in Point.__struct_fields__})


def _engine(sqlalchemy: Any, address: Any) -> Any:
    if address.get_backend_name() != "sqlite":
        return sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    engine = sqlalchemy.create_engine(address, connect_args={"timeout": BUSY_SECONDS}, poolclass=sqlalchemy.NullPool)

    sqlalchemy.event.listen(engine, "connect", _connected)
    sqlalchemy.event.listen(engine, "begin", _begun)
    return engine


def _connected(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the module would begin late, and take its lock late
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begun(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _tables(engine: Any) -> tuple[Any, Any, Any]:
    from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint

    def text(name: str) -> Any:
        return Column(name, Text, nullable=False)

    data = MetaData()
    run = Table(
        "ci_gpu_run",
        data,
        Column("id", Text, primary_key=True),
        *map(text, ("created", "repository")),
        *map(text, ("branch", "commit")),
        Column("pull_request", Integer),
        text("conclusion"),
    )
    names = SeriesKey.__struct_fields__
    whole = ("version", "power_limit")
    series = Table(
        "ci_gpu_series",
        data,
        Column("id", Integer, primary_key=True),
        *(Column(name, Integer if name in whole else Text, nullable=False) for name in names),
        text("unit"),
        text("better"),
        UniqueConstraint(*names),
    )
    point = Table(
        "ci_gpu_point",
        data,
        Column("id", Integer, primary_key=True),
        Column("run", ForeignKey(run.c.id), nullable=False, index=True),
        Column("series", ForeignKey(series.c.id), nullable=False),
        *map(text, ("created", "image", "digest")),
        *map(text, ("branch", "commit", "verdict", "masked")),
        Column("value", Float, nullable=False),
        Column("deviation", Float),
        Column("processes", Integer),
        Column("change", Float),
        Column("change_error", Float),
        Index("ci_gpu_point_of_series", "series", "created", "run"),
    )
    for _ in range(5):
        with contextlib.suppress(Exception):  # two at once make the same tables: the second finds them
            data.create_all(engine)
            return run, series, point
    data.create_all(engine)
    return run, series, point


def _missing(package: str) -> ConfigError:
    return ConfigError(
        f"the history in a database needs {package}",
        why="it is not a dependency of every user's",
        remedy="pip install 'ci-gpu[history]'",
        kind="missing-extra",
    )


def _unreachable(address: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"the history at {address} cannot be opened: {str(error).splitlines()[0][:200]}",
        why="there is no such database, or it does not let this user in",
        remedy="check the address; for SQLite its folder must exist",
        kind="history-unreachable",
    )
