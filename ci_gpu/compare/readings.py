"""What the blocks of a comparison say of each metric: one value per process, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import msgspec

from ci_gpu.model import Block, ImageReport, PulledImage
from ci_gpu.payload.wire import PASSED, CheckResult, Environment, Metric

BASE, HEAD = "base", "head"

_LARGEST = 1e100
"""Beyond it, or below its inverse, in whatever unit, nothing was measured."""


class Kind(msgspec.Struct, frozen=True):
    """What must be the same for two values to be comparable."""

    version: int
    unit: str
    better: str
    exact: bool


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One metric in one image: the median of each process, by the number of its pair."""

    kinds: tuple[Kind, ...] = ()
    values: dict[int, float] = {}

    @property
    def value(self) -> float | None:
        return median(self.values.values()) if self.values else None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One metric in both images."""

    metric: str
    base: Arm
    head: Arm

    @property
    def kind(self) -> Kind:
        """The head's kind; the base's where the head has none."""
        return (self.head.kinds or self.base.kinds)[0]

    @property
    def comparable(self) -> bool:
        return len({*self.base.kinds, *self.head.kinds}) == 1

    def pairs(self) -> tuple[int, ...]:
        """The pairs that both arms have."""
        return tuple(sorted(self.base.values.keys() & self.head.values.keys()))

    def logarithms(self, arm: Arm, pairs: Iterable[int]) -> tuple[float, ...]:
        """Of these pairs' values, with the sign turned where smaller is worse: larger is always worse."""
        sign = 1.0 if self.kind.better == "lower" else -1.0
        return tuple(sign * math.log(arm.values[pair]) for pair in pairs)


def read(blocks: Sequence[Block]) -> tuple[Reading, ...]:
    """Every metric that a valid block has, in the order in which they were first seen.

    A metric with a sample that is missing, not finite, not positive (negative, for an exact one) or beyond its physical
    limit is not there, nor is one with a number that no instrument has.
    """
    valid = [block for block in blocks if not block.invalid]
    found = [(block, metric, value) for block in valid for metric, value in block.metrics() if _sound(value)]
    seen: dict[str, dict[str, list[tuple[int, Metric]]]] = {}
    for block, name, metric in found:
        seen.setdefault(name, {BASE: [], HEAD: []})[block.arm].append((block.pair, metric))
    return tuple(Reading(metric=name, base=_arm(arms[BASE]), head=_arm(arms[HEAD])) for name, arms in seen.items())


def _arm(processes: list[tuple[int, Metric]]) -> Arm:
    kinds = dict.fromkeys(Kind(each.version, each.unit, each.better, each.exact) for _, each in processes)
    values = {pair: median(sample for sample in each.samples if sample is not None) for pair, each in processes}
    return Arm(kinds=tuple(kinds), values=values)


def _sound(metric: Metric) -> bool:
    return bool(metric.samples) and all(_possible(sample, metric) for sample in metric.samples)


def _possible(sample: float | None, metric: Metric) -> bool:
    if sample is None or (metric.limit is not None and sample > metric.limit):
        return False
    return 1 / _LARGEST < sample < _LARGEST or (metric.exact and sample == 0)


def of_the_image(image: PulledImage, environment: Environment | None) -> tuple[CheckResult, ...]:
    """What is known of an image without a check: its size, and what `import torch` takes in a fresh container."""
    size = Metric("size", "B", "lower", (float(image.size),), exact=True)
    seconds = Metric("torch", "s", "lower", (environment.import_seconds if environment else 0.0,))
    found = {"image.size": size, "image.import": seconds}
    return tuple(CheckResult(check, PASSED, metrics=(metric,)) for check, metric in found.items() if metric.samples[0])


def named(image: ImageReport) -> Iterator[tuple[str, Metric]]:
    """Every metric that was measured in the image or of it, with its id, as the patterns of a policy name it."""
    results = (*image.results, *of_the_image(image.image, image.environment))
    return ((f"{result.check}/{metric.name}", metric) for result in results for metric in result.metrics)
