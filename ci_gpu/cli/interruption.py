"""Signals: the first ends the run in order, and nothing that follows it can end that."""

from __future__ import annotations

import contextlib
import os
import signal

from ci_gpu.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ENDING = b"ci-gpu: is ending already: the engine is removing the containers. SIGKILL would leave them to a sweep\n"


def expect() -> None:
    """From now on a signal is an `Interrupted`; one that is ignored stays so (nohup, a job in the background)."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def words(error: BaseException) -> str:
    """What is told at the end. click raises an exception of its own from ours."""
    cause = error if isinstance(error, KeyboardInterrupt) else error.__cause__
    left = getattr(cause, "left", ())
    if left:
        return f"interrupted; the engine has not removed {', '.join(left)}: ci-gpu sweep tries it again"
    return "interrupted; the containers are gone"


def over() -> None:
    """All is removed and told: while Python ends it would let a signal act as if there had never been a handler."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(signum: int, frame: object) -> None:
    for number in _SIGNALS:
        if signal.getsignal(number) is _interrupt:
            signal.signal(number, _tell)
    raise Interrupted(signal.Signals(signum).name)


def _tell(signum: int, frame: object) -> None:
    """Once more is no reason to break off a removal: podman would keep the container in the state Removing for ever."""
    with contextlib.suppress(OSError):
        os.write(2, _ENDING)
