"""A function in a forked process of its own: a crash, a hang or an `exit` in it costs its answer alone."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import select
import signal
import sys
import time
from dataclasses import dataclass
from typing import Callable, List, Tuple

from . import processes

LOG_BYTES = 64 << 10
"""The tail of a check's output that goes into its result."""

FORWARD_BYTES = 1 << 20
"""How much of a check's output is passed on; the rest is dropped, and said to be."""

ANSWER_BYTES = 16 << 20
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL = 0.05  # seconds between two looks at a child that says nothing
_POLL_AT_THE_END = 0.002  # … and at one that has closed its answer: all that is left is its exit


class HostGone(Exception):
    """stdin was closed: nobody waits for an answer, and the GPU must be free again."""


@dataclass(frozen=True)
class Ended:
    """How the process ended. ``data`` is what the function returned, empty if it did not."""

    data: bytes
    log: str
    seconds: float
    timeout: float
    timed_out: bool
    exit_code: int
    signal: int

    @property
    def signal_name(self) -> str:
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return "unknown"


def adopt_orphans() -> None:
    """Become the parent of whatever the checks leave behind, so that it can be found and killed (prctl(2))."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when the parent is: if the supervisor dies, nobody else would end this process."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def in_child(function: Callable[[], bytes], timeout: float, spared: Tuple[int, ...] = ()) -> Ended:
    """Call the function in a fork of this process, and end the fork and all its descendants afterwards.

    ``spared`` are children of this process that have nothing to do with the function.

    Raises:
        HostGone: stdin came to its end meanwhile.
        NoProcess: there is no room for another process.
    """
    answer, output = _Pipe(ANSWER_BYTES), _Pipe(LOG_BYTES, forward=True)
    started = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        child = processes.fork()
    except processes.NoProcess:
        answer.close()
        output.close()
        raise
    if child == 0:
        _be_the_child(function, answer, output)
    answer.parent()
    output.parent()
    try:
        status = _watch(child, answer, output, started + timeout)
    finally:
        _kill_all(child, spared)
    output.drain()
    return Ended(
        data=bytes(answer.kept) if answer.whole else b"",
        log=output.text(),
        seconds=time.monotonic() - started,
        timeout=timeout,
        timed_out=status is None,
        exit_code=os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else 0,
        signal=os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else 0,
    )


class _Pipe:
    """A pipe from the child, of which a bounded part is kept: the head of an answer, the tail of a log."""

    def __init__(self, limit: int, forward: bool = False) -> None:
        self.reader, self.writer = os.pipe()
        self.kept = bytearray()
        self._limit, self._forward, self._seen = limit, forward, 0

    @property
    def whole(self) -> bool:
        return self._seen <= self._limit

    def parent(self) -> None:
        os.close(self.writer)
        os.set_blocking(self.reader, False)

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)

    def drain(self) -> None:
        """Read what is there and close: a grandchild may still hold the other end."""
        while self.read():
            pass
        os.close(self.reader)

    def read(self) -> bool:
        """Take in what is there; False at the end and where there is nothing."""
        try:
            data = os.read(self.reader, 1 << 16)
        except BlockingIOError:
            return False
        if self._forward and data:
            self._pass_on(data)
        self._seen += len(data)
        self.kept += data
        if len(self.kept) > self._limit:
            del self.kept[: -self._limit]
        return bool(data)

    def text(self) -> str:
        return self.kept.decode("utf-8", "replace")

    def _pass_on(self, data: bytes) -> None:
        if self._seen > FORWARD_BYTES:
            return
        if self._seen + len(data) > FORWARD_BYTES:
            data = b"\n[ci-gpu: this check prints too much; the rest of it is dropped]\n"
            self._seen += FORWARD_BYTES
        with contextlib.suppress(OSError):
            os.write(2, data)


def _be_the_child(function: Callable[[], bytes], answer: _Pipe, output: _Pipe) -> None:
    """Never returns: whatever happens here must not run the parent's code a second time."""
    code = 70
    try:
        die_with_parent()
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would fill /tmp, which is memory
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output.writer, 1)
        os.dup2(output.writer, 2)
        data = function()
        sys.stdout.flush()
        sys.stderr.flush()
        ctypes.CDLL(None).fflush(None)  # what C code printed, too
        while data:
            data = data[os.write(answer.writer, data) :]
        code = 0
    finally:
        os._exit(code)


def _watch(child: int, answer: _Pipe, output: _Pipe, deadline: float) -> int | None:
    """The child's wait status; None if the deadline came first."""
    open_pipes: List[_Pipe] = [answer, output]
    while time.monotonic() < deadline:
        for pipe in _readable(open_pipes, _POLL if answer in open_pipes else _POLL_AT_THE_END):
            if not pipe.read():
                open_pipes.remove(pipe)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            while answer in open_pipes and answer.read():
                pass
            return status
    return None


def _readable(pipes: List[_Pipe], seconds: float) -> List[_Pipe]:
    descriptors = [pipe.reader for pipe in pipes]
    ready, _, _ = select.select([0, *descriptors], [], [], seconds)
    if 0 in ready and not os.read(0, 1 << 16):
        raise HostGone
    return [pipe for pipe in pipes if pipe.reader in ready]


def _kill_all(child: int, spared: Tuple[int, ...]) -> None:
    """Kill the child's process group and then everybody who became our child by adoption, until nobody is left."""
    _kill(-child)
    while True:
        left = [pid for pid in _children() if pid not in spared]
        if not left:
            return
        for pid in left:
            _kill(pid)
        if not any(os.waitpid(pid, os.WNOHANG)[0] for pid in left):
            time.sleep(0.005)  # killed and not yet gone


def _children() -> List[int]:
    """The processes whose parent we are, from /proc: in the image there may be no other way to know."""
    me = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == me]


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _kill(target: int) -> None:
    try:
        os.kill(target, signal.SIGKILL)
    except OSError as error:
        if error.errno not in (errno.ESRCH, errno.EPERM):
            raise
