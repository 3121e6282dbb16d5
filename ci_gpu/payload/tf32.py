"""TF32 in float32 products: whether this image declares it, and whether this run takes it.

TF32 keeps 10 of the 23 bits of a float32's mantissa. torch turns it off for matrix products since 1.12. The variable
`OVERRIDE` turns it on. In torch 2 that is a default, which a program can turn off; in torch 1.13 it is the last word.
NVIDIA's own PyTorch images (NGC) set it.

Sources: https://pytorch.org/docs/stable/notes/cuda.html (TensorFloat-32), aten/src/ATen/Context.h of torch (the
variable is the first value of float32_matmul_precision), https://docs.monai.io/en/stable/precision_accelerating.html
(NGC), https://docs.nvidia.com/cuda/cublas/ (NVIDIA_TF32_OVERRIDE=0 keeps TF32 out).
"""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import Any, Iterator

POLICY = "CI_GPU_TF32"
"""The variable that carries the user's policy into the image: ``forbid``, ``declared`` or ``allow``."""

OVERRIDE = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"
_VARIABLES = (OVERRIDE, "NVIDIA_TF32_OVERRIDE")

UNIT_ROUNDOFF = 2.0**-11
"""Where the factors are rounded; where their last bits are cut off, as some kernels do, twice that."""

RELATIVE_ERROR = 1.3e-3
"""Largest error of a product in TF32 in the Frobenius norm: between that of factors whose bits are cut off (7.7e-4) and
that of factors in bfloat16 (2.4e-3)."""


def declared() -> str:
    """The variables of this image that turn TF32 on, as ``NAME=1``; empty if none does. 0 turns it off."""
    return " and ".join(f"{name}=1" for name in _VARIABLES if os.environ.get(name) == "1")


def permission() -> str:
    """Why float32 products may be in TF32 here; empty if they may not."""
    policy = os.environ.get(POLICY) or "declared"
    if policy == "allow":
        return 'tf32 = "allow"'
    return declared() if policy == "declared" else ""


@contextlib.contextmanager
def off(torch: Any) -> Iterator[bool]:
    """float32 products in float32, whatever the default of this image; whether it could be had."""
    before = _precision(torch)
    torch.set_float32_matmul_precision("highest")
    try:
        yield _is_off(torch)
    finally:
        torch.set_float32_matmul_precision(before)


def _is_off(torch: Any) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the name is the old one of two, which older versions know
        try:
            return not torch.backends.cuda.matmul.allow_tf32
        except RuntimeError:  # torch >= 2.9, where both interfaces were used: what was set last holds
            return True


def _precision(torch: Any) -> str:
    try:
        return str(torch.get_float32_matmul_precision())
    except RuntimeError:  # torch >= 2.9 refuses to say it where both of its interfaces were used
        return "highest"
