"""The decision rules of other tools. Each says whether it would call the head slower.

A rule is given the times of 12 processes of 30 samples of either image, and takes what the tool takes by default:
one process, or several. Where the tool installs here its own code decides; else its rule is written out anew from
the source that is named.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

Array = Any
RESAMPLES = 1000


class Rule(NamedTuple):
    """``data`` is what it looks at; ``source`` where the rule comes from: a package that ran, or a text."""

    name: str
    data: str
    source: str
    is_slower: Callable[[Array, Array], bool]
    alternates: bool = False


def ratio(threshold: float) -> Callable[[Array, Array], bool]:
    """github-action-benchmark: new / previous > threshold, of one number each."""
    return lambda base, head: bool(head[0].mean() / base[0].mean() > threshold)


def ratio_of_medians(threshold: float) -> Callable[[Array, Array], bool]:
    return lambda base, head: bool(np.median(head.mean(1)) / np.median(base.mean(1)) > threshold)


def pyperf_compare(base: Array, head: Array) -> bool:
    from pyperf._utils import is_significant

    first, second = base[:, :3].ravel().tolist(), head[:, :3].ravel().tolist()
    return bool(is_significant(first, second)[0]) and sum(second) > sum(first)


def pyperf_min_speed(base: Array, head: Array) -> bool:
    return head[:, :3].mean() / base[:, :3].mean() >= 1.02 and pyperf_compare(base, head)


def mann_whitney(base: Array, head: Array) -> bool:
    p = stats.mannwhitneyu(head, base, method="exact").pvalue
    return bool(p < 0.05 and np.median(head) > np.median(base))


def benchstat_count(base: Array, head: Array) -> bool:
    """``go test -count=10``: ten results of one process."""
    return mann_whitney(base[0, :10], head[0, :10])


def benchstat_processes(base: Array, head: Array) -> bool:
    """One result from each of 12 processes, as its documentation asks for."""
    return mann_whitney(base.mean(1), head.mean(1))


class Criterion:
    """The relative change of the mean: t by permutation of the pooled samples, interval by bootstrap."""

    def __init__(self, samples: int, noise: float = 0.01) -> None:
        rng = np.random.default_rng(99)
        self.weights = [rng.multinomial(samples, np.full(samples, 1 / samples), RESAMPLES) / samples for _ in range(2)]
        self.noise = noise

    def __call__(self, base: Array, head: Array) -> bool:
        means = [weights @ samples for weights, samples in zip(self.weights, (base[0], head[0]), strict=True)]
        low = np.quantile(means[1] / means[0] - 1, 0.025)
        return bool(low > self.noise)  # then its p-value is below .05 too


def asv_continuous(base: Array, head: Array) -> bool:
    """Two rounds of five samples, pooled; a factor of 1.1."""
    return asv(base[:2, :5].ravel(), head[:2, :5].ravel(), 1.1)


def asv_all(base: Array, head: Array) -> bool:
    return asv(base[:, :5].ravel(), head[:, :5].ravel(), 1.02)


def asv(base: Array, head: Array, factor: float) -> bool:
    from asv.commands.compare import _is_result_better
    from asv_runner.statistics import compute_stats

    (first, first_stats), (second, second_stats) = (compute_stats(arm.tolist(), 1) for arm in (base, head))
    pair = (first_stats, base.tolist()), (second_stats, head.tolist())
    return bool(_is_result_better(first, second, *pair, factor))


def nvbench(base: Array, head: Array) -> bool:
    """One process each, at the same SM clock, so that its confirmation in cycles never hinders it."""
    from cuda.bench.scripts import nvbench_compare_robust as robust

    decision = robust.compare_gpu_timings(_timing(robust, base[0]), _timing(robust, head[0]))
    return bool(decision.status == robust.ComparisonStatus.SLOW)


def _timing(robust: Any, samples: Array) -> Any:
    low, first, middle, third, high = np.quantile(samples, [0, 0.25, 0.5, 0.75, 1]).tolist()
    mean, deviation = float(samples.mean()), float(samples.std(ddof=1))
    return robust.GpuTimingData(
        minimum=low,
        maximum=high,
        mean=mean,
        stdev=deviation,
        stdev_relative=deviation / mean,
        first_quartile=first,
        median=middle,
        third_quartile=third,
        interquartile_range=third - first,
        interquartile_range_relative=(third - first) / middle,
        sm_clock_rate_mean=1.98e9,
    )


def home_made(base: Array, head: Array) -> bool:
    """Welch's t of the medians of 12 processes at 5 %, and 2 % at least: sound for one metric."""
    first, second = np.median(base, 1), np.median(head, 1)
    p = stats.ttest_ind(second, first, equal_var=False).pvalue
    return bool(p < 0.05 and second.mean() / first.mean() >= 1.02)


def rules(samples: int) -> tuple[Rule, ...]:
    """Every rule that can run here."""
    action = "written anew from src/write.ts of benchmark-action/github-action-benchmark v1.22.0"
    go = "written anew from benchmath/anone.go of golang/perf 712aea8"
    found = [
        Rule("github-action-benchmark 200 %", "1 process", action, ratio(2.0)),
        Rule("github-action-benchmark 110 %", "1 process", action, ratio(1.1)),
        Rule("the same on medians, 110 %", "12 processes", action, ratio_of_medians(1.1)),
        Rule("benchstat, -count 10", "1 process", go, benchstat_count),
        Rule("benchstat, a process a run", "12 processes", go, benchstat_processes, alternates=True),
        Rule(
            "criterion",
            "1 process",
            "written anew from src/report.rs of criterion.rs 567405d, 1,000 resamples",
            Criterion(samples),
        ),
        Rule(
            "Welch's t, p < .05, ≥ 2 %", "12 processes", "what one writes oneself, by scipy", home_made, alternates=True
        ),
    ]
    packaged = (
        ("pyperf", Rule("pyperf compare_to", "12 processes", "", pyperf_compare)),
        ("pyperf", Rule("pyperf --min-speed 2", "12 processes", "", pyperf_min_speed)),
        ("asv", Rule("asv continuous", "2 processes", "", asv_continuous, alternates=True)),
        ("asv", Rule("asv --factor 1.02", "12 processes", "", asv_all, alternates=True)),
        ("cuda-bench", Rule("nvbench-compare-robust", "1 process", "", nvbench)),
    )
    return (*found, *(rule for package, named in packaged for rule in _running(package, named)))


def _running(package: str, rule: Rule) -> list[Rule]:
    """The rule with its package's version, if the package is here and its code still answers."""
    sample = np.linspace(1.0, 1.01, 360).reshape(12, 30)
    try:
        rule.is_slower(sample, sample * 1.5)
        return [rule._replace(source=f"the package {package} {version(package)}")]
    except Exception as error:
        warnings.warn(f"{rule.name} is left out: {error!r}", stacklevel=2)
        return []
