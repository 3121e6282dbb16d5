"""A record as bytes, and back: the one gate through which a store's content comes in."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from ci_gpu import misread
from ci_gpu.errors import ConfigError
from ci_gpu.history.record import FORMAT, Measurement, Record
from ci_gpu.model import IMPROVED, INCONCLUSIVE, MISSING, NEW, NOT_COMPARABLE, REGRESSED, UNCHANGED, SeriesKey

MAX_BYTES = 4 << 20
MAX_TEXT = 4096  # characters of any one text
MAX_MEASUREMENTS, MAX_IMAGES = 20_000, 200
VERDICTS = ("", REGRESSED, IMPROVED, UNCHANGED, INCONCLUSIVE, NEW, MISSING, NOT_COMPARABLE)

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_CREATED = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z")
_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64})?")
_APART = re.compile(r"[a-z_]{0,40}")
_MACHINE = re.compile(r"[0-9a-f]{0,64}")


class _Format(msgspec.Struct):
    format: int


def encode(record: Record) -> bytes:
    """One line of JSON, the same for the same record.

    Raises:
        ConfigError: it holds what `decode` would refuse: a store must never be given what it cannot give back.
    """
    data = msgspec.json.encode(record)
    decode(data)
    return data


def decode(data: bytes, source: str = "the record") -> Record:
    """Read a record, and trust nothing of it.

    Raises:
        ConfigError: too big, no JSON, another format, or content that no run can have had (kind ``bad-record``).
    """
    if len(data) > MAX_BYTES:
        raise bad(source, f"at most {MAX_BYTES} bytes are read, and there are {len(data)}")
    try:
        found = msgspec.json.decode(data, type=_Format).format
        if found != FORMAT:
            raise bad(source, f"format: {FORMAT} is expected, and there is {found}")
        record = msgspec.json.decode(data, type=Record)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise misread.of_json(misread.RECORD, source, error) from error
    fault = next(_faults(record), "")
    if fault:
        raise bad(source, fault)
    return record


def bad(source: str, said: str) -> ConfigError:
    """A record that cannot be read; ``said`` begins with its field."""
    return misread.error(misread.RECORD, source, said)


def line(text: str) -> str:
    """A text of another tool's as a record may hold it: tabs, line ends and other control characters are spaces."""
    return " ".join("".join(each if ord(each) >= 32 else " " for each in text).split())


def text_fault(text: str) -> str:
    """What is wrong with the text of a record; empty if nothing is."""
    if len(text) > MAX_TEXT:
        return f"at most {MAX_TEXT} characters are read, and there are {len(text)}"
    if any(ord(character) < 32 for character in text):
        return "a text without control characters is expected"
    return ""


def _faults(record: Record) -> Iterator[str]:
    """Each begins with its field."""
    if not _RUN.fullmatch(record.run):
        yield "run: a name of letters, digits, dots, dashes and underscores is expected"
    if not _is_time(record.created):
        yield f"created: {misread.TIME}"
    if not 0 <= record.pull <= 2**31:
        yield f"pull: a number from 0 to {2**31} is expected"
    if not _APART.fullmatch(record.apart) or (record.apart and record.pull):
        yield "apart: the name of an event is expected, and none for a pull request's"
    if not _MACHINE.fullmatch(record.machine.id):
        yield "machine.id: up to 64 hexadecimal digits are expected"
    yield from _too_many("measurements", len(record.measurements), MAX_MEASUREMENTS)
    yield from _too_many("images", len(record.images), MAX_IMAGES)
    for number, image in enumerate(record.images):
        if not _DIGEST.fullmatch(image.digest):
            yield f"images[{number}].digest: sha256: and 64 hexadecimal digits are expected"
    for number, measured in enumerate(record.measurements):
        yield from (f"measurements[{number}].{fault}" for fault in _measurement_faults(measured))
    yield from _text_faults("", msgspec.to_builtins(record))


def _is_time(text: str) -> bool:
    """A time of the calendar: the thirtieth of February is none."""
    try:
        return bool(_CREATED.fullmatch(text) and datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return False


def _too_many(field: str, found: int, most: int) -> Iterator[str]:
    if found > most:
        yield f"{field}: at most {most} are read, and there are {found}"


def _measurement_faults(measured: Measurement) -> Iterator[str]:
    for field in ("value", "deviation", "change", "change_error"):
        number = getattr(measured, field)
        if number is not None and not math.isfinite(number):
            yield f"{field}: a finite number is expected"
    for field in ("deviation", "change_error"):
        if (getattr(measured, field) or 0) < 0:
            yield f"{field}: 0 or more is expected"
    if measured.better not in ("higher", "lower"):
        yield "better: higher or lower is expected"
    if measured.verdict not in VERDICTS:
        yield f"verdict: one of {', '.join(filter(None, VERDICTS))} is expected"
    if not 0 < measured.processes < 2**31:
        yield f"processes: a number from 1 to {2**31 - 1} is expected"
    yield from (f"key.{fault}" for fault in _key_faults(measured.key))


def _key_faults(key: SeriesKey) -> Iterator[str]:
    if not key.metric:
        yield "metric: a name is expected, and it is empty"
    if not 0 <= key.power_limit < 2**31:
        yield f"power_limit: a number from 0 to {2**31 - 1} is expected"
    if key.apart:
        yield "apart: nothing is expected, because the record says where it belongs"
    if abs(key.version) > 2**31:
        yield f"version: a number from -{2**31} to {2**31} is expected"


def _text_faults(field: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        fault = text_fault(value)
        if fault:
            yield f"{field}: {fault}"
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _text_faults(f"{field}.{name}" if field else name, each)
    elif isinstance(value, (list, tuple)):
        for number, each in enumerate(value):
            yield from _text_faults(f"{field}[{number}]", each)
