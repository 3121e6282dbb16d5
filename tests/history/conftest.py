"""The stores under test, each empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history import git_data, postgres


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL that is there for the whole session."""
    with postgres.cluster() as url:
        yield url


@pytest.fixture
def empty_database(postgresql: str) -> str:
    """The same, without our tables."""
    import psycopg

    with psycopg.connect(postgresql) as connection:
        for table in ("point", "series", "run", "schema"):
            connection.execute(f"DROP TABLE IF EXISTS ci_gpu_{table} CASCADE")
    return postgresql


@pytest.fixture
def github() -> Iterator[git_data.Faulty]:
    """A repository without a history."""
    with git_data.serve() as state:
        yield state


@pytest.fixture(params=["git", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """URL and environment of an empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db", {}
    if request.param == "postgresql":
        return request.getfixturevalue("empty_database"), {}
    state = request.getfixturevalue("github")
    return f"git:{git_data.REPOSITORY}", {"GITHUB_TOKEN": "t", "GITHUB_API_URL": state.url}
