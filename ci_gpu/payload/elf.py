"""Reads the outer parts of an ELF file: its sections, and the libraries it needs. Every file is hostile until read.

Only headers are read, by `os.pread`: a file of gigabytes costs kilobytes, and one that is cut short meanwhile ends as
an error. (A memory map of it would end this process with SIGBUS, by mmap's manual.) Source of the layout: the System V
ABI, chapters 4 and 5, and elf(5).
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

MOST_SECTIONS = 50_000
MOST_NAMES = 1 << 22
"""Bytes of all names of sections."""
MOST_NEEDED = 1_000
_MOST_DYNAMIC = 1 << 18
_LONGEST_NAME = 256

_NOBITS, _LOAD, _DYNAMIC = 8, 1, 2  # sh_type, p_type
_COMPRESSED = 0x800  # sh_flags
_NULL, _NEEDED, _STRTAB = 0, 1, 5  # d_tag
_EXTENDED = 0xFFFF  # e_shstrndx does not fit: it is sh_link of the section 0


class Malformed(Exception):
    """The file is not what it says it is, or larger than what is read."""


@dataclass(frozen=True)
class Section:
    """A part of the file, by the name that the linker gave it."""

    name: bytes
    offset: int
    size: int
    compressed: bool = False


class File:
    """Bytes of a regular file by their place, all that were asked for or an error."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self.size = descriptor, size

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes from there.

        Raises:
            Malformed: the file has not so many, or the disk does not give them.
        """
        if offset + size > self.size:
            raise Malformed(f"ends at {self.size}, before {offset} + {size}")
        try:
            data = os.pread(self._descriptor, size, offset)
        except OSError as error:
            raise Malformed(f"cannot be read at {offset}: {error.strerror}") from None
        if len(data) != size:
            raise Malformed(f"was cut short before {offset + size}")
        return data


@contextlib.contextmanager
def opened(path: str) -> Iterator[File]:
    """The file; not followed by the kernel's reading ahead, because headers lie far apart.

    Raises:
        Malformed: it cannot be opened, or is no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would block here for ever
    except (OSError, ValueError) as error:
        raise Malformed(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise Malformed("is no regular file")
        with contextlib.suppress(OSError, AttributeError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        yield File(descriptor, about.st_size)
    finally:
        os.close(descriptor)


class Elf:
    """An ELF file's header, and what can be found from it."""

    def __init__(self, file: File) -> None:
        self._file = file
        identity = file.read(0, 16)
        if identity[:4] != b"\x7fELF" or identity[4] not in (1, 2) or identity[5] not in (1, 2):
            raise Malformed("is no ELF file")
        self._wide = identity[4] == 2
        self._order = "<" if identity[5] == 1 else ">"
        header = self._unpack("HHIQQQIHHHHHH" if self._wide else "HHIIIIIHHHHHH", 16)
        self._phoff, self._shoff = header[4:6]
        self._phentsize, self._phnum, self._shentsize, self._shnum, self._shstrndx = header[8:13]

    def sections(self) -> Tuple[Section, ...]:
        """Those that have bytes in the file.

        Raises:
            Malformed: the table of them is broken.
        """
        rows = self._section_rows()
        if not rows:
            return ()
        at = self._shstrndx if self._shstrndx != _EXTENDED else rows[0][6]
        if at >= len(rows):
            raise Malformed("names its sections in a section that it does not have")
        names = self._names(rows[at])
        return tuple(self._section(row, names) for row in rows if row[1] not in (0, _NOBITS))

    def needed(self) -> Tuple[str, ...]:
        """The libraries that the loader is asked for (DT_NEEDED), found as the loader finds them: without sections.

        Raises:
            Malformed: the table of them is broken.
        """
        segments = self._segments()
        dynamic = next(((offset, size) for kind, offset, _, size in segments if kind == _DYNAMIC), (0, 0))
        tags = list(self._dynamic(*dynamic))
        wanted = [value for tag, value in tags if tag == _NEEDED]
        if len(wanted) > MOST_NEEDED:
            raise Malformed(f"needs more than {MOST_NEEDED} libraries")
        table = next((_offset(segments, value) for tag, value in tags if tag == _STRTAB), None)
        if wanted and table is None:
            raise Malformed("has no names for the libraries that it needs")
        return tuple(self._name((table or 0) + value) for value in wanted)

    def _section_rows(self) -> List[Tuple[int, ...]]:
        """sh_name, sh_type, sh_flags, sh_addr, sh_offset, sh_size, sh_link, …"""
        form, size = ("IIQQQQIIQQ", 64) if self._wide else ("IIIIIIIIII", 40)
        if not self._shoff:
            return []
        if self._shentsize != size:
            raise Malformed(f"has section headers of {self._shentsize} bytes")
        count = self._shnum or self._unpack(form, self._shoff)[5]  # where it does not fit, it is the size of section 0
        if count > MOST_SECTIONS:
            raise Malformed(f"has {count} sections")
        data = self._file.read(self._shoff, count * size)
        return list(struct.iter_unpack(self._order + form, data))

    def _names(self, row: Tuple[int, ...]) -> bytes:
        if row[1] == _NOBITS or row[5] > MOST_NAMES:
            raise Malformed(f"has {row[5]} bytes of names of sections")
        return self._file.read(row[4], row[5])

    def _section(self, row: Tuple[int, ...], names: bytes) -> Section:
        name = names[row[0] : row[0] + _LONGEST_NAME].partition(b"\0")[0]
        return Section(name, row[4], row[5], bool(row[2] & _COMPRESSED))

    def _segments(self) -> List[Tuple[int, int, int, int]]:
        """p_type, p_offset, p_vaddr, p_filesz."""
        form, size = ("IIQQQQQQ", 56) if self._wide else ("IIIIIIII", 32)
        if not self._phnum:
            return []
        if self._phentsize != size:
            raise Malformed(f"has program headers of {self._phentsize} bytes")
        rows = struct.iter_unpack(self._order + form, self._file.read(self._phoff, self._phnum * size))
        if self._wide:
            return [(row[0], row[2], row[3], row[5]) for row in rows if row[0] in (_LOAD, _DYNAMIC)]
        return [(row[0], row[1], row[2], row[4]) for row in rows if row[0] in (_LOAD, _DYNAMIC)]

    def _dynamic(self, offset: int, size: int) -> Iterator[Tuple[int, int]]:
        form, width = ("QQ", 16) if self._wide else ("II", 8)
        if size > _MOST_DYNAMIC:
            raise Malformed(f"has {size} bytes for the loader")
        for tag, value in struct.iter_unpack(self._order + form, self._file.read(offset, size - size % width)):
            if tag == _NULL:
                return
            yield tag, value

    def _name(self, offset: int) -> str:
        data = self._file.read(offset, max(0, min(_LONGEST_NAME, self._file.size - offset)))
        name, end, _ = data.partition(b"\0")
        if not end:
            raise Malformed("needs a library whose name does not end")
        return name.decode("ascii", "backslashreplace")

    def _unpack(self, form: str, offset: int) -> Tuple[int, ...]:
        form = self._order + form
        return struct.unpack(form, self._file.read(offset, struct.calcsize(form)))


def _offset(segments: List[Tuple[int, int, int, int]], address: int) -> Optional[int]:
    """Where in the file the loader finds what it puts at this address."""
    return next(
        (
            offset + address - start
            for kind, offset, start, size in segments
            if kind == _LOAD and start <= address < start + size
        ),
        None,
    )
