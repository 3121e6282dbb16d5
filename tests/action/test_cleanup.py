"""The clean-up step on real containers: what this job has left behind goes, what is another's stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_gpu import containers
from tests.action.runner import Runner
from tests.containers import images
from tests.containers.ground import Ground

pytestmark = pytest.mark.engine

JOB = {"GITHUB_RUN_ID": "77", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "gpu"}


def left_behind(ground: Ground, run: str) -> str:
    """A container of a process that still lives (this one): only the name of the run tells whose it is."""
    labels = [f"--label={key}={value}" for key, value in containers.labels(run, deadline=2e9)]
    started = ground.run("podman", "run", "--detach", *labels, images.image("no-torch"), "sleep", "600")
    assert started.returncode == 0, started.stderr
    return started.stdout.strip()


def test_the_clean_up_removes_the_containers_of_this_job_alone(real_ground: Ground, tmp_path: Path) -> None:
    mine, another = left_behind(real_ground, "77-1-gpu"), left_behind(real_ground, "78-1-gpu")
    try:
        steps = Runner(workspace=tmp_path, temp=tmp_path, env={**real_ground.env, **JOB}).run(
            engine="podman", image="localhost:1/no/image:1"
        )

        assert steps["run"].code == 3, steps["run"].log
        assert steps["Clean up"].code == 0
        assert "removed" in steps["Clean up"].log
        assert real_ground.run("podman", "container", "exists", mine).returncode == 1
        assert real_ground.run("podman", "container", "exists", another).returncode == 0
    finally:
        real_ground.run("podman", "rm", "--force", "--time", "0", mine, another)
