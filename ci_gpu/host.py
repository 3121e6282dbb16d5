"""The machine that runs the checks, as it sees itself. Never raises: what cannot be known stays empty."""

from __future__ import annotations

import platform
from typing import Any

from ci_gpu.model import Host
from ci_gpu.payload.wire import Gpu


def look() -> Host:
    """Driver and GPUs by NVML where there is a driver; name and system in any case."""
    driver, gpus = _nvml()
    return Host(
        name=platform.node(),
        machine=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        driver=driver,
        gpus=gpus,
    )


def _nvml() -> tuple[str, tuple[Gpu, ...]]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return "", ()
    try:
        count = pynvml.nvmlDeviceGetCount()
        return str(pynvml.nvmlSystemGetDriverVersion()), tuple(_gpu(pynvml, index) for index in range(count))
    except pynvml.NVMLError:
        return "", ()
    finally:
        pynvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Gpu(
        index,
        str(nvml.nvmlDeviceGetName(handle)),
        str(nvml.nvmlDeviceGetUUID(handle)),
        f"{major}.{minor}",
        int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        max_sm_mhz=int(nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
    )
