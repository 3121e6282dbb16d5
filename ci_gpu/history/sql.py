"""The store in a database: SQLAlchemy Core, one transaction a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, Select, func, select
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ci_gpu.errors import ConfigError
from ci_gpu.history import document
from ci_gpu.history.record import Measurement, Record, points
from ci_gpu.history.series import Filter, Listed, key_order, places
from ci_gpu.history.sieve import Sieve
from ci_gpu.history.tables import KEY, VERSION, metadata, point, run, schema_version, series
from ci_gpu.model import Point, Series, SeriesKey

_POINT = tuple(name for name in Point.__struct_fields__ if name not in ("run", "commit"))


class Sql:
    """A database. ``insert`` is its dialect's, which knows ON CONFLICT; ``lock`` lets one process make the tables."""

    def __init__(self, engine: Engine, insert: Callable[..., Any], lock: str) -> None:
        self._engine, self._insert, self._sieve = engine, insert, Sieve()
        try:
            with self._transaction() as connection:
                connection.exec_driver_sql(lock)
                _make(connection, insert)
        except ConfigError:
            self.close()
            raise

    def add(self, record: Record) -> bool:
        data = document.encode(record)
        with self._transaction() as connection:
            values = {
                "name": record.run,
                "created": record.created,
                "repository": record.repository,
                "commit_id": record.commit,
                "document": data,
            }
            new = self._insert(run).values(values).on_conflict_do_nothing().returning(run.c.id)
            identity = connection.execute(new).scalar_one_or_none()
            if identity is None:
                return False
            rows = self._point_rows(connection, record, identity)
            if rows:
                connection.execute(point.insert(), rows)
            return True

    def series(self, wanted: Filter) -> tuple[Series, ...]:
        with self._transaction() as connection:
            found = connection.execute(_wanted_series(wanted)).all()
            read = [_series(row, _points(connection, row.id, wanted)) for row in found]
        ordered = sorted((one for one in read if one.points), key=_order)
        return tuple(ordered)

    def recent(self, jobs: int) -> tuple[Series, ...]:
        return self.series(Filter(last=2 * jobs))  # a job that compared has two points: its base's and its head's

    def records(self) -> Iterator[Record]:
        with self._transaction() as connection:
            every = select(run.c.name, run.c.document).order_by(run.c.created, run.c.name)
            for row in connection.execution_options(yield_per=500).execute(every):
                found = self._sieve.record(bytes(row.document), f"the run {row.name!r}")
                if found:
                    yield found

    def keys(self) -> tuple[Listed, ...]:
        counted = select(point.c.series, func.count()).group_by(point.c.series)
        with self._transaction() as connection:
            counts = {row[0]: row[1] for row in connection.execute(counted)}
            read = []
            for row in connection.execute(select(series).where(series.c.apart == "")).all():
                if row.id in counts:
                    last = _points(connection, row.id, Filter(last=1))[-1]
                    read.append(
                        Listed(key=_key(row), unit=row.unit, better=row.better, count=counts[row.id], last=last)
                    )
        return tuple(sorted(read, key=_order))

    def left_out(self) -> tuple[str, ...]:
        return self._sieve.told()

    def close(self) -> None:
        self._engine.dispose()

    def _point_rows(self, connection: Connection, record: Record, identity: int) -> list[dict[str, Any]]:
        found = list(points(record))
        known = self._series_ids(connection, {_identity(measured) for measured, _ in found})
        return [
            {
                **{name: getattr(each, name) for name in _POINT},
                "series": known[_identity(measured)],
                "run": identity,
                "run_name": record.run,
                "commit_id": record.commit,
                "place": place,
            }
            for place, (measured, each) in enumerate(found)
        ]

    def _series_ids(self, connection: Connection, identities: set[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
        """The series' rows, made where they are missing; always in one order, so that no two writers wait crosswise."""
        names, found = (*KEY, "unit", "better"), {}
        for identity in sorted(identities, key=str):
            values = dict(zip(names, identity, strict=True))
            same = select(series.c.id).where(*(series.c[name] == value for name, value in values.items()))
            row = connection.execute(same).scalar_one_or_none()
            if row is None:
                connection.execute(self._insert(series).values(values).on_conflict_do_nothing())
                row = connection.execute(same).scalar_one()
            found[identity] = row
        return found

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise unusable(self._engine.url.render_as_string(hide_password=True), error) from error


def unusable(url: str, error: Exception) -> ConfigError:
    """The error of a database that cannot be used; it never shows a password."""
    said = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip().partition("\n")[0][:200]
    wrong = isinstance(error, ArgumentError)
    return ConfigError(
        f"the history at {url} cannot be used: {said}",
        why="the URL is wrong" if wrong else "it is not there, not reachable, or no database",
        remedy="check --store (or CI_GPU_HISTORY)",
        kind="bad-store",
    )


def _make(connection: Connection, insert: Callable[..., Any]) -> None:
    metadata.create_all(connection)
    connection.execute(insert(schema_version).values(version=VERSION).on_conflict_do_nothing())
    found = connection.execute(select(func.max(schema_version.c.version))).scalar_one()
    if found != VERSION:
        raise ConfigError(
            f"the history has schema {found}, and this ci-gpu knows {VERSION}",
            why="a newer ci-gpu has written it",
            remedy="use that one, or export its records to another store",
            kind="bad-store",
        )


def _wanted_series(wanted: Filter) -> Select[Any]:
    asked = {"metric": wanted.metric, "gpu": wanted.gpu, "uuid": wanted.uuid}
    equal = {name: value for name, value in asked.items() if value}
    if wanted.key is not None:
        equal = {name: getattr(wanted.key, name) for name in KEY} | equal
    return select(series).where(
        series.c.apart.in_(places(wanted)), *(series.c[name] == value for name, value in equal.items())
    )


def _points(connection: Connection, identity: int, wanted: Filter) -> tuple[Point, ...]:
    """Oldest first; the newest are read first, so that a few of many cost little."""
    order = (point.c.created.desc(), point.c.run_name.desc(), point.c.place.desc())
    query = select(point).where(point.c.series == identity).order_by(*order)
    if wanted.branch:
        query = query.where(point.c.branch == wanted.branch)
    if wanted.since:
        query = query.where(point.c.created >= wanted.since)
    rows = connection.execute(query.limit(wanted.last) if wanted.last else query).all()
    return tuple(_point(row) for row in reversed(rows))


def _point(row: Row[Any]) -> Point:
    fields = row._mapping
    return Point(run=fields["run_name"], commit=fields["commit_id"], **{name: fields[name] for name in _POINT})


def _series(row: Row[Any], found: tuple[Point, ...]) -> Series:
    return Series(key=_key(row), unit=row.unit, better=row.better, points=found)


def _key(row: Row[Any]) -> SeriesKey:
    return msgspec.convert({name: row._mapping[name] for name in KEY}, SeriesKey)


def _identity(measured: Measurement) -> tuple[Any, ...]:
    return (*(getattr(measured.key, name) for name in KEY), measured.unit, measured.better)


def _order(one: Series | Listed) -> tuple[str, ...]:
    return (*key_order(one.key), one.unit, one.better)
