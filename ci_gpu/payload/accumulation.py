"""In which type a product of a half type is summed on the CPU, and what may be asked of one summed in its own.

torch before 2.1 sums bfloat16 products in bfloat16 on a processor that oneDNN has no bfloat16 kernels for (without
AVX-512 or AMX), and 1.13 on any processor those that are too small for oneDNN, such as a dot product of 4096 terms;
which layouts it does that to differs by version. Later versions sum in float32, and so does every GPU (torch 1.13.1,
2.0.1, 2.1.2, 2.2.2, 2.4.1 and 2.13.0 were tried). So the version says where it is allowed, and a probe whether it
happens. float16 has no product on the CPU of the versions before.
"""

from __future__ import annotations

import os
import re
from typing import Any, Tuple

SUMS_IN_FLOAT32 = (2, 1)
"""The first torch that sums half types in float32 on every CPU."""

_TERMS = 1 << 16
_TERM = 2.0**-8
_LANES = 64
"""In eight bits a sum stays at 1 whatever number of these terms follows, in each of so many lanes; in float32 it is
exact."""

_ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


def is_narrow(torch: Any, left: Any, right: Any) -> bool:
    """Whether factors of this type and layout are summed in their own half type, and this torch may do so."""
    if left.dtype not in (torch.float16, torch.bfloat16) or left.device.type != "cpu" or left.shape[1] == 1:
        return False
    if _version(torch) >= SUMS_IN_FLOAT32:
        return False
    return any(_sums_narrowly(torch, left, right, inner) for inner in (left.shape[1], _TERMS))


def _sums_narrowly(torch: Any, left: Any, right: Any, inner: int) -> bool:
    """Of this length: which kernel a product takes depends on its size (1.13.1 sums 4096 terms in bfloat16, and more in
    float32), and short sums lose too little to be told.
    """
    ones = _like(torch, left, (min(left.shape[0], 16), inner), 1.0)
    terms = _like(torch, right, (inner, min(right.shape[1], 16)), _TERM)
    heads = min(_LANES, inner // 8)
    terms[:heads] = 1.0
    exact = heads + (inner - heads) * _TERM
    return bool((((ones @ terms).double() - exact).abs() > exact / 128).any())


def bound(magnitude: Any, unit_roundoff: float) -> Any:
    """How far a sum in the narrow type may be off: c·u·‖row‖‖column‖, since the factors have zero mean.

    Their partial sums then grow as √k, which takes the √k out of the general bound (Higham and Mary, Sharper
    probabilistic backward error analysis for basic linear algebra kernels with random data, 2020). c = 3.7 was seen.
    """
    return 6 * unit_roundoff * magnitude


def whole(factor: Any) -> Any:
    """The factor as -1, 0 and 1, in its layout: every partial sum is then exact in eight bits, in whatever order."""
    return factor.clamp(-1, 1).round()


def refusal(error: str) -> str:
    """Why oneDNN has no kernel, if a variable keeps it from the one that torch counts on; else empty."""
    limits = [f"{name}={os.environ[name]}" for name in _ISA_LIMITS if os.environ.get(name)]
    if not limits or "could not create a primitive" not in error:
        return ""
    return f"{' and '.join(limits)} keeps oneDNN from the instructions that this torch takes for granted"


def _like(torch: Any, factor: Any, shape: Tuple[int, int], value: float) -> Any:
    if factor.is_contiguous():
        return torch.full(shape, value).to(factor.dtype)
    return torch.full(shape[::-1], value).to(factor.dtype).t()


def _version(torch: Any) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(torch.__version__))[:2])
