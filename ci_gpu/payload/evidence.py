"""What a check yields, looked at before it leaves: a mistake of its author's is told with its file and line.

Outside, the same would be an event that is damaged, which is no more than an image that nobody can trust.
"""

from __future__ import annotations

import dataclasses
import os
import traceback
import types
from typing import Any, Iterable, Iterator, Optional, Set, Tuple

from .wire import MAX_EVIDENCE, MAX_NAME, MAX_SAMPLES, Fact, Fail, Metric, Note

TEXT = 4000
"""Characters of a value."""

_WIDEST = 1 << 63
_EVIDENCE = "a check yields, or returns a list of, Fact, Metric and Note"


class Misuse(Exception):
    """The check is written wrong: nothing is known of the image by it."""


def of(function: Any, device: str) -> Iterator[Any]:
    """What the check yields, one by one, so that what it found before it failed is kept.

    Raises:
        Misuse: it is nothing that a check can yield.
    """
    returned = function(device)
    told = samples = 0
    measured: Set[str] = set()
    try:
        for item in _iterable(returned):
            item = checked(item)
            if isinstance(item, Metric):
                _require(item.name not in measured, f"the metric {item.name!r} was yielded twice")
                measured.add(item.name)
                samples += len(item.samples)
                _require(
                    samples <= MAX_SAMPLES, f"the check has {samples} samples, and at most {MAX_SAMPLES} are taken"
                )
            else:
                told += 1
            most = f"a check yields at most {MAX_EVIDENCE} facts and notes, and as many metrics"
            _require(max(told, len(measured)) <= MAX_EVIDENCE, most)
            yield item
    except Misuse as misuse:
        raise Misuse(f"{_place(returned, function)}{misuse}") from None


def checked(item: Any) -> Any:
    """The same, with values that JSON has.

    Raises:
        Misuse: something in it is of no type that can cross the border.
    """
    if isinstance(item, Fact):
        _require_name(item.name, "fact")
        value, expected = _value(item.value, item.name), item.expected
        _require(isinstance(expected, str), f"expected of the fact {item.name!r} is {_a(expected)}, not text")
        return Fact(str(item.name), value, str(expected)[:TEXT])
    if isinstance(item, Note):
        _require(isinstance(item.text, str), f"the text of a note is {_a(item.text)}, not text")
        return Note(str(item.text)[:TEXT])
    _require(isinstance(item, Metric), f"{_EVIDENCE}, not {_a(item)}")
    return _metric(item)


def in_words(value: Any) -> str:
    """Whatever somebody gave as a message: `Fail(error)` means the error."""
    if isinstance(value, BaseException):
        return "".join(traceback.format_exception_only(type(value), value)).strip()
    try:
        return str(value)
    except Exception:
        return f"a message that cannot be shown, of the type {type(value).__name__}"


def facts_of(fail: Fail) -> Tuple[Fact, ...]:
    """The facts beside a failure: it stays one, so a fact that is none becomes words."""
    return tuple(_fact(item) for item in getattr(fail, "facts", ()))


def raised_in(error: BaseException, module: str) -> str:
    """The line of that module in which it arose, such as ``mine.py:12: ``; empty where there is none."""
    if isinstance(error, SyntaxError) and os.path.basename(error.filename or "") == f"{module.rpartition('.')[2]}.py":
        return f"{os.path.basename(error.filename or '')}:{error.lineno or 1}: "
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") == module
    ]
    return _line(frames[-1][0].f_code, frames[-1][1]) if frames else ""


def defined_in(function: Any) -> str:
    """Where the check is, below its decorators."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    return _line(code, code.co_firstlineno) if code else ""


def _iterable(returned: Any) -> Iterable[Any]:
    if isinstance(returned, types.CoroutineType):
        returned.close()  # it would be warned of as never awaited
    awaited = hasattr(returned, "__await__") or hasattr(returned, "__aiter__")
    _require(not awaited, "the check is async, and nothing here awaits it: write it as a plain def")
    fits = returned is None or (hasattr(returned, "__iter__") and not isinstance(returned, (str, bytes, dict)))
    _require(fits, f"{_EVIDENCE}; this one returned {_a(returned)}")
    return () if returned is None else returned


def _metric(metric: Metric) -> Metric:
    _require_name(metric.name, "metric")
    name = f"the metric {metric.name!r}"
    unit = isinstance(metric.unit, str) and 0 < len(metric.unit) <= MAX_NAME
    _require(unit and metric.better in ("higher", "lower"), f'{name} needs a unit, and better="higher" or "lower"')
    _require(isinstance(metric.samples, (list, tuple)), f"samples of {name} is {_a(metric.samples)}, not a tuple")
    _require(
        0 < len(metric.samples) <= MAX_SAMPLES, f"{name} has {len(metric.samples)} samples, not 1 to {MAX_SAMPLES}"
    )
    samples = tuple(_number(sample, f"a sample of {name}") for sample in metric.samples)
    limit = _number(metric.limit, f"the limit of {name}")
    right = type(metric.version) is int and 0 <= metric.version < _WIDEST and isinstance(metric.exact, bool)
    _require(right, f"{name} has a version that is no whole number, or exact that is not True or False")
    return dataclasses.replace(metric, samples=samples, limit=limit)


def _number(value: Any, what: str) -> Optional[float]:
    fits = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    _require(fits, f"{what} is {_a(value)}, not a number: .item() or .tolist() makes numbers of a tensor")
    try:
        return None if value is None else float(value)
    except OverflowError:
        raise Misuse(f"{what} is larger than any float") from None


def _value(value: Any, name: str) -> Any:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        _require(-_WIDEST <= value < _WIDEST, f"the value of the fact {name!r} has more than 64 bits: give it as text")
        return int(value)
    fits = isinstance(value, str)
    _require(fits, f"the value of the fact {name!r} is {_a(value)}, not text, a number or a bool: .item() makes one")
    return str(value)[:TEXT]


def _fact(item: Any) -> Fact:
    try:
        _require(isinstance(item, Fact), "no fact")
        return checked(item)  # type: ignore[no-any-return]
    except Misuse:
        name, value = getattr(item, "name", "beside"), getattr(item, "value", item)
        return Fact(in_words(name)[:MAX_NAME], in_words(value)[:TEXT], in_words(getattr(item, "expected", ""))[:TEXT])


def _require_name(name: Any, of_what: str) -> None:
    fits = isinstance(name, str) and 0 < len(name) <= MAX_NAME
    _require(fits, f"the name of a {of_what} is {_a(name)}, not a text of 1 to {MAX_NAME} characters")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Misuse(otherwise)


def _a(value: Any) -> str:
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def _place(returned: Any, function: Any) -> str:
    """The line at which a generator stands; else that of the check."""
    inner = returned
    while isinstance(getattr(inner, "gi_yieldfrom", None), types.GeneratorType):
        inner = inner.gi_yieldfrom
    frame: Any = getattr(inner, "gi_frame", None)
    if frame is None or str(frame.f_globals.get("__name__", "")).startswith(f"{__package__}."):
        return defined_in(function)
    return _line(frame.f_code, frame.f_lineno)


def _line(code: types.CodeType, line: int) -> str:
    return f"{os.path.basename(code.co_filename)}:{line}: "
