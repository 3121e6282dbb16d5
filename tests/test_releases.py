"""What a release does: which tools it runs, what it moves, and what the examples install."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
RELEASE: dict[str, Any] = YAML(typ="safe").load(ROOT / ".github/workflows/release.yml")
SHIPPED = (ROOT / "action.yml", *ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/**/*.yml"))
GH = """#!/bin/sh
case "$*" in
  *matching-refs*) cat "$KNOWN" ;;
  *) echo "$@" >> "$CALLS" ;;
esac
"""
"""`gh api` with `--jq` prints a line for each value (https://cli.github.com/manual/gh_api)."""


def released(folder: Path, tag: str, *known: str) -> str:
    """What the last step asks GitHub to change, for a tag beside others."""
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    (folder / "known").write_text("".join(f"refs/tags/{one}\n" for one in (tag, *known)))
    (folder / "calls").touch()
    script = RELEASE["jobs"]["release"]["steps"][-1]["run"]
    runner = {"TAG": tag, "GITHUB_REPOSITORY": "org/ci-gpu", "GITHUB_SHA": "1" * 40}
    env = {**os.environ, **runner, "PATH": f"{folder}:{os.environ['PATH']}"}
    env |= {"KNOWN": str(folder / "known"), "CALLS": str(folder / "calls")}
    argv = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
    subprocess.run(argv, env=env, cwd=folder, check=True, capture_output=True)
    return (folder / "calls").read_text()


@pytest.mark.parametrize("known", [(), ("v1.9.0", "v1.10.0-rc1"), ("v1.2.3",)])
def test_the_newest_release_moves_v1(tmp_path: Path, known: tuple[str, ...]) -> None:
    calls = released(tmp_path, "v1.10.0", *known)

    assert "release create v1.10.0" in calls
    assert "--method PATCH repos/org/ci-gpu/git/refs/tags/v1 -f sha=" + "1" * 40 in calls


@pytest.mark.attack
def test_a_backport_does_not_move_v1_back(tmp_path: Path) -> None:
    """A fix is released for an older line, v1.9.1 after v1.10.0.

    Everybody who uses v1 would run the older code. v1 moves to a tag only where none of its versions is newer.
    """
    calls = released(tmp_path, "v1.9.1", "v1.10.0", "v1.9.0")

    assert "release create v1.9.1" in calls
    assert "refs/tags/v1 " not in calls


@pytest.mark.attack
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_whatever_is_installed_for_a_job_with_rights_is_known_by_its_hash(path: Path) -> None:
    """Somebody takes over a package on the index, or one that it depends on.

    The job would run it with its token. What action, release and examples install is named with the hash of each file.
    """
    text = re.sub(r"\\\n\s*", " ", path.read_text())
    installs = [line for line in text.splitlines() if re.search(r"\bpip\b.* install\b|\$\{pip\[@\]\}.* install", line)]

    assert [line for line in installs if "--require-hashes" not in line or "--only-binary :all:" not in line] == []


def test_installs_are_found() -> None:
    """Else the test above would pass for files in which it finds none."""
    assert all("--require-hashes" in path.read_text() for path in SHIPPED if path.name in FOUND)
    assert {path.name for path in SHIPPED} >= FOUND


FOUND = {"action.yml", "release.yml", "gpu-comment.yml"}
RUNS_WHAT_IS_NEWEST = r"\b(pipx|uvx|npx|curl|wget)\b|\buv (run|tool|pip)\b|\bpip install (?!.*--require-hashes)"


@pytest.mark.attack
def test_nothing_unpinned_runs_beside_the_right_to_publish() -> None:
    """A tool of the release is replaced by another of the same name and version.

    With id-token: write it could publish as us. That job runs tools known by their hashes and pinned actions, and no
    other job has the right.
    """
    able = [job for job in RELEASE["jobs"].values() if "id-token" in job["permissions"]]
    scripts = [re.sub(r"\\\n\s*", " ", step.get("run", "")) for job in able for step in job["steps"]]
    locked = re.split(r"\n(?=\S)", (ROOT / ".github/release.lock").read_text().strip())

    assert len(able) == 1
    assert [line for script in scripts for line in script.splitlines() if re.search(RUNS_WHAT_IS_NEWEST, line)] == []
    assert "contents" not in able[0]["permissions"] or able[0]["permissions"]["contents"] == "read"
    assert {re.split("==", block)[0] for block in locked} >= {"build", "hatchling", "uv"}
    assert all("--hash=sha256:" in block for block in locked)


def test_pipx_is_seen_to_run_what_is_newest() -> None:
    assert re.search(RUNS_WHAT_IS_NEWEST, "pipx run uv publish dist/*")
    assert re.search(RUNS_WHAT_IS_NEWEST, "python -m pip install uv")
