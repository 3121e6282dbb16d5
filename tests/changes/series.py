"""Series to look for changes in: made with a seed, or public."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ci_gpu.model import Point, Series, SeriesKey

TIGERBEETLE: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "tigerbeetle.json").read_text("utf-8"))


def series(values: Sequence[float], masked: Sequence[int] = (), deviations: Sequence[float] = ()) -> Series:
    points = (
        Point(
            run=f"run-{at}",
            created=f"2026-01-{1 + at % 28:02}T00:00:00Z",
            image="example/image:1",
            value=value,
            masked="throttled" if at in masked else "",
            deviation=deviations[at] if deviations else 0.0,
            processes=6,
        )
        for at, value in enumerate(values)
    )
    return Series(key=SeriesKey(metric="matmul.fp16/time"), unit="s", better="lower", points=tuple(points))


def noise(count: int, sd: float = 0.005, seed: int = 1) -> list[float]:
    """Values around 1."""
    source = random.Random(seed)
    return [1 + source.gauss(0, sd) for _ in range(count)]


def stepped(levels: Sequence[tuple[int, float]], sd: float = 0.005, seed: int = 1) -> list[float]:
    """So many values around each level in turn."""
    flat = [level for count, level in levels for _ in range(count)]
    return [level * value for level, value in zip(flat, noise(len(flat), sd, seed), strict=True)]
