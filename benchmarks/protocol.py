"""Our own rule: the real `ci_gpu.compare`, fed as a run feeds it. Times are (metrics, pairs, samples), in ms."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this tree's ci_gpu, whichever is installed

from ci_gpu import compare
from ci_gpu.model import IMPROVED, REGRESSED, UNCHANGED, Block, Comparison, Policy
from ci_gpu.payload.wire import CheckResult, Metric

FIRST = 6
OURS, SIX_ONLY, FIRST_LOOK = "ci-gpu", "ci-gpu, six pairs only", "ci-gpu, first look (provisional)"
FINER = "ci-gpu, min-effect 1 %"
ALIKE = "(ci-gpu, if the order were always A B B A)"
BETTER = "(ci-gpu: suites with a metric that it falsely calls improved)"
EXTENDED = "metrics measured twelve times"
FINER_POLICY = Policy(min_effect=0.01)

__all__ = ["IMPROVED", "REGRESSED", "UNCHANGED"]

Verdicts = dict[int, str]


def blocks(base: Any, head: Any, pairs: range, metrics: Iterable[int]) -> list[Block]:
    """The blocks that a run of these pairs would have made, each metric by its median alone: no other sample counts."""
    wanted = list(metrics)
    arms = {"base": np.median(base, 2).tolist(), "head": np.median(head, 2).tolist()}
    return [
        Block(pair=pair + 1, arm=arm, results=tuple(_result(at, times[at][pair]) for at in wanted))
        for pair in pairs
        for arm, times in arms.items()
    ]


def _result(at: int, middle: float) -> CheckResult:
    return CheckResult(str(at), "passed", metrics=(Metric("time", "ms", "lower", (middle,)),))


def two_looks(base: Any, head: Any, policy: Policy | None = None) -> tuple[Verdicts, Verdicts, int]:
    """Six pairs, then six more of what is unclear: the verdicts of both looks, and how many metrics were extended."""
    chosen = policy or Policy()
    measured = blocks(base, head, range(FIRST), range(len(base)))
    first = compare.compare(measured, chosen, final=False)
    more = sorted(map(_number, compare.unclear(first)))
    whole = [*measured, *blocks(base, head, range(FIRST, base.shape[1]), more)] if more else measured
    return _verdicts(first), _verdicts(compare.compare(whole, chosen)), len(more)


def six_only(base: Any, head: Any) -> Verdicts:
    """As where no more than six pairs could be run."""
    return _verdicts(compare.compare(blocks(base, head, range(FIRST), range(len(base))), Policy()))


def _verdicts(comparisons: Iterable[Comparison]) -> Verdicts:
    return {_number(each.metric): each.verdict for each in comparisons}


def _number(metric: str) -> int:
    return int(metric.split("/")[0])
