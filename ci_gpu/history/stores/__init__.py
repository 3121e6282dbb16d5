"""Where records are kept. A store is a module of this folder, found by the scheme of its URL.

It has ``open_store(url: str, env: Mapping[str, str]) -> Store``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Protocol, cast

from ci_gpu.errors import ConfigError
from ci_gpu.history.record import Record
from ci_gpu.history.series import Filter, Listed
from ci_gpu.history.sieve import sentence
from ci_gpu.model import Series

DEFAULT = "sqlite:///ci-gpu-history.db"


class Store(Protocol):
    """What every store does. All of it raises `CiGpuError` when the store cannot be reached or says no."""

    def add(self, record: Record) -> bool:
        """Keep a record; False if its run was there already, which changes nothing."""

    def series(self, wanted: Filter) -> tuple[Series, ...]:
        """The series that fit, in the order of their keys."""

    def recent(self, jobs: int) -> tuple[Series, ...]:
        """What the newest jobs of the main line measured, without a look at all the others."""

    def records(self) -> Iterator[Record]:
        """Every record, oldest first, each once."""

    def keys(self) -> tuple[Listed, ...]:
        """Every series of the main line, without its points."""

    def left_out(self) -> tuple[str, ...]:
        """What could not be read so far, a sentence a record: it costs that record and no other."""

    def close(self) -> None:
        """Let go of files and connections."""


def names() -> tuple[str, ...]:
    """The schemes."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def told(store: Store) -> str:
    """What the store could not read, in one line; empty if it could read all."""
    return sentence(store.left_out())


def open_store(url: str, env: Mapping[str, str]) -> Store:
    """The store behind a URL.

    Raises:
        ConfigError: there is no such kind of store, or what it needs is not installed or not set.
    """
    scheme = url.partition(":")[0].partition("+")[0].partition("#")[0]
    if scheme not in names():
        raise ConfigError(
            f"there is no history store of the kind {scheme[:40]!r}",
            why="a store is a URL",
            remedy="write git:OWNER/REPOSITORY, sqlite:///FILE or postgresql://HOST/DATABASE",
            kind="bad-store",
        )
    module = importlib.import_module(f"{__name__}.{scheme}")
    return cast(Store, module.open_store(url, env))
