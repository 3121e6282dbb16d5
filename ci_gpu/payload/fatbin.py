"""Which GPU code a shared object carries, read from the file, without a GPU and without CUDA.

nvcc puts the code of each translation unit into a *fat binary*; the linker puts these one after another into a section
`.nv_fatbin` (code that can be loaded), or `__nv_relfatbin` (of ``nvcc -dc``, before its link): `fatbinary_section.h` of
the CUDA toolkit. A fat binary is a header and entries, each a header and its code, for one kind and one architecture.

The layout of both headers is not NVIDIA's documentation, but public in:
    n-eiling/cuda-fatbin-decompression, fatbin-decompress.h: all fields; flags 0x1 (64 bits), 0x2000 (compressed, LZ4)
    vosen/ZLUDA, `FatbinFileHeader`: kinds 1 (PTX) and 2 (ELF), flag 0x8000 (compressed by Zstandard)
    GrigoryEvko/nvopen-tools, fatbin/FORMAT_SPECIFICATION.md: headers of entries longer than 64 bytes; kind 16, which
    cuobjdump lists as ELF, too
Found by compiling with nvcc 13.0.88, and held to by tests/payload/test_fatbin.py: flags 0x100000 and 0x200000 are the
suffixes ``a`` and ``f``; kind 8 is what ``code=lto_90`` makes; `--compress-mode` size, balance and default are 0x8000,
speed is 0x2000; code that would not become smaller stays as it is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Iterable, Iterator, List, Tuple

from .elf import Elf, File, Malformed, Section, opened

SASS, PTX, LTO = "sass", "ptx", "lto"
LZ4, ZSTD = "lz4", "zstd"

MOST_STEPS = 100_000
"""Headers that are read of one file, and KiB of zeros between them. libcublasLt has most, and not a tenth of it."""

_MAGIC = 0xBA55ED50
_FATBIN = struct.Struct("<IHHQ")  # magic, version, size of this header, size of all entries
_ENTRY = struct.Struct("<HHIQIIHHIIIQ")  # kind, version, size of this header, size of what follows, …, flags
_SECTIONS = {b".nv_fatbin": False, b"__nv_relfatbin": True}
_KINDS = {1: (PTX, "compute_"), 2: (SASS, "sm_"), 8: (LTO, "lto_"), 16: (SASS, "sm_")}
_EXACT, _FAMILY, _LZ4, _ZSTD = 0x100000, 0x200000, 0x2000, 0x8000
_CHUNK, _MOST_CHUNK = 64, 1 << 16


@dataclass(frozen=True)
class Code:
    """One entry of a fat binary: ``sm_90a``, ``compute_120f``; an unknown kind is its number.

    ``offset`` and ``size`` are its place in the file; ``compression`` is empty where there is none. ``relocatable``
    code is still to be linked: the driver does it where what is linked has nothing for its GPU (nvcc's documentation,
    "JIT linking").
    """

    kind: str
    arch: str
    offset: int
    size: int
    compression: str = ""
    relocatable: bool = False


@dataclass(frozen=True)
class Carried:
    """What a file carries. With an ``error`` it could not be read to its end, and there may be more."""

    code: Tuple[Code, ...] = ()
    needed: Tuple[str, ...] = ()
    error: str = ""


def read(path: str) -> Carried:
    """The GPU code of an ELF file, or of a bare fat binary, and the libraries that it needs. Never raises."""
    code: List[Code] = []
    needed: Tuple[str, ...] = ()
    try:
        with opened(path) as file:
            if _is_bare(file):
                sections: Tuple[Section, ...] = (Section(b".nv_fatbin", 0, file.size),)
            else:
                elf = Elf(file)
                needed, sections = elf.needed(), elf.sections()
            code.extend(_code(file, sections))  # what came before an error is kept
    except Malformed as error:
        return Carried(tuple(code), needed, str(error))
    return Carried(tuple(code), needed)


class _Steps:
    """How many headers may still be read: a file of zeros or of empty entries ends as an error, not as a long wait."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def take(self, count: int = 1) -> None:
        self._left -= count
        if self._left < 0:
            raise Malformed(f"has GPU code that does not end within {MOST_STEPS} headers")


def _is_bare(file: File) -> bool:
    return file.size >= _FATBIN.size and _FATBIN.unpack(file.read(0, _FATBIN.size))[0] == _MAGIC


def _code(file: File, sections: Iterable[Section]) -> Iterator[Code]:
    steps = _Steps()
    for section in sections:
        if section.name in _SECTIONS:
            if section.compressed:
                raise Malformed("has its GPU code in a section that is compressed, which nothing loads")
            yield from _fatbins(file, section, steps)


def _fatbins(file: File, section: Section, steps: _Steps) -> Iterator[Code]:
    """One after another, with the zeros between them that the linker needs for its alignment."""
    at, end = section.offset, section.offset + section.size
    while True:
        at = _after_zeros(file, at, end, steps)
        if at == end:
            return
        magic, version, header, size = _FATBIN.unpack(_within(file, at, _FATBIN.size, end))
        if magic != _MAGIC or version != 1 or header < _FATBIN.size:
            raise Malformed(f"has no fat binary of a known form at {at}")
        start, at = at + header, at + header + size
        if at > end:
            raise Malformed(f"has a fat binary that ends at {at}, after its section's end at {end}")
        yield from _entries(file, start, at, steps, _SECTIONS[section.name])


def _entries(file: File, at: int, end: int, steps: _Steps, relocatable: bool) -> Iterator[Code]:
    while at < end:
        steps.take()
        kind, _, header, size, *_, arch, _, _, flags = _ENTRY.unpack(_within(file, at, _ENTRY.size, end))
        if header < _ENTRY.size or at + header + size > end:
            raise Malformed(f"has an entry of GPU code at {at} that ends after its fat binary's end at {end}")
        name, prefix = _KINDS.get(kind, (str(kind), f"{kind}_"))
        suffix = "a" if flags & _EXACT else "f" if flags & _FAMILY else ""
        compression = ZSTD if flags & _ZSTD else LZ4 if flags & _LZ4 else ""
        yield Code(name, f"{prefix}{arch}{suffix}", at + header, size, compression, relocatable)
        at += header + size


def _after_zeros(file: File, at: int, end: int, steps: _Steps) -> int:
    """Where something begins. Mostly that is at once, so little is read at first."""
    size = _CHUNK
    while at < end:
        data = file.read(at, min(size, end - at))
        steps.take(1 + len(data) // 1024)
        kept = data.lstrip(b"\0")
        if kept:
            return at + len(data) - len(kept)
        at, size = at + len(data), min(2 * size, _MOST_CHUNK)
    return end


def _within(file: File, at: int, size: int, end: int) -> bytes:
    if at + size > end:
        raise Malformed(f"has a header of GPU code at {at} that ends after {end}")
    return file.read(at, size)
