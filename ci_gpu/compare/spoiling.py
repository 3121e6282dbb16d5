"""What a GPU did while an image was measured that spoils what was measured. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from ci_gpu.compare.failures import by_the_runner, is_bad
from ci_gpu.model import Block
from ci_gpu.payload.telemetry import REASONS
from ci_gpu.payload.wire import Telemetry

_SPOILING = ("hw-slowdown", "sw-thermal-slowdown", "hw-thermal-slowdown", "hw-power-brake")
"""A block in which the GPU was slowed by one of these says nothing about the image.

The power cap, the board limit and the voltage limit (``reliability``) are where a busy GPU normally stands: they are
recorded, and weighed by the clocks that they lead to (`ci_gpu.compare.clocks`).
"""

SPOILING_SHARE = 0.01
"""Of the time of a block. A metric counts by the median of its samples, which are taken for some seconds in a block of
about half a minute: what slows fewer than half of them does not move it, and 1 % of the block is a tenth of them."""


def spoiled(telemetry: Sequence[Telemetry]) -> str:
    """Why what was measured meanwhile counts for nothing; empty if it counts."""
    for one in telemetry:
        slowed = {name: share for name, share in _slowed(one).items() if share > SPOILING_SHARE}
        if slowed:
            share = f"{max(slowed.values()):.0%} of the time"
            return f"the GPU {one.gpu} throttled: {', '.join(slowed)} ({share})"
        if one.ecc_errors:
            return f"the GPU {one.gpu} had {one.ecc_errors} uncorrected memory errors"
        if one.foreign_processes:
            return f"the GPU {one.gpu} is shared: {others(one.foreign_processes)}"
    return ""


def _slowed(one: Telemetry) -> dict[str, float]:
    """The part of the time in which each reason of `_SPOILING` held: by the looks, and by the driver's counter."""
    if not one.states:
        return {}
    seen = {name: bit for bit, name in REASONS.items() if name in _SPOILING}
    looks = {name: fmean(bool((state.throttle or 0) & bit) for state in one.states) for name, bit in seen.items()}
    if looks["hw-slowdown"] * len(one.states) < 2:  # NVML: it may also be reported while a clock changes
        del looks["hw-slowdown"]
    seconds = max(state.seconds for state in one.states)
    counted = one.violations.get("thermal", 0) / 1e9
    return {**looks, "thermal": min(1.0, counted / seconds) if seconds else 0.0}


def others(processes: int) -> str:
    """``2 other compute processes``."""
    return f"{processes} other compute process{'es' * (processes > 1)}"


def unshown(blocks: Sequence[Block]) -> tuple[int, int]:
    """How many blocks count for nothing and nothing in their pair shows why, and how many count although they show it.

    Whoever writes a file can say of any block that it counts for nothing.
    """
    shown = Counter(block.pair for block in blocks if block.invalid and _shows(block))
    for_nothing = sum(bool(block.invalid) and not shown[block.pair] for block in blocks)
    return for_nothing, sum(not block.invalid and bool(spoiled(block.telemetry)) for block in blocks)


def _shows(block: Block) -> bool:
    """Whether anything in it is a reason to measure its pair again."""
    runner = any(is_bad(result) and by_the_runner(result, broken=False) for result in block.results)
    return runner or block.failure is not None or bool(spoiled(block.telemetry))
