"""One schema for SQLite and PostgreSQL.

    1   the first

A record is kept as it is, in ``run.document``; ``series`` and ``point`` are what is read. One series is found by its
index and its points by theirs, so neither costs more when other series grow.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from ci_gpu.model import SeriesKey

VERSION = 1

KEY = tuple(field.name for field in msgspec.structs.fields(SeriesKey))
_NUMBERS = ("version", "power_limit")
_IDENTITY = BigInteger().with_variant(Integer, "sqlite")  # only an INTEGER counts by itself in SQLite

_TEXT = Text().with_variant(Text(collation="C"), "postgresql")  # ordered as Python orders it, wherever

metadata = MetaData()

schema_version = Table("ci_gpu_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

run = Table(
    "ci_gpu_run",
    metadata,
    Column("id", _IDENTITY, primary_key=True),
    Column("name", _TEXT, nullable=False, unique=True),
    Column("created", _TEXT, nullable=False),
    Column("repository", _TEXT, nullable=False),
    Column("commit_id", _TEXT, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("ci_gpu_run_created", "created", "name"),
)

series = Table(
    "ci_gpu_series",
    metadata,
    Column("id", _IDENTITY, primary_key=True),
    *(Column(name, Integer if name in _NUMBERS else _TEXT, nullable=False) for name in KEY),
    Column("unit", _TEXT, nullable=False),
    Column("better", _TEXT, nullable=False),
    UniqueConstraint(*KEY, "unit", "better", name="ci_gpu_series_key"),
)

point = Table(
    "ci_gpu_point",
    metadata,
    Column("id", _IDENTITY, primary_key=True),
    Column("series", _IDENTITY, ForeignKey(series.c.id), nullable=False),
    Column("run", _IDENTITY, ForeignKey(run.c.id), nullable=False),
    Column("run_name", _TEXT, nullable=False),  # here again, and so is the commit: a join would cost what all runs cost
    Column("commit_id", _TEXT, nullable=False),
    Column("created", _TEXT, nullable=False),
    Column("place", Integer, nullable=False),  # among the run's measurements
    Column("branch", _TEXT, nullable=False),
    Column("image", _TEXT, nullable=False),
    Column("digest", _TEXT, nullable=False),
    Column("value", Float(53), nullable=False),
    Column("deviation", Float(53), nullable=False),
    Column("processes", Integer, nullable=False),
    Column("change", Float(53)),
    Column("change_error", Float(53)),
    Column("verdict", _TEXT, nullable=False),
    Column("masked", _TEXT, nullable=False),
    UniqueConstraint("series", "run", "place", name="ci_gpu_point_once"),
    Index("ci_gpu_point_series", "series", "created"),
)
