"""No container: the interpreter that runs ci-gpu. For a first try, and where the job is inside the image already."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Any

from ci_gpu.engines import Argv, Runtime
from ci_gpu.job import Job

CONTAINERS = False
GPU_MODES: Argv = ()

_NOTHING: Argv = ("true",)


def info() -> Argv:
    """Prints nothing: there is no engine to ask."""
    return _NOTHING


def gpu_modes(info: Mapping[str, Any], signs: Collection[str]) -> Argv:
    """The GPUs are simply there."""
    return GPU_MODES


def sees_gpus(info: Mapping[str, Any]) -> bool | None:
    """NVML knows better."""
    return False


def oci_info() -> Argv:
    """There is no container."""
    return ()


def oci_runtime(info: Mapping[str, Any], runc: str) -> Runtime:
    """There is no container."""
    return Runtime()


def has_init(info: Mapping[str, Any]) -> bool:
    """There is no container that could need one."""
    return False


def pull(image: str, platform: str) -> Argv:
    """There is nothing to pull."""
    return _NOTHING


def inspect(image: str) -> Argv:
    """There is nothing to inspect."""
    return _NOTHING


def run(job: Job, command: Argv) -> Argv:
    """The command by this interpreter, or by the one that was named with its path."""
    python = command[0] if command[0].startswith("/") else sys.executable
    return ("env", *_environment(job), python, *command[1:])


def describe(containers: tuple[str, ...]) -> Argv:
    """There is no container."""
    return _NOTHING


def remove(containers: tuple[str, ...]) -> Argv:
    """There is nothing to remove."""
    return _NOTHING


def list_labelled(label: str) -> Argv:
    """There is nothing to list."""
    return _NOTHING


def _environment(job: Job) -> Argv:
    return (*_visible(job.gpus), *(f"{name}={value}" for name, value in job.environment))


def _visible(gpus: tuple[str, ...]) -> Argv:
    """In the order of nvidia-smi: CUDA's own order is the fastest first, and index 1 would be another GPU."""
    if gpus in ((), ("all",)):
        return ()
    return ("CUDA_DEVICE_ORDER=PCI_BUS_ID", f"CUDA_VISIBLE_DEVICES={','.join(gpus)}")
