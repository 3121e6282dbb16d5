"""The newest points against the ones before them: what a fit of segments of more points would find days later."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import median

BEFORE = 20
LEAST, MOST = 2, 8
DEVIATIONS = 4.0
WILD = 1
NORMAL = 1.4826  # a median absolute deviation, as the standard deviation of normal noise


def detect(values: Sequence[float], margin: float) -> tuple[int, ...]:
    """Where the newest 2 to 8 values begin that all lie clearly beyond the 20 before, on the same side: as many as do.

    Clearly: by ``margin``, by four standard deviations (both reckoned with medians), and beyond all of the 20 but one,
    which may be wild. Fewer than 20 will do, from 10.
    """
    starts = range(max(BEFORE // 2, len(values) - MOST), len(values) - LEAST + 1)
    found = (start for start in starts if _beyond(values[max(0, start - BEFORE) : start], values[start:], margin))
    return tuple(islice(found, 1))


def _beyond(before: Sequence[float], newest: Sequence[float], margin: float) -> bool:
    middle = median(before)
    least = max(DEVIATIONS * NORMAL * median(abs(value - middle) for value in before), margin)
    low, high = sorted(before)[WILD], sorted(before)[-1 - WILD]
    return min(newest) >= max(middle + least, high) or max(newest) <= min(middle - least, low)
