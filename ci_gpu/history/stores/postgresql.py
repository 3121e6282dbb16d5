"""A database for a fleet: ``postgresql://user@host/database``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ci_gpu.errors import ConfigError

if TYPE_CHECKING:
    from ci_gpu.history.sql import Sql

_LOCK = 0x0C19_0000_0001  # ours among the advisory locks of the database


def open_store(url: str, env: Mapping[str, str]) -> Sql:
    """The database; its tables are made if they are not there.

    Raises:
        ConfigError: psycopg is not installed, or the database cannot be reached.
    """
    _require_driver()
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.dialects.postgresql import insert
    from sqlalchemy.exc import SQLAlchemyError

    from ci_gpu.history.sql import Sql, unusable

    try:
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), connect_args={"connect_timeout": 20})
    except (SQLAlchemyError, ValueError) as error:
        raise unusable("postgresql://…", error) from error
    return Sql(engine, insert, f"SELECT pg_advisory_xact_lock({_LOCK})")


def _require_driver() -> None:
    if find_spec("psycopg") is None:
        raise ConfigError(
            "a history in PostgreSQL needs psycopg",
            why="it is an extra of ci-gpu, because most users do without",
            remedy="pip install 'ci-gpu[history]', or keep the history in a file: --store sqlite:///history.db",
            kind="extra-missing",
        )
