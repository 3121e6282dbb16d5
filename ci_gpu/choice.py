"""Which engine a run uses: the one that was asked for, or the first that works and can hand over GPUs.

How it hands them over is tried when the first container starts (`ci_gpu.handover`): an engine knows too little of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from ci_gpu import config, engines, process, untyped
from ci_gpu.engines import Engine, Runtime
from ci_gpu.errors import RunnerError
from ci_gpu.model import Host
from ci_gpu.settings import Settings

CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
"""Where engines look for descriptions of devices (the specification's own defaults)."""

HOOK = "nvidia-container-runtime-hook"
"""The toolkit's: docker's `--gpus` needs it alone."""

_READ = 1 << 20  # characters of a description: the kind of its devices is among the first


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The engine of a run, and the ways in which it may hand over GPUs, in the order in which they are tried."""

    name: str
    engine: Engine
    gpu_modes: tuple[str, ...] = ()
    sees_gpus: bool | None = None
    init: bool = False


def choose(settings: Settings, machine: Host) -> Chosen:
    """The engine that was asked for, or the first that works; where GPUs are wanted, the likeliest to hand them over.

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
    return max(working, key=_likelihood) if _wants_gpus(settings, machine) else working[0]


def _wants_gpus(settings: Settings, machine: Host) -> bool:
    if settings.device == "cpu" or settings.gpus == "none":
        return False
    named = settings.device == "cuda" or settings.gpus != "all"
    return named or bool(machine.gpus or machine.signs)


def _likelihood(chosen: Chosen) -> int:
    """Of handing over GPUs, by what the engine was told of them, or by what is installed here and it does not tell."""
    if chosen.sees_gpus:
        return 2
    if "cdi" in chosen.gpu_modes and any(map(_describes_gpus, _descriptions())):
        return 2
    hook = "gpus" in chosen.gpu_modes and bool(process.find(HOOK))
    return 1 if hook or chosen.sees_gpus is None else 0


def _descriptions() -> Iterator[Path]:
    for folder in map(Path, CDI_FOLDERS):
        yield from (*folder.glob("*.json"), *folder.glob("*.yaml"))


def _describes_gpus(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        return "nvidia.com/gpu" in file.read(_READ)
    return False


def oci_runtime(engine: Engine, machine: Host, env: Mapping[str, str]) -> Runtime:
    """What the engine starts containers with; where it does not tell the version, the program here is asked."""
    info = untyped.table(untyped.document(process.run(engine.oci_info(), env=env).stdout))
    runtime = engine.oci_runtime(info, process.find("runc"))
    if not runtime.version and runtime.program and runtime.host in ("", machine.name):
        return msgspec.structs.replace(runtime, version=process.run((runtime.program, "--version"), env=env).stdout)
    return runtime


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
