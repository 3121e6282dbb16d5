"""Makes ELF files, right and wrong ones, of a few hundred bytes: what a linker would write, field by field.

Source: the System V ABI, chapters 4 and 5, and elf(5); the fat binary as `ci_gpu/payload/fatbin.py` describes it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

NOBITS = 8


def fatbin(*entries: bytes) -> bytes:
    """A fat binary with these entries."""
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, sum(map(len, entries))) + b"".join(entries)


def entry(kind: int, arch: int, flags: int = 0x11, size: int = 8, header: int = 64) -> bytes:
    """An entry of so much code, which is zeros."""
    fields = struct.pack("<HHIQIIHHIIIQ", kind, 0x101, header, size, 0, 0, 0, 1, arch, 0, 0, flags)
    return fields + bytes(header - len(fields)) + bytes(size)


def elf(
    sections: Sequence[tuple[bytes, bytes]] = (),
    needed: Iterable[str] = (),
    wide: bool = True,
    order: str = "<",
    base: int = 0,
) -> bytes:
    """A shared object with these sections (name, bytes), that needs these libraries, loaded at the address ``base``."""
    header = 64 if wide else 52
    names = b"\0".join((b"", *(name for name, _ in sections), b".shstrtab", b""))
    strings = b"\0".join((b"", *(name.encode() for name in needed), b""))
    tags = [(1, strings.index(name.encode())) for name in needed]
    body, rows, at = b"", [], header + 3 * (56 if wide else 32)
    for name, data in (*sections, (b".shstrtab", names), (b"", strings)):
        rows.append((names.index(name) if name else 0, 1, 0, 0, at + len(body), len(data), 0, 0, 8, 0))
        body += data + bytes(-len(data) % 8)
    dynamic = [*tags, (5, base + rows[-1][4]), (0, 0)]
    table = b"".join(struct.pack(order + ("QQ" if wide else "II"), *pair) for pair in dynamic)
    dynamic_at, body = at + len(body), body + table
    rows = [(0,) * 10, *rows]
    end = at + len(body)
    segments = [(1, 0, base + end, 16), (1, 0, base, end), (2, dynamic_at, base + dynamic_at, len(table))]
    return b"".join(
        (
            b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9),
            _header(wide, order, header, end, len(rows)),
            *(_segment(wide, order, *segment) for segment in segments),
            body,
            *(struct.pack(order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"), *row) for row in rows),
        )
    )


def _header(wide: bool, order: str, size: int, sections_at: int, sections: int) -> bytes:
    form = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
    of_segments, of_sections = (56, 64) if wide else (32, 40)
    return struct.pack(
        order + form, 3, 62, 1, 0, size, sections_at, 0, size, of_segments, 3, of_sections, sections, sections - 2
    )


def _segment(wide: bool, order: str, kind: int, offset: int, address: int, size: int) -> bytes:
    if wide:
        return struct.pack(order + "IIQQQQQQ", kind, 5, offset, address, address, size, size, 8)
    return struct.pack(order + "IIIIIIII", kind, offset, address, address, size, size, 5, 8)
