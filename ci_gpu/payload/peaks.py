"""What a GPU can do at most, derived from what it says of itself. Source: NVIDIA's architecture whitepapers."""

from __future__ import annotations

from typing import Optional

FLOP_PER_CLOCK_AND_SM = {
    "7.0": {"float32": 128, "float64": 64, "float16": 1024},
    "7.5": {"float32": 128, "float64": 4, "float16": 1024},
    "8.0": {"float32": 128, "float64": 128, "float16": 2048, "bfloat16": 2048},
    "8.6": {"float32": 256, "float64": 4, "float16": 1024, "bfloat16": 1024},
    "8.9": {"float32": 256, "float64": 4, "float16": 1024, "bfloat16": 1024},
    "9.0": {"float32": 256, "float64": 256, "float16": 4096, "bfloat16": 4096},
    "10.0": {"float32": 256, "float64": 128, "float16": 8192, "bfloat16": 8192},
    "12.0": {"float32": 256, "float64": 4, "float16": 1024, "bfloat16": 1024},
}
"""Dense rates of the fastest unit for that type, by compute capability. float32 without TF32."""

MARGIN = 1.05
"""Clocks may be above what NVML calls their maximum by a little; a broken timer is off by far more."""


def tflops(capability: str, multiprocessors: int, max_sm_mhz: int, dtype: str) -> Optional[float]:
    """The peak in TFLOP/s with `MARGIN`, or None for a GPU whose rates are not known here."""
    rate = FLOP_PER_CLOCK_AND_SM.get(capability, {}).get(dtype)
    if not (rate and multiprocessors and max_sm_mhz):
        return None
    return MARGIN * rate * multiprocessors * max_sm_mhz * 1e6 / 1e12
