"""What was measured before, kept over upgrades of the image: one record a job, in a store that a URL names.

    git                    a branch of the repository, through GitHub's API; no server, no checkout
    sqlite:///FILE         a file, for one machine
    postgresql://…         a database, for a fleet

A store is one file of this folder, found by the scheme of its URL.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Protocol, cast

import msgspec

from ci_gpu.errors import CiGpuError, ConfigError
from ci_gpu.history.origin import origin
from ci_gpu.history.record import Record, record
from ci_gpu.model import Series, Summary

_STORES = {"git": "git", "sqlite": "sql", "postgresql": "sql"}


class Store(Protocol):
    """Where records are kept."""

    def add(self, kept: Record) -> bool:
        """Keep a record, whole or not at all; False if the job's was there already."""

    def series(self, metric: str = "", gpu: str = "") -> tuple[Series, ...]:
        """The series of a metric, and of a GPU by its hashed id; all where a word is empty."""

    def records(self) -> Iterator[Record]:
        """Everything, oldest first."""


def store(url: str, env: Mapping[str, str]) -> Store:
    """The store of a URL; ``env`` has what GitHub's needs.

    Raises:
        ConfigError: there is no such store, or what it needs is not installed.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in _STORES:
        raise ConfigError(
            f"there is no history store {scheme[:40]!r}",
            why="a store is named by a URL",
            remedy="git, sqlite:///history.db or postgresql://user@host/database",
        )
    module = importlib.import_module(f"{__name__}.{_STORES[scheme]}")
    return cast("Store", module.open_store(url, env))


def keep(summary: Summary, url: str, env: Mapping[str, str]) -> str:
    """Keep what a job measured, and say what came of it. A history that cannot be written decides nothing."""
    if not any(image.results for image in summary.report.images):
        return ""
    try:
        kept = record(summary, origin(summary.report, env))
        added = store(url, env).add(kept)
    except CiGpuError as error:
        return f"nothing was added to the history: {error.what} ({error.remedy})"
    return f"history: {len(kept.entries)} points {'added' if added else 'were there already'}"


def recalled(summary: Summary, url: str, env: Mapping[str, str]) -> Summary:
    """The summary with the series of its metrics on this very GPU; as it was where the history cannot be read."""
    mine = {entry.key for entry in record(summary, origin(summary.report, env)).entries}
    try:
        found = store(url, env).series()
    except CiGpuError:
        return summary
    return msgspec.structs.replace(summary, series=tuple(each for each in found if each.key in mine))
