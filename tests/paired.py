"""Blocks of a comparison, written by hand: the simplest that say what a test wants to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ci_gpu.compare import compare
from ci_gpu.model import Block, Comparison, MetricRule, Policy
from ci_gpu.payload.wire import CheckResult, Metric

ID = "suite.one/time"
NOISE = (0.001, -0.002, 0.003, -0.001, 0.002, -0.003, 0.002, -0.001, 0.001, -0.002, 0.003, -0.003)
"""Of twelve pairs: 0.2 %, and no pair like the next."""


def block(arm: str, pair: int, *metrics: Metric, outcome: str = "passed", **fields: Any) -> Block:
    return Block(pair=pair, arm=arm, results=(CheckResult("suite.one", outcome, metrics=metrics),), **fields)


def metric(
    *samples: float | None, name: str = "time", unit: str = "ms", better: str = "lower", **fields: Any
) -> Metric:
    return Metric(name, unit, better, samples, **fields)


def arm(name: str, values: Iterable[float | None], first: int = 1, **fields: Any) -> list[Block]:
    """One block a value; None where the check failed."""
    return [
        block(name, pair) if value is None else block(name, pair, metric(value, **fields))
        for pair, value in enumerate(values, first)
    ]


def pairs(base: Sequence[float | None], head: Sequence[float | None], first: int = 1, **fields: Any) -> list[Block]:
    """Both arms of ``suite.one/time`` from pair ``first`` on."""
    return arm("base", base, first, **fields) + arm("head", head, first, **fields)


def noisy(count: int, factor: float = 1.0, *, scale: float = 1.0, level: float = 1.0, **fields: Any) -> list[Block]:
    """So many pairs; every head is its base times ``factor``, with the noise times ``scale``."""
    base = [level] * count
    head = [level * factor * (1 + scale * noise) for noise in NOISE[:count]]
    return pairs(base, head, **fields)


def only(blocks: list[Block], policy: Policy | None = None, *, final: bool = True) -> Comparison:
    (comparison,) = compare(blocks, policy or Policy(), final=final)
    return comparison


def ruled(**fields: Any) -> Policy:
    return Policy(rules=((ID, MetricRule(**fields)),))
