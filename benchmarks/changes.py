"""How often a history is wrongly said to have changed, and how soon a real change is seen.

    python benchmarks/changes.py [--quick] [--output benchmarks/results/changes.json] [--document docs/change-points.md]

False alarms: series of 100 points of noise alone in which anything is found, looked at once; and the same looked at
after each new point, as a history is. Power: 40 to 60 points of an old level and a few of the new one; seen is what is
placed within two points. Ours beside the real Apache Otava and asv; those that are not installed are left out. Needs
numpy and scipy.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import detectors
import numpy as np
from counted import Counted
from tables import between, markdown

BEGIN, END = "<!-- changes: begin -->", "<!-- changes: end -->"
LENGTH, TOLERANCE = 100, 2
DEVIATIONS = (0.005, 0.01, 0.022)
EFFECTS = (0.02, 0.03, 0.05, 0.1)
NEW = (2, 5, 10)
EACH_PUSH = "after every point"

Draw = Callable[[np.random.Generator, int], Any]


class Repetitions(NamedTuple):
    alarms: int
    pushes: int  # series that are looked at after each point
    power: int


FULL, QUICK = Repetitions(1000, 200, 400), Repetitions(2, 1, 2)


def white(rng: np.random.Generator, count: int) -> Any:
    return rng.normal(size=count)


def autoregressive(rng: np.random.Generator, count: int) -> Any:
    values = rng.normal(size=count)
    for at in range(1, count):
        values[at] = 0.5 * values[at - 1] + np.sqrt(0.75) * values[at]
    return values


def heavy(rng: np.random.Generator, count: int) -> Any:
    return rng.standard_t(3, size=count) / np.sqrt(3)


def outliers(rng: np.random.Generator, count: int) -> Any:
    return rng.normal(size=count) + 10 * (rng.random(count) < 0.03)


NOISES: dict[str, Draw] = {
    "white": white,
    "AR(1) 0.5": autoregressive,
    "t with 3 degrees": heavy,
    "3 % outliers": outliers,
}


def alarms(draw: Draw, deviation: float, count: int, seed: int) -> dict[str, Counted]:
    rng = np.random.default_rng(seed)
    return _counted((_found(np.exp(deviation * draw(rng, LENGTH))) for _ in range(count)), count)


def pushes(draw: Draw, deviation: float, count: int, seed: int) -> dict[str, Counted]:
    """Ours alone: series in which anything is ever told, of all looks from 12 points to 100."""
    rng, told = np.random.default_rng(seed), Counter[str]()
    for _ in range(count):
        values = np.exp(deviation * draw(rng, LENGTH)).tolist()
        looks = [detectors.ours(values[:end]) for end in range(12, LENGTH + 1)]
        told.update(name for name in detectors.OURS if any(look[name] for look in looks))
    return {name: Counted(told[name], count) for name in detectors.OURS}


def power(deviation: float, effect: float, new: int, count: int, seed: int) -> dict[str, Counted]:
    rng = np.random.default_rng(seed)
    return _counted((_seen(rng, deviation, effect, new) for _ in range(count)), count)


def _seen(rng: np.random.Generator, deviation: float, effect: float, new: int) -> dict[str, set[int]]:
    old = int(rng.integers(40, 61))
    values = np.exp(deviation * white(rng, old + new))
    values[old:] *= 1 + effect
    return {name: {at for at in found if abs(at - old) <= TOLERANCE} for name, found in _found(values).items()}


def _found(values: Any) -> dict[str, set[int]]:
    listed = values.tolist()
    return detectors.ours(listed) | {name: detect(listed) for name, detect in detectors.others().items()}


def _counted(each: Iterator[dict[str, set[int]]], count: int) -> dict[str, Counted]:
    listed = list(each)
    return {name: Counted(sum(bool(found[name]) for found in listed), count) for name in listed[0]}


def measure(many: Repetitions) -> dict[str, Any]:
    worlds = [(name, draw, deviation) for deviation in DEVIATIONS for name, draw in NOISES.items()]
    return {
        "alarms": {
            _world(name, deviation): alarms(draw, deviation, many.alarms, seed)
            for seed, (name, draw, deviation) in enumerate(worlds)
        },
        EACH_PUSH: {
            _world(name, deviation): pushes(draw, deviation, many.pushes, 100 + seed)
            for seed, (name, draw, deviation) in enumerate(worlds)
            if deviation == DEVIATIONS[1]
        },
        "power": {
            f"{deviation:.1%}": {
                f"{effect:g}": {str(new): power(deviation, effect, new, many.power, 1000 + new) for new in NEW}
                for effect in EFFECTS
            }
            for deviation in DEVIATIONS[:2]
        },
    }


def _world(name: str, deviation: float) -> str:
    return f"{name}, {100 * deviation:.1f} %"


def text(found: dict[str, Any]) -> str:
    names = list(next(iter(found["alarms"].values())))
    parts = [_alarm_table(found["alarms"], deviation, names) for deviation in DEVIATIONS]
    parts += [_push_table(found[EACH_PUSH])]
    parts += [_power_table(deviation, effects, names) for deviation, effects in found["power"].items()]
    return "\n\n".join((*parts, f"{found['tools']}. Brackets: one-sided 95 % bounds by Clopper and Pearson."))


def _alarm_table(found: dict[str, Any], deviation: float, names: list[str]) -> str:
    count = next(iter(next(iter(found.values())).values())).of
    head = [f"False alarms in {count} series, noise of {deviation:.1%}".replace("%", " %"), *NOISES]
    rows = [[name, *(_bounded(found[_world(noise, deviation)][name]) for noise in NOISES)] for name in names]
    return markdown(head, rows)


def _push_table(found: dict[str, Any]) -> str:
    count = next(iter(next(iter(found.values())).values())).of
    head = [f"False alarms in {count} series, looked at after every point", *found]
    return markdown(head, [[name, *(_bounded(each[name]) for each in found.values())] for name in detectors.OURS])


def _bounded(counted: Counted) -> str:
    return f"{100 * counted.rate:.1f} % (≤ {100 * counted.above:.1f})"


def _power_table(deviation: str, effects: dict[str, Any], names: list[str]) -> str:
    news = " / ".join(map(str, NEW))
    head = [f"Seen after {news} new points, white noise of {deviation}".replace("%", " %")]
    head += [f"+{float(effect):.0%}".replace("%", " %") for effect in effects]
    rows = [[name, *(_rates(each, name) for each in effects.values())] for name in names]
    return markdown(head, rows)


def _rates(by_new: dict[str, dict[str, Counted]], name: str) -> str:
    return " / ".join(f"{100 * by_new[str(new)][name].rate:.0f}" for new in NEW) + " %"


def _tools() -> str:
    installed = {each.metadata["Name"]: each.version for each in metadata.distributions()}
    known = [f"{name} {installed[name]}" for name in ("apache-otava", "asv") if name in installed]
    return ", ".join((f"Python {platform.python_version()}", f"numpy {np.__version__}", *known))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few series only: shows that it runs")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--document", type=Path)
    arguments = parser.parse_args()
    found = measure(QUICK if arguments.quick else FULL) | {"margin": detectors.MARGIN, "tools": _tools()}
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.document:
        between(arguments.document, BEGIN, text(found), END)
    print(text(found))


if __name__ == "__main__":
    main()
