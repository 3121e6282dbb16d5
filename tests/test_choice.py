"""The engine of a run, by what the clients on PATH answer to `info`: recorded documents, each cut to what is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci_gpu import choice, process
from ci_gpu.choice import Chosen, choose
from ci_gpu.errors import RunnerError
from ci_gpu.model import Host
from ci_gpu.settings import Settings

NVIDIA = json.dumps({"Runtimes": {"runc": {}, "nvidia": {}}})
NOTHING = json.dumps({"Runtimes": {"runc": {}}})
PODMAN = json.dumps({"Client": {"Version": "4.3.1"}})
GPU = Host(signs=("/dev/nvidia0",))


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, for the clients of a test, on a machine without the toolkit."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(choice, "CDI_FOLDERS", (str(tmp_path / "cdi"), str(tmp_path / "none")))
    monkeypatch.setattr(process, "FOLDERS", (str(tmp_path / "toolkit"),))
    return tmp_path


def describe(folder: Path, kind: str = "nvidia.com/gpu", name: str = "nvidia.yaml") -> None:
    """A CDI description, as `nvidia-ctk cdi generate` begins one."""
    (folder / "cdi").mkdir(exist_ok=True)
    (folder / "cdi" / name).write_text(f"---\ncdiVersion: 0.5.0\ncontainerEdits: {{}}\nkind: {kind}\n")


def hook(folder: Path) -> None:
    (folder / "toolkit").mkdir()
    (folder / "toolkit" / choice.HOOK).write_text("")
    (folder / "toolkit" / choice.HOOK).chmod(0o755)


def install(folder: Path, **answers: str) -> None:
    for name, answer in answers.items():
        (folder / name).write_text(f"#!/bin/sh\nprintf '%s' '{answer}'\n")
        (folder / name).chmod(0o755)


def chosen(machine: Host = GPU, **settings: str) -> Chosen:
    return choose(Settings(**settings), machine)


def test_an_engine_that_may_hand_over_gpus_comes_before_one_that_was_not_told_of_any(clients: Path) -> None:
    install(clients, docker=NOTHING, podman=PODMAN)

    assert (chosen().name, chosen().gpu_modes) == ("podman", ("cdi",))
    assert chosen(Host()).name == "docker"


def test_podman_with_a_description_comes_before_a_docker_that_knows_of_no_gpu(clients: Path) -> None:
    """Also where this machine shows no GPU, but one is asked for: it may be in the description alone."""
    install(clients, docker=NOTHING, podman=PODMAN)
    describe(clients)

    assert chosen(Host(), device="cuda").name == "podman"
    assert chosen(Host(), device="auto", gpus="0").name == "podman"
    assert chosen(GPU, device="cpu").name == chosen(GPU, device="auto", gpus="none").name == "docker"


def test_podman_with_a_description_comes_before_a_docker_with_the_hook_alone(clients: Path) -> None:
    install(clients, docker=NOTHING, podman=PODMAN)
    hook(clients)
    describe(clients, name="nvidia.json")

    assert chosen().name == "podman"


@pytest.mark.parametrize("kind", ["", "example.com/device"])
def test_docker_with_the_hook_comes_before_a_podman_without_a_description(clients: Path, kind: str) -> None:
    install(clients, docker=NOTHING, podman=PODMAN)
    hook(clients)
    if kind:
        describe(clients, kind)

    assert (chosen().name, chosen().gpu_modes) == ("docker", ("gpus",))


def test_docker_that_was_told_of_gpus_comes_before_a_podman_with_a_description(clients: Path) -> None:
    install(clients, docker=NVIDIA, podman=PODMAN)
    describe(clients)

    assert chosen().name == "docker"


def test_docker_comes_first_where_it_was_told_of_gpus(clients: Path) -> None:
    install(clients, docker=NVIDIA, podman=PODMAN)

    assert (chosen().name, chosen().gpu_modes) == ("docker", ("gpus", "runtime"))


def test_docker_alone_is_tried_although_it_was_not_told(clients: Path) -> None:
    """`--gpus` needs the toolkit's hook, of which the daemon does not tell."""
    install(clients, docker=NOTHING)

    assert (chosen(device="cuda").name, chosen().gpu_modes) == ("docker", ("gpus",))


@pytest.mark.parametrize(("mode", "engine"), [("cdi", "podman"), ("gpus", "docker"), ("runtime", "docker")])
def test_a_way_that_is_named_is_asked_of_an_engine_that_knows_it(clients: Path, mode: str, engine: str) -> None:
    install(clients, docker=NOTHING, podman=PODMAN)

    assert (chosen(gpu_mode=mode).name, chosen(gpu_mode=mode).gpu_modes) == (engine, (mode,))


def test_a_way_that_no_engine_here_knows_is_the_runner_s_fault(clients: Path) -> None:
    install(clients, podman=PODMAN)

    with pytest.raises(RunnerError, match="docker: command not found"):
        chosen(gpu_mode="runtime")


def test_the_local_engine_has_nothing_to_hand_over(clients: Path) -> None:
    assert chosen(engine="local").gpu_modes == ()
