"""A year of two GPUs and three images: levels that change, masked runs, upgrades."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta, timezone
from typing import Any

from ci_gpu.model import ChangePoint, Point, Series, SeriesKey

IMAGES = tuple(
    (f"docker.io/pytorch/pytorch:{tag}-cudnn9-runtime", f"sha256:{digest * 32}")
    for tag, digest in (
        ("2.7.1-cuda12.6", "1d"),
        ("2.8.0-cuda12.6", "2e"),
        ("2.8.0-cuda12.6", "9b"),
        ("2.9.0-cuda12.8", "3f"),
    )
)
GPUS = (
    {"gpu": "NVIDIA H100 80GB HBM3", "uuid": "3f2a9c1e0d4b", "power_limit": 700, "ecc": "on", "clocks": "default"},
    {"gpu": "NVIDIA A100-SXM4-80GB", "uuid": "77ab01c2d3e4", "power_limit": 400, "ecc": "on", "clocks": "locked:1410"},
)
METRICS = (
    ("matmul.bfloat16/throughput", "TFLOP/s", "higher", 690.0),
    ("matmul.float32/throughput", "TFLOP/s", "higher", 51.2),
    ("attention.flash/forward", "ms", "lower", 1.412),
    ("attention.flash/backward", "ms", "lower", 3.207),
    ("allocator.churn/cycle", "µs", "lower", 41.2),
    ("compile.inductor/first call", "s", "lower", 9.8),
)


def key(**changes: Any) -> SeriesKey:
    return SeriesKey(**{"metric": METRICS[0][0], **GPUS[0], **changes})


def point(index: int = 0, **changes: Any) -> Point:
    """The run of that number; one a day."""
    image, digest = IMAGES[min(index // 30, 3)]
    fields: dict[str, Any] = {
        "run": f"{18_200_000 + index}-1-gpu",
        "created": (datetime(2026, 7, 1, 4, tzinfo=timezone.utc) + timedelta(days=index)).isoformat(),
        "image": image,
        "digest": digest,
        "branch": "main",
        "commit": f"{index * 2654435761 % 2**40:010x}",
        "value": 690.0,
        "deviation": 0.004,
        "processes": 6,
        "verdict": "unchanged",
    }
    return Point(**{**fields, **changes})


def series(count: int = 120, *, drop: float = 0.05, at: int = 90, seed: int = 7, **changes: Any) -> Series:
    """``count`` daily runs whose level is worse by ``drop`` from run ``at`` on; every 37th run does not count."""
    fields: dict[str, Any] = {"key": key(), "unit": "TFLOP/s", "better": "higher", "middle": 690.0, **changes}
    middle, better = fields.pop("middle"), fields["better"]
    noise = random.Random(seed)
    points = []
    for index in range(count):
        worse = drop if index >= at else 0.0
        level = middle * (1 - worse if better == "higher" else 1 + worse)
        masked = "the GPU throttled: hw-thermal-slowdown" if index % 37 == 36 else ""
        value = level * math.exp(noise.gauss(0, 0.004)) * (0.9 if masked else 1.0)
        change = {"change": math.log(1 - worse), "change_error": 0.002} if index == at else {}
        verdict = "regressed" if index == at and drop else "unchanged"
        points.append(point(index, value=value, masked=masked, verdict=verdict, **change))
    return Series(points=tuple(points), **fields)


def change_point(found: Series, at: int = 90, **changes: Any) -> ChangePoint:
    fields: dict[str, Any] = {
        "before": found.points[at - 1].run,
        "after": found.points[at].run,
        "change": -0.05 if found.better == "higher" else 0.05,
        "p": 0.0004,
        "state": "confirmed",
        "detectors": ("e-divisive", "pelt"),
    }
    return ChangePoint(**{**fields, **changes})


def history() -> tuple[list[Series], dict[SeriesKey, tuple[ChangePoint, ...]]]:
    """All metrics on both GPUs; the first worse from run 90 on, one better, one suspicious."""
    found, changes = [], {}
    for column, device in enumerate(GPUS):
        for row, (metric, unit, better, middle) in enumerate(METRICS):
            drop = {(0, 0): 0.05, (0, 5): -0.18, (1, 4): 0.03}.get((column, row), 0.0)
            one = series(
                120 if column == 0 else 60, drop=drop, seed=10 * column + row, key=SeriesKey(metric=metric, **device),
                unit=unit, better=better, middle=middle * (0.45 if column else 1.0), at=90 if column == 0 else 40,
            )  # fmt: skip
            found.append(one)
            if drop:
                worse = drop if better == "lower" else -drop
                at, state = (90, "confirmed") if column == 0 else (40, "suspicious")
                changes[one.key] = (change_point(one, at, change=worse, state=state),)
    return found, changes
