"""JSON as ``run.json`` has it: ASCII, two spaces, and what holds nothing but plain values on one line. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

_SURROGATE = re.compile("[\ud800-\udfff]")
_ONE_LINE = 12
"""Fields of an object that fit on a line; a list of plain values always does."""


def text(value: Any, depth: int = 0) -> str:
    """The value as JSON; ``depth`` is how far its lines after the first are from the margin, in steps."""
    return "".join(lines(value, depth))


def lines(value: Any, depth: int = 0) -> Iterator[str]:
    """The same in pieces, made one after the other: nothing is copied, however much the value holds."""
    if not _is_nested(value):
        yield _written(value)
        return
    if isinstance(value, (list, tuple)):
        yield from _between("[", "]", (("", item) for item in value), depth)
    else:
        yield from _between("{", "}", ((f"{_written(key)}: ", item) for key, item in entries(value)), depth)


def _written(value: Any) -> str:
    """``##[`` is the same to whoever reads JSON, and no command of the runner's, which obeys it anywhere in a line."""
    return json.dumps(plain(value), allow_nan=False).replace("##[", "#\\u0023[")


def _between(start: str, end: str, items: Iterator[tuple[str, Any]], depth: int) -> Iterator[str]:
    margin, before = "\n" + "  " * depth, start
    for key, item in items:
        yield f"{before}{margin}  {key}"
        yield from lines(item, depth + 1)
        before = ","
    yield margin + end


def entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values of an object, whether it is a dict, a struct or a dataclass. No time is ``seconds`` of 0."""
    if isinstance(value, dict):
        yield from value.items()
        return
    names = [field.name for field in fields(value)] if is_dataclass(value) else value.__struct_fields__
    for name in names:
        item = getattr(value, name)
        yield name, 0.0 if name == "seconds" and plain(item) is None else item


def is_object(value: Any) -> bool:
    """Whether `entries` knows it."""
    return isinstance(value, (dict, msgspec.Struct)) or is_dataclass(value)


def _is_nested(value: Any) -> bool:
    """Whether it takes more than one line."""
    if isinstance(value, (list, tuple)):
        return any(isinstance(item, (list, tuple)) or is_object(item) for item in value)
    if not is_object(value):
        return False
    held = [item for _, item in entries(value)]
    return len(held) > _ONE_LINE or any(isinstance(item, (list, tuple)) or is_object(item) for item in held)


def plain(value: Any) -> Any:
    """As every JSON reader takes it: no lone surrogate, no NaN, no infinity, no integer beyond 64 bits."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if isinstance(value, bool) or abs(value) < 2**63 else None
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None:
        return None
    return {plain(key): plain(item) for key, item in entries(value)}
