"""Whether a process is gone: a zombie that nobody has reaped yet counts as gone."""

from __future__ import annotations

import time
from pathlib import Path


def ends(pid: int | str, within: float = 10) -> bool:
    """Whether the process ends within that many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if _state(pid) in ("", "Z", "X"):
            return True
        time.sleep(0.05)
    return False


def _state(pid: int | str) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
