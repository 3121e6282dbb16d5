"""Records one a line, plain or packed."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from gzip import GzipFile

from ci_gpu.history import document
from ci_gpu.history.record import Record

MAX_UNPACKED = 512 << 20
MAX_LINE = 16 << 20
"""Of a record: some thousand measurements are a few megabytes."""


def pack(records: Iterable[Record], rest: Iterable[bytes] = ()) -> bytes:
    """Gzip without a time in it: the same records give the same bytes. ``rest`` are lines that are kept as they are."""
    ordered = sorted(records, key=lambda record: (record.created, record.run))
    packed = io.BytesIO()
    with GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as file:
        for record in ordered:
            file.write(document.encode(record) + b"\n")
        for line in sorted(set(rest)):
            file.write(line + b"\n")
    return packed.getvalue()


def unpack(data: bytes, source: str) -> Iterator[Record]:
    """The records of a packed file."""
    return _read(split(data, source), source)


def split(data: bytes, source: str) -> list[bytes]:
    """The lines of a packed file, unread; a bomb is refused before it has burst."""
    try:
        return [line.rstrip(b"\n") for line in _unpacked(data, source) if line.strip()]
    except (OSError, EOFError, zlib.error) as error:
        raise document.bad(source, f"a packed file of records is expected, and gzip says: {error}") from error


def _unpacked(data: bytes, source: str) -> Iterator[bytes]:
    total = 0
    with GzipFile(fileobj=io.BytesIO(data)) as file:
        while line := file.readline(MAX_LINE + 1):
            total += len(line)
            if len(line) > MAX_LINE:
                raise document.bad(source, f"a line of a packed file has at most {MAX_LINE} bytes, and one has more")
            if total > MAX_UNPACKED:
                raise document.bad(
                    source, f"at most {MAX_UNPACKED} bytes are read of what is packed, and there are more"
                )
            yield line


def lines(data: bytes, source: str) -> Iterator[Record]:
    """The records of a plain file; an error names the line."""
    return _read(data.split(b"\n"), source)


def _read(lines: Iterable[bytes], source: str) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield document.decode(line, f"{source}, line {number}")


def text(records: Iterable[Record]) -> str:
    """One record a line."""
    return "".join(document.encode(record).decode() + "\n" for record in records)
