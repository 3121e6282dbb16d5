"""benchmarks/attacks.py: the true command against images that say as much as they can, its memory measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "benchmarks" / "results" / "attacks.json"


@pytest.mark.attack
@pytest.mark.parametrize("name", ["100,000 metrics in a check", "two million small lists in an event"])
def test_the_true_command_keeps_to_its_memory_and_the_file_of_the_image_is_read(name: str) -> None:
    """An image says as much as it can. ci-gpu would take gigabytes, and what it writes could not be read. The command
    as a whole keeps to its bounds, ends with a documented exit code, and `report` reads its file.
    """
    argv = [sys.executable, "benchmarks/attacks.py", name]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_attacks_on_record_kept_to_their_bounds() -> None:
    written = json.loads(RECORD.read_text())
    commands = [one for row in written["attacks"] for one in row["commands"].values()]

    assert len(commands) > 30
    assert max(one["mib"] for one in commands) <= written["bounds"]["mib"] == 300
    assert max(one["seconds"] for one in commands) <= written["bounds"]["seconds"]
    assert 70 not in {one["exit_code"] for one in commands}
