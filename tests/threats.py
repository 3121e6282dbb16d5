"""The tables of docs/security.md, from the docstrings of the tests that are marked `attack`.

    python -m tests.threats            # writes them

The docstring of such a test says who does what and what would come of it; its last sentence says what stops it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/security.md"

WAYS: dict[str, tuple[str, ...]] = {
    "pull request": ("test_credentials.py", "test_files.py"),
    "report": ("test_forged_reports.py", "reports", "compare/test_side_by_side.py"),
    "image": ("test_trial.py", "test_verdict.py", "compare/test_failures.py"),
    "network": ("test_registry.py",),
    "neighbour": ("history",),
}
"""Which files, or folders, hold the attacks that come in by a way. A file belongs to one."""

SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\d])")


class Attack(msgspec.Struct, frozen=True):
    """One test: ``attack`` and ``defence`` are what its docstring says."""

    path: str
    name: str
    attack: str
    defence: str

    def __str__(self) -> str:
        link = f"[`{Path(self.path).name}`](../tests/{self.path})"
        return f"| {_cell(self.attack)} | {_cell(self.defence)} | {link} `{self.name}` |"


def attacks() -> list[Attack]:
    """All of them, by file and line."""
    files = sorted(TESTS.rglob("test_*.py"))
    return [attack for path in files if "mark.attack" in (text := path.read_text()) for attack in _in(path, text)]


def way_of(path: str) -> str:
    """The way in of the attacks in a file of ``tests``; raises where it has none, or two."""
    (way,) = (way for way, places in WAYS.items() if any(Path(path).is_relative_to(place) for place in places))
    return way


def written(page: str) -> str:
    """The page with its tables as the tests give them."""
    found = attacks()
    for way in WAYS:
        rows = "\n".join(str(each) for each in found if way_of(each.path) == way)
        begin, end = f"<!-- {way}: begin -->\n", f"<!-- {way}: end -->"
        table = f"| Attack | What stops it | Test |\n|---|---|---|\n{rows}\n"
        head, tail = page.partition(begin)[0], page.partition(end)[2]
        page = f"{head}{begin}{table}{end}{tail}"
    return page


def sentences(docstring: str, where: str) -> tuple[str, str]:
    """The attack, and its last sentence, the defence; raises ``ValueError`` where there is only one."""
    *attack, defence = SENTENCE.split(" ".join(docstring.split()))
    if not attack:
        raise ValueError(f"{where}: its docstring says no attack, or not what stops it")
    return " ".join(attack), defence


def _in(path: Path, text: str) -> Iterator[Attack]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and any("mark.attack" in ast.unparse(one) for one in node.decorator_list):
            yield _attack(path.relative_to(TESTS).as_posix(), node)


def _attack(path: str, node: ast.FunctionDef) -> Attack:
    return Attack(path, node.name, *sentences(ast.get_docstring(node) or "", f"{path}::{node.name}"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
