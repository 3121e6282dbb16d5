"""Each double is listed in DOUBLES.md with the public source of what it does, and nothing else is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.git_data import GitData

HERE = Path(__file__).parent
LIST = HERE / "DOUBLES.md"
LIBRARIES = sorted(HERE.rglob("*.c"))
ROWS = [line for line in LIST.read_text("utf-8").splitlines() if line.startswith("| ") and not line.startswith("|---")]
HEADS = ("| function |", "| double |", "| endpoint |")


def defined(path: Path) -> set[str]:
    """The functions of NVIDIA's libraries that a stand-in has."""
    return set(re.findall(r"^int ((?:nvml|cu)[A-Z]\w*)\(", path.read_text("utf-8"), flags=re.MULTILINE))


def listed() -> set[str]:
    return set(re.findall(r"`((?:nvml|cu)[A-Z]\w*)`", "\n".join(row.split("|")[1] for row in ROWS)))


@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: path.name)
def test_every_function_of_a_library_is_listed(path: Path) -> None:
    assert defined(path)
    assert defined(path) - listed() == set()


def test_no_row_is_of_a_function_that_no_double_has() -> None:
    assert listed() - set().union(*map(defined, LIBRARIES)) == set()


def test_every_endpoint_of_git_data_is_listed() -> None:
    handlers = {name for name in vars(GitData) if re.fullmatch("_(get|post|patch)_[a-z]+", name)}
    text = LIST.read_text("utf-8")

    assert handlers
    assert [name for name in sorted(handlers) if "`{1} {2}`".format(*_words(name)) not in text] == []


def _words(handler: str) -> tuple[str, str, str]:
    _, method, noun = handler.split("_")
    return handler, method.upper(), noun


def test_every_row_has_a_source_or_is_marked_as_a_guess() -> None:
    sources = {row: row.split("|")[3] for row in ROWS if not row.startswith(HEADS)}
    known = re.compile(r"https://|\[header\]|\[driver\]|\*\*guess\*\*|`containers/`|recorded from")

    assert len(sources) > 30
    assert [row for row, source in sources.items() if not known.search(source)] == []


def test_every_file_that_is_named_is_there() -> None:
    named = re.findall(r"`((?:\w+/)*\w+\.(?:c|py))`", LIST.read_text("utf-8"))

    assert named
    assert [name for name in named if not (HERE / name).exists() and not (HERE.parent / name).exists()] == []
