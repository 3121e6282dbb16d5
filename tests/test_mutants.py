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
fates = [*mutants.fates_of(name, lines, 2, 600), *mutants.fates_of(name, [endless], 1, 1)]
print(*sorted((mutant.line, fate) for mutant, fate in fates))
"""


def test_a_survivor_is_a_mutant_that_the_tests_let_live() -> None:
    """Two that no test sees (a comment, a docstring), one that all see, and one that never ends.

    Seen red with the timers of pytest-timeout, by which a busy machine kills.
    """
    path = {**os.environ, "PYTHONPATH": "benchmarks", "PYTEST_TIMEOUT": "0.000001"}
    done = subprocess.run([sys.executable, "-c", ONE_DIES], cwd=ROOT, env=path, capture_output=True, text=True)
    assert done.stdout == "(0, 'alive') (1, 'alive') (2, 'killed') (9, 'endless')\n", done.stderr


def test_what_a_module_may_take_does_not_grow_with_the_modules_before_it(
    mutants: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen red: an endless mutant of the last module had all the time of the others, five times."""
    used = iter((1000.0, 1003.0))
    monkeypatch.setattr(mutants, "_used", lambda: next(used))
    monkeypatch.setattr(mutants, "fates_of", lambda *given: zip(given[1], (mutants.KILLED, mutants.ALIVE), strict=True))

    assert mutants._limit("ci_gpu/payload/archs.py") == 10 + 5 * 3


AS_IT_WAS = 'LIMIT = 2\n\ndef f(x):\n    """Twice."""\n    return [LIMIT * x, ()]\n'


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ('"""What it is."""\nLIMIT = 2  # enough\n"""Why."""\ndef f(x): return [ LIMIT*x, () ]', True),
        (AS_IT_WAS.replace("2", "3"), False),
        (AS_IT_WAS.replace("()", "(x,)"), False),
        (AS_IT_WAS.replace("*", "+"), False),
        (AS_IT_WAS.replace("f(x)", "f(x=0)"), False),
        (AS_IT_WAS.replace("LIMIT * x", "x * LIMIT"), False),
    ],
)
def test_the_fingerprint_of_a_module_is_that_of_its_program_alone(mutants: ModuleType, source: str, same: bool) -> None:
    assert (mutants.fingerprint(source) == mutants.fingerprint(AS_IT_WAS)) is same


def test_the_fingerprint_is_the_same_in_every_python(mutants: ModuleType) -> None:
    """``ast.dump`` writes empty fields before 3.13, and 3.12 added some."""
    assert mutants.fingerprint(AS_IT_WAS) == "9a69cb24fb8b2257"


def test_a_module_that_changed_or_was_never_measured_is_told(mutants: ModuleType) -> None:
    codes = {name: mutants.fingerprint((ROOT / name).read_text()) for name in mutants.TESTS}
    record = {name: {"date": "2026-11-24", "code": code} for name, code in codes.items()}
    assert mutants.stale(record) == {}

    del record["ci_gpu/gpus.py"]
    record["ci_gpu/verdict.py"]["code"] = "0123456789abcdef"
    record["ci_gpu/policy.py"].pop("code")

    assert mutants.stale(record) == {
        "ci_gpu/verdict.py": "changed since 2026-11-24, when it was measured",
        "ci_gpu/gpus.py": "not measured",
        "ci_gpu/policy.py": "changed since 2026-11-24, when it was measured",
    }


def test_what_is_stale_is_listed_without_a_measurement() -> None:
    command = [sys.executable, "benchmarks/mutants.py", "--stale"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mutants killed" not in done.stdout


def test_nine_of_ten_mutants_on_record_are_killed_and_each_survivor_was_read() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "mutants.json").read_text())

    assert record
    for name, result in record.items():
        assert result["killed"] == result["mutants"] - len(result["survivors"]), name
        assert result["killed"] >= 0.9 * result["mutants"], name
        assert [one["was"] for one in result["survivors"] if not one["reading"]] == [], name
