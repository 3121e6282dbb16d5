"""What a GPU can do at most, derived from what it says of itself. Pure.

Sources: NVIDIA's architecture whitepapers and data sheets, and the table of arithmetic throughput in the CUDA
programming guide. A limit that is too low makes a good image red, so what is not known is bounded from above.
"""

from __future__ import annotations

import re
from typing import Dict, Iterator, Mapping, Optional

FLOP_PER_CLOCK_AND_SM = {
    "5.0": {"float32": 256, "float64": 8, "float16": 256, "bfloat16": 256},
    "5.2": {"float32": 256, "float64": 8, "float16": 256, "bfloat16": 256},
    "5.3": {"float32": 256, "float64": 8, "float16": 512, "bfloat16": 256},
    "6.0": {"float32": 128, "float64": 64, "float16": 256, "bfloat16": 128},
    "6.1": {"float32": 256, "float64": 8, "float16": 256, "bfloat16": 256},
    "6.2": {"float32": 256, "float64": 8, "float16": 512, "bfloat16": 256},
    "7.0": {"float32": 128, "float64": 64, "float16": 1024, "bfloat16": 128},
    "7.2": {"float32": 128, "float64": 64, "float16": 1024, "bfloat16": 128},
    "7.5": {"float32": 128, "float64": 4, "float16": 1024, "bfloat16": 128},
    "8.0": {"float32": 128, "float64": 128, "tf32": 1024, "float16": 2048, "bfloat16": 2048},
    "8.6": {"float32": 256, "float64": 4, "tf32": 512, "float16": 1024, "bfloat16": 1024},
    "8.7": {"float32": 256, "float64": 8, "tf32": 1024, "float16": 2048, "bfloat16": 2048},
    "8.9": {"float32": 256, "float64": 4, "tf32": 512, "float16": 1024, "bfloat16": 1024},
    "9.0": {"float32": 256, "float64": 256, "tf32": 2048, "float16": 4096, "bfloat16": 4096},
    "10.0": {"float32": 256, "float64": 128, "tf32": 4096, "float16": 8192, "bfloat16": 8192},
    "10.3": {"float32": 256, "float64": 8, "tf32": 4096, "float16": 8192, "bfloat16": 8192},
    "11.0": {"float32": 256, "tf32": 4096, "float16": 8192, "bfloat16": 8192},
    "12.0": {"float32": 256, "float64": 4, "tf32": 512, "float16": 1024, "bfloat16": 1024},
    "12.1": {"float32": 256, "float64": 4, "tf32": 512, "float16": 1024, "bfloat16": 1024},
}
"""Dense rates of the fastest unit for that type, by compute capability; sums of products in float32, as torch has
them. float32 without TF32. What has no unit of its own is computed in float32.
"""

BY_PRODUCT = {
    "NVIDIA H20": {"float64": 8, "tf32": 480, "float16": 960, "bfloat16": 960, "float32": 296},
    "NVIDIA H800": {"float64": 8},
}
"""Products with rates of their own, by the first words of their names: H20 has 148 TFLOP/s in float16 with 78
multiprocessors, and 44 in float32, which is above what its architecture gives at the clock it reports; H800 has 1 in
float64.
"""

HALVED = ("NVIDIA A10G", "NVIDIA L40", "NVIDIA L20")
"""Their tensor cores sum in float32 at half the rate, as those of every GeForce do."""

MARGIN = 1.05
"""Clocks may be above what NVML calls their maximum by a little; a broken timer is off by far more."""


def tflops(capability: str, multiprocessors: int, max_sm_mhz: int, dtype: str, name: str = "") -> Optional[float]:
    """The peak in TFLOP/s with `MARGIN`, or None for a GPU whose rates are not known here.

    ``name`` is that of the product, whose own figures win over its architecture's. An unknown name changes nothing.
    """
    rate = _rates(capability, name).get(dtype)
    if not (rate and multiprocessors and max_sm_mhz):
        return None
    return MARGIN * rate * multiprocessors * max_sm_mhz * 1e6 / 1e12


EMULATED_BY = {"float32": "CUBLAS_EMULATE_SINGLE_PRECISION", "float64": "CUBLAS_EMULATE_DOUBLE_PRECISION"}
"""The variables of cuBLAS's documentation (Floating point emulation), which hold for torch's products, too."""


def emulation(dtype: str, variables: Mapping[str, str]) -> str:
    """The variable by which cuBLAS may compute this type on faster units, past its limit; empty if none is set."""
    name = EMULATED_BY.get(dtype, "")
    return name if variables.get(name, "0").strip() not in ("", "0") else ""


def doubts(dtype: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Why a type has no limit that it would have."""
    name = emulation(dtype, variables)
    if name:
        yield (
            f"{dtype} has no physical limit here: {name} is set, by which cuBLAS may compute it on units of lesser "
            "types. That it did is a guess"
        )


def _rates(capability: str, name: str) -> Dict[str, int]:
    rates = FLOP_PER_CLOCK_AND_SM.get(capability, {})
    if rates and ("GeForce" in name or name in HALVED):
        return {dtype: _halved(rates, dtype) for dtype in rates}
    return {**rates, **_by_product(name)} if rates else {}


def _by_product(name: str) -> Dict[str, int]:
    words = re.split("[ -]", name)
    return BY_PRODUCT.get(" ".join(words[:2]), {})


def _halved(rates: Dict[str, int], dtype: str) -> int:
    """Half of what tensor cores do; the other units are what they are."""
    return rates[dtype] // 2 if rates[dtype] > 2 * rates["float32"] or dtype == "tf32" else rates[dtype]
