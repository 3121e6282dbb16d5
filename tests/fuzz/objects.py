"""A shared object of the image's, with whatever its headers may say, cut anywhere and patched anywhere."""

from __future__ import annotations

import os
import struct
import time

from hypothesis import strategies as st

from ci_gpu.payload import fatbin
from tests import elves

_NUMBER = st.one_of(
    st.integers(0, 300),
    st.sampled_from([1 << power for power in (12, 15, 16, 20, 31, 32, 40, 63)]),
    st.sampled_from([(1 << power) - 1 for power in (16, 32, 63, 64)]),
)
_ENTRY = st.builds(
    lambda kind, arch, flags, size, header: elves.entry(kind, arch, flags, size, header),
    st.sampled_from((1, 2, 4, 8, 16, 64)),
    st.integers(0, 999),
    st.sampled_from((0x11, 0x2011, 0x8011, 0x100011, 0x200011)),
    st.integers(0, 64),
    st.sampled_from((48, 64, 80, 112)),
)
_FATBINS = st.lists(
    st.builds(
        lambda entries, zeros: elves.fatbin(*entries) + bytes(zeros), st.lists(_ENTRY, max_size=4), st.integers(0, 40)
    ),
    max_size=3,
).map(b"".join)
_SECTION = st.tuples(
    st.sampled_from((b".nv_fatbin", b"__nv_relfatbin", b".text", b"")), st.one_of(_FATBINS, st.binary(max_size=80))
)
_OBJECT = st.builds(
    elves.elf,
    st.lists(_SECTION, max_size=4),
    st.lists(st.sampled_from(("libtorch.so", "libcudart.so.12", "x")), max_size=3),
    st.booleans(),
    st.sampled_from("<>"),
)
_PATCH = st.tuples(st.floats(0, 1), st.sampled_from("BHIQ"), _NUMBER)

INPUTS = st.tuples(st.one_of(_OBJECT, _FATBINS, st.binary(max_size=200)), st.lists(_PATCH, max_size=4), st.floats(0, 2))
"""A file, numbers that are written over it (where, how wide, what), and how much of it is left."""

DOCUMENTED: tuple[type[BaseException], ...] = ()
KEPT = (
    (elves.elf(), [], 1.0),
    (elves.elf([(b".nv_fatbin", elves.fatbin(elves.entry(2, 90)))]), [], 0.5),
    (b"", [], 1.0),
)
SLOWEST = 2.0
"""Seconds of the processor that one small file may take; it takes less than a thousandth of it."""


def attempt(value: tuple[bytes, list[tuple[float, str, int]], float]) -> None:
    """The reader answers: with code and libraries whose words are plain, within its limit, or with an error value."""
    descriptor = os.memfd_create("object")
    try:
        os.write(descriptor, _made(*value))
        started = time.process_time()
        found = fatbin.read(f"/proc/self/fd/{descriptor}")
        assert time.process_time() - started < SLOWEST
    finally:
        os.close(descriptor)
    assert len(found.code) <= fatbin.MOST_STEPS
    assert all(code.size >= 0 and code.arch.isascii() for code in found.code)
    assert all(name.isascii() for name in found.needed)


def _made(data: bytes, patches: list[tuple[float, str, int]], left: float) -> bytes:
    for where, form, number in patches:
        new = struct.pack("<" + form, number % (1 << 8 * struct.calcsize(form)))
        at = int(where * len(data))
        data = data[:at] + new + data[at + len(new) :]
    return data[: int(left * len(data))]
