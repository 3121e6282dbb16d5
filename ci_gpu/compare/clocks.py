"""Whether both images had the same clocks. Pure.

A GPU at its power cap runs slower without being throttled. If that met one image more than the other, a change in time
can be a change of the clock. Times are never divided by clocks, because what waits for memory does not follow them; but
a verdict that would be another one in cycles is no verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import expm1, log, log1p
from statistics import fmean

import msgspec

from ci_gpu.model import IMPROVED, INCONCLUSIVE, REGRESSED, Block, Comparison
from ci_gpu.payload.telemetry import busy

TOLERANCE = 0.01
"""Mean clocks that differ by less are the same."""


def balanced(comparisons: Iterable[Comparison], blocks: Sequence[Block]) -> tuple[Comparison, ...]:
    """The comparisons; those that the clocks alone could explain are inconclusive."""
    base, head = (_mean_clock(blocks, arm) for arm in ("base", "head"))
    if base is None or head is None or abs(head / base - 1) <= TOLERANCE:
        return tuple(comparisons)
    shift = log(base / head)  # positive where the head had slower clocks
    doubtful = (IMPROVED,) if _told_by_images(blocks) else (REGRESSED, IMPROVED)
    return tuple(
        _doubted(one, shift) if one.verdict in doubtful and _is_explained(one, shift) else one for one in comparisons
    )


def _told_by_images(blocks: Sequence[Block]) -> bool:
    """An image that speaks of its clocks must not talk itself out of a regression."""
    return any(one.inside for block in blocks for one in block.telemetry)


def _mean_clock(blocks: Sequence[Block], arm: str) -> float | None:
    """MHz, over all looks at the busy GPUs of the valid blocks of an arm: an image that only starts more slowly has its
    GPU idle for longer, and at an idle GPU's clock.
    """
    telemetry = [one for block in blocks if block.arm == arm and not block.invalid for one in block.telemetry]
    clocks = [state.sm_mhz for one in telemetry for state in busy(one.states) if state.sm_mhz]
    return fmean(clocks) if clocks else None


def _is_explained(one: Comparison, shift: float) -> bool:
    """Whether the change, without what the clocks explain, is within the margin."""
    if one.exact or one.change is None or one.change <= -1:
        return False
    worsening = log1p(one.change) * (1 if one.better == "lower" else -1)
    sign = 1 if one.verdict == REGRESSED else -1
    return sign * (worsening - shift) < log1p(one.margin)


def _doubted(one: Comparison, shift: float) -> Comparison:
    slower = "slower" if shift > 0 else "faster"
    reason = f"clocks differ: the head's were {abs(expm1(-shift)):.1%} {slower}, which alone could explain the change"
    return msgspec.structs.replace(one, verdict=INCONCLUSIVE, reason=reason, pairs_needed=0)
