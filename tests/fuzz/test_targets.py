"""Each target of the fuzzer stands what it once did not stand, and some inputs more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import fuzz

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fuzzer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import fuzz as fuzzer

    return fuzzer


@pytest.mark.attack
@pytest.mark.parametrize("name", fuzz.names())
def test_what_was_kept_is_no_crash(name: str) -> None:
    """An input that once crashed a reader of foreign data comes again: it is answered or ends as a documented error."""
    target = fuzz.load(name)
    for value in target.KEPT:
        _tried(target, value)


@pytest.mark.attack
@pytest.mark.parametrize("name", fuzz.names())
def test_any_input_is_an_answer_or_a_documented_error(name: str) -> None:
    """A stranger sends anything to a reader of foreign data: it is answered or ends as a documented error."""
    target = fuzz.load(name)

    @settings(max_examples=50, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(target.INPUTS)
    def some(value: object) -> None:
        _tried(target, value)

    some()


def _tried(target: fuzz.Target, value: object) -> None:
    try:
        target.attempt(value)
    except target.DOCUMENTED:
        return


class Planted:
    """A target that divides by what it is given, and sometimes never ends."""

    INPUTS = st.integers(-5, 5)
    DOCUMENTED = (KeyError,)
    KEPT = ()

    def attempt(self, value: int) -> float:
        if value == 3:
            raise KeyError(value)
        if value == 4:
            raise LookupError(value)
        return 1 / value


def test_the_fuzzer_finds_each_crash_once_with_its_smallest_input(fuzzer: ModuleType) -> None:
    found = fuzzer.fuzzed(Planted(), seconds=60.0, seed=1, rounds=4)

    assert sorted((crash["error"].partition(":")[0], crash["input"]) for crash in found["crashes"]) == [
        ("LookupError", "4"),
        ("ZeroDivisionError", "0"),
    ]
    assert found["inputs"] > 0


def test_the_fuzzer_calls_what_takes_too_long_a_crash(fuzzer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzer, "SLOWEST", -1.0)
    found = fuzzer.fuzzed(Planted(), seconds=60.0, seed=1, rounds=4)

    assert any(crash["error"].startswith("TooSlow") for crash in found["crashes"])


def test_the_command_writes_what_it_tried(tmp_path: Path) -> None:
    output = tmp_path / "tags.json"
    argv = [sys.executable, "benchmarks/fuzz.py", "tags", "--minutes", "0.02", "--output", str(output)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    written = json.loads(output.read_text())

    assert done.returncode == 0, done.stdout + done.stderr
    assert (written["target"], written["crashes"]) == ("tags", [])
    assert written["inputs"] > 0
    assert "inputs tried" in done.stdout


def test_a_result_on_record_is_of_a_target_and_of_ten_minutes_without_a_crash() -> None:
    for path in ROOT.glob("benchmarks/results/fuzz/*.json"):
        written = json.loads(path.read_text())

        assert written["target"] == path.stem
        assert path.stem in fuzz.names()
        assert written["minutes"] >= 10
        assert written["crashes"] == []
