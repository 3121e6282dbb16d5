"""What other processes have come to, waited for as long as a busy machine needs."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path


def written(path: Path, process: subprocess.Popen[str]) -> list[str]:
    """The words of a line that the process, or a child of its, writes into a file; waited for while it lives."""
    while not (path.exists() and path.read_text().endswith("\n")):
        assert process.poll() is None, f"it ended with {process.returncode}: {process.communicate()}"
        time.sleep(0.05)
    return path.read_text().split()


def ends(pid: int | str, within: float = 120) -> bool:
    """Whether the process ends within that many seconds, far more than it needs: a zombie counts as gone."""
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
