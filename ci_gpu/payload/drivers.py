"""Which driver runs which CUDA, and what the errors mean. Pure.

Source: NVIDIA's CUDA release notes (13.4 Update 1) and its minor version compatibility guide, read in November 2026.
"""

from __future__ import annotations

import re
from typing import Dict, Optional, Tuple

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

NATIVE_STATE, MINOR_VERSION, TOO_OLD, UNKNOWN = "native", "minor-version", "too-old", "unknown"


def judge(cuda: str, driver: str) -> str:
    """Whether this kernel driver runs this CUDA runtime: one of the four states above.

    Between the minimum of the major and the driver of the version, code that is in the image as SASS runs, and PTX
    does not. What is newer than the tables is ``unknown``, and never guessed.
    """
    minimum = MINIMUM.get(cuda.partition(".")[0])
    if not driver or minimum is None:
        return UNKNOWN
    native = NATIVE.get(cuda)
    if native and _numbers(driver) >= _numbers(native):
        return NATIVE_STATE
    if _numbers(driver) < _numbers(minimum):
        return TOO_OLD
    return MINOR_VERSION if native else UNKNOWN


def needed(cuda: str) -> str:
    """The oldest driver that can run this CUDA at all; empty if it is not known."""
    return MINIMUM.get(cuda.partition(".")[0], "")


def explain(error: str) -> Optional[Tuple[str, str]]:
    """What an error text of CUDA's means, and what to try; None for one that is not known."""
    for pattern, meaning in _MEANINGS.items():
        if re.search(pattern, error, re.IGNORECASE):
            return meaning
    return None


_MEANINGS: Dict[str, Tuple[str, str]] = {
    r"Found no NVIDIA driver|CUDA driver initialization failed.*no.*driver": (
        "there is no libcuda in the container: no driver on the host, or it was not handed in",
        "start the container with its GPUs (docker: --gpus all; podman: CDI), and install the host's driver",
    ),
    r"driver on your system is too old|driver version is insufficient": (
        "the host's driver is older than this CUDA can run on",
        "update the driver, or choose an image of an older CUDA",
    ),
    r"no kernel image is available": (
        "the build has no kernels for this GPU's architecture",
        "choose another CUDA build of the same torch",
    ),
    r"PTX was compiled with an unsupported toolchain": (
        "PTX of a newer CUDA than the driver knows had to be compiled",
        "update the driver to that of the image's CUDA, or use a build that has SASS for this GPU",
    ),
    r"PTX JIT compiler library not found": (
        "libnvidia-ptxjitcompiler is missing in the container",
        "NVIDIA_DRIVER_CAPABILITIES must include compute; reinstall the driver",
    ),
    r"unsupported display driver / cuda driver combination|\bError 803\b": (
        "libcuda and the kernel driver do not belong together, or a compatibility libcuda is in the way",
        "recreate the container after a driver upgrade; take /usr/local/cuda/compat out of the library path; reboot",
    ),
    r"forward compatibility was attempted on non supported HW|\bError 804\b": (
        "the image brings a compatibility libcuda, and this GPU is not a data-centre one",
        "set cuda-compat-mode=disabled in the container toolkit, or take /usr/local/cuda/compat out of the path",
    ),
    r"system not yet initialized|\bError 802\b": (
        "the fabric manager of an NVSwitch machine is not ready",
        "sudo systemctl start nvidia-fabricmanager",
    ),
    r"No CUDA GPUs are available|no CUDA-capable device": (
        "CUDA works and no GPU is visible",
        "look at CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES, and whether MIG is on without instances",
    ),
    r"busy or unavailable": (
        "the GPU is in exclusive mode, or held by another process",
        "nvidia-smi shows who holds it",
    ),
    r"stub library": ("the loaded libcuda is a stub for linking", "take .../stubs out of LD_LIBRARY_PATH"),
    r"CUDA unknown error|\bError 999\b": (
        "usually the device files of nvidia-uvm are missing",
        "sudo nvidia-modprobe -u on the host, then a new container",
    ),
    r"not compiled with CUDA": ("torch was built without CUDA", "install the CUDA build of torch"),
}


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
