"""How often a history is wrongly said to have changed, and how soon a real change is seen.

    python benchmarks/changes.py [--quick] [--output benchmarks/results/changes.json] [--document docs/change-points.md]
        [--others FILES]

False alarms: series of noise alone in which anything is found, looked at once; and changes that are told for the first
time, by looks after each new point, as a history is. Power: an old level of 50 to 980 points and a few of a new one;
seen is what is placed within two points. Dashboards: looks after each push of public series (dashboards.json) but the
first 30, and after each of the last 50; an alarm is at a sustained change where 9 of 10 of the 20 points before it and
of the 10 to 20 after lie on their own side of the middle. Phantoms: what is told beside a clean step, at looks after
each new point. Others: dashboards of other projects, which are not here. Trades: power and alarms on the dashboards
with other settings of ours.
Ours beside the real Apache Otava and asv; those that are not installed are left out. Needs numpy and scipy.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import detectors
import numpy as np
from counted import Counted
from tables import between, markdown

from ci_gpu.changes import levels

BEGIN, END = "<!-- changes: begin -->", "<!-- changes: end -->"
LENGTH, TOLERANCE = 100, 2
DEVIATIONS = (0.005, 0.01, 0.022)
STEPS = (1, 2, 3, 5)  # in deviations of the noise
OLD = (50, 200, 980)
NEW = (1, 2, 3, 5, 7, 10)
DEVIATION = 0.01
EACH_PUSH = "after every point"
FIRST, LAST, STRETCH, OWN_SIDE = 30, 50, 20, 0.9
DASHBOARDS = Path(__file__).with_name("dashboards.json")
SLOW, FEW = "asv", 100  # takes seconds for a thousand points, so it is asked for series of so many at most

Draw = Callable[[np.random.Generator, int], Any]


class Repetitions(NamedTuple):
    alarms: int
    pushes: int  # series that are looked at after each point
    power: int
    long: int  # the same, of the longest old level


FULL, QUICK = Repetitions(100, 10, 120, 24), Repetitions(2, 1, 2, 1)


def white(rng: np.random.Generator, count: int) -> Any:
    return rng.normal(size=count)


def autoregressive(share: float) -> Draw:
    def draw(rng: np.random.Generator, count: int) -> Any:
        values = rng.normal(size=count)
        for at in range(1, count):
            values[at] = share * values[at - 1] + np.sqrt(1 - share**2) * values[at]
        return values

    return draw


def heavy(rng: np.random.Generator, count: int) -> Any:
    return rng.standard_t(3, size=count) / np.sqrt(3)


def outliers(rng: np.random.Generator, count: int) -> Any:
    return rng.normal(size=count) + 10 * (rng.random(count) < 0.03)


def bimodal(rng: np.random.Generator, count: int) -> Any:
    """Two modes, two deviations up and down."""
    return 2 * rng.choice([-1, 1], size=count) + 0.2 * rng.normal(size=count)


def pool(stays: float) -> Draw:
    """Machines of five speeds: a run is on the one of the run before, or on any."""

    def draw(rng: np.random.Generator, count: int) -> Any:
        machines = rng.integers(0, 5, size=count)
        for at in range(1, count):
            machines[at] = machines[at - 1] if rng.random() < stays else machines[at]
        return (machines - 2) / np.sqrt(2) + 0.1 * rng.normal(size=count)

    return draw


NOISES: dict[str, Draw] = {
    "white": white,
    "AR(1) 0.3": autoregressive(0.3),
    "AR(1) 0.5": autoregressive(0.5),
    "AR(1) 0.8": autoregressive(0.8),
    "t with 3 degrees": heavy,
    "3 % outliers": outliers,
    "two modes": bimodal,
    "five machines": pool(0.0),
    "five, each for a while": pool(0.7),
}

TRADES: dict[str, dict[str, float]] = {
    "as it is": {},
    "steady points count in full": {"STEADIER": 0.0},
    "those twice as noisy are steady too": {"STEADIER": 0.8},
    "3 standard errors": {"DEVIATIONS": 3.0},
    "5 standard errors": {"DEVIATIONS": 5.0},
    "6 standard errors": {"DEVIATIONS": 6.0},
    "8 points at least": {"NEWEST": 8},
}
"""Settings of `ci_gpu.changes.levels`."""
TRADED = {"50 old points": (3, 50, 5), "200 old points": (3, 200, 5)}


def alarms(draw: Draw, deviation: float, count: int, seed: int) -> dict[str, Counted]:
    rng = np.random.default_rng(seed)
    return _counted((_found(np.exp(deviation * draw(rng, LENGTH))) for _ in range(count)), count)


def pushes(draw: Draw, deviation: float, count: int, seed: int) -> dict[str, Counted]:
    """Ours alone: of all looks from 12 points to 100, those that tell a change which no look before has told."""
    rng, fresh = np.random.default_rng(seed), Counter[str]()
    for _ in range(count):
        for name, told in _told(np.exp(deviation * draw(rng, LENGTH)).tolist(), 11).items():
            fresh[name] += len(told)
    return {name: Counted(fresh[name], count * (LENGTH - 11)) for name in detectors.OURS}


def _told(values: list[float], start: int) -> dict[str, list[set[int]]]:
    """Where, for each look after more than ``start`` points that tells a change which no look before has told."""
    known = detectors.ours(values[:start])
    told: dict[str, list[set[int]]] = {name: [] for name in detectors.OURS}
    for end in range(start + 1, len(values) + 1):
        for name, found in detectors.ours(values[:end]).items():
            new = {at for at in found if not _close(at, known[name])}
            told[name] += [new] if new else []
            known[name] |= new
    return told


def dashboards(start: Callable[[int], int]) -> dict[str, dict[str, Counted]]:
    """Looks after each push from ``start``, of the length of a series, on."""
    every, false, count = Counter[str](), Counter[str](), 0
    for values in json.loads(DASHBOARDS.read_text(encoding="utf-8"))["series"].values():
        count += len(values) - start(len(values))
        for name, told in _told(values, start(len(values))).items():
            every[name] += len(told)
            false[name] += sum(not any(_sustained(values, at) for at in new) for new in told)
    kinds = {"all": every, "at no sustained change": false}
    return {kind: {name: Counted(found[name], count) for name in detectors.OURS} for kind, found in kinds.items()}


def from_the_first(length: int) -> int:
    return FIRST


def of_the_last(length: int) -> int:
    return length - LAST


def of_the_newest(length: int) -> int:
    return length - 1


WINDOWS = {f"all but the first {FIRST}": from_the_first, f"the last {LAST}": of_the_last}


def trade(settings: dict[str, float], many: Repetitions) -> dict[str, Counted]:
    """Ours alone, confirmed: steps of three deviations after five points, and alarms on the dashboards."""
    known = {name: getattr(levels, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(levels, name, value)
        seen = {old: _confirmed_steps(*each, many.power) for old, each in TRADED.items()}
        return seen | {"dashboards": dashboards(of_the_last)["all"][detectors.CONFIRMED]}
    finally:
        for name, value in known.items():
            setattr(levels, name, value)


def _confirmed_steps(step: int, old: int, new: int, count: int) -> Counted:
    rng = np.random.default_rng(old)
    values = (_stepped(rng, step, old, new).tolist() for _ in range(count))
    return Counted(sum(_close(old, detectors.ours(each)[detectors.CONFIRMED]) for each in values), count)


def others(files: list[Path]) -> dict[str, dict[str, Any]]:
    """Ours alone, confirmed, at the last 50 pushes of each project: of all its series, and at how many pushes."""
    return {file.stem: _project(json.loads(file.read_text(encoding="utf-8"))["series"]) for file in files}


def _project(series: dict[str, list[float]]) -> dict[str, Any]:
    told = {name: _told(values, of_the_last(len(values)))[detectors.CONFIRMED] for name, values in series.items()}
    alarms = [(name, new) for name, every in told.items() for new in every]
    sustained = sum(any(_sustained(series[name], at) for at in new) for name, new in alarms)
    count = LAST * len(series)
    return {
        "series": len(series),
        "all": Counted(len(alarms), count),
        "at no sustained change": Counted(len(alarms) - sustained, count),
        "places": len({(name.split(": ")[0], min(new)) for name, new in alarms}),
    }


def _sustained(values: list[float], at: int) -> bool:
    before, after = np.array(values[max(0, at - STRETCH) : at]), np.array(values[at : at + STRETCH])
    middle, up = (np.median(before) + np.median(after)) / 2, np.median(after) > np.median(before)
    sides = np.mean((before < middle) == up), np.mean((after > middle) == up)
    return len(after) >= STRETCH // 2 and min(sides) >= OWN_SIDE


def power(step: int, old: int, new: int, count: int) -> dict[str, Counted]:
    rng = np.random.default_rng(1000 * old + 10 * new + step)
    return _counted((_seen(rng, step, old, new) for _ in range(count)), count)


def _seen(rng: np.random.Generator, step: int, old: int, new: int) -> dict[str, set[int]]:
    found_by = _found(_stepped(rng, step, old, new))
    return {name: {at for at in found if abs(at - old) <= TOLERANCE} for name, found in found_by.items()}


def _stepped(rng: np.random.Generator, step: int, old: int, new: int) -> Any:
    return np.exp(DEVIATION * (white(rng, old + new) + step * (np.arange(old + new) >= old)))


def phantoms(step: int, count: int) -> dict[str, Counted]:
    """Ours alone: looks with 2 to 15 new points that tell a change which is not the step."""
    rng, looks = np.random.default_rng(step), Counter[str]()
    for _ in range(count):
        values = np.exp(DEVIATION * (white(rng, 75) + step * (np.arange(75) >= 60))).tolist()
        for end in range(62, 76):
            looks.update(name for name, found in detectors.ours(values[:end]).items() if not _all_close(found, 60))
    return {name: Counted(looks[name], 14 * count) for name in detectors.OURS}


def _close(at: int, others: set[int]) -> bool:
    return any(abs(at - other) <= TOLERANCE for other in others)


def _all_close(found: set[int], place: int) -> bool:
    return all(abs(at - place) <= TOLERANCE for at in found)


def shapes() -> dict[str, Any]:
    """Series of 1,000 points."""
    rng, at = np.random.default_rng(5), np.arange(1000)
    noise = white(rng, 1000)
    return {
        "noise": np.exp(DEVIATION * noise),
        "ramp": np.linspace(1, 3, 1000) * np.exp(0.001 * noise),
        "exact ramp": np.linspace(1, 3, 1000),
        "50 steps of 5 %": np.exp(DEVIATION * noise + np.log(1.05) * (at // 20 % 2)),
        "random walk": np.exp(DEVIATION * noise.cumsum()),
        "constant": np.ones(1000),
        "outliers": np.exp(DEVIATION * outliers(rng, 1000)),
        "two values in turn": 1.0 + at % 2,
    }


def timed(values: Any) -> dict[str, float]:
    """Seconds of the slowest of three looks, and the changes that are confirmed."""
    listed, seconds = values.tolist(), []
    for _ in range(3):
        start = time.process_time()
        found = detectors.ours(listed)
        seconds.append(time.process_time() - start)
    return {"seconds": max(seconds), "confirmed": len(found[detectors.CONFIRMED])}


def _found(values: Any) -> dict[str, set[int]]:
    listed = values.tolist()
    fast = {name: detect for name, detect in detectors.others().items() if len(listed) <= FEW or SLOW not in name}
    return detectors.ours(listed) | {name: detect(listed) for name, detect in fast.items()}


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
            if deviation > DEVIATIONS[0]
        },
        "dashboards": {name: dashboards(start if many == FULL else of_the_newest) for name, start in WINDOWS.items()},
        "power": {
            str(old): {
                str(step): {str(new): power(step, old, new, many.long if old > 300 else many.power) for new in NEW}
                for step in STEPS
            }
            for old in OLD
        },
        "trades": {name: trade(settings, many) for name, settings in TRADES.items()} if many == FULL else {},
        "phantoms": {str(step): phantoms(step, many.power // 2) for step in STEPS},
        "shapes": {name: timed(values) for name, values in shapes().items()},
    }


def _world(name: str, deviation: float) -> str:
    return f"{name}, {100 * deviation:.1f} %"


def text(found: dict[str, Any]) -> str:
    names = list(next(iter(found["alarms"].values())))
    parts = [_alarm_table(found["alarms"], deviation, names) for deviation in DEVIATIONS]
    parts += [_push_table(found[EACH_PUSH], deviation) for deviation in DEVIATIONS[1:]]
    parts += [_dashboard_table(pushes, each) for pushes, each in found["dashboards"].items()]
    parts += [_others_table(found["others"])] if found["others"] else []
    parts += [_trade_table(found["trades"])] if found["trades"] else []
    parts += [_power_table(old, steps, names) for old, steps in found["power"].items()]
    parts += [_phantom_table(found["phantoms"]), _shape_table(found["shapes"])]
    return "\n\n".join((*parts, f"{found['tools']}. Brackets: one-sided 95 % bounds by Clopper and Pearson."))


def _alarm_table(found: dict[str, Any], deviation: float, names: list[str]) -> str:
    count = next(iter(next(iter(found.values())).values())).of
    head = [f"False alarms in {count} series, noise of {deviation:.1%}".replace("%", " %"), *NOISES]
    rows = [[name, *(_bounded(found[_world(noise, deviation)][name]) for noise in NOISES)] for name in names]
    return markdown(head, rows)


def _push_table(found: dict[str, Any], deviation: float) -> str:
    worlds = {name: found[_world(name, deviation)] for name in NOISES}
    count = next(iter(next(iter(worlds.values())).values())).of
    head = [f"Changes told anew by 100 of {count} pushes, noise of {deviation:.1%}".replace("%", " %"), *NOISES]
    return markdown(head, [[name, *(_bounded(each[name]) for each in worlds.values())] for name in detectors.OURS])


def _dashboard_table(pushes: str, found: dict[str, Any]) -> str:
    count = next(iter(next(iter(found.values())).values())).of
    head = [f"Dashboards: changes told anew by 100 of {count:,} pushes, {pushes}", *found]
    return markdown(head, [[name, *(_bounded(each[name]) for each in found.values())] for name in detectors.OURS])


def _others_table(found: dict[str, dict[str, Any]]) -> str:
    kinds = ("all", "at no sustained change")
    head = [
        f"Other projects: confirmed anew by 100 of the last {LAST} pushes of each series",
        "series",
        *kinds,
        "places",
    ]
    rows = [
        [name, str(each["series"]), *(_bounded(each[kind]) for kind in kinds), str(each["places"])]
        for name, each in found.items()
    ]
    return markdown(head, rows)


def _trade_table(found: dict[str, dict[str, Counted]]) -> str:
    powers = [f"3 deviations after 5 points, {old}" for old in TRADED]
    head = ["Other settings, confirmed", *powers, f"dashboards, 100 of the last {LAST} pushes"]
    rows = [
        [name, *(f"{100 * each[old].rate:.0f} %" for old in TRADED), _bounded(each["dashboards"])]
        for name, each in found.items()
    ]
    return markdown(head, rows)


def _phantom_table(found: dict[str, Any]) -> str:
    head = ["Looks beside a clean step that tell another", *(f"{step} deviations" for step in found)]
    return markdown(head, [[name, *(_bounded(each[name]) for each in found.values())] for name in detectors.OURS])


def _shape_table(found: dict[str, Any]) -> str:
    head = ["1,000 points", *found]
    rows = [
        ["seconds of a look", *(f"{each['seconds']:.2f}" for each in found.values())],
        ["changes confirmed", *(str(each["confirmed"]) for each in found.values())],
    ]
    return markdown(head, rows)


def _bounded(counted: Counted) -> str:
    return f"{100 * counted.rate:.1f} % (≤ {100 * counted.above:.1f})"


def _power_table(old: str, steps: dict[str, Any], names: list[str]) -> str:
    news = " / ".join(map(str, NEW))
    head = [f"{old} old points: seen after {news} new ones", *(f"{step} deviations" for step in steps)]
    known = [name for name in names if name in next(iter(steps.values()))[str(NEW[0])]]
    return markdown(head, [[name, *(_rates(each, name) for each in steps.values())] for name in known])


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
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="more files of the form of dashboards.json")
    arguments = parser.parse_args()
    found = measure(QUICK if arguments.quick else FULL) | {"others": others(arguments.others)}
    found |= {"margin": detectors.MARGIN, "tools": _tools()}
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.document:
        between(arguments.document, BEGIN, text(found), END)
    print(text(found))


if __name__ == "__main__":
    main()
