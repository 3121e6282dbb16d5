"""Which compiled code runs on which GPU. Pure. Source: the CUDA programming guide, and torch's own table (2.15)."""

from __future__ import annotations

import re
from typing import Iterable, Tuple

SASS, PTX, NONE = "sass", "ptx", "none"

_EXACT = {(5, 3), (6, 2), (7, 2), (8, 7)}
"""Jetson's: their code runs on exactly these, and code of their majors' others not on them, but for `_UNIFIED`."""

_UNIFIED = {(7, 2), (8, 7)}
"""From CUDA 13.2 on their majors' 7.0, 8.0 and 8.6 run on them, too."""

_THOR = (11, 0)


def coverage(capability: str, arch_list: Iterable[str], cuda: str = "") -> str:
    """How a GPU of this compute capability (``9.0``) runs a build for these architectures (``sm_90``, ``compute_90``).

    Machine code (SASS) runs on the same major from its minor on, never on another major, and with the suffix ``a``
    on exactly its own. PTX can be compiled for whatever is newer, by a driver that is new enough; with the suffix
    ``a`` or ``f`` only for what SASS would run on. ``cuda`` is that of the build.
    """
    device = _pair(capability.replace(".", ""))
    names = (re.fullmatch(r"(sm|compute)_(\d{2,3})([af]?)", name) for name in arch_list)
    built = [(name.group(1), _pair(name.group(2)), name.group(3)) for name in names if name]
    if any(kind == "sm" and _runs(device, target, suffix, cuda) for kind, target, suffix in built):
        return SASS
    if any(kind == "compute" and _compiles(device, target, suffix, cuda) for kind, target, suffix in built):
        return PTX
    return NONE


def _compiles(device: Tuple[int, int], target: Tuple[int, int], suffix: str, cuda: str) -> bool:
    return _runs(device, target, suffix, cuda) if suffix else target <= device


def _runs(device: Tuple[int, int], target: Tuple[int, int], suffix: str, cuda: str) -> bool:
    if suffix == "a" or device == target or target in _EXACT:
        return device == target
    if device in _EXACT and not (device in _UNIFIED and _is_unified(cuda)):
        return False
    return device[0] == target[0] and device[1] >= target[1]


def _is_unified(cuda: str) -> bool:
    return tuple(int(part) for part in re.findall(r"\d+", cuda)[:2]) >= (13, 2)


def _pair(number: str) -> Tuple[int, int]:
    """``120`` as (12, 0): the last digit is the minor. Thor was 10.1 before CUDA 13, and is 11.0 since."""
    pair = int(number[:-1]), int(number[-1])
    return _THOR if pair == (10, 1) else pair
