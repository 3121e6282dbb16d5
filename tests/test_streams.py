"""Outputs that nobody hears, and signals: every way out of the program is a documented exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ci_gpu.cli import interruption
from ci_gpu.errors import Interrupted
from tests.processes import written

RUN = "run --engine local --device cpu --checks own --checks-dir own --history none --report-dir reports"
OWN = '''
from ci_gpu.payload import Fact
def check_one(device):
    """It passes."""
    yield Fact("here", True)
'''


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/own.py").write_text(OWN)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """A shell's command, in which CI_GPU is the program."""
    program = f"{sys.executable} -m ci_gpu"
    argv = ("bash", "-c", command.replace("CI_GPU", program))
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.attack
@pytest.mark.torch
@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_run_whose_words_nobody_can_hear_has_its_verdict(closed: str) -> None:
    """A supervisor starts the run with closed outputs, or with a log on a full disk.

    The run would end as our bug, or as the image's failure. What is closed is opened on the null device before anything
    else, and what cannot be written is dropped: the verdict is in the exit code and in the reports.
    """
    done = shell(f"CI_GPU {RUN} {closed}")

    assert done.returncode == 0, done.stderr
    assert Path("reports/run.json").exists()


def test_nothing_that_is_opened_later_gets_the_number_of_a_closed_output() -> None:
    show = "from ci_gpu.cli import streams; streams.open_all(); print(open('later', 'w').fileno(), file=open('n', 'w'))"
    shell(f'{sys.executable} -c "{show}" <&- >&- 2>&-')

    assert int(Path("n").read_text()) > 2


def test_an_answer_that_a_full_disk_swallows_is_the_runner_s_fault() -> None:
    done = shell("CI_GPU checks > /dev/full")

    assert done.returncode == 3
    assert "stdout cannot be written: No space left on device" in done.stderr


def test_a_usage_error_stays_one_although_stdout_is_full() -> None:
    assert shell("CI_GPU run x/.. > /dev/full").returncode == 2


def test_a_reader_that_has_heard_enough_is_no_failure() -> None:
    done = shell("CI_GPU checks | head -n 1; exit ${PIPESTATUS[0]}")

    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr


@pytest.mark.parametrize("command", ["checks", RUN])
def test_a_folder_that_is_gone_is_the_user_s_to_mend(command: str) -> None:
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; CI_GPU {command}")

    assert done.returncode == 2, done.stderr
    assert "the current folder cannot be read: No such file or directory" in done.stderr
    assert "cd to a folder" in done.stderr


ENDING = """
import signal, sys, time
from ci_gpu.cli import interruption
interruption.expect()
try:
    open("ready", "w").write("now\\n")
    signal.pause()
except KeyboardInterrupt as error:
    open("ending", "w").write("now\\n")
    while not __import__("os").path.exists("removed"):
        time.sleep(0.01)
    print(interruption.words(error))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_does_not_break_off_a_removal(number: signal.Signals) -> None:
    argv = (sys.executable, "-c", ENDING)
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    written(Path("ready"), process)
    process.send_signal(number)
    written(Path("ending"), process)
    assert process.stderr is not None
    for _ in range(2):
        process.send_signal(number)
        assert "is ending already" in process.stderr.readline()
    Path("removed").touch()

    assert process.communicate() == ("interrupted; the containers are gone\n", "")


LATE = """
import os, sys
from ci_gpu.cli import interruption
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid()):
        kill(pid, 15)
sys.modules["late"] = Late()
interruption.expect()
interruption.over()
sys.exit(130)
"""


def test_a_signal_while_python_ends_does_not_change_the_exit_code() -> None:
    """Python forgets its handlers before it is gone, and not what is ignored."""
    assert subprocess.run((sys.executable, "-c", LATE), check=False).returncode == 130


def test_a_signal_that_the_shell_has_switched_off_stays_off() -> None:
    show = "import signal; from ci_gpu.cli import interruption; interruption.expect(); print(signal.getsignal(1).name)"

    assert shell(f"trap '' HUP; {sys.executable} -c '{show}'").stdout == "SIG_IGN\n"


def test_containers_that_are_there_still_are_named_and_never_said_to_be_gone() -> None:
    error = Interrupted("SIGINT", left=("ci-gpu-1",))

    assert "has not removed ci-gpu-1" in interruption.words(error)
    assert "gone" not in interruption.words(error)
    assert "gone" in interruption.words(KeyboardInterrupt())
