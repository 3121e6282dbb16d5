"""A database for a fleet: ``postgresql://user@host/database``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ci_gpu.history.stores import _extra

if TYPE_CHECKING:
    from ci_gpu.history.sql import Sql

_LOCK = 0x0C19_0000_0001  # ours among the advisory locks of the database


def open_store(url: str, env: Mapping[str, str]) -> Sql:
    """The database; its tables are made if they are not there.

    Raises:
        ConfigError: no SQLAlchemy, or the database cannot be reached.
    """
    _extra.needed(url)
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.dialects.postgresql import insert
    from sqlalchemy.exc import SQLAlchemyError

    from ci_gpu.history.sql import Sql, unusable

    try:
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), connect_args={"connect_timeout": 20})
    except (SQLAlchemyError, ValueError) as error:
        raise unusable("postgresql://…", error) from error
    return Sql(engine, insert, f"SELECT pg_advisory_xact_lock({_LOCK})")
