"""How often ci-gpu is wrong, and others are: the same simulated samples through every decision rule.

    python benchmarks/verdicts.py [--quick] [--output benchmarks/results/verdicts.json] [--document docs/measurement.md]

False alarms are counted per suite of 20 metrics of which none changed; detection per metric, one of 20 that really
got slower. Ours is the real `ci_gpu.compare.compare` with both looks. Needs numpy, scipy, and for the rules of other
tools pyperf, asv and cuda-bench; those that are not here are left out and named.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rivals import Rule, rules
from scipy import stats
from simulated import BY_NOISE, DETECTED_IN, DRIFT, EFFECTS, METRICS, PAIRS, SAMPLES, WORLDS, World

from ci_gpu import compare
from ci_gpu.model import REGRESSED, UNCHANGED, Block, Policy
from ci_gpu.payload.wire import CheckResult, Metric

FIRST = 6
OURS, FINER = "ci-gpu", "ci-gpu, min-effect 1 %"
FIRST_LOOK, SIX_ONLY = "ci-gpu, first look (provisional)", "ci-gpu, six pairs only"
WRONG = "ci-gpu says unchanged"  # of a metric that did change: the other mistake that can be made
LIMIT = 0.01


class Counted(NamedTuple):
    """How often something happened, of so many times."""

    hits: int
    of: int

    @property
    def rate(self) -> float:
        return self.hits / self.of

    @property
    def above(self) -> float:
        """Upper 95 % bound (Clopper-Pearson, one-sided)."""
        return 1.0 if self.hits == self.of else float(stats.beta.ppf(0.95, self.hits + 1, self.of - self.hits))

    @property
    def below(self) -> float:
        """Lower 95 % bound."""
        return 0.0 if not self.hits else float(stats.beta.ppf(0.05, self.hits, self.of - self.hits + 1))


def blocks(base: Any, head: Any, pairs: range, metrics: Iterable[int]) -> list[Block]:
    """The blocks that a run of these pairs would have made, each metric by its median alone: no other sample matters.

    The times are (metrics, pairs, samples).
    """
    wanted = list(metrics)
    arms = {"base": np.median(base, 2).tolist(), "head": np.median(head, 2).tolist()}
    return [
        Block(pair=pair + 1, arm=arm, results=tuple(_result(at, times[at][pair]) for at in wanted))
        for pair in pairs
        for arm, times in arms.items()
    ]


def _result(at: int, middle: float) -> CheckResult:
    return CheckResult(f"suite.m{at}", "passed", metrics=(Metric("time", "ms", "lower", (middle,)),))


def two_looks(base: Any, head: Any, policy: Policy) -> dict[str, dict[str, str]]:
    """The protocol of a run: six pairs, then six more of what is unclear. Verdicts by metric, after each look."""
    measured = blocks(base, head, range(FIRST), range(len(base)))
    first = compare.compare(measured, policy, final=False)
    more = sorted(int(metric[len("suite.m") :].split("/")[0]) for metric in compare.unclear(first))
    whole = [*measured, *blocks(base, head, range(FIRST, PAIRS), more)] if more else measured
    looks = {OURS: compare.compare(whole, policy), FIRST_LOOK: first}
    return {name: {each.metric: each.verdict for each in look} for name, look in looks.items()} | {
        "extended": {str(at): "yes" for at in more}
    }


def six_only(base: Any, head: Any) -> dict[str, str]:
    """As where the user allows no more than six pairs."""
    judged = compare.compare(blocks(base, head, range(FIRST), range(len(base))), Policy())
    return {each.metric: each.verdict for each in judged}


def false_alarms(world: World, suites: int, seed: int) -> dict[str, Counted]:
    """Suites with at least one red metric of ours, where none changed."""
    rng, red = np.random.default_rng(seed), Counter[str]()
    extra = 0
    for _ in range(suites):
        arms = world.suite(rng, np.zeros(METRICS)).alternating
        looks = two_looks(*arms, Policy())
        extra += len(looks["extended"])
        red[OURS] += REGRESSED in looks[OURS].values()
        red[SIX_ONLY] += REGRESSED in six_only(*arms).values()
    return {name: Counted(red[name], suites) for name in (OURS, SIX_ONLY)} | {
        "extended": Counted(extra, suites * METRICS)
    }


def detections(world: World, effect: float, suites: int, seed: int) -> dict[str, Counted]:
    """How often we see the one metric of 20 that got slower."""
    rng, seen = np.random.default_rng(seed), Counter[str]()
    worsening = np.zeros(METRICS)
    worsening[0] = effect
    for _ in range(suites):
        arms = world.suite(rng, worsening).alternating
        looks = two_looks(*arms, Policy())
        verdicts = {name: looks[name]["suite.m0/time"] for name in (OURS, FIRST_LOOK)}
        verdicts[SIX_ONLY] = six_only(*arms)["suite.m0/time"]
        verdicts[FINER] = two_looks(*arms, Policy(min_effect=0.01))[OURS]["suite.m0/time"]
        seen.update(name for name, verdict in verdicts.items() if verdict == REGRESSED)
        seen[WRONG] += verdicts[OURS] == UNCHANGED
    return {name: Counted(seen[name], suites) for name in (OURS, FINER, FIRST_LOOK, SIX_ONLY, WRONG)}


def finer_alarms(world: World, suites: int, seed: int) -> Counted:
    rng = np.random.default_rng(seed)
    arms = (world.suite(rng, np.zeros(METRICS)).alternating for _ in range(suites))
    finer = Policy(min_effect=0.01)
    return Counted(sum(REGRESSED in two_looks(*each, finer)[OURS].values() for each in arms), suites)


def rival_alarms(world: World, ruling: Iterable[Rule], suites: int, seed: int) -> dict[str, Counted]:
    rng, red = np.random.default_rng(seed), Counter[str]()
    listed = list(ruling)
    for _ in range(suites):
        suite = world.suite(rng, np.zeros(METRICS))
        red.update(rule.name for rule in listed if any(_slower(rule, suite, at) for at in range(METRICS)))
    return {rule.name: Counted(red[rule.name], suites) for rule in listed}


def rival_detections(
    world: World, effect: float, ruling: Iterable[Rule], metrics: int, seed: int
) -> dict[str, Counted]:
    """These rules judge a metric at a time, so that all may be slower."""
    suite, listed = world.suite(np.random.default_rng(seed), np.full(metrics, effect)), list(ruling)
    hits = {rule.name: sum(_slower(rule, suite, at) for at in range(metrics)) for rule in listed}
    return {name: Counted(count, metrics) for name, count in hits.items()}


def _slower(rule: Rule, suite: Any, at: int) -> bool:
    base, head = suite.alternating if rule.alternates else suite.in_blocks
    return bool(rule.is_slower(base[at], head[at]))


class Repetitions(NamedTuple):
    quiet: int  # suites of a world in which a false alarm of ours needs a miracle
    noisy: int
    detected: int
    rival: int
    rival_metrics: int


FULL = Repetitions(1500, 5000, 600, 200, 1000)
QUICK = Repetitions(4, 4, 4, 2, 10)
QUIET = {world.name for world in (*BY_NOISE[:3], DRIFT)}


def measure(repetitions: Repetitions) -> dict[str, Any]:
    """Everything, as ``{"alarms": {world: {rule: Counted}}, "detections": {world: {effect: {rule: Counted}}}}``."""
    ruling, alarms, seen = rules(SAMPLES), {}, {}
    for seed, world in enumerate(WORLDS):
        suites = repetitions.quiet if world.name in QUIET else repetitions.noisy
        alarms[world.name] = false_alarms(world, suites, seed)
        alarms[world.name][FINER] = finer_alarms(world, max(2, suites // 4), 50 + seed)
        alarms[world.name] |= rival_alarms(world, ruling, repetitions.rival, 100 + seed)
        _tell(world.name, alarms[world.name])
    for seed, world in enumerate(DETECTED_IN):
        seen[world.name] = {}
        for effect in EFFECTS:
            counted = detections(world, effect, repetitions.detected, 200 + seed)
            counted |= rival_detections(world, effect, ruling, repetitions.rival_metrics, 300 + seed)
            seen[world.name][f"{effect:g}"] = counted
            _tell(f"{world.name} +{effect:.0%}", counted)
    return {"rules": [(rule.name, rule.data, rule.source) for rule in ruling], "alarms": alarms, "detections": seen}


def _tell(what: str, counted: dict[str, Counted]) -> None:
    print(f"{what:28}", ", ".join(f"{name} {each.rate:.2%}" for name, each in counted.items()), file=sys.stderr)


def claims(found: dict[str, Any]) -> dict[str, Any]:
    """What we say of ourselves, and whether these numbers bear it out."""
    alarms = {world: counted[OURS] for world, counted in found["alarms"].items()}
    worst = max(alarms, key=lambda world: alarms[world].above)
    three = found["detections"][BY_NOISE[1].name]["0.03"]
    return {
        "worst false alarms": [worst, alarms[worst].rate, alarms[worst].above],
        "at most 1 % of suites with a false alarm, in every world": alarms[worst].above <= LIMIT,
        "at least 99 % of +3 % seen at 0.5 %, at the first look": three[FIRST_LOOK].below >= 0.99,
        "at least 99 % of +3 % seen at 0.5 %, confirmed": three[OURS].below >= 0.99,
        "rules that are as quiet in every world and see more": list(_better(found)),
    }


def _better(found: dict[str, Any]) -> Iterator[str]:
    """Rules with at most 1 % false alarms in every world that beat us anywhere by more than chance."""
    for name, _, _ in found["rules"]:
        if all(counted[name].rate <= LIMIT for counted in found["alarms"].values()):
            for world, effects in found["detections"].items():
                for effect, counted in effects.items():
                    if counted[name].below > counted[OURS].above:
                        yield f"{name}: +{float(effect):.0%} in {world}"


def table(found: dict[str, Any]) -> str:
    """Both tables as markdown."""
    return "\n\n".join((_alarm_table(found), _detection_table(found), _claims_text(found)))


def _alarm_table(found: dict[str, Any]) -> str:
    worlds = list(found["alarms"])
    named = [(OURS, "6 + 6 pairs"), (SIX_ONLY, "6 pairs"), (FINER, "6 + 6 pairs")]
    head = ["False alarms per 20-metric suite, nothing changed", "looks at", *worlds]
    rows = [
        [name, data, *(_alarm(found["alarms"][world][name], name in (OURS, SIX_ONLY)) for world in worlds)]
        for name, data in (*named, *((name, data) for name, data, _ in found["rules"]))
    ]
    return _markdown(head, rows)


def _alarm(counted: Counted, bound: bool) -> str:
    return f"{_share(counted.rate)} (≤ {100 * counted.above:.2f} %)" if bound else _share(counted.rate)


def _detection_table(found: dict[str, Any]) -> str:
    worlds = list(found["detections"])
    effects = [f"{effect:g}" for effect in EFFECTS]
    named = (OURS, SIX_ONLY, FIRST_LOOK, FINER, WRONG, *(name for name, _, _ in found["rules"]))
    head = ["Slower by 2 / 3 / 5 / 10 %, and seen", *worlds]
    return _markdown(head, [[name, *(_row(found["detections"][w], effects, name) for w in worlds)] for name in named])


def _row(effects: dict[str, dict[str, Counted]], wanted: list[str], name: str) -> str:
    return " / ".join(_number(effects[effect][name].rate) for effect in wanted) + " %"


def _share(rate: float) -> str:
    return f"{_number(rate)} %"


def _number(rate: float) -> str:
    """As many digits as mean something: 99.97 is not 100."""
    text = f"{100 * rate:.2g}" if 100 * rate < 10 else f"{100 * rate:.0f}"
    return f"{100 * rate:.1f}" if rate < 1 and (text == "100" or rate > 0.985) else text


def _claims_text(found: dict[str, Any]) -> str:
    made = claims(found)
    world, rate, above = made["worst false alarms"]
    better = "; ".join(made["rules that are as quiet in every world and see more"]) or "none"
    sources = "; ".join(f"{name}: {source}" for name, _, source in found["rules"])
    return (
        f"Worst case of ours: {_share(rate)} of suites (upper 95 % bound {100 * above:.2f} %), {world}. "
        f"Rules with at most 1 % false alarms in every column that see more anywhere: {better}.\n\n"
        f"Sources. {sources}."
    )


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(found: dict[str, Any], output: Path, document: Path | None, seconds: float) -> None:
    about = {"python": platform.python_version(), "numpy": np.__version__, "seconds": round(seconds)}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"about": about, "claims": claims(found), **found}, indent=1) + "\n", encoding="utf-8")
    if document:
        before, _, rest = document.read_text(encoding="utf-8").partition("<!-- verdicts: begin -->")
        after = rest.partition("<!-- verdicts: end -->")[2]
        made = f"<!-- verdicts: begin -->\n{table(found)}\n<!-- verdicts: end -->"
        document.write_text(before + made + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a handful of suites: does it run?")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/verdicts.json"))
    parser.add_argument("--document", type=Path, help="the page whose table is replaced")
    options = parser.parse_args()
    started = time.monotonic()
    found = measure(QUICK if options.quick else FULL)
    write(found, options.output, options.document, time.monotonic() - started)
    print(json.dumps(claims(found), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
