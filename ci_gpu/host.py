"""The machine that runs the checks, as it sees itself: what cannot be known stays empty."""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ci_gpu import nvml
from ci_gpu.errors import ConfigError
from ci_gpu.model import Host
from ci_gpu.payload.telemetry import conditions
from ci_gpu.payload.wire import Gpu

CLOCKS = "CI_GPU_CLOCKS"
"""The runner's variable that says how its GPU clocks are locked: NVML sets such a lock, and cannot read it back."""


def look(env: Mapping[str, str]) -> Host:
    """Driver and GPUs by NVML where there is a driver; name and system in any case.

    Raises:
        ConfigError: `CLOCKS` says nothing that can be meant.
    """
    driver, gpus = _by_nvml()
    driver = driver or kernel_driver(_read("/proc/driver/nvidia/version"))
    return Host(
        name=platform.node(),
        machine=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        driver=driver,
        gpus=gpus,
        clocks=_declared(env.get(CLOCKS, "")),
        signs=signs(_paths(), driver, nvml.refusal()),
    )


_NODES = r"/dev/nvidia([0-9]+|ctl)|/dev/nvgpu|/dev/nvhost-.+"
"""The driver's device nodes, and those of Jetson's integrated GPU."""

_WSL = ("/dev/dxg", "/usr/lib/wsl/lib/libcuda.so.1")
"""Windows lends its GPU by this node, which its other virtual machines have as well, and its driver by this file."""


def signs(paths: Iterable[str], driver: str, refusal: str) -> tuple[str, ...]:
    """What shows that this machine has a GPU of NVIDIA's, whether or not it can be used. Pure.

    ``refusal``: why the NVML that is here does not start.
    """
    found = tuple(paths)
    nodes = [path for path in found if re.fullmatch(_NODES, path)]
    nodes += _WSL[:1] if set(_WSL) <= set(found) else ()
    told = {f"driver {driver}": driver, f"NVML: {refusal}": refusal}
    return (*nodes, *(text for text, known in told.items() if known))


def kernel_driver(text: str) -> str:
    """The version in /proc/driver/nvidia/version, which the loaded kernel module writes; empty if there is none."""
    found = re.search(r"Kernel Module\b.*?\s(\d+(?:\.\d+)+)", text)
    return found[1] if found else ""


def _paths() -> list[str]:
    return sorted(map(str, (*Path("/dev").glob("nv*"), *(path for path in _WSL if Path(path).exists()))))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _declared(clocks: str) -> str:
    if re.fullmatch(r"|default|locked:[0-9]{2,5}(-[0-9]{2,5})?", clocks):
        return clocks
    raise ConfigError(
        f"{CLOCKS} is {clocks[:40]!r}",
        why="it says at how many MHz this runner's GPU clocks are locked",
        remedy="set it to locked:1980, to locked:1410-1980, or to nothing where they are not",
    )


def _by_nvml() -> tuple[str, tuple[Gpu, ...]]:
    with nvml.opened() as opened:
        if not opened:
            return "", ()
        gpus = (_gpu(opened, index) for index in range(nvml.system(opened, "DeviceGetCount") or 0))
        return str(nvml.system(opened, "SystemGetDriverVersion") or ""), tuple(gpu for gpu in gpus if gpu)


def _gpu(opened: Any, index: int) -> Gpu | None:
    """None: NVML counts it, and this user may not use it."""
    try:
        device = nvml.Device(opened, opened.nvmlDeviceGetHandleByIndex(index))
    except opened.NVMLError as error:
        return None if error.value == opened.NVML_ERROR_NO_PERMISSION else Gpu(index, "", error=str(error))
    return dataclasses.replace(_told(device, index), error=device.error)


def _told(device: nvml.Device, index: int) -> Gpu:
    """What it tells: each fact by itself, so that one that is missing hides no other."""
    memory = device.ask("MemoryInfo")  # none where it is the host's own, as on GB10
    return Gpu(
        index,
        str(device.ask("Name") or ""),
        device.uuid(),
        ".".join(map(str, device.ask("CudaComputeCapability") or ())),
        int(memory.total) if memory else 0,
        max_sm_mhz=device.max_sm_mhz() or 0,
        mig="on" if device.is_cut() else "",
        **conditions(device),
    )
