"""What the numbers of verdicts.py say: the claims that they bear out, and the tables of docs/measurement.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from counted import Counted
from protocol import ALIKE, BETTER, EXTENDED, FINER, FIRST_LOOK, OURS, SIX_ONLY
from simulated import BY_NOISE, EFFECTS, WAVES

WRONG = "ci-gpu calls it unchanged"  # the other mistake that can be made
LIMIT = 0.01
BEGIN, END = "<!-- verdicts: begin -->", "<!-- verdicts: end -->"
WANTED = [f"{effect:g}" for effect in EFFECTS]


def claims(found: dict[str, Any]) -> dict[str, Any]:
    """What we say of ourselves, and whether these numbers bear it out."""
    alarms = {world: counted[OURS] for world, counted in found["alarms"].items()}
    swinging = max((world.name for world in WAVES), key=lambda world: alarms[world].above)
    worst = max(set(alarms) - {world.name for world in WAVES}, key=lambda world: alarms[world].above)
    three = found["detections"][BY_NOISE[1].name]["0.03"]
    seen = (
        (99, "at the first look", FIRST_LOOK),
        (98, "after six pairs and no more", SIX_ONLY),
        (99, "confirmed", OURS),
    )
    return {
        "worst false alarms": [worst, alarms[worst].rate, alarms[worst].above],
        "worst where the machine swings in step": [swinging, alarms[swinging].rate, alarms[swinging].above],
        "at most 1 % of suites with a false alarm, in every world that does not": alarms[worst].above <= LIMIT,
        **{
            f"at least {least} % of +3 % seen at 0.5 %, {when}": three[name].below >= least / 100
            for least, when, name in seen
        },
        "as quiet in every world, and sees more": list(_better(found, OURS)),
        "as quiet in one world alone, and sees more there": list(_better_somewhere(found)),
    }


def _better(found: dict[str, Any], ours: str) -> Iterator[str]:
    """Rules with at most 1 % false alarms in every world that beat us in any, by more than chance."""
    for name, _, _ in found["rules"]:
        if all(counted[name].rate <= LIMIT for counted in found["alarms"].values()):
            for world in found["detections"]:
                yield from _beaten(found, name, ours, world)


def _better_somewhere(found: dict[str, Any]) -> Iterator[str]:
    """The same by world. What our 1 % policy sees as well is a matter of the margin, and said to be."""
    for name, _, _ in found["rules"]:
        for world in found["detections"]:
            if found["alarms"][world][name].rate <= LIMIT:
                finer = set(_beaten(found, name, FINER, world))
                for each in _beaten(found, name, OURS, world):
                    yield each if each in finer else f"{each} (so does ours with min-effect 1 %)"


def _beaten(found: dict[str, Any], name: str, ours: str, world: str) -> Iterator[str]:
    for effect, counted in found["detections"][world].items():
        if counted[name].below > counted[ours].above:
            yield f"{name}: +{float(effect):.0%} in {world}"


def insert(found: dict[str, Any], document: Path) -> None:
    """Replace what the page says of all this."""
    between(document, BEGIN, _text(found), END)


def between(document: Path, begin: str, text: str, end: str) -> None:
    """Replace what is between the marks of a page."""
    before, _, rest = document.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def _text(found: dict[str, Any]) -> str:
    return "\n\n".join((_alarm_table(found), _detection_table(found), _recorded_table(found), _claims_text(found)))


def _alarm_table(found: dict[str, Any]) -> str:
    worlds = list(found["alarms"])
    named = [(OURS, "6 + 6 pairs"), (SIX_ONLY, "6 pairs"), (FINER, "6 + 6 pairs")]
    head = ["Suites of 20 with a false alarm, at process noise of", "looks at", *worlds]
    rows = [
        [name, data, *(_alarm(found["alarms"][world][name], name in (OURS, SIX_ONLY)) for world in worlds)]
        for name, data in (*named, *((name, data) for name, data, _ in found["rules"]))
    ]
    shares = [f"{_number(found['alarms'][world][EXTENDED].rate)} %" for world in worlds]
    better = [_alarm(found["alarms"][world][BETTER], False) for world in worlds]
    alike = [_alarm(each[ALIKE], False) if ALIKE in (each := found["alarms"][world]) else "" for world in worlds]
    last = [
        [BETTER, "", *better],
        [ALIKE, "", *alike],
        ["(ci-gpu: metrics that it measured twelve times)", "", *shares],
    ]
    return markdown(head, [*rows, *last])


def _alarm(counted: Counted, bounded: bool) -> str:
    return f"{_number(counted.rate)} % (≤ {100 * counted.above:.2f})" if bounded else f"{_number(counted.rate)} %"


def _detection_table(found: dict[str, Any]) -> str:
    worlds = found["detections"]
    rows = [[name, *(_row(each, name) for each in worlds.values())] for name in _names(found)]
    return markdown(["Seen, of metrics slower by 2 / 3 / 5 / 10 %", *worlds], rows)


def _recorded_table(found: dict[str, Any]) -> str:
    record = found["recorded"]
    suites, metrics = record["alarms"][OURS].of, record["detections"]["0.02"][OURS].of
    head = [
        "Recorded, a busy machine of two cores",
        f"false alarms in {suites} suites",
        f"seen of {metrics} × 2 / 3 / 5 / 10 %",
    ]
    alarms = {name: str(counted.hits) for name, counted in record["alarms"].items()}
    return markdown(head, [[name, alarms.get(name, ""), _row(record["detections"], name)] for name in _names(found)])


def _names(found: dict[str, Any]) -> tuple[str, ...]:
    return OURS, SIX_ONLY, FIRST_LOOK, FINER, WRONG, *(name for name, _, _ in found["rules"])


def _row(effects: dict[str, dict[str, Counted]], name: str) -> str:
    return " / ".join(_number(effects[effect][name].rate) for effect in WANTED) + " %"


def _number(rate: float) -> str:
    """A percentage with as many digits as mean something: what is not quite 0 or 100 does not look so."""
    if rate in (0.0, 1.0):
        return f"{100 * rate:.0f}"
    return f"{100 * rate:.2g}" if rate < 0.1 else f"{100 * rate:.1f}" if rate > 0.98 else f"{100 * rate:.0f}"


def _claims_text(found: dict[str, Any]) -> str:
    made = claims(found)
    world, rate, above = made["worst false alarms"]
    swinging, often, at_most = made["worst where the machine swings in step"]
    everywhere = _list(made["as quiet in every world, and sees more"])
    somewhere = _list(made["as quiet in one world alone, and sees more there"])
    named = ((source, [name for name, _, at in found["rules"] if at == source]) for _, _, source in found["rules"])
    sources = "".join(f"\n- {'; '.join(names)}: {source}" for source, names in dict(named).items())
    return (
        f"Our worst column: {_number(rate)} % of suites ({world}; upper 95 % bound {100 * above:.2f} %); where the "
        f"machine swings in step with the processes, {_number(often)} % ({swinging}; {100 * at_most:.2f} %).\n\n"
        f"Rules with at most 1 % false alarms in every column that see more than ours in any, beyond chance: "
        f"{everywhere}\n\nRules with at most 1 % in one column that see more than ours in that one: {somewhere}\n\n"
        f"Where the rules come from:\n{sources}"
    )


def _list(entries: list[str]) -> str:
    return "".join(f"\n- {entry}" for entry in entries) or "none."


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))
