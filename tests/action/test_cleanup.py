"""The clean-up step on real containers: what this use of the action has left behind goes, what is another's stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ci_gpu import containers
from tests.action.runner import Runner
from tests.containers import images
from tests.containers.ground import Ground
from tests.needs import program

pytestmark = pytest.mark.engine

JOB = {"GITHUB_RUN_ID": "77", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "gpu"}  # as in each leg of a matrix
MKTEMP = """#!/bin/sh
mkdir "${2%XXXXXXXX}known"
echo "${2%XXXXXXXX}known"
"""


def left_behind(ground: Ground, run: str) -> str:
    """A container of a process that still lives (this one): only the name of the run tells whose it is."""
    labels = [f"--label={key}={value}" for key, value in containers.labels(run, deadline=2e9)]
    image = images.image("no-torch")
    started = ground.run("podman", "run", "--detach", f"--name={containers.new_name()}", *labels, image, "sleep", "600")
    assert started.returncode == 0, started.stderr
    return started.stdout.strip()


@pytest.fixture
def job(real_ground: Ground, tmp_path: Path) -> Runner:
    """A leg of a matrix whose use of the action has a name that can be known beforehand."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mktemp").write_text(MKTEMP)
    (tmp_path / "bin/mktemp").chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    return Runner(workspace=tmp_path, temp=tmp_path, env={**real_ground.env, **JOB, "PATH": path})


def test_the_clean_up_removes_what_is_left_of_this_use_and_of_no_other(real_ground: Ground, job: Runner) -> None:
    mine, another, leg = (left_behind(real_ground, run) for run in ("ci-gpu-known", "ci-gpu-another", "77-1-gpu"))
    try:
        steps = job.run(engine="podman", image="localhost:1/no/image:1")

        assert steps["run"].code == 3, steps["run"].log
        assert steps["Clean up"].code == 0
        assert "removed" in steps["Clean up"].log
        assert real_ground.run("podman", "container", "exists", mine).returncode == 1
        assert real_ground.run("podman", "container", "exists", another).returncode == 0
        assert real_ground.run("podman", "container", "exists", leg).returncode == 0
    finally:
        real_ground.run("podman", "rm", "--force", "--ignore", "--time", "0", mine, another, leg)


def test_containers_bear_the_name_of_the_use_that_starts_them(real_ground: Ground, job: Runner, tmp_path: Path) -> None:
    """podman is real; what it is told is written down on the way."""
    (tmp_path / "bin/podman").write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/told"\nexec {program("podman")} "$@"\n')
    (tmp_path / "bin/podman").chmod(0o755)
    steps = job.run(engine="podman", image=real_ground.pushed("no-torch", "1", "ci-gpu-test/clean-up"), device="cpu")

    assert steps["run"].code == 4, steps["run"].log
    started = [line for line in (tmp_path / "told").read_text().splitlines() if line.startswith("run ")]
    assert started
    assert all(f"--label {containers.LABEL}=ci-gpu-known " in line for line in started)
