"""What a comparison says, in words and figures: the same in every report. Names from the image are returned raw."""

from __future__ import annotations

from ci_gpu.model import (
    IMPROVED,
    INCONCLUSIVE,
    MISSING,
    NEW,
    NOT_COMPARABLE,
    REGRESSED,
    UNCHANGED,
    Block,
    Comparison,
    Trial,
)
from ci_gpu.reports import _words

ORDER = (REGRESSED, MISSING, NOT_COMPARABLE, INCONCLUSIVE, IMPROVED, NEW, UNCHANGED)
"""What a reader must see first."""

ADVICE = {
    REGRESSED: "look at the difference of the two environments below: a library or a variable that changed is the "
    "usual cause; if the loss is wanted, say so with min-effect or gate = false for this metric",
    MISSING: "a check that gave this metric on the base fails or skips on the head: look at its outcome",
    NOT_COMPARABLE: "the two images were measured in different ways: a newer baseline will agree",
    INCONCLUSIVE: "more pairs, locked clocks or a quieter runner; `ci-gpu calibrate` shows what this machine tells",
}
"""What to do about a verdict; the others ask for nothing."""


def ordered(trial: Trial) -> tuple[Comparison, ...]:
    """The metrics, what must be seen first in front, and the largest change first among equals."""
    return tuple(sorted(trial.metrics, key=lambda one: (_rank(one), -abs(one.change or 0), one.metric)))


def _rank(one: Comparison) -> int:
    return ORDER.index(one.verdict) if one.verdict in ORDER else len(ORDER)


def tally(trial: Trial) -> str:
    """``1 regressed, 18 unchanged``."""
    words = [one.verdict for one in trial.metrics]
    counts = [f"{words.count(word)} {word.replace('-', ' ')}" for word in ORDER if word in words]
    return ", ".join(counts) or "no metric was compared"


def change(one: Comparison) -> str:
    """``-5.2 % [-5.9, -4.6]``: with its 95 % interval; an exact change stands alone."""
    if one.change is None:
        return "–"
    if one.low is None or one.high is None:
        return f"{percent(one.change)} %"
    return f"{percent(one.change)} % [{percent(one.low)}, {percent(one.high)}]"


def percent(share: float) -> str:
    """A signed percentage with three significant digits at most: ``-5.21``, ``+103``."""
    value = 100 * share
    return f"{value:+.0f}" if abs(value) >= 100 else f"{value:+.1f}" if abs(value) >= 10 else f"{value:+.2f}"


def value(figure: float | None, unit: str) -> str:
    """``691 TFLOP/s``; ``–`` where there is none."""
    return "–" if figure is None else f"{_words.number(figure)} {unit}"


def verdict(one: Comparison) -> str:
    """``inconclusive: noise …; about 16 pairs needed``."""
    text = one.verdict.replace("-", " ")
    why = f": {one.reason}" if one.reason else ""
    needed = f"; about {one.pairs_needed} pairs needed" if one.pairs_needed else ""
    return f"{text}{why}{needed}"


def setting(trial: Trial) -> str:
    """How it was measured: ``12 pairs, ABBA…, control +0.1 %``."""
    valid = [block for block in trial.blocks if not block.invalid]
    parts = [_words.plural(len({block.pair for block in valid}), "pair") + f" ({trial.order[:4]}…)" if valid else ""]
    parts.append(f"control {change(trial.control)}" if trial.control and trial.control.change is not None else "")
    spoiled = len(trial.blocks) - len(valid)
    parts.append(f"{_words.plural(spoiled, 'block')} measured again" if spoiled else "")
    return ", ".join(filter(None, parts))


def clocks(trial: Trial) -> list[tuple[str, str, str, str, str, str]]:
    """A row an arm: its name, blocks, mean SM clock (MHz), highest temperature (°C), mean power (W), what slowed it."""
    return [_clock_row(arm, [block for block in trial.blocks if block.arm == arm]) for arm in ("base", "head")]


def _clock_row(arm: str, blocks: list[Block]) -> tuple[str, str, str, str, str, str]:
    telemetry = [one for block in blocks for one in block.telemetry]
    states = [state for one in telemetry for state in one.states]
    reasons = sorted({reason for one in telemetry for reason in one.throttle if reason != "idle"})
    temperatures = [state.temperature for state in states if state.temperature is not None]
    return (
        arm,
        str(len(blocks)),
        _mean([state.sm_mhz for state in states]),
        str(max(temperatures)) if temperatures else "–",
        _mean([state.power for state in states]),
        ", ".join(reasons) or "–",
    )


def _mean(values: list[int | None] | list[float | None]) -> str:
    known = [each for each in values if each is not None]
    return f"{sum(known) / len(known):.0f}" if known else "–"
