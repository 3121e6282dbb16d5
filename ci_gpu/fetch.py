"""The engine's pull as a process, and whether it goes on: by what it says and by the bytes that it moves, by no clock.

podman says nothing while a layer comes, and moves the bytes itself: the kernel counts them. docker's daemon does it
elsewhere, perhaps on another machine, and its client tells the bytes only to a terminal: so it is given one.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from ci_gpu.process import Conversation

SILENCE_SECONDS = 900.0
"""Without a new word, and without `LEAST_BYTES` moved, for that long, a pull is given up."""

LEAST_BYTES = 1 << 20
"""Fewer in `SILENCE_SECONDS` is none: at that speed an image would take months."""

LOOK_SECONDS = 20.0
"""After so many without a word the bytes are looked at; so rarely the same layer is told of."""

MOST_LAYERS = 10_000

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NUMBERS = re.compile(r"\d[\d.,]*\s?([kKMGT]i?)?B\b")


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """How a pull ended. ``code`` is None where it was given up, because nothing moved for `SILENCE_SECONDS`."""

    code: int | None
    said: str


def conduct(
    argv: tuple[str, ...],
    env: Mapping[str, str],
    on_progress: Callable[[str], None],
    ask: Callable[[int], None],
    *,
    terminal: bool,
) -> Fetched:
    """Run a pull to its end, or until it stands still.

    ``ask`` is called with the number of lines that were said, when nothing is heard for `LOOK_SECONDS`; it may raise.
    """
    with Conversation(argv, env=env, terminal=terminal) as talk:
        watched = _Watched(talk, on_progress)
        while not watched.stands_still():
            try:
                line = talk.next_line(time.monotonic() + min(LOOK_SECONDS, SILENCE_SECONDS))
            except TimeoutError:
                ask(len(watched.said))
                watched.look()
                continue
            if line is None:
                return Fetched(code=talk.wait(), said=watched.text())
            watched.hear(_CONTROL.sub("", line.text).strip())
    return Fetched(code=None, said=watched.text())


class _Watched:
    """What a pull has said and moved, and when that was new the last time."""

    def __init__(self, talk: Conversation, on_progress: Callable[[str], None]) -> None:
        self._talk, self._on_progress = talk, on_progress
        self._moved, self._since = 0, time.monotonic()
        self._states: dict[str, str] = {}  # of each layer, its last line
        self._told: dict[str, float] = {}  # when a line was told, by what it says without its numbers
        self.said: deque[str] = deque(maxlen=40)

    def stands_still(self) -> bool:
        return time.monotonic() - self._since > SILENCE_SECONDS

    def text(self) -> str:
        return "\n".join(self.said)

    def hear(self, text: str) -> None:
        layer, kind = text.partition(":")[0], _NUMBERS.sub("", text)
        if not text or self._states.get(layer) == text or len(self._states) > MOST_LAYERS:
            return
        self._states[layer], self._since = text, time.monotonic()
        if kind == text:
            self.said.append(text)
        if time.monotonic() - self._told.get(kind, float("-inf")) >= LOOK_SECONDS:
            self._told[kind] = time.monotonic()
            self._on_progress(text)

    def look(self) -> None:
        moved = self._talk.octets()
        if abs(moved - self._moved) >= LEAST_BYTES:
            self._moved, self._since = moved, time.monotonic()
            self._on_progress(f"{moved / 1e6:.0f} MB read and written so far")
        else:
            seconds = time.monotonic() - self._since
            self._on_progress(f"nothing for {seconds:.0f} s; given up after {SILENCE_SECONDS:.0f} s")
