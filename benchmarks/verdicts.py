"""How often ci-gpu is wrong, and others are: the same samples through every decision rule.

    python benchmarks/verdicts.py [--quick] [--output benchmarks/results/verdicts.json] [--document docs/measurement.md]

False alarms are counted per suite of 20 metrics of which none changed; detection per metric, one of 20 that really
got slower. Ours is the real `ci_gpu.compare.compare` with both looks. The samples are simulated (simulated.py), so
that the truth is known, and recorded on a real machine (recorded.py). Needs numpy and scipy, and for the rules of
other tools pyperf, asv and cuda-bench; those that are not here are left out.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import recorded
import tables
from counted import Counted
from protocol import (
    ALIKE,
    BETTER,
    EXTENDED,
    FINER,
    FINER_POLICY,
    FIRST_LOOK,
    IMPROVED,
    OURS,
    REGRESSED,
    SIX_ONLY,
    UNCHANGED,
    six_only,
    two_looks,
)
from rivals import Rule, rules
from simulated import BY_NOISE, DETECTED_IN, DRIFT, EFFECTS, METRICS, SAMPLES, WORLDS, Suite, World
from tables import WRONG


class Repetitions(NamedTuple):
    quiet: int  # suites of a world in which a false alarm of ours needs a miracle
    noisy: int
    detected: int
    rival: int
    rival_metrics: int
    recorded: int


FULL = Repetitions(quiet=1500, noisy=6000, detected=500, rival=300, rival_metrics=1000, recorded=1000)
QUICK = Repetitions(quiet=2, noisy=2, detected=2, rival=1, rival_metrics=4, recorded=1)
QUIET = {world.name for world in (*BY_NOISE[:3], DRIFT)}


def false_alarms(world: World, suites: int, seed: int) -> dict[str, Counted]:
    """Suites with at least one red metric of ours, where none changed."""
    rng, red, extended = np.random.default_rng(seed), Counter[str](), 0
    for _ in range(suites):
        suite = world.suite(rng, np.zeros(METRICS))
        _, last, more = two_looks(*suite.alternating)
        extended += more
        red[OURS] += REGRESSED in last.values()
        red[BETTER] += IMPROVED in last.values()
        red[SIX_ONLY] += REGRESSED in six_only(*suite.alternating).values()
        red[ALIKE] += bool(world.wave) and REGRESSED in two_looks(*suite.always_alike)[1].values()
    counted = {name: Counted(red[name], suites) for name in (OURS, SIX_ONLY, BETTER, *([ALIKE] if world.wave else []))}
    return counted | {EXTENDED: Counted(extended, suites * METRICS)}


def finer_alarms(world: World, suites: int, seed: int) -> Counted:
    rng = np.random.default_rng(seed)
    arms = (world.suite(rng, np.zeros(METRICS)).alternating for _ in range(suites))
    return Counted(sum(REGRESSED in two_looks(*each, FINER_POLICY)[1].values() for each in arms), suites)


def rival_alarms(world: World, ruling: Iterable[Rule], suites: int, seed: int) -> dict[str, Counted]:
    rng, red, listed = np.random.default_rng(seed), Counter[str](), list(ruling)
    for _ in range(suites):
        suite = world.suite(rng, np.zeros(METRICS))
        red.update(rule.name for rule in listed if any(slower(rule, suite, at) for at in range(METRICS)))
    return {rule.name: Counted(red[rule.name], suites) for rule in listed}


def detections(world: World, effect: float, suites: int, seed: int) -> dict[str, Counted]:
    """How often we see the one metric of 20 that got slower, and how often we call it unchanged."""
    rng, worsening = np.random.default_rng(seed), np.eye(1, METRICS)[0] * effect
    return _seen((world.suite(rng, worsening).alternating for _ in range(suites)), suites)


def _seen(jobs: Iterable[tuple[Any, Any]], suites: int, at: int = 0) -> dict[str, Counted]:
    seen = Counter[str]()
    for arms in jobs:
        first, last, _ = two_looks(*arms)
        finer = two_looks(*arms, FINER_POLICY)[1]
        told = {OURS: last, FIRST_LOOK: first, SIX_ONLY: six_only(*arms), FINER: finer}
        seen.update(name for name, verdicts in told.items() if verdicts[at] == REGRESSED)
        seen[WRONG] += last[at] == UNCHANGED
    return {name: Counted(seen[name], suites) for name in (OURS, FINER, FIRST_LOOK, SIX_ONLY, WRONG)}


def rival_detections(
    world: World, effect: float, ruling: Iterable[Rule], metrics: int, seed: int
) -> dict[str, Counted]:
    """These rules judge a metric at a time, so that all may be slower."""
    suite = world.suite(np.random.default_rng(seed), np.full(metrics, effect))
    hits = {rule.name: sum(slower(rule, suite, at) for at in range(metrics)) for rule in ruling}
    return {name: Counted(count, metrics) for name, count in hits.items()}


def slower(rule: Rule, suite: Suite, at: int) -> bool:
    base, head = suite.alternating if rule.alternates else suite.in_blocks
    return bool(rule.is_slower(base[at], head[at]))


def on_record(suites: list[tuple[Any, Any]], limit: int) -> dict[str, Any]:
    """The same of recorded suites: alarms of each suite, and slowdowns planted into one metric after the other."""
    chosen = suites[:limit]
    samples = chosen[0][0].shape[2]
    ruling = rules(samples)
    alarms = {
        OURS: Counted(sum(REGRESSED in two_looks(*arms)[1].values() for arms in chosen), len(chosen)),
        SIX_ONLY: Counted(sum(REGRESSED in six_only(*arms).values() for arms in chosen), len(chosen)),
        FINER: Counted(sum(REGRESSED in two_looks(*arms, FINER_POLICY)[1].values() for arms in chosen), len(chosen)),
    }
    for rule in ruling:
        red = (any(rule.is_slower(base[at], head[at]) for at in range(len(base))) for base, head in chosen)
        alarms[rule.name] = Counted(sum(red), len(chosen))
    return {"alarms": alarms, "detections": {f"{effect:g}": _planted(chosen, effect, ruling) for effect in EFFECTS}}


def _planted(suites: list[tuple[Any, Any]], effect: float, ruling: Iterable[Rule]) -> dict[str, Counted]:
    total, count = Counter[str](), sum(len(base) for base, _ in suites)
    for base, head in suites:
        for at in range(len(base)):
            planted = head.copy()
            planted[at] *= 1 + effect
            total.update({name: each.hits for name, each in _seen([(base, planted)], 1, at).items()})
            total.update(rule.name for rule in ruling if rule.is_slower(base[at], planted[at]))
    names = (OURS, FINER, FIRST_LOOK, SIX_ONLY, WRONG, *(rule.name for rule in ruling))
    return {name: Counted(total[name], count) for name in names}


def measure(repetitions: Repetitions) -> dict[str, Any]:
    """Everything: alarms as {world: {rule: Counted}}, detections as {world: {effect: {rule: Counted}}}."""
    ruling, alarms, seen = rules(SAMPLES), {}, {}
    for seed, world in enumerate(WORLDS):
        suites = repetitions.quiet if world.name in QUIET else repetitions.noisy
        alarms[world.name] = false_alarms(world, suites, seed)
        alarms[world.name][FINER] = finer_alarms(world, max(1, suites // 3), 50 + seed)
        alarms[world.name] |= rival_alarms(world, ruling, repetitions.rival, 100 + seed)
        _tell(world.name, alarms[world.name])
    for seed, world in enumerate(DETECTED_IN):
        seen[world.name] = {}
        for effect in EFFECTS:
            claimed = (world, effect) == (BY_NOISE[1], 0.03)  # a rate near 99 % needs more suites to be told from it
            counted = detections(world, effect, repetitions.detected * (6 if claimed else 1), 200 + seed)
            counted |= rival_detections(world, effect, ruling, repetitions.rival_metrics, 300 + seed)
            seen[world.name][f"{effect:g}"] = counted
            _tell(f"{world.name} +{effect:.0%}", counted)
    found = {"rules": [(rule.name, rule.data, rule.source) for rule in ruling], "alarms": alarms, "detections": seen}
    return found | {"recorded": on_record(recorded.load(), repetitions.recorded)}


def _tell(what: str, counted: dict[str, Counted]) -> None:
    print(f"{what:28}", ", ".join(f"{name} {each.rate:.2%}" for name, each in counted.items()), file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a handful of suites: does it run?")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/verdicts.json"))
    parser.add_argument("--document", type=Path, help="the page whose table is replaced")
    options = parser.parse_args()
    started = time.monotonic()
    found = measure(QUICK if options.quick else FULL)
    about = {"python": platform.python_version(), "numpy": np.__version__, "seconds": round(time.monotonic() - started)}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    report = {"about": about, "claims": tables.claims(found), **found}
    options.output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.document:
        tables.insert(found, options.document)
    print(json.dumps(report["claims"], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
