"""The GPU code of an object: as cuobjdump lists it for all that nvcc makes, and an error value for what is hostile."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import fatbins
from ci_gpu.payload import elf as elves
from ci_gpu.payload import fatbin
from tests.elves import elf, entry
from tests.elves import fatbin as binary
from tests.needs import program
from tests.nvcc import gencode, made, run, shared

CODE = binary(entry(2, 90), entry(1, 90))
FORMS = {
    "machine code and PTX": (("sm_80", "sm_90", "compute_90"), ()),
    "exactly this GPU": (("sm_90a", "sm_103a", "compute_110a"), ()),
    "a family": (("sm_100f", "sm_121f", "compute_120f"), ()),
    "not compressed": (("sm_75", "compute_75"), ("-no-compress",)),
    "balanced": (("sm_110", "compute_88"), ("--compress-mode=balance",)),
    "with debug information": (("sm_86", "compute_86"), ("-G", "-g")),
}


def same_as_cuobjdump(path: Path) -> fatbin.Carried:
    """What is read, after cuobjdump has told the same in both of its ways."""
    assert fatbins.compared(path, fatbins.cuobjdump())["cuobjdump"] == "the same"
    return fatbin.read(str(path))


def archs(found: fatbin.Carried) -> set[str]:
    return {code.arch for code in found.code}


@pytest.mark.parametrize("form", FORMS)
def test_a_shared_object_is_read_as_cuobjdump_reads_it(form: str, tmp_path: Path) -> None:
    architectures, options = FORMS[form]
    found = same_as_cuobjdump(shared(tmp_path / "k.so", *gencode(*architectures), *options))

    assert (archs(found), found.error) == (set(architectures), "")
    assert any(name.startswith("libcudart.so.13") for name in found.needed)


@pytest.mark.parametrize("mode", ["size", "speed", "none"])
def test_how_code_is_compressed_is_told(mode: str, tmp_path: Path) -> None:
    path = made(tmp_path / "k.fatbin", "-fatbin", f"--compress-mode={mode}", *gencode("sm_90", "compute_90"))
    ptx = next(code for code in same_as_cuobjdump(path).code if code.kind == fatbin.PTX)
    data = path.read_bytes()[ptx.offset : ptx.offset + ptx.size]

    assert ptx.compression == {"size": fatbin.ZSTD, "speed": fatbin.LZ4, "none": ""}[mode]
    assert data.startswith(b"\x28\xb5\x2f\xfd") == (mode == "size"), "the magic number of Zstandard, RFC 8878"
    assert data.isascii() == (mode == "none")


def test_a_difference_from_cuobjdump_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shared(tmp_path / "k.so", *gencode("sm_90a"))
    monkeypatch.setattr(fatbin, "_EXACT", 0)

    assert fatbins.compared(path, fatbins.cuobjdump())["cuobjdump"].startswith("differs: only ours")


def test_code_that_is_still_to_be_linked_is_told_apart(tmp_path: Path) -> None:
    """Separable compilation: both sections, several fat binaries in one, and what the device linker made of them."""
    options = ("-Xcompiler", "-fPIC", *gencode("sm_80", "sm_90", "compute_90"))
    first = made(tmp_path / "a.o", "-dc", *options, source="__device__ int f(int);__global__ void k(int *x){*x=f(*x);}")
    second = made(tmp_path / "b.o", "-dc", *options, source="__device__ int f(int x) { return x * 7; }")
    linked = run(tmp_path / "l.o", "-dlink", *options, str(first), str(second))
    path = tmp_path / "all.so"
    argv = [program("g++"), "-shared", "-Wl,--unresolved-symbols=ignore-all", "-o", path, first, second, linked]
    subprocess.run(argv, check=True, capture_output=True)
    found = same_as_cuobjdump(path)

    assert Counter((code.arch, code.relocatable) for code in found.code) == {
        **{(name, True): 2 for name in ("sm_80", "sm_90", "compute_90")},
        **{(name, False): 1 for name in ("sm_80", "sm_90")},
    }
    assert {code.relocatable for code in same_as_cuobjdump(first).code} == {True}


def test_code_for_a_later_link_is_neither_machine_code_nor_ptx(tmp_path: Path) -> None:
    path = made(tmp_path / "k.fatbin", "-fatbin", *gencode("sm_80", "lto_90"))

    assert Counter((code.kind, code.arch) for code in same_as_cuobjdump(path).code) == {
        (fatbin.SASS, "sm_80"): 1,
        (fatbin.LTO, "lto_90"): 1,
    }


def test_an_object_of_32_bits_is_read_as_cuobjdump_reads_it(tmp_path: Path) -> None:
    """objcopy puts a true fat binary into it, because nvcc makes none any more."""
    path = made(tmp_path / "k.fatbin", "-fatbin", *gencode("sm_80", "compute_90"))
    narrow = tmp_path / "k.o"
    options = ["-I", "binary", "-O", "elf32-i386", "--rename-section", ".data=.nv_fatbin"]
    subprocess.run([program("objcopy"), *options, path, narrow], check=True)

    assert narrow.read_bytes()[4] == 1
    assert fatbin.read(str(narrow)).code[0].arch == "sm_80"
    assert Counter(archs(fatbin.read(str(narrow)))) == Counter(archs(fatbin.read(str(path))))


def test_an_object_without_gpu_code_has_none(tmp_path: Path) -> None:
    (tmp_path / "k.c").write_text("int f(void) { return 1; }")
    path = tmp_path / "k.so"
    argv = [program("cc"), "-shared", "-Wl,--no-as-needed", "-o", path, tmp_path / "k.c", "-lm"]
    subprocess.run(argv, check=True)
    found = same_as_cuobjdump(path)

    assert (found.code, found.error) == ((), "")
    assert found.needed == ("libm.so.6", "libc.so.6")


def test_what_a_linker_takes_away_does_not_matter(tmp_path: Path) -> None:
    path = shared(tmp_path / "k.so", *gencode("sm_90a"))
    before = fatbin.read(str(path))
    subprocess.run([program("strip"), path], check=True)

    assert archs(same_as_cuobjdump(path)) == archs(before)
    assert fatbin.read(str(path)).needed == before.needed


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_width_and_order_of_bytes(wide: bool, order: str, tmp_path: Path) -> None:
    data = elf([(b".text", b"x"), (b".nv_fatbin", CODE)], ["libtorch.so", "libcudart.so.12"], wide, order)
    found = read(tmp_path, data)

    assert (archs(found), found.needed, found.error) == (
        {"sm_90", "compute_90"},
        ("libtorch.so", "libcudart.so.12"),
        "",
    )


def test_addresses_are_not_offsets(tmp_path: Path) -> None:
    assert read(tmp_path, elf([], ["libtorch.so"], base=0x400000)).needed == ("libtorch.so",)


def test_the_names_of_very_many_sections_are_found(tmp_path: Path) -> None:
    """e_shstrndx has 16 bits: where they do not do, it is 0xffff, and sh_link of section 0 says it."""
    data = section(CODE)
    at = len(data) - 4 * 64
    moved = patched(patched(data, 62, "H", 0xFFFF), at + 40, "I", struct.unpack_from("<H", data, 62)[0])

    assert archs(read(tmp_path, moved)) == {"sm_90", "compute_90"}


def test_a_file_of_debug_information_has_no_code(tmp_path: Path) -> None:
    """It has the header of each section of its object, and the bytes of few."""
    path = shared(tmp_path / "k.so", *gencode("sm_90"))
    subprocess.run([program("objcopy"), "--only-keep-debug", path, tmp_path / "k.so.debug"], check=True)

    assert fatbin.read(str(path)).code
    assert fatbin.read(str(tmp_path / "k.so.debug")) == fatbin.Carried()


def test_zeros_between_fat_binaries_are_passed_over(tmp_path: Path) -> None:
    section = binary(entry(2, 80)) + bytes(5000) + binary(entry(2, 90)) + bytes(9)

    assert [code.arch for code in read(tmp_path, elf([(b".nv_fatbin", section)])).code] == ["sm_80", "sm_90"]


def test_an_entry_of_a_kind_that_is_not_known_keeps_its_number(tmp_path: Path) -> None:
    found = read(tmp_path, elf([(b".nv_fatbin", binary(entry(64, 100), entry(16, 100)))]))

    assert [(code.kind, code.arch) for code in found.code] == [("64", "64_100"), (fatbin.SASS, "sm_100")]


def read(folder: Path, data: bytes) -> fatbin.Carried:
    (folder / "k.so").write_bytes(data)
    return fatbin.read(str(folder / "k.so"))


def section(data: bytes) -> bytes:
    return elf([(b".nv_fatbin", data)])


def patched(data: bytes, offset: int, form: str, *values: int) -> bytes:
    new = struct.pack("<" + form, *values)
    return data[:offset] + new + data[offset + len(new) :]


WHOLE = section(CODE)
FIRST = len(WHOLE) - 3 * 64
"""Where the header of its first section is, the one with GPU code; then come the names of sections, and the strings."""

STRINGS, NO_STRINGS = struct.pack("<QQQ", 1, 1, 5), struct.pack("<QQQ", 1, 1, 21)  # DT_STRTAB becomes DT_DEBUG
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "ends at 0"),
    "no ELF": (b"#!/bin/sh\nexit 0 # and more", "is no ELF file"),
    "cut in its header": (WHOLE[:40], "ends at 40"),
    "cut before its sections": (WHOLE[:-1], "ends at"),
    "no width that there is": (patched(WHOLE, 4, "B", 7), "is no ELF file"),
    "sections beyond its end": (patched(WHOLE, 40, "Q", 1 << 63), "ends at"),
    "2**40 sections": (patched(patched(WHOLE, 60, "H", 0), len(WHOLE) - 4 * 64 + 32, "Q", 1 << 40), "sections"),
    "section headers of one byte": (patched(WHOLE, 58, "H", 1), "section headers of 1 bytes"),
    "names in a section that is not there": (patched(WHOLE, 62, "H", 9), "does not have"),
    "program headers beyond its end": (patched(WHOLE, 32, "Q", (1 << 64) - 1), "ends at"),
    "program headers of one byte": (patched(WHOLE, 54, "H", 1), "program headers of 1 bytes"),
    "no fat binary": (section(b"\1" * 64), "no fat binary of a known form"),
    "half a fat binary": (section(CODE[:80]), "after its section's end"),
    "an entry that ends nowhere": (section(binary(patched(entry(2, 90), 8, "Q", (1 << 64) - 1))), "ends after"),
    "an entry whose header has no bytes": (section(binary(patched(entry(2, 90), 4, "I", 0))), "ends after"),
    "a fat binary that ends nowhere": (section(patched(CODE, 8, "Q", (1 << 64) - 1)), "after its section's end"),
    "a fat binary whose header has no bytes": (section(patched(CODE, 6, "H", 0)), "no fat binary"),
    "a fat binary of a later form": (section(patched(CODE, 4, "H", 2)), "no fat binary"),
    "an entry whose header is too short": (
        section(binary(entry(2, 90, header=48)[:48].replace(b"\x30", b"\x28", 1))),
        "ends",
    ),
    "GPU code that is compressed as a section": (patched(WHOLE, FIRST + 8, "Q", 0x800), "which nothing loads"),
    "names of sections that are not in the file": (patched(WHOLE, FIRST + 64 + 4, "I", 8), "names of sections"),
    "gigabytes of names of sections": (patched(WHOLE, FIRST + 64 + 32, "Q", 1 << 33), "names of sections"),
    "a needed library whose name does not end": (elf([], ["a" * 300]), "name does not end"),
    "needed libraries without their names": (elf([], ["a"]).replace(STRINGS, NO_STRINGS, 1), "has no names"),
    "more needed libraries than there are": (elf([], ["a"] * 1001), "more than 1000"),
    "a table for the loader of gigabytes": (patched(WHOLE, 64 + 2 * 56 + 32, "Q", 1 << 33), "for the loader"),
}


@pytest.mark.attack
@pytest.mark.parametrize("case", HOSTILE)
def test_a_broken_object_is_an_error_value(case: str, tmp_path: Path) -> None:
    """An image carries a broken object in the place of an extension: it is told as one that cannot be read."""
    data, words = HOSTILE[case]
    found = read(tmp_path, data)

    assert words in found.error


def test_what_came_before_an_error_is_kept(tmp_path: Path) -> None:
    found = read(tmp_path, section(binary(entry(2, 80)) + b"rubbish" + bytes(64)))

    assert ([code.arch for code in found.code], bool(found.error)) == (["sm_80"], True)


@pytest.mark.attack
def test_an_object_that_is_cut_anywhere_is_an_error_value(tmp_path: Path) -> None:
    """An image carries an extension that was cut short: wherever that was, it is an error value and no crash."""
    data = elf([(b".nv_fatbin", CODE)], ["libtorch.so"])
    path = tmp_path / "k.so"
    whole = read(tmp_path, data)

    for length in range(len(data) - 1, -1, -1):
        os.truncate(path, length)
        found = fatbin.read(str(path))
        assert found.error, length
        assert set(found.code) <= set(whole.code)


def _empty_entries(count: int) -> bytes:
    return binary(entry(2, 90, size=0, header=48) * count)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each read of a file."""
    sizes: list[int] = []
    pread = os.pread

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(elves.os, "pread", counted)
    return sizes


HUGE = 1 << 40


def sparse(path: Path, start: bytes) -> None:
    """A file whose section of GPU code never ends: after its first bytes come zeros that take no place on the disk."""
    body, rows = WHOLE[: FIRST - 64], WHOLE[FIRST - 64 :]
    rows = patched(rows, 64 + 24, "QQ", len(body), HUGE - len(body))
    path.write_bytes(patched(body, 40, "Q", HUGE) + start)
    with path.open("r+b") as file:
        file.seek(HUGE)
        file.write(rows)


@pytest.mark.attack
@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"", "not end within 1000 headers"),
        (binary(entry(2, 90)), "not end within 1000 headers"),
        (binary() * 2000, "not end within 1000 headers"),
        (patched(binary(entry(2, 90)), 8, "Q", HUGE - 4096), "an entry of GPU code"),
        (binary(entry(2, 90))[:16] + bytes(100), "after its fat binary's end"),
    ],
    ids=["zeros", "an entry, then zeros", "fat binaries without entries", "a fat binary of zeros", "an entry of zeros"],
)
def test_a_file_of_a_tebibyte_takes_few_reads(
    start: bytes, words: str, reads: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image carries an object whose GPU code never ends: after so many headers, reading ends with an error value."""
    monkeypatch.setattr(fatbin, "MOST_STEPS", 1000)
    sparse(tmp_path / "k.so", start)
    found = fatbin.read(str(tmp_path / "k.so"))

    assert words in found.error
    assert len(reads) < 2100
    assert sum(reads) < 1 << 24


@pytest.mark.attack
def test_entries_without_end_are_an_error_value(
    reads: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image carries an object with millions of entries, and many sections that show it anew: there is one limit."""
    monkeypatch.setattr(fatbin, "MOST_STEPS", 1000)
    found = read(tmp_path, elf([(b".nv_fatbin", _empty_entries(400))] * 5))

    assert "not end within 1000" in found.error
    assert len(reads) < 1100
    assert 800 < len(found.code) <= 1000


@pytest.mark.attack
def test_one_table_for_the_loader_is_read(reads: list[int], tmp_path: Path) -> None:
    """An image carries an object with thousands of program headers that show one large table: it is read once."""
    data = elf([], ["libtorch.so"])
    rows = data[64 : 64 + 3 * 56]
    many = patched(patched(data, 32, "Q", len(data)), 56, "H", 60_000) + rows + rows[-56:] * 59_997
    found = read(tmp_path, many)

    assert (found.needed, found.error) == (("libtorch.so",), "")
    assert len(reads) < 12


@pytest.mark.attack
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_an_error_value(make: Callable[[Path], None], tmp_path: Path) -> None:
    """An image has a pipe, a folder or a link to itself under the name of an extension: nothing waits for it."""
    make(tmp_path / "k.so")

    assert fatbin.read(str(tmp_path / "k.so")).error


def test_a_file_that_is_not_there_is_an_error_value(tmp_path: Path) -> None:
    assert "No such file" in fatbin.read(str(tmp_path / "k.so")).error
    assert fatbin.read("k\0.so").error


@pytest.mark.attack
def test_a_file_that_shrinks_while_it_is_read_is_an_error_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of the image's cuts an object short while it is read: an error value, where a memory map is SIGBUS."""
    path = tmp_path / "k.so"
    path.write_bytes(WHOLE)
    pread = os.pread

    def cut(descriptor: int, size: int, offset: int) -> bytes:
        os.truncate(path, 100)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(elves.os, "pread", cut)

    assert "was cut short" in fatbin.read(str(path)).error


def test_only_headers_are_read(reads: list[int], tmp_path: Path) -> None:
    """A library of gigabytes is not read, and not taken into memory."""
    code = binary(entry(2, 80, size=1 << 24), entry(2, 90, size=1 << 24))
    found = read(tmp_path, elf([(b".nv_fatbin", code)], ["libtorch.so"]))

    assert archs(found) == {"sm_80", "sm_90"}
    assert sum(reads) < 10_000


def test_it_runs_alone(tmp_path: Path) -> None:
    """As it travels: without torch, and without a module of ours but its two."""
    (tmp_path / "k.so").write_bytes(WHOLE)
    code = (
        "import sys; from ci_gpu.payload import fatbin; "
        "print(fatbin.read(sys.argv[1]).code[0].arch, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "k.so"], check=True, capture_output=True, text=True)

    assert done.stdout.split() == ["sm_90", "False"]
