"""The tables of docs/security.md, from the docstrings of the tests that are marked `attack`.

    python -m tests.threats            # writes them

The docstring of such a test says who does what and what would come of it; its last sentence, or what is behind its last
colon or semicolon, says what stops it.
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
    "pull request": (
        "action/test_isolation.py",
        "compare/test_margins.py",
        "test_bounded_config.py",
        "test_check_file.py",
        "test_credentials.py",
        "test_files.py",
        "test_pull_request_policy.py",
        "test_releases.py",
    ),
    "report": (
        "action/test_fork_safe.py",
        "compare/test_side_by_side.py",
        "reports",
        "test_forged_reports.py",
    ),
    "image": (
        "compare/test_failures.py",
        "engines",
        "fuzz",
        "payload",
        "test_benchmark_attacks.py",
        "test_budget.py",
        "test_diagnosis.py",
        "test_floods.py",
        "test_many.py",
        "test_sinks.py",
        "test_spoken_commands.py",
        "test_startup.py",
        "test_trial.py",
        "test_verdict.py",
    ),
    "network": (
        "containers/test_credentials.py",
        "test_fetch.py",
        "test_hostile_answers.py",
        "test_http_client.py",
        "test_pull.py",
        "test_registry.py",
        "test_tags.py",
        "test_telling.py",
    ),
    "neighbour": (
        "containers/test_lives.py",
        "github",
        "history",
        "test_containers.py",
        "test_process.py",
        "test_streams.py",
    ),
}
"""Which files, or folders, hold the attacks that come in by a way. A file belongs to one."""

MARK = "mark.attack"
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\d])")
CLAUSE = re.compile(r"[:;] (?!.*[:;] )")


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
    return [attack for path in files if MARK in (text := path.read_text()) for attack in _in(path, text)]


def way_of(path: str) -> str:
    """The way in of the attacks in a file of ``tests``; raises where it has none, or two."""
    ways = [way for way, places in WAYS.items() if any(Path(path).is_relative_to(place) for place in places)]
    if len(ways) != 1:
        raise ValueError(f"{path} has attacks and stands in WAYS {len(ways)} times")
    return ways[0]


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
    """The attack and the defence; raises ``ValueError`` where there is only one of them."""
    text = " ".join(docstring.split())
    *attack, defence = SENTENCE.split(text)
    if not attack:
        *attack, defence = CLAUSE.split(text)
    if not attack:
        raise ValueError(f"{where}: its docstring says no attack, or not what stops it")
    told = " ".join(attack)
    return told if told.endswith((".", "!", "?")) else f"{told}.", f"{defence[:1].upper()}{defence[1:]}"


def _in(path: Path, text: str) -> Iterator[Attack]:
    body = ast.parse(text).body
    whole = any("pytestmark" in each and MARK in each for each in map(ast.unparse, body))
    for test in (node for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")):
        if whole or any(MARK in ast.unparse(decorator) for decorator in test.decorator_list):
            yield _attack(path.relative_to(TESTS).as_posix(), test)


def _attack(path: str, node: ast.FunctionDef) -> Attack:
    return Attack(path, node.name, *sentences(ast.get_docstring(node) or "", f"{path}::{node.name}"))


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
