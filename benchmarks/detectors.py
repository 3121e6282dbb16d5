"""Finders of change points: a series of positive values in, the indices of the first points of new levels out.

Ours, and the real Apache Otava and airspeed velocity with their defaults and with the settings we would give them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ci_gpu import changes
from ci_gpu.model import Point, Series, SeriesKey

MARGIN = 0.02
CONFIRMED, TOLD = "ci-gpu, confirmed", "ci-gpu, confirmed or suspicious"
OURS = (CONFIRMED, TOLD)

Detector = Callable[[Sequence[float]], set[int]]


def ours(values: Sequence[float]) -> dict[str, set[int]]:
    points = tuple(Point(run=str(at), created="", image="", value=value) for at, value in enumerate(values))
    series = Series(key=SeriesKey(metric="simulated"), unit="s", better="lower", points=points)
    found = changes.find(series, margin=MARGIN)
    confirmed = {int(change.after) for change in found if change.state == changes.CONFIRMED}
    return {CONFIRMED: confirmed, TOLD: {int(change.after) for change in found}}


def others() -> dict[str, Detector]:
    """Those that are installed."""
    return _otava() | _asv()


def _otava() -> dict[str, Detector]:
    try:
        from otava.analysis import compute_change_points
    except ImportError:
        return {}

    def detect(values: Sequence[float], p: float, magnitude: float) -> set[int]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, _ = compute_change_points(list(values), max_pvalue=p, min_magnitude=magnitude)
        return {int(change.index) for change in found}

    return {
        "Otava, its defaults (p 0.001, any size)": lambda values: detect(values, 0.001, 0.0),
        "Otava, p 0.0001, 2 %": lambda values: detect(values, 0.0001, MARGIN),
    }


def _asv() -> dict[str, Detector]:
    try:
        from asv.step_detect import detect_regressions, detect_steps
    except ImportError:
        return {}

    @lru_cache(maxsize=1)
    def steps(values: tuple[float, ...]) -> Any:
        return detect_steps(list(values))

    def regressions(values: Sequence[float], threshold: float) -> set[int]:
        *_, found = detect_regressions(steps(tuple(values)), threshold)
        return {after for _, after, *_ in found or ()}

    return {
        "asv, every step": lambda values: {left for left, *_ in steps(tuple(values))[1:]},
        "asv, its regressions (5 %)": lambda values: regressions(values, 0.05),
        "asv, regressions of 2 %": lambda values: regressions(values, MARGIN),
    }
