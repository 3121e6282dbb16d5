"""Which driver runs which CUDA. Pure; what the errors mean is in `cuda_errors`.

Source: NVIDIA's CUDA release notes (13.4 Update 1) and its minor version compatibility guide, read in November 2026.
"""

from __future__ import annotations

import re
from typing import Iterable, Tuple

NATIVE = {
    "11.0": "450.51.05",
    "11.1": "455.23",
    "11.2": "460.27.03",
    "11.3": "465.19.01",
    "11.4": "470.42.01",
    "11.5": "495.29.05",
    "11.6": "510.39.01",
    "11.7": "515.43.04",
    "11.8": "520.61.05",
    "12.0": "525.60.13",
    "12.1": "530.30.02",
    "12.2": "535.54.03",
    "12.3": "545.23.06",
    "12.4": "550.54.14",
    "12.5": "555.42.02",
    "12.6": "560.28.03",
    "12.8": "570.26",
    "12.9": "575.51.03",
    "13.0": "580.65.06",
    "13.1": "590.44.01",
    "13.2": "595.45.04",
    "13.3": "610",
    "13.4": "615",
}
"""The first driver that a CUDA version came with (Linux): from it on, everything works, PTX included."""

MINIMUM = {"11": "450.80.02", "12": "525.60.13", "13": "580.65.06"}
"""The oldest driver that runs any version of a CUDA major, by minor-version compatibility. PTX is not part of it."""

JETSON = {"540.2.0": "535.54.03", "540.3.0": "535.54.03", "540.4.0": "560.28.03", "580.00": "580.65.06"}
"""Drivers of Jetson Linux, which have numbers of their own, and the driver of the CUDA that they came with: 12.2 and
12.6 (Orin, JetPack 6), 13.0 (Thor, JetPack 7).
"""

NATIVE_STATE, MINOR_VERSION, FORWARD, TOO_OLD = "native", "minor-version", "forward-compatible", "too-old"
UNKNOWN = "unknown"


def judge(cuda: str, driver: str, libcuda: str = "") -> str:
    """Whether this kernel driver runs this CUDA runtime: one of the five states above.

    Between the minimum of the major and the driver of the version, code that is in the image as SASS runs, and PTX
    does not. ``libcuda`` is the version of the driver that the loaded libcuda is of: where it is newer than the kernel
    driver, a compatibility package is in use, and decides. What is not in the tables is never guessed to be native.
    """
    if is_forward(driver, libcuda):
        state = _alone(cuda, libcuda)
        return FORWARD if state in (NATIVE_STATE, MINOR_VERSION) else state
    return _alone(cuda, driver)


def _alone(cuda: str, driver: str) -> str:
    driver, minimum = JETSON.get(driver, driver), needed(cuda)
    if not _numbers(driver) or not minimum:
        return UNKNOWN
    if cuda in NATIVE and _numbers(driver) >= _numbers(NATIVE[cuda]):
        return NATIVE_STATE
    return TOO_OLD if _numbers(driver) < _numbers(minimum) else MINOR_VERSION


COMPAT_FOR = {
    "12.3": (535,),
    "12.4": (535,),
    "12.5": (535,),
    "12.6": (535,),
    "12.8": (535,),
    "12.9": (535, 570),
    "13.0": (535, 570),
    "13.1": (535, 570, 580),
    "13.2": (535, 570, 580, 590),
    "13.3": (535, 570, 580, 590, 595),
    "13.4": (535, 570, 580, 590, 595, 610),
}
"""The branches of the kernel driver that NVIDIA supports each CUDA's compatibility package on (CUDA 13.4's table)."""


def is_forward(driver: str, libcuda: str) -> bool:
    """Whether the loaded libcuda is newer than the kernel driver: never so without a compatibility package."""
    if driver in JETSON:
        return bool(_numbers(libcuda)) and _numbers(libcuda)[:1] > _numbers(driver)[:1]
    return bool(_numbers(driver)) and _numbers(libcuda) > _numbers(driver)


def compat_doubt(driver: str, libcuda: str, gpus: Iterable[str] = ()) -> str:
    """Why NVIDIA does not support this pair of libcuda and kernel driver, or these GPUs with it; empty if it does."""
    consumer = [name for name in gpus if "GeForce" in name or "TITAN" in name]
    if consumer:
        return f"{consumer[0]} is no data centre GPU"
    cuda, branch = cuda_of(libcuda), (_numbers(driver) or (0,))[0]
    if driver in JETSON or cuda not in COMPAT_FOR or branch in COMPAT_FOR[cuda]:
        return ""
    return f"the package of CUDA {cuda} is for kernel drivers of {', '.join(map(str, COMPAT_FOR[cuda]))}"


def cuda_of(driver: str) -> str:
    """The newest CUDA that this driver came with; empty for one that is older than all."""
    known = [cuda for cuda, first in NATIVE.items() if _numbers(driver) >= _numbers(first)]
    return known[-1] if known else ""


def libcuda_version(path: str, beside: Iterable[str] = ()) -> str:
    """``575.57.08`` of ``/usr/local/cuda/compat/libcuda.so.575.57.08``; of a name without it, from the files beside it.

    NVML cannot tell: nvmlSystemGetCudaDriverVersion is what the libcuda that it finds says (NVML's reference).
    """
    own = _VERSIONED.search(path)
    if own:
        return own.group(1)
    found = {match.group(1) for match in map(_VERSIONED.search, beside) if match}
    return found.pop() if len(found) == 1 else ""


_VERSIONED = re.compile(r"lib(?:cuda|nvidia-\w+)\.so\.(\d{3,}(?:\.\d+)+)$")


def needed(cuda: str) -> str:
    """The oldest driver that can run this CUDA at all; empty if it is not known."""
    return MINIMUM.get(cuda.partition(".")[0], "")


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
