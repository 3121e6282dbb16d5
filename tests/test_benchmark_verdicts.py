"""The benchmark of the verdicts runs, its rules decide as the tools do, and the page says what it counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.needs import module

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "measurement.md"
RESULTS = ROOT / "benchmarks" / "results" / "verdicts.json"
NOISE = np.random.default_rng(5).normal(0, 0.002, (2, 12, 30))


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import rivals

    return rivals


def test_a_quick_run_counts_everything_and_fills_the_page(tmp_path: Path) -> None:
    page, output = tmp_path / "page.md", tmp_path / "verdicts.json"
    page.write_text("before\n<!-- verdicts: begin -->\nold\n<!-- verdicts: end -->\nafter\n")
    command = [sys.executable, "benchmarks/verdicts.py", "--quick", "--output", str(output), "--document", str(page)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    assert found["alarms"]["0.5 %"]["ci-gpu"] == [0, 2]
    assert set(found["detections"]["0.2 %"]) == {"0.02", "0.03", "0.05", "0.1"}
    assert found["recorded"]["alarms"]["ci-gpu"][1] == 1
    text = page.read_text()
    assert text.startswith("before\n<!-- verdicts: begin -->\n\n| Suites of 20 with a false alarm")
    assert text.endswith("<!-- verdicts: end -->\nafter\n")
    assert "old" not in text


def test_a_recorded_process_times_twenty_pieces_of_work() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/recorded.py", "--one"], cwd=ROOT, capture_output=True, check=True
    )
    times = json.loads(done.stdout)

    assert [len(each) for each in times] == [20] * 20
    assert all(sample > 0 for each in times for sample in each)


def test_the_alternatives_fill_their_own_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- alternatives: begin -->\nold\n<!-- alternatives: end -->\nafter\n")
    command = [sys.executable, "benchmarks/alternatives.py", "--suites", "40", "--document", str(page)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)

    rows = page.read_text().splitlines()
    assert rows[-2:] == ["<!-- alternatives: end -->", "after"]
    assert {row.count("|") for row in rows if row.startswith("|")} == {12}
    assert next(row for row in rows if "ours" in row and "12 pairs" in row).endswith("| 100.0 % | 100.0 % |")


def test_what_is_claimed_is_what_was_counted() -> None:
    claims = json.loads(RESULTS.read_text(encoding="utf-8"))["claims"]

    assert claims["at most 1 % of suites with a false alarm, in every world that does not"] is True
    assert claims["worst where the machine swings in step"][2] < 0.025, "and 1 with the order always A B B A"
    for least, when in ((99, "at the first look"), (98, "after six pairs and no more"), (99, "confirmed")):
        assert claims[f"at least {least} % of +3 % seen at 0.5 %, {when}"] is True
    assert claims["as quiet in every world, and sees more"] == []
    assert f"upper 95 % bound {100 * claims['worst false alarms'][2]:.2f} %" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "unmoved", "moved"),
    [
        ("ratio-1.1", 1.09, 1.11),
        ("ratio-2.0", 1.9, 2.1),
        ("ratio_of_medians-1.1", 1.09, 1.11),
        ("mann_whitney", 1.0, 1.02),
        ("criterion", 1.005, 1.03),
        ("home_made", 1.01, 1.03),
    ],
)
def test_a_rewritten_rule_has_the_threshold_of_its_tool(
    rivals: ModuleType, name: str, unmoved: float, moved: float
) -> None:
    kind, _, threshold = name.partition("-")
    rule = {
        "ratio": lambda: rivals.ratio(float(threshold)),
        "ratio_of_medians": lambda: rivals.ratio_of_medians(float(threshold)),
        "mann_whitney": lambda: rivals.benchstat_processes,
        "criterion": lambda: rivals.Criterion(30),
        "home_made": lambda: rivals.home_made,
    }[kind]()
    base, head = np.exp(NOISE)

    assert not rule(base, head * unmoved)
    assert rule(base, head * moved)
    assert not rule(base, head / moved)


@pytest.mark.parametrize(
    ("package", "rule", "unmoved", "moved"),
    [
        ("pyperf", "pyperf_compare", 1.0, 1.01),
        ("pyperf", "pyperf_min_speed", 1.01, 1.03),
        ("asv", "asv_continuous", 1.09, 1.12),
        ("asv", "asv_all", 1.01, 1.03),
        ("cuda.bench.scripts", "nvbench", 1.0, 1.05),
    ],
)
def test_a_packaged_rule_is_asked_in_its_own_words(
    rivals: ModuleType, package: str, rule: str, unmoved: float, moved: float
) -> None:
    module(package)
    base, head = np.exp(NOISE)

    assert not getattr(rivals, rule)(base, head * unmoved)
    assert getattr(rivals, rule)(base, head * moved)
    assert not getattr(rivals, rule)(base, head / moved)


def test_a_rule_whose_package_is_not_here_is_left_out_and_named(rivals: ModuleType) -> None:
    rule = rivals.Rule("a rule", "1 process", "", lambda base, head: True)

    with pytest.warns(UserWarning, match="a rule is left out"):
        assert rivals._running("no-such-package-here", rule) == []
