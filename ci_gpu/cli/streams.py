"""stdout and stderr, which perhaps nobody hears: what cannot be written there ends no run."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

from ci_gpu.errors import RunnerError


class Output(io.RawIOBase):
    """A descriptor that is replaced by the null device as soon as it takes no more: a reader is gone, a disk is full.

    ``lost`` is the reason, where it is another than that the reader has gone, as `head` does.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self.lost = ""

    def write(self, data: Any, /) -> int:
        try:
            return os.write(self._number, data)
        except OSError as error:
            self.lost = "" if error.errno == errno.EPIPE else os.strerror(error.errno or 0)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._number)
            os.close(null)
            return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)


def open_all() -> Output:
    """All three are open afterwards, and writing to the outputs raises nothing; returns stdout's.

    Where one is closed (``>&-``), the next file that is opened would get its number, and what a program says would be
    written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    stdout = Output(1)
    encodings = [stream.encoding if stream else "utf-8" for stream in (sys.stdout, sys.stderr)]
    sys.stdout, sys.stderr = _text(stdout, encodings[0]), _text(Output(2), encodings[1])
    return stdout


def require_heard(stdout: Output) -> None:
    """
    Raises:
        RunnerError: something that a command was asked for could not be written.
    """
    sys.stdout.flush()
    if stdout.lost:
        raise RunnerError(
            f"stdout cannot be written: {stdout.lost}",
            why="the disk of the file that it goes to is full, or may not be written",
            remedy="make room, or let it go elsewhere",
            kind="output-lost",
        )


def _text(output: Output, encoding: str) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(output)
    return io.TextIOWrapper(buffer, encoding=encoding, errors="backslashreplace", line_buffering=True)
