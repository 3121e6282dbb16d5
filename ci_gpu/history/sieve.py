"""What cannot be read of a store is left out and told: one damaged or newer record must not stop a whole history."""

from __future__ import annotations

from collections.abc import Iterable

from ci_gpu.errors import ConfigError
from ci_gpu.history import document
from ci_gpu.history.record import Record

NAMED = 5


class Sieve:
    """Lets records through, and remembers of every other one what is wrong with it."""

    def __init__(self) -> None:
        self._faults: dict[str, str] = {}

    def record(self, data: bytes, source: str) -> Record | None:
        """The record, or None."""
        try:
            return document.decode(data, source)
        except ConfigError as error:
            self.refuse(source, error)
            return None

    def refuse(self, source: str, fault: ConfigError) -> None:
        """One that something else is wrong with."""
        self._faults[source] = fault.what

    def told(self) -> tuple[str, ...]:
        """A sentence a record, each of which begins with its name."""
        return tuple(self._faults[source] for source in sorted(self._faults))


def sentence(faults: Iterable[str]) -> str:
    """How many were left out, and which; empty if none was."""
    told = tuple(faults)
    if not told:
        return ""
    count = "1 record could not be read and is" if len(told) == 1 else f"{len(told)} records could not be read and are"
    more = f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return f"{count} left out: {'; '.join(fault[:300] for fault in told[:NAMED])}{more}"
