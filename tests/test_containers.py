"""Whose a container is, and when it is nobody's any more."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ci_gpu import containers
from ci_gpu.errors import RunnerError


def stale(**changes: str) -> bool:
    """Whether a container with our labels, and these changes to them, is swept."""
    marks = dict(containers.labels("run-1", time.time() + 60))
    marks.update({f"{containers.LABEL}.{key}": value for key, value in changes.items()})
    return containers._is_stale(marks, "")


def test_a_container_of_a_living_run_stays() -> None:
    assert not stale()


def test_a_container_whose_process_is_gone_is_swept() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    owner = containers._process(done.pid)
    done.wait()

    assert stale(process=owner)


def test_a_pid_that_came_round_again_is_another_process() -> None:
    assert stale(process=f"{os.getpid()}:1")


def test_on_another_host_only_the_deadline_counts() -> None:
    assert not stale(host="elsewhere", process="1:1")
    assert stale(host="elsewhere", process="1:1", deadline=str(int(time.time()) - 7200))


def test_labels_that_mean_nothing_protect_nobody() -> None:
    assert stale(host="elsewhere", deadline="soon")
    assert stale(process="")


def test_the_job_s_own_containers_are_swept_at_its_end() -> None:
    marks = dict(containers.labels("run-1", time.time() + 60))

    assert containers._is_stale(marks, "run-1")
    assert not containers._is_stale(marks, "run-2")


def test_a_workflow_job_has_one_identity_and_a_process_another() -> None:
    job = {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "gpu"}

    assert containers.run_id(job) == "7-2-gpu"
    assert containers.run_id({**job, "CI_GPU_RUN_ID": "ci-gpu-a1b2c3d4"}) == "ci-gpu-a1b2c3d4"
    assert containers.run_id({}) == f"pid-{os.getpid()}"


def test_both_engines_ways_of_listing_are_read() -> None:
    labels = {"io.ci-gpu": "r", "io.ci-gpu.host": socket.gethostname()}
    docker = "\n".join(json.dumps({"Names": name, "Labels": "io.ci-gpu=r,x=a=b"}) for name in ("one", "two"))
    podman = json.dumps([{"Names": ["one"], "Labels": labels}, {"Names": ["two"], "Labels": None}])

    assert list(containers._containers(docker)) == [(name, {"io.ci-gpu": "r", "x": "a=b"}) for name in ("one", "two")]
    assert list(containers._containers(podman)) == [("one", labels), ("two", {})]
    assert list(containers._containers("")) == []
    assert list(containers._containers("Error: no such thing")) == []


class Engine:
    """An engine whose listing fails a number of times before it answers."""

    CONTAINERS = True

    def __init__(self, path: Path, failures: int) -> None:
        self._path, self._failures = path, failures
        path.write_text("")

    def list_labelled(self, label: str) -> tuple[str, ...]:
        listing = json.dumps({"Names": "left", "Labels": f"{label}=old"})
        count = f"echo x >> {self._path}; test $(wc -l < {self._path}) -gt {self._failures}"
        return ("sh", "-c", f"{count} || {{ echo no such container >&2; exit 125; }}; echo '{listing}'")

    def remove(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return ("true",)


def test_a_listing_that_stumbles_is_asked_for_again(tmp_path: Path) -> None:
    assert containers.sweep(Engine(tmp_path / "asked", 1), os.environ, run="old") == ("left",)


def test_a_listing_that_never_comes_is_an_error_and_no_empty_sweep(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="does not list its containers: no such container"):
        containers.sweep(Engine(tmp_path / "asked", 9), os.environ)
