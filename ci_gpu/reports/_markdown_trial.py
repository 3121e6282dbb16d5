"""The comparison in GitHub's markdown: what changed first, what did not folded away, the clocks below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ci_gpu.model import IMPROVED, MISSING, NEW, REGRESSED, UNCHANGED, Block, Comparison, RunReport, Trial
from ci_gpu.payload.telemetry import busy
from ci_gpu.reports import _trial, _words
from ci_gpu.reports._markdown import NAME, code, details, table

SIGNS = {REGRESSED: "🔴", MISSING: "🔴", IMPROVED: "🟢", NEW: "🔵", UNCHANGED: "✅"}

_COLUMNS = ("", "Metric", "Base", "Head", "Change (95 % interval)", "Verdict")
_CLOCKS = ("Image", "Blocks", "SM clock, MHz", "Hottest, °C", "Power, W", "Slowed by")


def changes(trial: Trial) -> str:
    """The heading, how it was measured, and every metric that is not unchanged."""
    title = f"#### {code(trial.head, NAME)} against {code(trial.base, NAME)}: {_trial.tally(trial)}"
    news, _ = _trial.split(trial)
    return "\n\n".join(filter(None, (title, _setting(trial), _table(news), _advice(trial))))


def unchanged(trial: Trial) -> str:
    """The unchanged metrics, folded; empty where there are none."""
    _, still = _trial.split(trial)
    return details(f"{_words.plural(len(still), 'metric')} unchanged", _table(still)) if still else ""


def differences(report: RunReport) -> str:
    """What differs between the two images, folded; empty where nothing does."""
    found = _trial.differences(report)
    rows = [(one.kind, code(one.name, NAME), code(one.base, NAME), code(one.head, NAME)) for one in found]
    title = f"{_words.plural(len(found), 'difference')} between the two images"
    return details(title, table(("", "What", "Base", "Head"), rows)) if rows else ""


def clocks(trial: Trial, device: str) -> str:
    """What the GPUs did, an arm a row; empty on a CPU."""
    said = _trial.watching(trial, device)
    if not any(block.telemetry for block in trial.blocks):
        return said
    rows = [_clocks(arm, [block for block in trial.blocks if block.arm == arm]) for arm in _trial.LETTERS]
    return details("Clocks and throttling", table(_CLOCKS, rows) + (f"\n\n{said}" if said else ""))


def _setting(trial: Trial) -> str:
    lines = [f"⚠️ **Nothing was concluded**: {code(trial.refused)}"] if trial.refused else []
    if trial.blocks:
        lines.append(f"_Measured in turn on one machine: {', '.join(_how(trial))}. {_trial.blocking(trial)}_")
    return "\n\n".join(lines)


def _how(trial: Trial) -> Iterator[str]:
    letters = "".join(_trial.letter(block) for block in trial.blocks[:4])
    yield f"{_words.plural(_trial.pairs(trial), 'pair')} of processes ({letters}…)"
    spoiled = sum(bool(block.invalid) for block in trial.blocks)
    if spoiled:
        yield f"{_words.plural(spoiled, 'block')} measured again"
    yield _trial.control(trial)


def _table(metrics: Sequence[Comparison]) -> str:
    return table(_COLUMNS, [_row(one) for one in metrics]) if metrics else ""


def _row(one: Comparison) -> tuple[str, ...]:
    word, why = _trial.verdict(one), _trial.why(one)
    interval = f" ({_trial.interval(one)})" if _trial.interval(one) else ""
    return (
        SIGNS.get(word, "⚪"),
        code(one.metric, NAME) + ("" if one.gated else " (not gated)"),
        code(_trial.value(one.base, one.unit)),
        code(_trial.value(one.head, one.unit)),
        f"{_trial.percent(one.change)}{interval}",
        f"**{_trial.say(word)}**" + (f": {code(why)}" if why else ""),
    )


def _advice(trial: Trial) -> str:
    return "\n".join(f"- **{_trial.say(word)}**: {text}" for word, text in _trial.advice(trial))


def _clocks(arm: str, blocks: Sequence[Block]) -> tuple[str, ...]:
    telemetry = [one for block in blocks for one in block.telemetry]
    states = [state for one in telemetry for state in busy(one.states)]
    reasons = dict.fromkeys(reason for one in telemetry for reason in one.throttle if reason != "idle")
    heat = [state.temperature for state in states if state.temperature is not None]
    return (
        arm,
        str(len(blocks)),
        _mean([state.sm_mhz for state in states]),
        _words.number(max(heat)) if heat else "–",
        _mean([state.power for state in states]),
        ", ".join(code(reason, 60) for reason in reasons) or "–",
    )


def _mean(values: Sequence[float | None]) -> str:
    known = [each for each in values if each is not None]
    return _words.number(sum(known) / len(known)) if known else "–"
