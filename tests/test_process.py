"""Processes end as they are told to, whatever they print."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from ci_gpu import process
from ci_gpu.errors import RunnerError
from ci_gpu.process import Conversation, Line
from tests.processes import ends

LONG = 300.0  # seconds: no test waits as long, on whatever machine


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_what_ran_to_its_end_is_told_whole() -> None:
    done = process.run(python("import sys; print(input()); print('e', file=sys.stderr); sys.exit(3)"), stdin="hello")

    assert done == (3, "hello\n", "e\n")


@pytest.mark.parametrize(
    ("argv", "code"),
    [(("no-such-program-at-all",), 127), (("/etc/hostname",), 126), (python("import time; time.sleep(60)"), 124)],
)
def test_what_cannot_run_is_an_ordinary_answer(argv: tuple[str, ...], code: int) -> None:
    done = process.run(argv, timeout=0.5)

    assert done.returncode == code
    assert argv[0] in done.stderr


@pytest.mark.attack
@pytest.mark.parametrize("descriptor", [1, 2])
def test_an_engine_that_repeats_megabytes_of_an_image_is_ended(descriptor: int) -> None:
    """An image has labels of any length, which the engine's client repeats, and so fills our memory.

    Nothing of an output that is longer than a registry's images can make it is kept: its program is ended.
    """
    done = process.run(python(f"import os\nwhile True: os.write({descriptor}, b'x' * {1 << 20})"), timeout=LONG)

    assert done == (process.TOO_MUCH, "", f"{sys.executable}: more than {process.MOST_OUTPUT} bytes of output")


def test_what_a_program_leaves_behind_is_left_alone() -> None:
    """Rootless podman's process that keeps its namespace, or a helper's agent."""
    leaves = "import subprocess; print(subprocess.Popen(['sleep', '600'], stdout=-3, stderr=-3).pid)"
    done = process.run(python(leaves), timeout=LONG)

    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.returncode == 0


def test_a_long_output_on_both_sides_is_told_whole() -> None:
    code = "import os\nfor _ in range(20): os.write(1, b'o' * 100_000), os.write(2, b'e' * 100_000)"

    assert process.run(python(code), timeout=LONG) == (0, "o" * 2_000_000, "e" * 2_000_000)


def test_output_that_is_no_text_is_replaced() -> None:
    assert process.run(python("import os; os.write(1, b'a\\xff\\n')")).stdout == "a\ufffd\n"


def test_our_tokens_are_given_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in process.SECRETS:
        monkeypatch.setenv(name, "s3cret")
    show = python("import os; print(dict(os.environ))")

    assert "s3cret" not in process.run(show, env={"GITHUB_TOKEN": "s3cret"}).stdout
    with Conversation(show) as talk:
        line = talk.next_line(time.monotonic() + LONG)
    assert line is not None
    assert "s3cret" not in line.text


def test_a_conversation_is_heard_line_by_line_while_stdin_stays_open() -> None:
    with Conversation(python("print(input(), flush=True); import sys; sys.stdin.read()"), stdin=b"hello\n") as talk:
        assert talk.next_line(time.monotonic() + LONG) == Line("stdout", "hello")
        with pytest.raises(TimeoutError):
            talk.next_line(time.monotonic() + 0.2)
        talk.kill()
        assert talk.next_line(time.monotonic() + LONG) is None
        assert talk.wait() == -9


def test_a_process_that_never_reads_does_not_block_us() -> None:
    with Conversation(python("print('done')"), stdin=b"x" * 10_000_000) as talk:
        assert talk.next_line(time.monotonic() + LONG) == Line("stdout", "done")
        assert talk.wait() == 0


def test_a_line_without_end_comes_in_bounded_pieces() -> None:
    lengths = []
    with Conversation(python(f"import os\nfor _ in range(9): os.write(1, b'x' * {1 << 20})")) as talk:
        while line := talk.next_line(time.monotonic() + LONG):
            lengths.append(len(line.text))

    assert sum(lengths) == 9 << 20
    assert max(lengths) <= process.MAX_LINE


def test_the_end_of_a_conversation_is_the_end_of_its_children_too() -> None:
    parent = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); sys.stdin.read()"
    with Conversation(python(parent)) as talk:
        line = talk.next_line(time.monotonic() + LONG)
    assert line is not None

    assert ends(line.text)


def test_a_flood_that_nobody_hears_does_not_keep_us() -> None:
    with Conversation(python("while True: print('flood')")) as talk:
        assert talk.next_line(time.monotonic() + LONG) == Line("stdout", "flood")

    assert talk.wait() == -9  # that we are here is the proof: it would have kept us for ever


@pytest.mark.attack
def test_a_flood_of_words_does_not_move_a_deadline() -> None:
    """An image prints lines as fast as it can, for ever.

    It would hold the GPU to the job's end, because another line is always there to be read. What counts is when a line
    came: those that come after the deadline are too late, those that only wait to be read are not.
    """
    with Conversation(python("while True: print('flood')")) as talk, pytest.raises(TimeoutError):
        heard_slowly(talk, time.monotonic() + 1)


def heard_slowly(talk: Conversation, deadline: float) -> None:
    """We are the slower one, as with a slow terminal or log: there is always a line to be read."""
    while talk.next_line(deadline):
        while talk._lines.empty():
            pass


def test_a_line_that_came_in_time_is_heard_however_late_one_listens() -> None:
    with Conversation(python("print('in time')")) as talk:
        talk.wait()
        for thread in talk._threads[1:]:
            thread.join()
        came = time.monotonic()
        while time.monotonic() <= came:
            pass
        assert talk.next_line(came) == Line("stdout", "in time")


def test_what_came_too_late_is_heard_by_who_goes_on_to_listen() -> None:
    with Conversation(python("print('late')")) as talk:
        while talk._lines.empty():
            time.sleep(0.01)
        with pytest.raises(TimeoutError):
            talk.next_line(0.0)
        assert talk.next_line(time.monotonic() + LONG) == Line("stdout", "late")


def test_a_missing_program_is_the_runner_s_fault() -> None:
    with pytest.raises(RunnerError) as caught:
        Conversation(("no-such-engine",))

    assert caught.value.kind == "engine-missing"
