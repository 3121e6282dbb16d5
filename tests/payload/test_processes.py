"""ci_gpu.payload.processes: no room for a process is told as that, with the limits that are known."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ci_gpu.payload import processes
from tests.payload.test_perform import raised


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group of version 2, as the kernel's documentation has its files (cgroup-v2.rst, PID)."""
    monkeypatch.setattr(processes, "GROUPS", (str(tmp_path / "none"), str(tmp_path)))
    for name, text in {"pids.max": "64\n", "pids.current": "64\n", "pids.events": "max 37\n"}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def full() -> BlockingIOError:
    return BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def test_the_limits_are_told(group: Path) -> None:
    assert "pids.max 64, in use 64, refused 37" in processes.limits()


@pytest.mark.attack
@pytest.mark.parametrize("error", [full(), RuntimeError("can't start new thread")])
def test_a_check_starts_processes_without_end(error: Exception, group: Path) -> None:
    """A check, or what it calls, fills the container with processes. It fails with the limit that it met, and not with
    words that an exception of any kind has.
    """
    found = raised(error)

    assert (found.outcome, found.kind) == ("error", "pids-limit")
    assert "pids.max 64" in found.message
    assert "--pids-limit" in found.hint


def test_a_file_that_is_not_ready_is_no_limit(group: Path) -> None:
    (group / "pids.events").write_text("max 0\n")

    assert raised(full()).kind == "exception"
    assert raised(RuntimeError("another")).kind == "exception"


@pytest.mark.parametrize("text", ["", "max", "max x", "min 3", "max 3 4\n\n", "\xff"])
def test_files_of_another_form_are_no_error(text: str, group: Path) -> None:
    for name in ("pids.max", "pids.current", "pids.events"):
        (group / name).write_text(text)

    assert processes.limits()
    assert processes.refused() in (0, 3)


def test_a_place_that_is_free_again_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [full(), full()]

    def fork() -> int:
        if answers:
            raise answers.pop()
        return 7

    monkeypatch.setattr(os, "fork", fork)

    assert processes.fork() == 7


def test_another_error_of_fork_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(OSError, match="no memory"):
        processes.fork()
