"""The benchmark of the change points runs, and the page says what it counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ci_gpu import changes

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "change-points.md"
RESULTS = ROOT / "benchmarks" / "results" / "changes.json"
OURS = ("ci-gpu, confirmed", "ci-gpu, confirmed or suspicious")


def test_a_quick_run_counts_everything_and_fills_the_page(tmp_path: Path) -> None:
    page, output = tmp_path / "page.md", tmp_path / "changes.json"
    page.write_text("before\n<!-- changes: begin -->\nold\n<!-- changes: end -->\nafter\n")
    command = [sys.executable, "benchmarks/changes.py", "--quick", "--output", str(output), "--document", str(page)]

    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    assert len(found["alarms"]) == 12
    assert found["alarms"]["white, 0.5 %"]["ci-gpu, confirmed"] == [0, 2]
    assert found["power"]["0.5%"]["0.1"]["10"]["ci-gpu, confirmed"] == [2, 2]
    text = page.read_text()
    assert text.startswith("before\n<!-- changes: begin -->\n\n| False alarms in 2 series, noise of 0.5 %")
    assert text.endswith("<!-- changes: end -->\nafter\n")
    assert "old" not in text


def test_confirmed_changes_of_noise_are_rare_and_suspicious_ones_are_counted() -> None:
    alarms = json.loads(RESULTS.read_text(encoding="utf-8"))["alarms"]

    assert all(sum(counted[OURS[0]]) >= 1000 for counted in alarms.values())
    assert all(counted[OURS[0]][0] <= counted[OURS[0]][1] // 100 for counted in alarms.values())
    assert all(counted[OURS[0]][0] <= counted[OURS[1]][0] for counted in alarms.values())


def test_a_confirmed_step_of_ten_per_cent_is_seen_after_two_points() -> None:
    power = json.loads(RESULTS.read_text(encoding="utf-8"))["power"]

    assert all(hits >= 0.97 * of for world in power.values() for hits, of in [world["0.1"]["2"][OURS[0]]])


def test_the_page_has_the_counted_numbers_and_the_settings_of_the_code() -> None:
    page, found = PAGE.read_text(encoding="utf-8"), json.loads(RESULTS.read_text(encoding="utf-8"))

    for name in found["alarms"]["white, 1.0 %"]:
        assert page.count(f"| {name} |") >= len(found["power"]) + 3
    assert f"newest {changes.MOST:,}\npoints" in page
    assert f"from {changes.FEWEST} points on" in page
