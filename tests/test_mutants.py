"""Mutation testing names its modules and their tests, makes the mutants that it says, and tells which survive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.needs import module

ROOT = Path(__file__).parent.parent
JUDGING = ("compare", "changes")


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import mutants

    return mutants


def becomes(mutants: ModuleType, source: str) -> set[str]:
    module("cosmic_ray", "cosmic-ray")
    return {mutant.becomes for mutant in mutants.mutants_of(source)}


def test_every_module_that_judges_is_in_the_table(mutants: ModuleType) -> None:
    judging = {path for package in JUDGING for path in (ROOT / "ci_gpu" / package).glob("*.py")}
    assert {str(path.relative_to(ROOT)) for path in judging} <= set(mutants.TESTS)


def test_what_the_table_names_is_there(mutants: ModuleType) -> None:
    named = {path for name, tests in mutants.TESTS.items() for path in (name, *tests)}
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_a_comparison_becomes_its_opposite_and_its_neighbour(mutants: ModuleType) -> None:
    assert becomes(mutants, "low = x < y") == {"low = x <= y", "low = x >= y"}


def test_a_version_in_a_string_is_emptied_and_made_newer(mutants: ModuleType) -> None:
    assert becomes(mutants, "first = '450.51.09'") == {'first = ""', "first = '450.51.10'"}


def test_what_nothing_evaluates_is_left_alone(mutants: ModuleType) -> None:
    signature = "def f(y: 'a | b', *, z: u) -> 'c | d': pass"
    assert becomes(mutants, f"'''What it is for.'''\nlimit: int | None = x\n{signature}") == set()


def test_a_module_that_no_tests_are_named_for_is_refused_with_the_known_ones() -> None:
    command = [sys.executable, "benchmarks/mutants.py", "ci_gpu/cli.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "ci_gpu/verdict.py" in done.stderr


ONE_DIES = """
import pathlib, mutants
name = "ci_gpu/payload/archs.py"
source = pathlib.Path(name).read_text()
texts = (source + "# seen by none", source.replace("never on another", ""), "raise SystemError")
lines = [mutants.Mutant(number, "", "", text) for number, text in enumerate(texts)]
endless = mutants.Mutant(9, "", "", source + "while True: pass")
living = [*mutants.survivors(name, lines, 2, 600), *mutants.survivors(name, [endless], 1, 1)]
print(sorted(mutant.line for mutant in living))
"""


def test_a_survivor_is_a_mutant_that_the_tests_let_live() -> None:
    """Two that no test sees (a comment, a docstring), one that all see, and one that never ends."""
    path = {**os.environ, "PYTHONPATH": "benchmarks"}
    done = subprocess.run([sys.executable, "-c", ONE_DIES], cwd=ROOT, env=path, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[0, 1]\n", 0), done.stderr


def test_nine_of_ten_mutants_on_record_are_killed_and_each_survivor_was_read() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "mutants.json").read_text())

    assert record
    for name, result in record.items():
        assert result["killed"] == result["mutants"] - len(result["survivors"]), name
        assert result["killed"] >= 0.9 * result["mutants"], name
        assert [one["was"] for one in result["survivors"] if not one["reading"]] == [], name
