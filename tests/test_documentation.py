"""The documents say what the code does: tables are made from it, and nothing is left out.

``CI_GPU_UPDATE_GOLDEN=1`` writes the table anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ci_gpu import catalogue
from ci_gpu.cli import cli
from ci_gpu.errors import CiGpuError
from tests.needs import module

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
EVIDENCE = ROOT / "docs" / "evidence.md"


def checks() -> str:
    """The table of the checks that come with ci-gpu."""
    gpu = {True: "yes", False: ""}
    rows = [f"| `{check.id}` | {check.proves} | {gpu[check.needs_gpu]} |" for check in catalogue.builtin()]
    return "\n".join(["| check | proves | needs a GPU |", "|---|---|---|", *rows])


def test_the_checks_in_the_readme_are_those_of_the_code() -> None:
    begin, end = "<!-- checks: begin -->\n", "<!-- checks: end -->"
    head, _, rest = README.read_text("utf-8").partition(begin)
    if os.environ.get("CI_GPU_UPDATE_GOLDEN") == "1":
        README.write_text(f"{head}{begin}{checks()}\n{end}{rest.partition(end)[2]}", "utf-8")

    assert f"{begin}{checks()}\n{end}" in README.read_text("utf-8")


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text("utf-8")

    assert [name for name, command in cli.commands.items() if not command.hidden and f"ci-gpu {name}" not in text] == []


def test_every_exit_code_is_in_the_readme() -> None:
    codes = {kind.exit_code for kind in CiGpuError.__subclasses__()} | {0, 70, 130}
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", README.read_text("utf-8"), flags=re.MULTILINE)}

    assert documented == codes


def test_every_check_that_needs_a_gpu_has_its_evidence() -> None:
    """Code for a GPU that has never met one is a guess, and the list says so."""
    text = EVIDENCE.read_text("utf-8")

    assert [check.id for check in catalogue.builtin() if check.needs_gpu and f"| `{check.id}` |" not in text] == []


def test_every_result_on_record_is_told_of() -> None:
    """By its own name, by the page of its folder, or by the script of the same name that made it."""
    results = ROOT / "benchmarks/results"
    told = "".join(page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md"))
    files = [path.relative_to(results) for path in results.rglob("*") if path.is_file()]
    names = {
        file: (f"{file}", f"results/{file.parts[0]}/README.md", f"benchmarks/{file.name.partition('.')[0]}.py")
        for file in files
    }

    assert [file for file in files if not any(name in told for name in names[file])] == []


def test_every_link_leads_somewhere() -> None:
    pages = [README, *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").glob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s]+)\)", page.read_text("utf-8"))]
    dead = [(page.name, link) for page, link in links if "://" not in link and not (page.parent / link).exists()]

    assert links
    assert dead == []


def test_the_check_in_the_readme_runs(tmp_path: Path) -> None:
    """What a newcomer copies works as it stands."""
    module("torch")
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), flags=re.DOTALL)
    (tmp_path / "softmax.py").write_text(block, "utf-8")
    options = ("--engine", "local", "--device", "cpu", "--checks-dir", str(tmp_path), "--checks", "softmax")
    done = subprocess.run(
        (sys.executable, "-m", "ci_gpu", "run", *options), capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "softmax.rows_sum_to_one" in done.stderr
