"""The one place on the host that starts a process. Argv tuples only, never a shell."""

from __future__ import annotations

import contextlib
import os
import pty
import queue
import resource
import signal
import subprocess
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from ci_gpu.errors import RunnerError

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_LINE = 4 << 20
"""Bytes of one line that are kept; an image can print what it likes, but not fill our memory."""

MAX_WAITING = 16 << 20
"""Bytes of lines that were read and not yet heard; then the process waits until they are."""

MOST_OUTPUT = 32 << 20
"""Bytes of each output of `run`. An image's labels and variables, 4 MiB at most in its registry, take 24 in JSON."""

TOO_MUCH = 123
"""The code of a program that says more: it is killed, and nothing of it is kept."""

_A_LINE = 200  # bytes that an empty one takes

FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin", "/run/current-system/sw/bin")
"""Where podman looks for its helpers (`engine.runtimes` of containers.conf): root's are often not on a job's PATH."""

_FAREWELL = 2.0  # seconds for the pipes of a dead process to come to their end

SECRETS = (
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "CI_GPU_GITHUB_TOKEN",
    "CI_GPU_REGISTRY_PASSWORD",
    "GITHUB_TOKEN",
)
"""Never handed to a program that we start, be it an engine's client or, by the local engine, a check."""


class Completed(NamedTuple):
    """How a process ended. The outputs are text; what was not UTF-8 in them is replaced."""

    returncode: int
    stdout: str
    stderr: str


class Line(NamedTuple):
    """One line of output, without its newline. ``source`` is ``stdout`` or ``stderr``."""

    source: str
    text: str


def run(
    argv: tuple[str, ...], *, timeout: float = 60, stdin: str = "", env: Mapping[str, str] | None = None
) -> Completed:
    """Run to the end. A missing program is an ordinary ``Completed`` with code 127, as in a shell; a hang is 124."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(env),
            start_new_session=True,  # a Ctrl-C in the terminal must not end the engine's client in a removal
        )
    except FileNotFoundError:
        return Completed(127, "", f"{argv[0]}: command not found")
    except OSError as error:
        return Completed(126, "", f"{argv[0]}: {error.strerror}")
    return _answered(process, argv[0], stdin.encode(), timeout)


def _answered(process: subprocess.Popen[bytes], name: str, stdin: bytes, timeout: float) -> Completed:
    """Of a program that was started: what it leaves behind, such as a helper of its own, is left alone."""
    deadline = time.monotonic() + timeout
    outputs = tuple(_Output(process, cast("IO[bytes]", stream)) for stream in (process.stdout, process.stderr))
    try:
        with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as its:
            its.write(stdin)  # a key or a password: a pipe holds it
        for output in outputs:
            output.join(max(0.0, deadline - time.monotonic()))
        in_time = _ends(process, deadline) and not any(output.is_alive() for output in outputs)
    finally:
        process.kill()  # nothing where it has ended
        process.wait()
    if any(output.too_much for output in outputs):
        return Completed(TOO_MUCH, "", f"{name}: more than {MOST_OUTPUT} bytes of output")
    if not in_time:
        return Completed(124, "", f"{name}: no answer in {timeout:g} s")
    stdout, stderr = (_text(b"".join(output.pieces)) for output in outputs)
    return Completed(process.returncode, stdout, stderr)


def _ends(process: subprocess.Popen[bytes], deadline: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))
        return True
    return False


class _Output(threading.Thread):
    """Reads an output to its end, and ends the process where it is longer than is kept."""

    def __init__(self, process: subprocess.Popen[bytes], stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._process, self._stream = process, stream
        self.pieces: list[bytes] = []
        self.too_much = False
        self.start()

    def run(self) -> None:
        left = MOST_OUTPUT
        with self._stream:
            while not self.too_much and (piece := self._stream.read(1 << 16)):
                left -= len(piece)
                self.too_much = left < 0
                self.pieces.append(piece)
        if self.too_much:
            self.pieces.clear()
            self._process.kill()


def find(name: str) -> str:
    """The path of a program on this machine, in root's folders, too; empty if there is none."""
    paths = (Path(folder, name) for folder in FOLDERS)
    return next((str(path) for path in paths if path.is_file() and os.access(path, os.X_OK)), "")


def own_limits() -> tuple[tuple[str, str], ...]:
    """How many files and processes this process may have, ``SOFT:HARD``. podman bounds the latter by pid_max, too."""
    try:
        most = int(Path("/proc/sys/kernel/pid_max").read_text())
    except (OSError, ValueError):
        most = sys.maxsize
    files, processes = resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_NPROC)
    bounded = [most if limit == resource.RLIM_INFINITY else min(limit, most) for limit in processes]
    return ("nofile", "{}:{}".format(*files)), ("nproc", "{}:{}".format(*bounded))


class _Came(NamedTuple):
    """The bytes of a line, and when they came; none are the end of that output."""

    source: str
    data: bytes
    at: float = 0.0


class _Lines(queue.Queue[_Came]):
    """Lines that wait to be heard. ``maxsize`` is in bytes.

    These four methods are what `queue.Queue` leaves to its children.
    """

    def _init(self, maxsize: int) -> None:
        self.queue: deque[_Came] = deque()
        self._octets = 0

    def _qsize(self) -> int:
        return self._octets

    def _put(self, item: _Came) -> None:
        self.queue.append(item)
        self._octets += len(item.data) + _A_LINE

    def _get(self) -> _Came:
        item = self.queue.popleft()
        self._octets -= len(item.data) + _A_LINE
        return item


class Conversation:
    """A process whose output is read line by line, against a clock, while its stdin stays open.

    It has a session of its own: a Ctrl-C in the terminal reaches us alone, and we end it in order. With ``terminal``
    its stdout is one, without width, on which a line also ends where the next is written over it.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        terminal: bool = False,
    ) -> None:
        ours, its = _terminal() if terminal else (-1, subprocess.PIPE)
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=its,
                stderr=subprocess.PIPE,
                env=_environment(env),
                start_new_session=True,
            )
        except OSError as error:
            if terminal:
                os.close(ours)
            raise RunnerError(
                f"{argv[0]} cannot be started: {error.strerror}",
                why="it is not installed, or not on PATH",
                remedy="install it, or name another engine with --engine",
                kind="engine-missing",
            ) from error
        finally:
            if terminal:
                os.close(its)
        self._open_outputs = 2
        self._lines = _Lines(maxsize=MAX_WAITING)
        self._late: _Came | None = None
        told = os.fdopen(ours, "rb") if terminal else self._process.stdout
        self._streams = tuple(cast("IO[bytes]", stream) for stream in (self._process.stdin, told, self._process.stderr))
        write, stdout, stderr = self._streams
        self._threads = (
            threading.Thread(target=self._write, args=(write, stdin), daemon=True),
            threading.Thread(target=self._read, args=("stdout", stdout), daemon=True),
            threading.Thread(target=self._read, args=("stderr", stderr), daemon=True),
        )
        for thread in self._threads:
            thread.start()

    def next_line(self, deadline: float) -> Line | None:
        """The next line of either output; None once both are closed.

        Raises:
            TimeoutError: `time.monotonic` passed ``deadline``. The process still runs; one may go on reading.
        """
        while self._open_outputs:
            came = self._taken(deadline)
            if came.at > deadline:  # of a program that never stops to speak there is always one more
                self._late = came
                raise TimeoutError
            if came.data:
                return Line(came.source, _text(came.data).rstrip("\r\n"))
            self._open_outputs -= 1
        return None

    def _taken(self, deadline: float) -> _Came:
        if self._late:
            late, self._late = self._late, None
            return late
        try:
            return self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None

    def octets(self) -> int:
        """Bytes that the processes of its session have read and written, as far as the kernel tells this user."""
        return sum(_octets(path) for path in Path("/proc").glob("[0-9]*") if _session(path) == self._process.pid)

    def wait(self, timeout: float = 10) -> int:
        """The exit code; the process is killed if it does not end by itself."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The process is gone and its pipes are closed, however the conversation ended."""
        self.kill()
        self._process.wait()
        deadline = time.monotonic() + _FAREWELL
        with contextlib.suppress(TimeoutError):
            while self.next_line(deadline):  # a reader may wait for room for its next line
                pass
        for thread, stream in zip(self._threads, self._streams, strict=True):
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
            if not thread.is_alive():  # a stranger may hold the other end; closing under a reader would block
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def kill(self) -> None:
        """End the process and whatever it started in its session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _write(self, stream: IO[bytes], data: bytes) -> None:
        # A guest that dies before it has read everything breaks the pipe: its exit code tells, not this.
        with contextlib.suppress(BrokenPipeError):
            stream.write(data)
            stream.flush()

    def _read(self, source: str, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError):  # how a terminal ends whose other side nobody has open any more
            while line := stream.readline(MAX_LINE):
                self._lines.put(_Came(source, line, time.monotonic()))
        self._lines.put(_Came(source, b"", time.monotonic()))


def _terminal() -> tuple[int, int]:
    """Our side and the program's side of a terminal that makes a new line of each return."""
    ours, its = pty.openpty()
    attributes = termios.tcgetattr(its)
    attributes[1] = termios.OPOST | termios.OCRNL
    termios.tcsetattr(its, termios.TCSANOW, attributes)
    return ours, its


def _session(path: Path) -> int:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[3])
    except (OSError, ValueError, IndexError):
        return 0


def _octets(path: Path) -> int:
    """Of one process: by system calls, so that what comes from the network counts, too."""
    try:
        told = dict(line.split(": ") for line in (path / "io").read_text().splitlines())
        return int(told["rchar"]) + int(told["wchar"])
    except (OSError, ValueError, LookupError):
        return 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Our environment with ``extra`` over it, without what no other program needs to know."""
    return {key: value for key, value in {**os.environ, **(extra or {})}.items() if key not in SECRETS}
