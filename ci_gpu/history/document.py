"""A record as bytes, and back: the one gate through which a store's content comes in."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ci_gpu.errors import ConfigError
from ci_gpu.history.record import FORMAT, Record
from ci_gpu.model import IMPROVED, INCONCLUSIVE, MISSING, NEW, NOT_COMPARABLE, REGRESSED, UNCHANGED

MAX_BYTES = 4 << 20
MAX_TEXT = 4096  # characters of any one text
MAX_MEASUREMENTS, MAX_IMAGES = 20_000, 200
VERDICTS = ("", REGRESSED, IMPROVED, UNCHANGED, INCONCLUSIVE, NEW, MISSING, NOT_COMPARABLE)

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_CREATED = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z")
_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64})?")
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
        raise bad(source, f"it has {len(data)} bytes, more than the {MAX_BYTES} that are read")
    try:
        found = msgspec.json.decode(data, type=_Format).format
        if found != FORMAT:
            raise bad(source, f"it has format {found}, and this ci-gpu reads {FORMAT}")
        record = msgspec.json.decode(data, type=Record)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise bad(source, str(error)[:200]) from error
    fault = next(_faults(record), "")
    if fault:
        raise bad(source, fault)
    return record


def bad(source: str, why: str) -> ConfigError:
    """The one error of everything that cannot be read."""
    return ConfigError(
        f"{source} is no record of a ci-gpu run: {why}",
        why="it was written by something else, by another version, or was damaged",
        remedy="leave it out, or import it with the ci-gpu that wrote it",
        kind="bad-record",
    )


def _faults(record: Record) -> Iterator[str]:
    if not _RUN.fullmatch(record.run):
        yield "the run's name has other characters than letters, digits, dot, dash and underscore"
    if not _CREATED.fullmatch(record.created):
        yield "the time is not like 2026-11-23T05:30:00Z"
    if len(record.measurements) > MAX_MEASUREMENTS or len(record.images) > MAX_IMAGES:
        yield "it has more measurements or images than a run can have"
    if record.pull < 0 or record.pull > 2**31 or not _MACHINE.fullmatch(record.machine.id):
        yield "the pull request or the machine is none"
    if not all(_DIGEST.fullmatch(image.digest) for image in record.images):
        yield "a digest is not sha256"
    yield from _measurement_faults(record)
    yield from _text_faults(msgspec.to_builtins(record))


def _measurement_faults(record: Record) -> Iterator[str]:
    for measured in record.measurements:
        numbers = (measured.value, measured.deviation, measured.change, measured.change_error)
        if any(number is not None and not math.isfinite(number) for number in numbers):
            yield "a number is not finite"
        if measured.better not in ("higher", "lower") or measured.verdict not in VERDICTS:
            yield "a direction or a verdict has a word of its own"
        if measured.deviation < 0 or (measured.change_error or 0) < 0 or not 0 < measured.processes < 2**31:
            yield "a deviation or a count is negative"
        if not measured.key.metric or not 0 <= measured.key.power_limit < 2**31 or abs(measured.key.version) > 2**31:
            yield "a metric has no name, or its version or power limit is none"


def _text_faults(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) > MAX_TEXT or any(ord(character) < 32 for character in value):
            yield "a text is too long, or holds control characters"
    elif isinstance(value, dict):
        for each in value.values():
            yield from _text_faults(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _text_faults(each)
