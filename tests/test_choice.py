"""The engine of a run, by what the clients on PATH answer to `info`: recorded documents, each cut to what is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
    """An empty PATH, for the clients of a test."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


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
