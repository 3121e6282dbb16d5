"""A file that cannot be read, in one sentence: the file, the field, and what is expected there. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from ci_gpu.errors import ConfigError

TIME = "a time such as 2026-11-23T05:30:00Z is expected"


class Kind(NamedTuple):
    """One kind of file: why one of them usually cannot be read, and what to try."""

    kind: str
    why: str
    remedy: str


RECORD = Kind(
    "bad-record",
    "it is no record of a ci-gpu run, was written by another version, or was damaged",
    "leave it out, or import it with the ci-gpu that wrote it",
)
DATA_JS = Kind(
    "bad-record",
    "it was changed by hand, was written by another tool, or was cut off; nothing of it was imported",
    "mend that field, or take the data.js as github-action-benchmark wrote it",
)
PYTEST = Kind(
    "bad-record",
    "it was changed by hand, was written by another version, or was cut off; nothing of it was imported",
    "mend that field, or write it anew: pytest --benchmark-json=FILE",
)
REPORT = Kind(
    "bad-report",
    "it is damaged, cut off, or was not written by ci-gpu",
    "make a new one: ci-gpu run IMAGE --json run.json",
)
UNKNOWN = Kind(
    "bad-record",
    "a file is known by its content, not by its name",
    "give a run.json, the output of ci-gpu history export, a data.js, or what pytest --benchmark-json writes",
)

_TYPES = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "bool": "true or false",
}


def error(kind: Kind, source: str, said: str) -> ConfigError:
    """``said`` begins with the field, where there is one."""
    return ConfigError(f"{source}: {said}", why=kind.why, remedy=kind.remedy, kind=kind.kind)


def of_json(kind: Kind, source: str, fault: Exception, *, at: str = "", behind: str = "") -> ConfigError:
    """What the decoder said. ``at`` is the field that was decoded, ``behind`` what stands before the JSON."""
    text, _, path = str(fault)[:300].partition(" - at `$")
    if not path and not re.match("Expected|Object", text):
        where = f" behind {behind}" if behind else ""
        return error(kind, source, f"it is not JSON{where} ({_lower(text.removeprefix('JSON is malformed: '))})")
    return error(kind, source, _of_field(at + path.rstrip("`"), text))


def _of_field(field: str, text: str) -> str:
    missing = re.match("Object missing required field `(.*)`", text)
    if missing:
        return f"{field}.{missing[1]}".removeprefix(".") + " is missing"
    types = re.fullmatch("Expected `(.*)`, got `(.*)`", text)
    said = f"{_expected(types[1])} is expected, and there is {_found(types[2])}" if types else _lower(text)
    return f"{field}: {said}".removeprefix(".").removeprefix(": ")


def _expected(types: str) -> str:
    names = types.split(" | ")
    return " or ".join(_TYPES.get(name, name) for name in names if name != "int" or "float" not in names)


def _found(name: str) -> str:
    return "a number" if name in ("int", "float") else _TYPES.get(name, name)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].replace("`", "'")
