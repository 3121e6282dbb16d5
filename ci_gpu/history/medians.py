"""Medians of processes, and the change between two arms: what a record keeps of a trial's raw samples."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping

import msgspec

from ci_gpu.model import Block
from ci_gpu.payload.wire import Metric

FLOOR = math.sqrt(2) * 0.001
"""Least standard deviation of a pair's log-ratio: clocks tick, so no series of pairs is as equal as it may look."""


Link = tuple[float | None, float | None]
"""A change and its standard error."""


class ArmMedians(msgspec.Struct, frozen=True):
    """One metric of one arm: pair number to the process's median."""

    metric: Metric
    values: dict[int, float]


def median(samples: Iterable[float | None]) -> float | None:
    """The median of the finite samples; None if there are none."""
    finite = [sample for sample in samples if sample is not None and math.isfinite(sample)]
    return statistics.median(finite) if finite else None


def of_arm(blocks: Iterable[Block], arm: str) -> dict[str, ArmMedians]:
    """Metric id to the medians of the valid blocks of an arm. A version or unit that changes midway is left out."""
    found: dict[str, ArmMedians] = {}
    for block in blocks:
        if block.arm != arm or block.invalid:
            continue
        for name, metric in block.metrics():
            value = median(metric.samples)
            known = found.setdefault(name, ArmMedians(metric, {}))
            if value is not None and (metric.version, metric.unit) == (known.metric.version, known.metric.unit):
                known.values[block.pair] = value
    return {name: medians for name, medians in found.items() if medians.values}


def links(base: Mapping[str, ArmMedians], head: Mapping[str, ArmMedians]) -> dict[str, Link]:
    """Of each metric of the head's, by its id."""
    return {name: _link(base.get(name), arm) for name, arm in head.items()}


def _link(base: ArmMedians | None, head: ArmMedians | None) -> Link:
    """Natural logarithm of head over base over the complete pairs, and its standard error; None where none is.

    With one pair there is a change and no error. An exact metric has none either way: its error is 0.
    """
    if base is None or head is None or _identity(base.metric) != _identity(head.metric):
        return None, None
    pairs = [(base.values[pair], head.values[pair]) for pair in sorted(base.values.keys() & head.values.keys())]
    if not pairs or any(value <= 0 for pair in pairs for value in pair):
        return None, None
    ratios = [math.log(after / before) for before, after in pairs]
    return statistics.fmean(ratios), _error(ratios, exact=base.metric.exact)


def _identity(metric: Metric) -> tuple[int, str, str]:
    return metric.version, metric.unit, metric.better


def _error(ratios: list[float], *, exact: bool) -> float | None:
    if exact:
        return 0.0
    if len(ratios) < 2:
        return None
    return max(statistics.stdev(ratios), FLOOR) / math.sqrt(len(ratios))
