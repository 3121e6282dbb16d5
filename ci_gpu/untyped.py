"""JSON of a program that promises no shape, such as an engine's client: what does not fit is empty. Pure."""

from __future__ import annotations

import json
from typing import Any


def document(text: str) -> Any:
    """What the text is; None where it is no JSON, or nested beyond what can be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def table(value: object) -> dict[str, Any]:
    """An object."""
    return value if isinstance(value, dict) else {}


def array(value: object) -> list[Any]:
    """A list."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """A text."""
    return value if isinstance(value, str) else ""


def words(value: object) -> tuple[str, ...]:
    """The texts of a list; a single text is one."""
    found = [value] if isinstance(value, str) else array(value)
    return tuple(one for one in found if isinstance(one, str))
