"""Why the rule is as it is: its core beside what it could have been, in plain numpy.

    python benchmarks/alternatives.py [--suites 20000] [--document docs/measurement.md]

A metric is red if its mean change is the margin (2 %) or more and its p is below the level, divided by the 20 metrics.
With twelve pairs the last six must show half of the margin too. Shown: suites with a false alarm, and detection.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import tables
from scipy import stats
from simulated import METRICS, alternating, gaussian, two_modes

Array = Any
MARGIN = np.log1p(0.02)
STRICT, POCOCK = 0.007, 0.0294
FLOOR = np.sqrt(2) * 0.001
BEGIN, END = "<!-- alternatives: begin -->", "<!-- alternatives: end -->"

FALSE = {
    "2.2 %": (gaussian(0.022), 0.0),
    "5 %": (gaussian(0.05), 0.0),
    "half +5 %": (two_modes(0.5, 0.05), 0.0),
    "half +10 %": (two_modes(0.5, 0.1), 0.0),
    "a fifth +10 %": (two_modes(0.2, 0.1), 0.0),
    "0.5 %, drift 5 %": (gaussian(0.005), 0.05),
}
SEEN = {
    "+5 % at 2.2 %": (gaussian(0.022), 0.0, 0.05),
    "+5 %, half +5 %": (two_modes(0.5, 0.05), 0.0, 0.05),
    "+3 % at 0.5 %": (gaussian(0.005), 0.0, 0.03),
    "+3 % at 0.5 %, drift 5 %": (gaussian(0.005), 0.05, 0.03),
}


def paired(base: Array, head: Array) -> Array:
    difference = head - base
    pairs = difference.shape[-1]
    error = np.maximum(difference.std(-1, ddof=1), FLOOR) / np.sqrt(pairs)
    return stats.t.sf(difference.mean(-1) / error, pairs - 1)


def welch(base: Array, head: Array) -> Array:
    pairs = base.shape[-1]
    first, second = base.var(-1, ddof=1), head.var(-1, ddof=1)
    degrees = (first + second) ** 2 * (pairs - 1) / (first**2 + second**2)
    error = np.sqrt(np.maximum(first + second, FLOOR**2) / pairs)
    return stats.t.sf((head - base).mean(-1) / error, degrees)


def pooled(base: Array, head: Array) -> Array:
    pairs = base.shape[-1]
    error = np.sqrt((base.var(-1, ddof=1) + head.var(-1, ddof=1)) / pairs)
    return stats.t.sf((head - base).mean(-1) / np.maximum(error, FLOOR), 2 * pairs - 2)


def both(base: Array, head: Array) -> Array:
    first = paired(base, head)
    return np.where(first < 0.025, np.minimum(1, 2 * np.minimum(first, welch(base, head))), first)


RULES = {
    "paired t, 12 pairs": (paired, 12, STRICT),
    "Welch's t, 12 pairs": (welch, 12, STRICT),
    "**both, 12 pairs** (ours)": (both, 12, STRICT),
    "both, 12 pairs, at 0.0294": (both, 12, POCOCK),
    "paired t, 6 pairs": (paired, 6, STRICT),
    "Welch's t, 6 pairs": (welch, 6, STRICT),
    "pooled t, 6 pairs": (pooled, 6, STRICT),
    "**both, 6 pairs** (ours, not extended)": (both, 6, STRICT),
}


def times(rng: Any, effects: Any, drift: float, effect: float, suites: int) -> tuple[Array, Array]:
    """Logarithms of the medians of twelve pairs: (suites, metrics, pairs) of either arm, A B B A."""
    shape = (suites, METRICS, 12)
    when = alternating()
    base, head = (effects(rng, shape) + drift * when[arm] / 23 for arm in (0, 1))
    return base, head + np.log1p(effect)


def red(rule: tuple[Any, int, float], base: Array, head: Array) -> Array:
    test, pairs, level = rule
    first, second = base[..., :pairs], head[..., :pairs]
    change = (second - first).mean(-1)
    found = (test(first, second) < level / METRICS) & (change >= MARGIN)
    return found & ((head - base)[..., 6:].mean(-1) >= MARGIN / 2) if pairs > 6 else found


def measure(suites: int) -> list[list[str]]:
    """A row a rule: suites with a false alarm by world, then the share of changed metrics that it sees."""
    rng = np.random.default_rng(11)
    columns = []
    for effects, drift in FALSE.values():
        arms = times(rng, effects, drift, 0.0, suites)
        columns.append([f"{100 * red(rule, *arms).any(-1).mean():.2f} %" for rule in RULES.values()])
    for effects, drift, effect in SEEN.values():
        arms = times(rng, effects, drift, effect, suites // 20)
        columns.append([f"{100 * red(rule, *arms).mean():.1f} %" for rule in RULES.values()])
    return [[name, *cells] for name, *cells in zip(RULES, *columns, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suites", type=int, default=20_000)
    parser.add_argument("--document", type=Path, help="the page whose table is replaced")
    options = parser.parse_args()
    head = ["", *(f"alarms: {name}" for name in FALSE), *(f"seen: {name}" for name in SEEN)]
    made = tables.markdown(head, measure(options.suites))
    print(made)
    if options.document:
        tables.between(options.document, BEGIN, made, END)


if __name__ == "__main__":
    main()
