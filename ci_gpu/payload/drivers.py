"""Which driver runs which CUDA. Pure; what the errors mean is in `cuda_errors`.

Source: NVIDIA's CUDA release notes (13.4 Update 1) and its minor version compatibility guide, read in November 2026.
"""

from __future__ import annotations

import re
from typing import Tuple

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


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
