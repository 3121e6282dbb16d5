"""What one container has said so far: events in, results and the open check out. Trusts nothing that it hears."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from ci_gpu import budget, layout
from ci_gpu.budget import Budget
from ci_gpu.errors import ImageError
from ci_gpu.model import MAX_CLOCK
from ci_gpu.payload.cuda_errors import CAUSES
from ci_gpu.payload.telemetry import REASONS, VIOLATIONS
from ci_gpu.payload.wire import (
    ERROR,
    EVENTS,
    OUTCOMES,
    PASSED,
    PROTOCOL,
    UNUSABLE,
    Bye,
    CheckResult,
    Environment,
    Event,
    Fact,
    Finished,
    Hello,
    Metric,
    Started,
    Telemetry,
    Unusable,
    Watched,
)

LOG_BYTES = 64 << 10
"""The tail of the image's own output that is kept, as it stands in the report: one character can take twelve."""

MAX_TEXT = 200_000  # characters in any one text of an event; the payload itself stays far below
MAX_TELEMETRY = 2**63  # of any one number that a GPU tells, but its clocks
MAX_ITEMS = 100_000  # items in any one list


class Transcript:
    """Read line by line; afterwards it tells how far the container came.

    Raises:
        ImageError: `hear` was given a line with the right nonce and the wrong content (``damaged-events``), or more
            than the image may say (``over-budget``).
    """

    def __init__(
        self,
        nonce: str,
        promised: tuple[str, ...],
        watched: bool = False,
        spending: Budget | None = None,
        looks: int = budget.LOOKS,
    ) -> None:
        self._nonce, self._promised, self._watched, self._looks = nonce, dict.fromkeys(promised), watched, looks
        self._budget = spending or Budget()
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
        self._log_size += _written(self._log[-1])
        while self._log_size > LOG_BYTES:
            self._log_size -= _written(self._log.popleft())

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
        self.open_check = ""
        self._accept(CheckResult(check, ERROR, message=message, kind=kind, log=self.log))

    def _accept(self, result: CheckResult) -> None:
        """Of what a check said too much of, only that is kept."""
        said = budget.excess(result)
        taken = _too_much(result, said) if said else result
        self._budget.spend(taken)
        self.results[result.check] = taken

    def _fold(self, event: Event) -> None:
        if not isinstance(event, (Finished, Watched)):  # what is kept of those is less than what was said
            self._budget.spend(event)
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
                left = event.check in self._promised and event.check not in self.results
                self._expect(not self.open_check and left, "a check that was not asked for")
                self.open_check = event.check
            case Finished(result=result):
                self._expect(result.check == self.open_check, "a result of a check that was not open")
                self.open_check = ""
                self._accept(_proven(result))
            case Watched(telemetry=telemetry):
                self._expect(self._watched and not self.remaining, "a look at the GPUs that nobody asked for")
                self._watched = False
                seen = tuple(dataclasses.replace(one, inside=True) for one in telemetry)
                self.telemetry = budget.thinned(seen, self._looks)
                self._budget.spend(self.telemetry)
            case Bye():
                self._expect(not self.remaining, "a good-bye before all was answered")
                self.bye = True

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise _damaged(otherwise)


def _written(line: str) -> int:
    """Bytes of a line of the log in the report."""
    return len(layout.text(line))


def _proven(result: CheckResult) -> CheckResult:
    """A check that shows nothing has checked nothing, whatever the image says of it."""
    if result.outcome != PASSED or result.facts or result.metrics:
        return result
    return dataclasses.replace(
        result,
        outcome=ERROR,
        kind="no-evidence",
        message="it is said to have passed, without a fact or a metric: nothing shows that it checked anything",
        hint="yield at least one Fact(name, value) of what was looked at",
    )


def _too_much(result: CheckResult, said: str) -> CheckResult:
    return CheckResult(
        result.check,
        ERROR,
        result.seconds,
        message=f"the check said too much, and nothing of it was kept: {said}",
        hint="yield fewer samples and shorter texts; what a check needs to be judged is little",
        kind=budget.KIND,
        used_gpu=result.used_gpu,
    )


def _decode(text: str) -> Event:
    weight = budget.weigh(text.encode("utf-8", "replace"))
    if weight.exceeds(budget.EVENT):
        raise budget.over_budget(f"one event of it has {weight}, and at most {budget.EVENT} are taken")
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
    clocks = (clock for state in telemetry.states for clock in (state.sm_mhz, state.memory_mhz))
    if not all(clock is None or 0 <= clock <= MAX_CLOCK for clock in clocks):
        return False
    return all(value is None or 0 <= value <= MAX_TELEMETRY for value in (*counts, *seen))


def _bounded(event: Event) -> Event:
    """A whole number of more than 64 bits is a fact's alone: nowhere else could it be read from a report."""
    for value in _leaves(event):
        if isinstance(value, int) and abs(value) >= 2**63:
            raise _damaged("a number beyond all bounds")
        if isinstance(value, (str, dict, list, tuple)) and len(value) > _most(value):
            raise _damaged("a text or a list beyond all bounds")
    return event


def _most(value: Any) -> int:
    return MAX_TEXT if isinstance(value, str) else MAX_ITEMS


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Fact):
        yield from (text for text in (value.name, value.value, value.expected) if isinstance(text, str))
    elif layout.is_object(value):
        yield value if isinstance(value, dict) else ()
        for pair in layout.entries(value):
            yield from _leaves(pair)
    elif isinstance(value, (list, tuple)):
        yield value
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _damaged(what: str) -> ImageError:
    return ImageError(
        f"the image sent damaged events: {what[:300]}",
        why="something in the image writes into our channel, or tries to speak for us",
        remedy="look at the log for what else prints with our nonce; a clean image never does this",
        kind="damaged-events",
    )
