"""Records for tests."""

from __future__ import annotations

from typing import Any

from ci_gpu.history.record import Entry, Record
from ci_gpu.model import Point, SeriesKey


def entry(metric: str = "matmul.throughput/x", value: float = 690.0, **point: Any) -> Entry:
    fields = {"run": "run-1", "created": "2026-11-23T08:00:00+00:00", "image": "pytorch:2.9", "value": value, **point}
    key = SeriesKey(metric=metric, gpu="NVIDIA H100 80GB HBM3", uuid="3f2a9c1e0d4b4f67")
    return Entry(key=key, unit="TFLOP/s", better="higher", point=Point(**fields))


def record(name: str = "run-1", *metrics: str, created: str = "2026-11-23T08:00:00+00:00", **fields: Any) -> Record:
    names = metrics or ("matmul.throughput/x", "matmul.cold_call/cold_call")
    entries = tuple(entry(metric, run=name, created=created) for metric in names)
    return Record(id=name, created=created, repository="octo-org/octo-repo", entries=entries, **fields)
