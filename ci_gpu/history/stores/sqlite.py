"""One file: ``sqlite:///relative.db`` or ``sqlite:////absolute.db``. Several processes may write at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ci_gpu.history.sql import Sql

PATIENCE = 60.0  # seconds for the other writers


def open_store(url: str, env: Mapping[str, str]) -> Sql:
    """The file, made if it is not there.

    Raises:
        ConfigError: the file is no history.
    """
    from sqlalchemy import create_engine, event
    from sqlalchemy.dialects.sqlite import insert
    from sqlalchemy.exc import SQLAlchemyError

    from ci_gpu.history.sql import Sql, unusable

    try:
        engine = create_engine(url, connect_args={"timeout": PATIENCE})
    except SQLAlchemyError as error:
        raise unusable(url, error) from error
    event.listen(engine, "connect", _prepare)
    return Sql(engine, insert, "BEGIN IMMEDIATE")


def _prepare(connection: Any, _: object) -> None:
    """Readers and one writer at once, and true foreign keys. The change to WAL does not wait by itself."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    connection.execute("PRAGMA foreign_keys=ON")
