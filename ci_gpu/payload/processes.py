"""How many processes and threads there may be, and whether that is what kept one from being started.

The kernel says EAGAIN to fork and clone where the limit of the control group (`pids.max`), or that of the user
(RLIMIT_NPROC), is reached (fork(2)); glibc passes it on to pthread_create, and Python says "can't start new thread".
"""

from __future__ import annotations

import errno
import os
import resource
import time
from typing import Dict

KIND = "pids-limit"

HINT = (
    "look for what starts processes or threads without end; where the image needs as many, raise --pids-limit, or "
    "OMP_NUM_THREADS and its kind down"
)

GROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/pids")
"""Of version 2 and 1, as a container sees its own."""

_PAUSES = (0.05, 0.2, 0.5)


class NoProcess(Exception):
    """No process could be started, and why."""


def fork() -> int:
    """`os.fork`, tried again where what holds the last places may be on its way out.

    Raises:
        NoProcess: there is no room for one.
    """
    for pause in (*_PAUSES, None):
        try:
            return os.fork()
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            if pause is None:
                raise NoProcess(f"no process could be started: {limits()}") from None
            time.sleep(pause)
    raise AssertionError  # the last of the loop returns or raises


def caused(error: BaseException) -> bool:
    """Whether an exception says that no process or thread could be started. A file that is not ready says EAGAIN, too:
    it counts where the control group has refused one.
    """
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return True
    return isinstance(error, OSError) and error.errno == errno.EAGAIN and refused() > 0


def refused() -> int:
    """How often the control group has refused a process or thread; 0 where it does not tell."""
    words = _read("pids.events").split()
    return int(words[1]) if words[:1] == ["max"] and words[1:2] and words[1].isdigit() else 0


def limits() -> str:
    """What the limits are, and how much of them is used."""
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    found: Dict[str, str] = {
        "pids.max": _read("pids.max"),
        "in use": _read("pids.current"),
        "refused": str(refused() or ""),
        "RLIMIT_NPROC": "" if soft == resource.RLIM_INFINITY else str(soft),
    }
    said = ", ".join(f"{name} {value}" for name, value in found.items() if value)
    return f"as many processes and threads are there as there may be ({said or 'the limit is not known here'})"


def _read(name: str) -> str:
    for group in GROUPS:
        try:
            with open(os.path.join(group, name), encoding="ascii", errors="replace") as file:
                return file.read(100).strip()
        except OSError:
            continue
    return ""
