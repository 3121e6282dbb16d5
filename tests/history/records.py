"""Records for tests: small, and each different."""

from __future__ import annotations

from typing import Any

from ci_gpu.history.record import Image, Measurement, Record
from ci_gpu.model import Block, Comparison, Trial
from ci_gpu.model import SeriesKey as Key
from tests import samples

GPU = "NVIDIA H100 80GB HBM3"


def measurement(**changes: Any) -> Measurement:
    """A throughput on one GPU."""
    key = Key(metric=changes.pop("metric", "matmul.bfloat16/throughput"), gpu=GPU, uuid=changes.pop("uuid", "0a" * 8))
    fields: dict[str, Any] = {"key": key, "unit": "TFLOP/s", "better": "higher", "image": "new", "value": 690.0}
    return Measurement(**{**fields, **changes})


def record(number: int = 1, **changes: Any) -> Record:
    """The number is day and name; month 11 unless ``month`` says another."""
    month, year = changes.pop("month", 11), changes.pop("year", 2026)
    fields: dict[str, Any] = {
        "run": f"run-{year}-{month}-{number}",
        "created": f"{year}-{month:02}-{1 + number % 28:02}T00:00:{number % 60:02}Z",
        "repository": "octo-org/octo-repo",
        "branch": "main",
        "commit": f"{number:040x}",
        "device": "cuda",
        "images": (Image(name="new", reference="docker.io/pytorch/pytorch:2.9.0", digest="sha256:" + "3f" * 32),),
        "measurements": (measurement(value=690.0 + number),),
    }
    return Record(**{**fields, **changes})


def block(pair: int, arm: str, value: float, **changes: Any) -> Block:
    """One process of one arm with three samples around a value."""
    metric = samples.metric(samples=(value * 0.99, value, value * 1.5))
    results = (samples.check_result(check="matmul.bfloat16", metrics=(metric,)),)
    return Block(**{"pair": pair, "arm": arm, "results": results, **changes})


def trial(bases: list[float], heads: list[float], **changes: Any) -> Trial:
    """Pairs of these medians."""
    blocks = [block(n, "base", value) for n, value in enumerate(bases, 1)]
    blocks += [block(n, "head", value) for n, value in enumerate(heads, 1)]
    judged = Comparison(metric="matmul.bfloat16/throughput", unit="TFLOP/s", better="higher", verdict="unchanged")
    fields: dict[str, Any] = {"base": "old", "head": "new", "order": "AB" * len(bases), "blocks": tuple(blocks)}
    return Trial(**{**fields, "metrics": (judged,), **changes})
