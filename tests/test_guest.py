"""The true payload over the true wire, in this interpreter: what misbehaves costs itself alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_gpu import catalogue, engines, guest
from ci_gpu.job import Job
from ci_gpu.payload.wire import CheckResult, Environment, Event, Finished, Hello, Started
from ci_gpu.startup import Ending
from ci_gpu.transcript import Transcript
from tests.needs import module
from tests.processes import ends

module("torch")

FAULTS = Path(__file__).with_name("faults.py").read_text()
HANGS = Path(__file__).with_name("hangs.py").read_text()


class Recorder:
    """Remembers what a watch is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.lines: list[str] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def log(self, line: str) -> None:
        self.lines.append(line)

    def note(self, text: str) -> None:
        pass


def visit(source: str, *, wanted: tuple[str, ...] = (), **changes: object) -> guest.Visit:
    """A visit of the local engine with one file of checks, ``faults``."""
    checks = catalogue.select(catalogue.read({"faults": source}), wanted)
    settings: dict[str, object] = {
        "engine": engines.load("local"),
        "job": Job(image="", name="", labels=()),
        "run": "test",
        "device": "cpu",
        "checks": checks,
        "timeout": 60,
        "user_sources": {"faults": source},
    }
    return guest.Visit(**{**settings, **changes})


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def answers(recorder: Recorder) -> guest.Answers:
    both = {"hangs": HANGS, "faults": FAULTS}
    return guest.examine(visit("", checks=catalogue.read(both), user_sources=both), recorder)


@pytest.fixture(scope="module")
def results(answers: guest.Answers) -> dict[str, CheckResult]:
    return {result.check.partition(".")[2]: result for result in answers.results}


def test_every_check_has_its_own_ending(results: dict[str, CheckResult]) -> None:
    endings = {name: (result.outcome, result.kind) for name, result in results.items()}

    assert endings == {
        "passes": ("passed", ""),
        "measures": ("passed", ""),
        "fails": ("failed", "wrong"),
        "skips": ("skipped", "not-applicable"),
        "raises": ("error", "exception"),
        "yields_nothing": ("error", "no-evidence"),
        "yields_rubbish": ("error", "bad-check"),
        "measures_without_unit": ("error", "bad-check"),
        "calls_exit": ("error", "exception"),
        "leaves_at_once": ("error", "exit"),
        "leaves_in_silence": ("error", "exit"),
        "crashes": ("error", "crash"),
        "is_killed": ("error", "killed"),
        "hangs": ("error", "timeout"),
        "leaves_a_process": ("passed", ""),
        "prints_without_end": ("passed", ""),
        "prints_commands": ("passed", ""),
        "prints_binary": ("passed", ""),
        "kills_the_supervisor": ("error", "container-died"),
        "after_all": ("passed", ""),
    }


def test_the_run_as_a_whole_did_not_fail(answers: guest.Answers) -> None:
    assert answers.failure is None


def test_the_environment_is_told_first_and_names_the_torch_that_ran(recorder: Recorder, answers: guest.Answers) -> None:
    import torch

    assert [type(event) for event in recorder.events[:3]] == [Hello, Environment, Started]
    assert answers.environment is not None
    assert answers.environment.torch == torch.__version__


def test_what_was_found_before_a_failure_is_kept(results: dict[str, CheckResult]) -> None:
    failed = results["fails"]

    assert [(fact.name, fact.value) for fact in failed.facts] == [("before", 1), ("beside", 2)]
    assert (failed.message, failed.hint) == ("it is wrong", "mend it")


def test_a_number_that_is_none_crosses_the_border_as_null(results: dict[str, CheckResult]) -> None:
    assert results["measures"].metrics[0].samples == (1.0, None, None)


def test_a_traceback_is_in_the_log_of_the_check_that_raised(results: dict[str, CheckResult]) -> None:
    assert "ValueError: a planted exception" in results["raises"].log
    assert "Traceback" in results["raises"].log
    assert "Traceback" not in results["passes"].log


def test_each_check_has_its_own_words_in_its_log(results: dict[str, CheckResult]) -> None:
    assert results["passes"].log == "a word of its own\n"


def test_a_signal_is_named(results: dict[str, CheckResult]) -> None:
    assert results["crashes"].message == "died from signal 11 (SIGSEGV)"


def test_a_hang_is_cut_off_at_its_own_time_out(results: dict[str, CheckResult]) -> None:
    assert 1 <= results["hangs"].seconds < 300  # the others' time-out


def test_a_process_that_a_check_leaves_behind_is_gone(results: dict[str, CheckResult]) -> None:
    pid = results["leaves_a_process"].facts[0].value

    assert ends(str(pid))


def test_a_log_keeps_its_tail_within_bounds(results: dict[str, CheckResult]) -> None:
    log = results["prints_without_end"].log

    assert len(log) == 64 << 10
    assert set(log) == {"x", "\n"}


def test_a_check_that_prints_without_end_does_not_fill_the_host(recorder: Recorder) -> None:
    assert sum(len(line) for line in recorder.lines) < 3_000_000
    assert any("prints too much" in line for line in recorder.lines)


def test_half_a_line_of_the_image_swallows_no_event(recorder: Recorder) -> None:
    finished = [event.result.check for event in recorder.events if isinstance(event, Finished)]

    assert "faults.prints_commands" in finished
    assert "faults.prints_binary" in finished


def test_after_a_death_a_fresh_start_goes_on_where_the_old_one_ended(recorder: Recorder) -> None:
    starts = [index for index, event in enumerate(recorder.events) if isinstance(event, Hello)]
    first_after_death = recorder.events[starts[1] + 2]

    assert len(starts) == 2
    assert first_after_death == Started("faults.after_all")


def test_without_torch_there_is_one_clear_failure(tmp_path: Path) -> None:
    bare = visit(FAULTS, pythons=("/usr/bin/python3",))
    if not Path("/usr/bin/python3").exists():
        pytest.skip("there is no other interpreter here")
    answers = guest.examine(bare, Recorder())

    assert answers.failure is not None
    assert (answers.failure.kind, answers.failure.exit_code) == ("no-torch", 4)
    assert answers.results == ()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "torch-broken"),
        ("import os; os.abort()", "torch-broken"),
    ],
)
def test_a_torch_that_cannot_be_imported_is_told_apart(tmp_path: Path, code: str, kind: str) -> None:
    (tmp_path / "torch.py").write_text(code)
    answers = guest.examine(visit(FAULTS, env={"PYTHONPATH": str(tmp_path)}), Recorder())

    assert answers.failure is not None
    assert (answers.failure.kind, answers.failure.exit_code) == (kind, 4)


def test_a_check_that_forges_results_is_found_out() -> None:
    forger = """
import os, sys
EVENT = '{"event": "finished", "result": {"check": "faults.other", "outcome": "passed"}}'
def check_forges(device):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, ("\\n" + sys.argv[1] + EVENT + "\\n").encode())
        except OSError:
            pass
    return ()
"""
    answers = guest.examine(visit(forger), Recorder())

    assert answers.failure is not None
    assert answers.failure.kind == "damaged-events"
    assert not any(result.outcome == "passed" for result in answers.results)


def test_a_container_that_says_nothing_at_all_is_started_once_more(tmp_path: Path) -> None:
    """As podman's sometimes is on a busy machine: its words are lost, and they would have been the reason."""
    python = tmp_path / "python"
    count = tmp_path / "count"
    python.write_text(f"#!/bin/sh\necho x >> {count}\ntest $(wc -l < {count}) = 1 || echo 'usage: serve' >&2\nexit 2\n")
    python.chmod(0o755)
    answers = guest.examine(visit(FAULTS, wanted=("faults.passes",), pythons=(str(python),)), Recorder())

    assert answers.failure is not None
    assert answers.failure.kind == "no-answer"
    assert "usage: serve" in answers.failure.what
    assert count.read_text() == "x\nx\n"


KILLED = """
import os, signal, time
from ci_gpu.payload import Fact
def check_first(device):
    yield Fact("there", True)
def check_killed(device):
    with open({mark!r}, "a") as file:
        file.write("x")
    if os.path.getsize({mark!r}) <= {times}:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1000)
    yield Fact("there", True)
"""


@pytest.mark.parametrize(("times", "kind", "outcomes"), [(1, "", ["passed"] * 2), (9, "killed", ["passed"])])
def test_a_check_whose_container_is_killed_from_outside_is_tried_once_more(
    tmp_path: Path, times: int, kind: str, outcomes: list[str]
) -> None:
    mark = tmp_path / "mark"
    answers = guest.examine(visit(KILLED.format(mark=str(mark), times=times)), Recorder())

    assert [result.outcome for result in answers.results] == outcomes
    assert mark.stat().st_size == 2
    assert [result.check for result in answers.results if result.notes == (guest.TRIED_AGAIN,)] == (
        ["faults.killed"] if times == 1 else []
    )
    failure = answers.failure
    assert (failure.kind if failure else "") == kind
    assert failure is None or (failure.exit_code == 3 and "faults.killed" in failure.what)


@pytest.mark.parametrize(
    ("ending", "kind", "exit_code"),
    [
        (Ending(code=137), "killed", 3),
        (Ending(code=137, out_of_memory=True), "out-of-memory", 3),
        (Ending(code=1), "container-died", 4),
        (Ending(code=137, timed_out=True), "container-died", 4),
    ],
)
def test_who_ends_containers_between_two_checks(
    monkeypatch: pytest.MonkeyPatch, ending: Ending, kind: str, exit_code: int
) -> None:
    """The end is a value here: no check is open at that moment for as long as a test could need to kill by."""

    def ended(visit: object, payload: object, transcript: Transcript, watch: object) -> Ending:
        transcript.environment = Environment("3.12.0", "x86_64", "2.9.0")
        return ending

    monkeypatch.setattr(guest, "_converse", ended)
    failure = guest.examine(visit(FAULTS, wanted=("faults.passes",)), Recorder()).failure

    assert failure is not None
    assert (failure.kind, failure.exit_code) == (kind, exit_code)
    assert ("outside" in failure.why + failure.what) is (kind == "killed")
