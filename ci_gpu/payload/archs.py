"""Which compiled code runs on which GPU. Pure. Source: the CUDA programming guide, and torch's own table (2.15)."""

from __future__ import annotations

import re
from typing import Iterable, Tuple

SASS, PTX, NONE = "sass", "ptx", "none"

_JETSON = {(5, 3), (6, 2), (7, 2), (8, 7)}
"""Built for apart from their major's others: only code for exactly these runs on them."""


def coverage(capability: str, arch_list: Iterable[str]) -> str:
    """How a GPU of this compute capability (``9.0``) runs a build for these architectures (``sm_90``, ``compute_90``).

    Machine code (SASS) runs on the same major from its minor on, never on another major, and with the suffix ``a``
    on exactly its own. PTX can be compiled for whatever is newer, by a driver that is new enough.
    """
    device = _pair(capability.replace(".", ""))
    built = [(kind, _pair(number), suffix) for kind, number, suffix in map(_parsed, arch_list) if kind]
    if any(kind == "sm" and _runs(device, target, suffix) for kind, target, suffix in built):
        return SASS
    if any(kind == "compute" and not suffix and target <= device for kind, target, suffix in built):
        return PTX
    return NONE


def _runs(device: Tuple[int, int], target: Tuple[int, int], suffix: str) -> bool:
    if suffix == "a" or device in _JETSON:
        return device == target
    return device[0] == target[0] and device[1] >= target[1]


def _parsed(name: str) -> Tuple[str, str, str]:
    match = re.fullmatch(r"(sm|compute)_(\d{2,3})([af]?)", name)
    return (match.group(1), match.group(2), match.group(3)) if match else ("", "0", "")


def _pair(number: str) -> Tuple[int, int]:
    """``120`` as (12, 0): the last digit is the minor."""
    return int(number[:-1] or "0"), int(number[-1])
