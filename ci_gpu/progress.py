"""What a person sees while a run goes on: live on a terminal, plain timed lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

from ci_gpu import console
from ci_gpu.config import Target
from ci_gpu.payload.cuda_errors import NOT_MADE
from ci_gpu.payload.wire import CheckResult, Environment, Event, Finished, Started
from ci_gpu.reports import printable

MAX_LOG = 4 << 20
"""Bytes of an image's own output that are passed on; an image can print for ever."""

MAX_LOG_LINE = 2_000
"""Characters of one line of it."""

SYMBOLS = {"passed": "✓", "failed": "✗", "error": "!", "skipped": "–"}


class Plain:
    """Timed lines for a log. ``fence`` is entered while the image speaks, so that its text commands nothing."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        show_log: bool = False,
        fence: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._stream = stream
        self._show_log, self._fence = show_log, fence
        self._open_fence: AbstractContextManager[object] | None = None
        self._started = time.monotonic()
        self._log_left, self._pulled = MAX_LOG, ""
        self._told = ""  # why the last check was not made: one cause is told once

    def image(self, target: Target) -> None:
        self._say(f"{target.name}: looking for {'the image' if target.ref else 'torch'}")

    def examining(self, target: Target) -> None:
        self._say(f"{target.name}: {len(target.checks)} checks")

    def block(self, pair: int, pairs: int, arm: str) -> None:
        self._say(f"  measuring, pair {pair} of {pairs}: {arm}")

    def pulling(self, line: str) -> None:
        text = printable(line)[:200]
        if text and text != self._pulled:
            self._pulled = text
            self._say(f"  pull: {text}")

    def note(self, text: str) -> None:
        self._say(f"  note: {printable(text)[:400]}")

    def event(self, event: Event) -> None:
        if isinstance(event, Environment):
            self._say(f"  {describe(event)}")
        elif isinstance(event, Finished):
            self._finished(event.result)

    def _finished(self, result: CheckResult) -> None:
        detail = f": {printable(result.message)[:200]}" if result.message not in ("", self._told) else ""
        untried = result.kind == NOT_MADE
        self._told = result.message if untried else ""
        how = "not made" if untried else f"{result.outcome} in {result.seconds:.1f} s"
        reason = detail.replace(": not made, because", ", because", 1) if untried else detail
        self._say(f"  {SYMBOLS[result.outcome]} {result.check} {how}{reason}")

    def log(self, line: str) -> None:
        """A line of the image's own: shown between fences, or not at all."""
        if not self._show_log or self._log_left <= 0:
            return
        if self._open_fence is None:
            self._open_fence = self._fence()
            self._open_fence.__enter__()
        text = printable(line[:MAX_LOG_LINE])
        self._log_left -= len(text.encode()) + len("    | \n")
        text = text if self._log_left > 0 else "… and more, which is dropped"
        console.say(f"    | {text}", stream=self._stream)

    def close(self) -> None:
        """Nothing of the image's follows any more."""
        if self._open_fence is not None:
            self._open_fence.__exit__(None, None, None)
            self._open_fence = None

    def _say(self, text: str) -> None:
        self.close()
        console.say(f"{time.monotonic() - self._started:7.1f} s  {printable(text)}", stream=self._stream)


class Live:
    """A terminal: finished checks stay as lines, what is under way turns below them."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("starting")
        self._status.start()

    def image(self, target: Target) -> None:
        self._status.update(f"looking for {_plain(target.name)}")

    def examining(self, target: Target) -> None:
        self._keep(f"[bold]{_plain(target.name)}[/bold]")
        self._status.update("starting")

    def block(self, pair: int, pairs: int, arm: str) -> None:
        self._status.update(f"measuring  pair {pair} of {pairs}: {arm}")

    def pulling(self, line: str) -> None:
        self._status.update(f"pulling  {_plain(line)[:100]}")

    def note(self, text: str) -> None:
        self._keep(f"  note: {_plain(text[:400])}")

    def event(self, event: Event) -> None:
        if isinstance(event, Environment):
            self._keep(f"  [dim]{_plain(describe(event))}[/dim]")
        elif isinstance(event, Started):
            self._status.update(f"checking  {_plain(event.check)}")
        elif isinstance(event, Finished):
            result = event.result
            detail = f"  {_plain(result.message)[:160]}" if result.message else ""
            colour = _COLOURS[result.outcome]
            mark = f"[{colour}]{SYMBOLS[result.outcome]} {result.outcome:<7}[/{colour}]"
            self._keep(f"  {mark} {_plain(result.check)} [dim]{result.seconds:.1f} s[/dim]{detail}")

    def _keep(self, markup: str) -> None:
        self._console.print(markup)

    def log(self, line: str) -> None:
        """The image's own output is in the reports; here it would only hide the checks."""

    def close(self) -> None:
        self._status.stop()


_COLOURS = {"passed": "green", "failed": "bold red", "error": "red", "skipped": "yellow"}


def describe(environment: Environment) -> str:
    """One line on what is inside the image and what it sees."""
    cuda = f"CUDA {environment.torch_cuda}" if environment.torch_cuda else "CPU build"
    gpus = ", ".join(gpu.name for gpu in environment.gpus) or "no GPU"
    return printable(f"torch {environment.torch} ({cuda}), Python {environment.python}, sees {gpus}")[:300]


def _plain(text: str) -> Any:
    from rich.markup import escape

    return escape(printable(text))
