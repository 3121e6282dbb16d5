"""The lock: what the action installs on a runner, each file known by its hash."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.action.runner import ROOT
from tests.needs import program, unavailable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked() -> dict[str, Requirement]:
    lines = [line.removesuffix("\\").strip() for line in LOCK.splitlines() if re.match(r"[a-z]", line)]
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


def test_the_lock_satisfies_what_the_project_asks_for() -> None:
    for wanted in map(Requirement, PROJECT["dependencies"]):
        pinned = locked()[canonicalize_name(wanted.name)]
        (version,) = pinned.specifier
        assert version.operator == "=="
        assert wanted.specifier.contains(version.version), wanted
        assert (wanted.marker is None) == (pinned.marker is None), wanted


def test_the_lock_has_a_hash_for_everything_and_names_no_place_to_get_it_from() -> None:
    blocks = re.split(r"\n(?=\S)", LOCK.strip())

    assert len(blocks) == len(locked()) >= len(PROJECT["dependencies"])
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", LOCK)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_lock_has_a_wheel_of_everything_for(python: str, machine: str, tmp_path: Path) -> None:
    """pip itself takes them, under the rules of the action: hashes, wheels, nothing built."""
    platforms = [f"--platform=manylinux_2_{glibc}_{machine}" for glibc in (28, 17)] + ["--platform=any"]
    rules = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-input", "--python-version", python)
    argv = (sys.executable, "-I", "-m", "pip", "download", "-q", "--dest", str(tmp_path), *rules, *platforms)
    done = subprocess.run((*argv, "-r", ROOT / "requirements.lock"), capture_output=True, text=True, check=False)
    if "Failed to establish a new connection" in done.stderr:
        unavailable("the package index does not answer")

    assert done.returncode == 0, done.stderr
    assert any(f"cp{python.replace('.', '')}" in path.name for path in tmp_path.glob("msgspec-*.whl"))


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_make_test_sets_up_on_every_python_that_is_promised(python: str) -> None:
    """A tool's newest version may have left a Python behind: then our lower bound must not ask for that version."""
    argv = (program("uv"), "pip", "compile", "--quiet", "--python-version", python, "--group", "test", "pyproject.toml")
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    if "error sending request" in done.stderr or "Failed to fetch" in done.stderr:
        unavailable("the package index does not answer")

    assert done.returncode == 0, done.stderr
