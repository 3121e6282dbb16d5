"""The one way to the terminal and into a job's log. Whatever is said here may be a stranger's: of it nothing is obeyed.

`say` and `document` take any text. `command` alone speaks to the runner of GitHub Actions, in a line that
`github.actions` has made. tests/test_sinks.py finds whatever else in the package prints or writes.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from typing import TYPE_CHECKING, TextIO

from ci_gpu.reports import harmless

if TYPE_CHECKING:
    from rich.console import RenderableType

LOG_COLUMNS = 200
"""Width of a table where there is no terminal to fit it to."""


def say(text: str, *, err: bool = True, stream: TextIO | None = None) -> None:
    """One or more lines for a person: on stderr, which is progress and errors, or as an answer on stdout.

    A stranger's words within a line of ours go through `reports.printable` first: a line end in them would begin a line
    that looks like one of ours.
    """
    _write(harmless(text), stream or (sys.stderr if err else sys.stdout))


def command(line: str) -> None:
    """A workflow command, whose data is escaped already: the only line that the runner is to obey."""
    assert "\n" not in line.strip("\n")
    _write(line, sys.stderr)


def document(text: str) -> None:
    """A whole report on stdout: as it is where stdout is a file, and else like anything that is said."""
    text = text.removesuffix("\n")
    _write(text if _is_file(sys.stdout) else harmless(text), sys.stdout)


def table(made: RenderableType) -> None:
    """A table of rich's as lines on stdout."""
    from rich.console import Console

    known = os.environ.get("COLUMNS") or (sys.stdout is not None and sys.stdout.isatty())
    lines = io.StringIO()
    Console(file=lines, width=None if known else LOG_COLUMNS).print(made)
    document(lines.getvalue())


def _is_file(stream: TextIO | None) -> bool:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return stream is not None and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    return False


def _write(text: str, stream: TextIO | None) -> None:
    """Nobody may listen any more, or to the half of it: that is no reason to end a run."""
    if stream is None:  # closed before Python began
        return
    encoding = stream.encoding or "utf-8"
    with contextlib.suppress(BrokenPipeError):
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
