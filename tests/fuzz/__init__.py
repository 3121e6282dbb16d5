"""What is fuzzed: one module a target, found by the name of its file.

`python benchmarks/fuzz.py TARGET --minutes 10` tries inputs for that long; `test_targets.py` tries some in each run of
the tests, and those of ``KEPT`` always. A new target is one new file here. Names that begin with `test_` or with an
underscore are no targets.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Protocol, cast

from hypothesis.strategies import SearchStrategy


class Target(Protocol):
    """A module of this folder."""

    INPUTS: SearchStrategy[Any]
    """What is tried: values whose ``repr`` can be pasted into ``KEPT``."""

    DOCUMENTED: tuple[type[BaseException], ...]
    """The errors that are answers; every other exception is a crash."""

    KEPT: tuple[Any, ...]
    """Inputs that once were a crash, and small ones that show a limit: the corpus. Keep them small."""

    def attempt(self, value: Any) -> object:
        """Give the input to the code. May assert what must hold of the answer."""


def names() -> tuple[str, ...]:
    """The targets there are."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith(("_", "test_"))))


def load(name: str) -> Target:
    """The target of that name."""
    return cast("Target", importlib.import_module(f"{__name__}.{name}"))
