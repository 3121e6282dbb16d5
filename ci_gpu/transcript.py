"""What one container has said so far: events in, results and the open check out. Trusts nothing that it hears."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import deque
from typing import Any

import msgspec

from ci_gpu.errors import ImageError
from ci_gpu.payload.cuda_errors import CAUSES
from ci_gpu.payload.telemetry import REASONS, VIOLATIONS
from ci_gpu.payload.wire import (
    ERROR,
    EVENTS,
    OUTCOMES,
    PROTOCOL,
    UNUSABLE,
    Bye,
    CheckResult,
    Environment,
    Event,
    Finished,
    Hello,
    Metric,
    Started,
    Telemetry,
    Unusable,
    Watched,
)

LOG_CHARACTERS = 64 << 10
"""The tail of the image's own output that is kept in the report."""

MAX_TEXT = 200_000  # characters in any one text of an event; the payload itself stays far below
MAX_TELEMETRY = 2**63  # of any one number that a GPU tells
MAX_ITEMS = 100_000  # items in any one list


class Transcript:
    """Read line by line; afterwards it tells how far the container came.

    Raises:
        ImageError: `hear` was given a line with the right nonce and the wrong content (``damaged-events``).
    """

    def __init__(self, nonce: str, promised: tuple[str, ...], watched: bool = False) -> None:
        self._nonce, self._promised, self._watched = nonce, promised, watched
        self._log: deque[str] = deque()
        self._log_size = 0
        self.hello: Hello | None = None
        self.unusable: Unusable | None = None
        self.environment: Environment | None = None
        self.results: dict[str, CheckResult] = {}
        self.open_check = ""
        self.telemetry: tuple[Telemetry, ...] = ()
        self.bye = False

    def hear(self, source: str, line: str) -> Event | None:
        """The event in a line of ``stdout``; None if the line is the image's own."""
        if source != "stdout" or not line.startswith(self._nonce):
            self._keep(line)
            return None
        event = _decode(line[len(self._nonce) :])
        self._fold(event)
        return event

    def _keep(self, line: str) -> None:
        self._log.append(line[:4096])
        self._log_size += min(len(line), 4096) + 1
        while self._log_size > LOG_CHARACTERS:
            self._log_size -= len(self._log.popleft()) + 1

    @property
    def log(self) -> str:
        return "\n".join(self._log)

    @property
    def remaining(self) -> tuple[str, ...]:
        """The checks that were promised and have no result."""
        return tuple(check for check in self._promised if check not in self.results)

    def give_up_open_check(self, message: str, kind: str) -> None:
        """The container ended while a check was open: that check bears it."""
        check = self.open_check
        self.results[check] = CheckResult(check, ERROR, message=message, kind=kind, log=self.log)
        self.open_check = ""

    def _fold(self, event: Event) -> None:
        match event:
            case Hello():
                self._expect(self.hello is None and event.protocol == PROTOCOL, "a second or foreign hello")
                self.hello = event
            case Unusable():
                self.unusable = event
            case Environment():
                self._expect(self.environment is None, "a second environment")
                self.environment = event
            case Started():
                self._expect(not self.open_check and event.check in self.remaining, "a check that was not asked for")
                self.open_check = event.check
            case Finished(result=result):
                self._expect(result.check == self.open_check, "a result of a check that was not open")
                self.results[result.check] = result
                self.open_check = ""
            case Watched(telemetry=telemetry):
                self._expect(self._watched and not self.remaining, "a look at the GPUs that nobody asked for")
                self._watched = False
                self.telemetry = tuple(dataclasses.replace(one, inside=True) for one in telemetry)
            case Bye():
                self._expect(not self.remaining, "a good-bye before all was answered")
                self.bye = True

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise _damaged(otherwise)


def _decode(text: str) -> Event:
    try:
        document = msgspec.json.decode(text)
        kind = EVENTS[document.pop("event")]
        event: Any = msgspec.convert(document, kind)
    except (msgspec.MsgspecError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error
    if isinstance(event, Finished):
        _check_result(event.result)
    if isinstance(event, Unusable) and event.reason not in UNUSABLE:
        raise _damaged(f"the reason {event.reason[:40]!r}")
    if isinstance(event, Watched) and not all(map(_is_telemetry, event.telemetry)):
        raise _damaged("a GPU that did what no GPU can do")
    return _bounded(event)


def _check_result(result: CheckResult) -> None:
    if result.outcome not in OUTCOMES:
        raise _damaged(f"the outcome {result.outcome[:40]!r}")
    if result.cause and result.cause not in CAUSES:
        raise _damaged(f"the cause {result.cause[:40]!r}")
    if not re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", result.check):
        raise _damaged(f"the check id {result.check[:40]!r}")
    if not (math.isfinite(result.seconds) and result.seconds >= 0):
        raise _damaged("a check that took no possible time")
    if len({metric.name for metric in result.metrics}) < len(result.metrics):
        raise _damaged("two metrics of one name")
    if any(not _is_metric(metric) for metric in result.metrics):
        raise _damaged("a metric without a unit, a direction or samples")


def _is_metric(metric: Metric) -> bool:
    return bool(metric.unit and metric.better in ("higher", "lower") and metric.samples)


def _is_telemetry(telemetry: Telemetry) -> bool:
    if not re.fullmatch(r"(GPU|MIG)-[0-9A-Za-z/-]{1,90}", telemetry.gpu):
        return False
    if not set(telemetry.throttle) <= set(REASONS.values()) or not set(telemetry.violations) <= set(VIOLATIONS):
        return False
    counts = (*telemetry.violations.values(), telemetry.ecc_errors, telemetry.foreign_processes)
    seen = (value for state in telemetry.states for value in dataclasses.astuple(state))
    return all(value is None or 0 <= value <= MAX_TELEMETRY for value in (*counts, *seen))


def _bounded(event: Event) -> Event:
    for value in _leaves(msgspec.to_builtins(event)):
        if len(value) > (MAX_TEXT if isinstance(value, str) else MAX_ITEMS):
            raise _damaged("a text or a list beyond all bounds")
    return event


def _leaves(value: Any) -> Any:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)


def _damaged(what: str) -> ImageError:
    return ImageError(
        f"the image sent damaged events: {what[:300]}",
        why="something in the image writes into our channel, or tries to speak for us",
        remedy="look at the log for what else prints with our nonce; a clean image never does this",
        kind="damaged-events",
    )
