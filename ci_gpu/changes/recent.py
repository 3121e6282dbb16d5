"""The newest points against the ones before them: what a fit of segments of more points would find days later."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

BEFORE = 20
NEWEST = 2
DEVIATIONS = 4.0
NORMAL = 1.4826  # a median absolute deviation, as the standard deviation of normal noise


def detect(values: Sequence[float], margin: float) -> tuple[int, ...]:
    """The index of the last but one value, if it and the last lie clearly beyond the 20 before, on the same side.

    Clearly: by ``margin`` and by four standard deviations, both reckoned with medians. Fewer than 20 will do, from 10.
    """
    before, newest = values[:-NEWEST][-BEFORE:], values[-NEWEST:]
    if len(before) < BEFORE // 2:
        return ()
    middle = median(before)
    deviation = NORMAL * median(abs(value - middle) for value in before)
    least = max(DEVIATIONS * deviation, margin)
    above = all(value - middle >= least for value in newest)
    below = all(middle - value >= least for value in newest)
    return (len(values) - NEWEST,) if above or below else ()
