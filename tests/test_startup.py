"""A container that ends before it has told of its environment: who or what ended it, and what to try."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ci_gpu import guest, plan, startup
from ci_gpu.errors import CiGpuError
from ci_gpu.payload.wire import PROTOCOL
from ci_gpu.process import Line
from ci_gpu.startup import Ending
from ci_gpu.transcript import Transcript
from tests.test_guest import FAULTS, Recorder, visit

KILLS_ITSELF = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def started(tmp_path: Path):
    """What comes of an image with this file beside its torch."""

    def started(source: str, name: str = "torch.py") -> guest.Answers:
        (tmp_path / name).write_text(source)
        return guest.examine(visit(FAULTS, wanted=("faults.passes",), env={"PYTHONPATH": str(tmp_path)}), Recorder())

    return started


def failure(answers: guest.Answers) -> CiGpuError:
    assert answers.failure is not None
    assert answers.failure.why
    assert answers.failure.remedy
    return answers.failure


def test_a_kill_from_outside_during_the_import_is_tried_again(started, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    answers = started(f"""
import os, signal, sys
if not os.path.exists({str(mark)!r}):
    open({str(mark)!r}, "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
sys.path.remove({str(tmp_path)!r})
del sys.modules["torch"]
import torch
""")

    assert mark.exists()
    assert answers.failure is None, answers.failure and answers.failure.what
    assert [result.outcome for result in answers.results] == ["passed"]


def test_a_kill_from_outside_that_comes_again_is_the_runner_s(started) -> None:
    error = failure(started(KILLS_ITSELF))

    assert (error.kind, error.exit_code) == ("killed", 3)
    assert "SIGKILL" in error.what
    assert "from outside" in error.why
    assert "from inside, which looks the same" in error.why


def test_a_kill_before_the_payload_speaks_is_the_runner_s_too(tmp_path: Path) -> None:
    python, count = tmp_path / "python", tmp_path / "count"
    python.write_text(f"#!/bin/sh\necho x >> {count}\necho starting\nkill -9 $$\n")
    python.chmod(0o755)
    error = failure(guest.examine(visit(FAULTS, pythons=(str(python),)), Recorder()))

    assert (error.kind, error.exit_code) == ("killed", 3)
    assert count.read_text() == "x\nx\n"


@pytest.mark.parametrize("name", ["SIGILL", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE"])
def test_a_crash_of_the_import_is_the_image_s_and_the_signal_is_named(started, name: str) -> None:
    error = failure(started(f"import os, signal; os.kill(os.getpid(), signal.{name})"))

    assert (error.kind, error.exit_code) == ("torch-broken", 4)
    assert name in error.what
    assert ("processor" in error.why) is (name in ("SIGILL", "SIGFPE"))


def test_an_import_that_never_ends_is_too_slow_and_no_kill(started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "STARTUP_SECONDS", 1)
    error = failure(started("import time; time.sleep(1000)"))

    assert (error.kind, error.exit_code) == ("start-timeout", 4)


SPEAKER = """#!/bin/sh
shift; nonce=$2
{first}
while :; do echo; echo "$nonce{event}"; done
"""
HELLO = '{"event": "hello", "protocol": %d, "python": "3.12", "executable": "x"}'
UNUSABLE = '{"event": "unusable", "reason": "no-torch", "message": "x"}'


@pytest.mark.attack
def test_an_image_that_goes_on_to_speak_does_not_prolong_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image says over and over that it cannot be checked, and never ends.

    It would hold the runner and its GPU until the job is cancelled. The start has one deadline, which nothing moves but
    the environment, and that comes once.
    """
    monkeypatch.setattr(guest, "STARTUP_SECONDS", 2)
    python = tmp_path / "python"
    python.write_text(SPEAKER.replace("{first}", ":").replace("{event}", UNUSABLE.replace('"', '\\"')))
    python.chmod(0o755)
    error = failure(guest.examine(visit(FAULTS, pythons=(str(python),)), Recorder()))

    assert error.kind == "no-torch"


class Script:
    """A conversation that was written beforehand: lines, and the deadlines by which they were awaited."""

    def __init__(self, lines: list[str]) -> None:
        self._lines, self.deadlines = iter(lines), []

    def next_line(self, deadline: float) -> Line | None:
        self.deadlines.append(deadline)
        line = next(self._lines, None)
        return None if line is None else Line("stdout", line)


def deadlines(*events: str) -> list[float]:
    """Those of the words of a guest, and of its end."""
    here = visit(FAULTS, wanted=("faults.passes",))
    one = plan.guest(here.checks, device="cpu", timeout=60, python="python3", user_sources=here.user_sources)
    script = Script([f"{one.nonce}{event}" if event.startswith("{") else event for event in events])
    transcript = Transcript(one.nonce, tuple(check.id for check in one.checks))
    assert not guest._listen(script, one, transcript, Recorder())  # type: ignore[arg-type]
    return script.deadlines


@pytest.mark.attack
def test_a_silent_import_costs_one_start_and_not_two() -> None:
    """An image waits for 15 minutes, lets Python say hello, and waits on.

    It would hold the GPU for 30 minutes. What is said before the environment does not begin the time anew.
    """
    first, *others = deadlines("a word", HELLO % PROTOCOL, "another")

    assert others == [first] * 3


@pytest.mark.attack
def test_a_guest_that_takes_leave_again_and_again_is_not_waited_for() -> None:
    """An image sends its last event once a second, for ever. It would hold the GPU, green or not, to the job's end.

    After the last result there is one time for what follows.
    """
    torch = '{"event": "environment", "python": "3.12", "machine": "x86_64", "torch": "2.9.0"}'
    started = '{"event": "started", "check": "faults.passes"}'
    result = '{"check": "faults.passes", "outcome": "failed", "seconds": 1.0}'
    events = (HELLO % PROTOCOL, torch, started, f'{{"event": "finished", "result": {result}}}')
    known = deadlines(*events, *['{"event": "bye", "checks": 1}'] * 9)

    assert len(set(known)) == 4
    assert known[-10:] == [known[-1]] * 10


def test_a_start_without_a_word_tells_how_long_it_was_waited_for_and_of_the_entrypoint() -> None:
    error = startup.python_failure(Ending(code=-9, timed_out=True), "")

    assert error is not None
    assert "15 minutes" in error.what
    assert "ENTRYPOINT" in error.why
    assert "--entrypoint none" in error.remedy


def test_a_container_that_somebody_removed_tells_nothing_of_the_image_whatever_code_the_client_ends_with() -> None:
    error = startup.import_failure(Ending(code=127, removed=True))

    assert (error.kind, error.exit_code) == ("removed", 3)
    assert Ending(code=0, removed=True).killed_from_outside


def test_an_engine_tells_of_signals_as_128_and_more() -> None:
    assert Ending(code=139).signal == signal.SIGSEGV
    assert Ending(code=137, contained=False).signal == 0
    assert Ending(code=-9, contained=False).killed_from_outside
    assert Ending(code=-11).signal == signal.SIGSEGV
    assert [Ending(code=code).signal for code in (0, 1, 127, 255)] == [0, 0, 0, 0]


@pytest.mark.parametrize("changes", [{"out_of_memory": True}, {"timed_out": True}])
def test_what_we_or_the_limit_killed_was_not_killed_from_outside(changes: dict[str, bool]) -> None:
    assert Ending(code=137).killed_from_outside
    assert not Ending(code=137, **changes).killed_from_outside


def test_a_memory_limit_is_told_from_a_kill() -> None:
    error = startup.import_failure(Ending(code=137, out_of_memory=True))

    assert (error.kind, error.exit_code) == ("out-of-memory", 3)
    assert "--memory" in error.remedy


def test_the_file_that_shadows_a_module_of_python_s_is_named(started, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import logging; logging.getLogger()")
    error = failure(started("pass", name="logging.py"))

    assert error.kind == "torch-broken"
    assert f'shadowed by "{tmp_path / "logging.py"}"' in error.what
    assert str(tmp_path / "logging.py") in error.remedy


def test_a_shadow_that_keeps_even_our_payload_from_starting_is_named(started, tmp_path: Path) -> None:
    error = failure(started("raise AttributeError('no such thing')", name="tempfile.py"))

    assert (error.kind, error.exit_code) == ("python-broken", 4)
    assert str(tmp_path / "tempfile.py") in error.why


SAID = {
    "an old libstdc++": (
        "ImportError: /usr/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.30' not found "
        "(required by /opt/site/torch/lib/libtorch_cpu.so)",
        ("GLIBCXX_3.4.30", "/opt/site/torch/lib/libtorch_cpu.so"),
        "libstdc++6",
    ),
    "an old libc": (
        "ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /opt/libgomp.so.1)",
        ("GLIBC_2.34", "/opt/libgomp.so.1"),
        "newer base image",
    ),
    "a symbol that is missing": (
        "ImportError: /opt/site/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommRegister",
        ("/opt/site/torch/lib/libtorch_cuda.so", "ncclCommRegister"),
        "LD_DEBUG=libs",
    ),
    "a library that is cut off": (
        "OSError: /usr/lib/x86_64-linux-gnu/libstdc++.so.6: file too short",
        ("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "file too short"),
        "reinstall the package",
    ),
    "a CUDA library": (
        "OSError: libcudart.so.12: cannot open shared object file: No such file or directory",
        ("libcudart.so.12",),
        "nvidia-*",
    ),
    "a library of the distribution": (
        "ImportError: libgomp.so.1: cannot open shared object file: No such file or directory",
        ("libgomp.so.1",),
        "package of the distribution",
    ),
    "something else": ("ImportError: it is Monday", ("a library that it needs",), "reinstall torch"),
}


@pytest.mark.parametrize(("message", "named", "remedy"), SAID.values(), ids=SAID)
def test_the_loader_s_words_name_library_and_symbol(message: str, named: tuple[str, ...], remedy: str) -> None:
    why, what_to_try = startup.torch_broken(message)

    assert all(name in why for name in named)
    assert remedy in what_to_try


HOSTILE = {
    "a word without an end": "startup.torch_broken('x' * 200_000)",
    "words that a pattern begins with": "startup.torch_broken('version `GLIBC_' * 13_000)",
    "an engine's words": "diagnosis.start_failure(125, 'permission denied ' * 50_000, entrypoint=())",
}


@pytest.mark.parametrize("call", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_cost_no_more_than_their_length(call: str) -> None:
    """In a process of its own, which the kernel ends: with a pattern that is quadratic each computes for minutes."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (20, 20))"
    code = f"{limit}; from ci_gpu import diagnosis, startup; {call}"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


FRAMES = 'Traceback (most recent call last):\n  File "{}", line 3, in <module>\n'
BOOTED = FRAMES.format("<string>")
PAYLOAD = '  File "/tmp/ci-gpu-x/payload.zip/ci_gpu/payload/supervisor.py", line 9, in main\n'
PTH = (
    "Error processing line 1 of /usr/lib/python3.12/site-packages/x.pth:\n\n  Traceback (most recent call last):\n"
    '    File "/usr/lib/python3.12/site.py", line 186, in addpackage\n      exec(line)\n'
    '    File "<string>", line 1, in <module>\n  ImportError: x\n\nRemainder of file ignored\n'
)
ENDED = {
    "an entrypoint that wants a variable": (FRAMES.format("/srv/run.py") + "KeyError: 'MODEL_NAME'\n", ""),
    "an entrypoint that is named as a module of Python's": (FRAMES.format("/srv/code.py") + "KeyError: 'X'\n", ""),
    "an entrypoint whose library has a module that is named so": (
        FRAMES.format("/srv/run.py")
        + '  File "/usr/lib/python3/dist-packages/click/types.py", line 9, in convert\nX\n',
        "",
    ),
    "an entrypoint whose own package has one": (
        FRAMES.format("/srv/run.py") + '  File "/srv/app/config/site.py", line 9, in <module>\nKeyError: X\n',
        "",
    ),
    "an entrypoint that is a module": (
        FRAMES.format("<frozen runpy>") + '  File "/srv/app/logging.py", line 9, in <module>\nKeyError: X\n',
        "",
    ),
    "a shadow that Python's own site imports": (
        FRAMES.format("<frozen site>") + '  File "/app/os.py", line 1, in <module>\nNameError: x\n',
        "/app/os.py",
    ),
    "a bug of our own": (BOOTED + PAYLOAD + "KeyError: 'X'\n", ""),
    "a .pth file that fails, and is not why": (PTH + "usage: serve\n", ""),
    "the same, and a file that is": (
        PTH + BOOTED + '  File "/app/tempfile.py", line 1, in <module>\nNameError: x\n',
        "/app/tempfile.py",
    ),
    "a shadow that the payload imports": (
        BOOTED + PAYLOAD + '  File "/app/json/__init__.py", line 1, in <module>\nNameError: x\n',
        "/app/json/__init__.py",
    ),
    "a shadow before our first word": (
        "Fatal Python error: init_import_site: x\n"
        + FRAMES.format("/usr/lib/python3.12/site.py")
        + '  File "/app/os.py", line 1, in <module>\nNameError: x\n',
        "/app/os.py",
    ),
    "an entrypoint that runs us, and says so": (
        BOOTED
        + '  File "/app/os.py", line 1, in f\nNameError: x\n'
        + FRAMES.format("/srv/run.py")
        + "subprocess.CalledProcessError: x\n",
        "/app/os.py",
    ),
    "a Python that is damaged": (
        BOOTED + '  File "/usr/lib/python3.12/tempfile.py", line 1, in <module>\nNameError: x\n',
        "/usr/lib/python3.12/tempfile.py",
    ),
}


@pytest.mark.parametrize(("log", "blamed"), ENDED.values(), ids=ENDED)
def test_python_is_broken_only_where_our_own_start_failed(log: str, blamed: str) -> None:
    error = startup.python_failure(Ending(code=1), log)

    assert (error.kind if error else "") == ("python-broken" if blamed else "")
    assert error is None or (error.why.startswith(f"{blamed} is imported") and "NameError: x" in error.what)


def test_an_entrypoint_of_python_s_is_told_as_an_entrypoint(tmp_path: Path) -> None:
    entry = tmp_path / "run.py"
    entry.write_text(f"#!{sys.executable}\nimport os\nos.environ['MODEL_NAME']\n")
    entry.chmod(0o755)
    error = failure(guest.examine(visit(FAULTS, pythons=(str(entry),), entrypoint=(str(entry),)), Recorder()))

    assert error.kind == "no-answer"
    assert "ENTRYPOINT" in error.why


def test_what_an_image_says_steers_no_terminal(started) -> None:
    error = failure(started("raise NameError('\\x1b[31m' + chr(27))", name="tempfile.py"))

    assert error.kind == "python-broken"
    assert not {"\x1b"} & set(error.what + error.why + error.remedy)


@pytest.mark.attack
def test_an_interpreter_ends_with_the_code_of_a_kill(tmp_path: Path) -> None:
    """A program that is no container's ends with 137 by itself, as a killed container does, so that the runner is
    blamed. Its signal would be known, so it is an exit code, and its own.
    """
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho starting\nexit 137\n")
    python.chmod(0o755)

    assert failure(guest.examine(visit(FAULTS, pythons=(str(python),)), Recorder())).exit_code == 4


NO_FORK = """
import errno, os
def fork():
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
os.fork = fork
"""
"""fork(2) where the limit of the control group is reached. It is there before the payload is, as a storm would be."""


@pytest.mark.attack
def test_an_image_starts_processes_without_end(started) -> None:
    """An image fills its control group with processes, so that no check can be forked: it was told as an end of `import
    torch`. Each check says that no process could be started, and the limits.
    """
    answers = started(NO_FORK, "sitecustomize.py")

    assert answers.failure is None, answers.failure and answers.failure.what
    assert [(result.outcome, result.kind) for result in answers.results] == [("error", "pids-limit")]
    assert "as many processes and threads are there as there may be" in answers.results[0].message
    assert answers.environment is not None
    assert "no process could be started" in answers.environment.gpu_error


@pytest.mark.attack
@pytest.mark.parametrize(
    "said",
    [
        "libgomp: Thread creation failed: Resource temporarily unavailable",
        "OpenBLAS blas_thread_init: pthread_create failed for thread 5 of 64: Resource temporarily unavailable",
        "RuntimeError: can't start new thread",
    ],
)
def test_a_storm_ends_the_import(started, said: str) -> None:
    """With the control group full, libgomp and OpenBLAS end the process during `import torch`. What they print tells
    that it was the limit; it is the image's word, and the image stays at fault.
    """
    error = failure(started(f"import os, sys; print({said!r}, file=sys.stderr, flush=True); os._exit(1)"))

    assert (error.kind, error.exit_code) == ("pids-limit", 4)
    assert "--pids-limit" in error.remedy


def test_an_import_that_raises_for_want_of_threads_is_told_as_that(started) -> None:
    error = failure(started('raise RuntimeError("can\'t start new thread")'))

    assert error.exit_code == 4
    assert "--pids-limit" in error.why
