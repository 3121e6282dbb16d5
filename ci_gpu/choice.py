"""Which engine a run uses: the one that was asked for, or the first that works and can hand over GPUs.

How it hands them over is tried when the first container starts (`ci_gpu.handover`): an engine knows too little of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ci_gpu import config, engines, process, untyped
from ci_gpu.engines import Engine
from ci_gpu.errors import RunnerError
from ci_gpu.model import Host
from ci_gpu.settings import Settings


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The engine of a run, and the ways in which it may hand over GPUs, in the order in which they are tried."""

    name: str
    engine: Engine
    gpu_modes: tuple[str, ...] = ()
    sees_gpus: bool | None = None
    init: bool = False


def choose(settings: Settings, machine: Host) -> Chosen:
    """The engine that was asked for, or the first that works; where GPUs are wanted, the first that may hand them over.

    Raises:
        RunnerError: there is none.
    """
    if settings.engine == config.LOCAL:
        return Chosen(name=config.LOCAL, engine=engines.load(config.LOCAL))
    wanted = [name for name in _named(settings.engine) if _knows(name, settings.gpu_mode)]
    answers = {name: process.run(engines.load(name).info(), timeout=30) for name in wanted}
    found = {name: answer.stdout for name, answer in answers.items() if answer.returncode == 0}
    if not found:
        raise _no_engine(answers)
    working = [_chosen(name, info, settings, machine) for name, info in found.items()]
    able = [chosen for chosen in working if chosen.sees_gpus is not False]
    return (able if able and (machine.gpus or machine.signs) else working)[0]


def _named(engine: str) -> tuple[str, ...]:
    return ("docker", "podman") if engine == "auto" else (engine,)


def _knows(name: str, mode: str) -> bool:
    return mode == "auto" or mode in engines.load(name).GPU_MODES


def _chosen(name: str, info: str, settings: Settings, machine: Host) -> Chosen:
    engine = engines.load(name)
    document = untyped.table(untyped.document(info))
    auto = settings.gpu_mode == "auto"
    return Chosen(
        name=name,
        engine=engine,
        gpu_modes=engine.gpu_modes(document, machine.signs) if auto else (settings.gpu_mode,),
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
