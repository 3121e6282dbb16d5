"""Which engine a run uses: the one that was asked for, or the first that works and can hand over GPUs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from ci_gpu import config, engines, process
from ci_gpu.engines import Engine
from ci_gpu.errors import RunnerError
from ci_gpu.model import Host


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The engine of a run, and how it hands over GPUs."""

    name: str
    engine: Engine
    gpu_mode: str
    sees_gpus: bool
    init: bool


def choose(settings: config.Settings, machine: Host) -> Chosen:
    """The engine that was asked for, or the first that works; where GPUs are wanted, the first that can hand them over.

    Raises:
        RunnerError: there is none, or it cannot hand over the GPUs that were asked for.
    """
    if settings.engine == config.LOCAL:
        return Chosen(
            name=config.LOCAL, engine=engines.load(config.LOCAL), gpu_mode=config.LOCAL, sees_gpus=False, init=False
        )
    wanted = ("docker", "podman") if settings.engine == "auto" else (settings.engine,)
    answers = {name: process.run(engines.load(name).info(), timeout=30) for name in wanted}
    working = [_chosen(name, answer.stdout) for name, answer in answers.items() if answer.returncode == 0]
    if not working:
        raise _no_engine(answers)
    able = [chosen for chosen in working if chosen.gpu_mode]
    if settings.device == "cuda" and not able:
        raise _no_gpu_mode(working[0].name)
    return (able if able and (machine.gpus or machine.signs) else working)[0]


def _chosen(name: str, info: str) -> Chosen:
    engine = engines.load(name)
    document: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        document = json.loads(info)
    return Chosen(
        name=name,
        engine=engine,
        gpu_mode=engine.gpu_mode(document),
        sees_gpus=engine.sees_gpus(document),
        init=engine.has_init(document),
    )


def _no_engine(answers: Mapping[str, process.Completed]) -> RunnerError:
    said = "; ".join(f"{name}: {_last_line(answer)}" for name, answer in answers.items())
    return RunnerError(
        f"no container engine works here ({said})",
        why="none is installed, its service is down, or this user may not use it",
        remedy="install podman or docker; --engine local checks this interpreter without a container",
        kind="engine-missing",
    )


def _last_line(answer: process.Completed) -> str:
    lines = (answer.stderr or answer.stdout).strip().splitlines()
    return lines[-1][:300] if lines else f"exit code {answer.returncode}"


def _no_gpu_mode(name: str) -> RunnerError:
    return RunnerError(
        f"{name} cannot hand GPUs to a container",
        why="the NVIDIA container toolkit is not installed, or this engine was not told about it",
        remedy="docker: sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker; "
        "podman: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
        kind="gpu-runtime-missing",
    )
