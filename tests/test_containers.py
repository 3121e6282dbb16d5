"""Whose a container is, and when it is nobody's any more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ci_gpu import containers, process
from ci_gpu.errors import Interrupted, RunnerError
from tests.needs import program, unavailable


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


def test_elsewhere_only_the_deadline_counts() -> None:
    assert not stale(place="elsewhere", process="1:1")
    assert stale(place="elsewhere", process="1:1", deadline=str(int(time.time()) - 7200))


def test_labels_that_mean_nothing_protect_nobody() -> None:
    assert stale(place="elsewhere", deadline="soon")
    assert stale(process="")


@pytest.mark.attack
def test_a_run_in_another_namespace_of_processes_is_not_swept_by_one_that_cannot_see_it() -> None:
    """A job sweeps the engine that it shares with a job in another container, whose host name is the same.

    It would end the other's live container and take its result: it looks the other's process up among its own. Each
    container says in which boot and namespace its run is, and elsewhere only its deadline counts.
    """
    here = dict(containers.labels("run-1", time.time() + 60))
    ask = "import json, sys; from ci_gpu import containers; print(containers._is_stale(json.loads(sys.argv[1]), ''))"
    argv = (sys.executable, "-c", ask, json.dumps(here))
    unshare = (program("unshare"), "--pid", "--fork", "--mount-proc")
    if subprocess.run((*unshare, "true"), capture_output=True, check=False).returncode:
        unavailable("this user makes no namespaces")
    there = subprocess.run((*unshare, *argv), capture_output=True, text=True, check=True)

    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "False\n"
    assert there.stdout == "False\n"


def test_where_the_kernel_does_not_tell_the_place_only_the_deadline_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_place", str)

    assert not stale(process="1:1")


def test_the_job_s_own_containers_are_swept_at_its_end() -> None:
    marks = dict(containers.labels("run-1", time.time() + 60))

    assert containers._is_stale(marks, "run-1")
    assert not containers._is_stale(marks, "run-2")


def test_a_workflow_job_has_one_identity_and_a_process_another() -> None:
    job = {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "gpu"}

    assert containers.run_id(job) == "7-2-gpu"
    assert containers.run_id({**job, "CI_GPU_RUN_ID": "ci-gpu-a1b2c3d4"}) == "ci-gpu-a1b2c3d4"
    assert re.fullmatch(rf"pid-{os.getpid()}-[0-9a-f]{{8}}", containers.run_id({}))


ONE, TWO = "ci-gpu-0000000000000001", "ci-gpu-0000000000000002"


def document(name: str, labels: object) -> dict[str, object]:
    return {"Name": name, "Config": {"Labels": labels}}


def test_both_engines_documents_are_read() -> None:
    labels = {"io.ci-gpu": "r", "io.ci-gpu.place": "here"}
    docker = json.dumps([document(f"/{ONE}", labels), document(f"/{TWO}", None)])
    podman = json.dumps([document(ONE, labels), document(TWO, {})])

    for described in (docker, podman):
        assert list(containers._containers(described)) == [(ONE, labels), (TWO, {})]
    assert list(containers._containers("")) == []
    assert list(containers._containers("Error: no such thing")) == []


def test_a_container_of_another_name_is_a_stranger_s_whatever_the_labels_of_its_image_are() -> None:
    named = [document(name, {"io.ci-gpu": "r"}) for name in ("database", "ci-gpu-1", f"{ONE}0", ONE)]

    assert [name for name, _ in containers._containers(json.dumps(named))] == [ONE]


class Engine:
    """An engine whose listing and removal fail a number of times before they are done, as shell commands.

    docker 28.2 and podman 4.3.1 say such things with code 1 and 125; a removal that hangs in the kernel leaves podman's
    container in the state Removing, in which it is listed.
    """

    CONTAINERS = True

    def __init__(self, folder: Path, *, unlisted: int = 0, unremoved: int = 0) -> None:
        self._folder, self._unlisted, self._unremoved = folder, unlisted, unremoved
        (folder / "there").write_text(f"{ONE}\n")

    def _failing(self, what: str, times: int) -> str:
        path = self._folder / what
        return f"echo x >> {path}; [ $(wc -l < {path}) -gt {times} ] || {{ echo no such container >&2; exit 125; }}"

    def list_labelled(self, label: str) -> tuple[str, ...]:
        return ("sh", "-c", f"{self._failing('asked', self._unlisted)}; cat {self._folder}/there")

    def describe(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return ("echo", json.dumps([document(name, {"io.ci-gpu": "old"}) for name in names]))

    def remove(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return ("sh", "-c", f"{self._failing('removed', self._unremoved)}; : > {self._folder}/there")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_PAUSES", (0.0, 0.0, 0.0))


def test_a_listing_that_stumbles_is_asked_for_again(tmp_path: Path) -> None:
    assert containers.sweep(Engine(tmp_path, unlisted=1), os.environ, run="old") == (ONE,)


def test_a_listing_that_never_comes_is_an_error_and_no_empty_sweep(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="does not list its containers: no such container"):
        containers.sweep(Engine(tmp_path, unlisted=9), os.environ)


@pytest.mark.attack
def test_labels_that_are_too_much_together_keep_no_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image has megabytes of labels, which each of its containers repeats.

    What the engine says of all would be too much, and no container would ever be swept: then each is asked for alone.
    """
    monkeypatch.setattr(process, "MOST_OUTPUT", 300)
    monkeypatch.setattr(Engine, "list_labelled", lambda *_: ("echo", ONE, TWO))
    padded = {"io.ci-gpu": "old", "of.the.image": "x" * 150}
    monkeypatch.setattr(
        Engine, "describe", lambda _, names: ("echo", json.dumps([document(name, padded) for name in names]))
    )

    assert containers.sweep(Engine(tmp_path), os.environ, run="old") == (ONE, TWO)


def test_a_removal_that_stumbles_is_tried_again(tmp_path: Path) -> None:
    with containers.removed_afterwards(Engine(tmp_path, unremoved=2), ONE, os.environ):
        pass

    assert (tmp_path / "there").read_text() == ""


def test_a_removal_that_fails_because_another_was_first_is_none(tmp_path: Path) -> None:
    (engine := Engine(tmp_path, unremoved=9)) and (tmp_path / "there").write_text(f"{TWO}\n")
    with containers.removed_afterwards(engine, ONE, os.environ):
        pass


def test_a_container_that_cannot_be_removed_is_the_runner_s_fault_and_is_not_said_to_be_swept(tmp_path: Path) -> None:
    engine = Engine(tmp_path, unremoved=9)
    with (
        pytest.raises(RunnerError, match=f"does not remove our container {ONE}"),
        containers.removed_afterwards(engine, ONE, os.environ),
    ):
        pass
    (tmp_path / "removed").unlink()

    assert containers.sweep(engine, os.environ, run="old") == ()


def test_an_interruption_tells_what_is_there_still(tmp_path: Path) -> None:
    with (
        pytest.raises(Interrupted) as caught,
        containers.removed_afterwards(Engine(tmp_path, unremoved=9), ONE, os.environ),
    ):
        raise Interrupted("SIGINT")

    assert (caught.value.args, caught.value.left) == (("SIGINT",), (ONE,))


def test_a_mistake_inside_is_not_hidden_by_a_container_that_stays(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="ours"),
        containers.removed_afterwards(Engine(tmp_path, unremoved=9), ONE, os.environ),
    ):
        raise ValueError("ours")
