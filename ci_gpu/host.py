"""The machine that runs the checks, as it sees itself: what cannot be known stays empty."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
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
    return Host(
        name=platform.node(),
        machine=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        driver=driver,
        gpus=gpus,
        clocks=_declared(env.get(CLOCKS, "")),
    )


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
        try:
            count = opened.nvmlDeviceGetCount()
            return str(opened.nvmlSystemGetDriverVersion()), tuple(_gpu(opened, index) for index in range(count))
        except opened.NVMLError:
            return "", ()


def _gpu(opened: Any, index: int) -> Gpu:
    handle = opened.nvmlDeviceGetHandleByIndex(index)
    device = nvml.Device(opened, handle)
    capability = device.ask("CudaComputeCapability") or ()
    memory = device.ask("MemoryInfo")  # none where it is the host's own, as on GB10
    return Gpu(
        index,
        str(device.ask("Name") or ""),
        device.uuid(),
        ".".join(map(str, capability)),
        int(memory.total) if memory else 0,
        max_sm_mhz=device.max_sm_mhz() or 0,
        **conditions(device),
    )
