"""The lives of real containers: who may end them, and that they end."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from ci_gpu import containers, engines
from tests.containers import images
from tests.containers.ground import Ground
from tests.containers.test_run import Lab, lab, start_waiting, wait_for_container

__all__ = ["lab"]

pytestmark = pytest.mark.engine


@pytest.mark.attack
def test_a_run_whose_containers_another_removes_is_the_runner_s_fault(lab: Lab) -> None:
    """A clean-up of another job on the runner removes the containers of a live run.

    The run would call the image broken. The engine is asked whether the container is there still: one that somebody
    else has removed tells nothing of the image.
    """
    process = start_waiting(lab)
    for _ in range(2):
        lab.ground.run(lab.engine, "rm", "--force", wait_for_container(lab, process))
    run = lab.finish(process)

    assert run.code == 3, run.stdout + run.stderr
    assert run.kinds[0] in ("removed", "killed"), "the engine may still have it, or not any more"
    assert "own.first" in run.stdout


def test_a_container_that_is_removed_during_its_start_is_no_fault_of_the_image(lab: Lab) -> None:
    image = lab.ground.pushed("waiting", "1", "ci-gpu-test/waiting")
    process = lab.start(image, "--checks", "autograd.polynomial", GITHUB_ACTIONS="true")
    for _ in range(2):
        lab.ground.run(lab.engine, "rm", "--force", wait_for_container(lab, process, "the import waits"))
    run = lab.finish(process)

    assert run.code == 3, run.stdout + run.stderr
    assert run.kinds[0] in ("removed", "killed"), "the engine may still have it, or not any more"


@pytest.mark.attack
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_after_signal_leaves_no_container(lab: Lab, number: signal.Signals) -> None:
    """A runner that cancels a job sends signal after signal.

    The second would end the engine's client while it removes the container: podman keeps that as Removing for ever.
    After the first signal no other breaks anything off, and the clients have sessions of their own.
    """
    process = start_waiting(lab)
    wait_for_container(lab, process)
    while process.poll() is None:
        process.send_signal(number)
        time.sleep(0.02)  # apart as they were when it happened; the outcome does not depend on it
    run = lab.finish(process)

    assert run.code == 130
    assert "the containers are gone" in run.stderr


COMMAS = {f"x{number}": ",io.ci-gpu.place=elsewhere,io.ci-gpu.deadline=99999999999" for number in range(20)}


@pytest.mark.attack
def test_labels_of_an_image_with_commas_do_not_keep_its_containers(
    real_ground: Ground, engine_name: str, tmp_path: Path
) -> None:
    """An image has labels whose values have commas and, behind them, labels of ours.

    Docker lists all labels as one text, so that the container would look like another machine's and outlive every
    sweep, with what it has of the GPU. The labels are read from the document of each container, where they are a table.
    """
    ended = subprocess.Popen(["true"])
    owner = containers._process(ended.pid)
    ended.wait()
    ours = {**dict(containers.labels("gone", time.time() + 600)), "io.ci-gpu.process": owner}
    lines = "\n".join(f'LABEL {name}="{value}"' for name, value in COMMAS.items())
    (tmp_path / "Containerfile").write_text(f"FROM {images.image('no-python')}\n{lines}\n")
    image = f"{real_ground.registry}/ci-gpu-test/commas:1"
    for words in (("build", "-q", "-t", image, str(tmp_path)), ("push", "-q", image), ("rmi", image)):
        done = real_ground.run("podman", *words)
        assert done.returncode == 0, done.stderr
    name = containers.new_name()
    labels = [f"--label={key}={value}" for key, value in ours.items()]
    made = real_ground.run(engine_name, "create", "--name", name, *labels, image, "/bin/sleep", "600")

    assert made.returncode == 0, made.stderr
    assert containers.sweep(engines.load(engine_name), real_ground.env) == (name,)
