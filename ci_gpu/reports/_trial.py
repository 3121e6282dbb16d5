"""What a comparison says: the words, figures and order that all reports share. Raw: each report escapes it."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

import msgspec

from ci_gpu.compare import failures
from ci_gpu.environment_diff import Difference, diff
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
    Reason,
    RunReport,
    Summary,
    Trial,
)
from ci_gpu.payload.wire import ERROR, SKIPPED, CheckResult
from ci_gpu.reports import _words
from ci_gpu.statistics import MOST_PAIRS

VERDICTS = (REGRESSED, MISSING, INCONCLUSIVE, NOT_COMPARABLE, IMPROVED, NEW, UNCHANGED)
"""In the order in which a reader needs them."""

BASE, HEAD = "base", "head"
LETTERS = {BASE: "A", HEAD: "B"}

ANSWER = "container.answer"
"""Stands for what is missing where a container gave no answer."""

ADVICE = {
    REGRESSED: "Look at what differs between the two images, and run again: a true regression comes back. "
    "If the change is wanted, take the new image as the baseline, or set a larger min-effect for this metric.",
    MISSING: "The base image gave this metric and the head did not. See why its check gave none; if it was dropped "
    "on purpose, take the new image as the baseline.",
    INCONCLUSIVE: "Nothing is known yet, neither good nor bad. Where its check failed, mend that first. Else run more "
    "pairs, or use a quieter machine: no other work on it, fixed clocks, cool.",
    NOT_COMPARABLE: "The two images measured different things under one name. "
    "Compare again once both have the same version of the check.",
    IMPROVED: "Nothing to do. Take the new image as the baseline, so that the gain is kept.",
    NEW: "Nothing to compare it with. It is compared from the next run on, once this image is the baseline.",
    UNCHANGED: "Nothing to do: any change is shown to be smaller than what matters.",
}


class Dot(msgspec.Struct, frozen=True):
    """One process of one arm: the median of its samples."""

    pair: int
    value: float
    invalid: bool


def verdict(comparison: Comparison) -> str:
    """One of the seven words; any other word is none of ours, so nothing can be compared by it."""
    return comparison.verdict if comparison.verdict in VERDICTS else NOT_COMPARABLE


def ordered(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """What needs a reader first: by verdict, gated before others, then the largest change."""
    return sorted(comparisons, key=lambda one: (VERDICTS.index(verdict(one)), not one.gated, -_size(one), one.metric))


def split(trial: Trial) -> tuple[list[Comparison], list[Comparison]]:
    """What a reader must see, and the unchanged rest."""
    rows = ordered(trial.metrics)
    return [one for one in rows if verdict(one) != UNCHANGED], [one for one in rows if verdict(one) == UNCHANGED]


def counts(trial: Trial) -> dict[str, int]:
    """How many metrics have which verdict; only those there are, in reading order."""
    words = [verdict(one) for one in trial.metrics]
    return {word: words.count(word) for word in VERDICTS if word in words}


def tally(trial: Trial) -> str:
    """``1 regressed, 2 inconclusive, 18 unchanged``."""
    return ", ".join(f"{number} {say(word)}" for word, number in counts(trial).items()) or "no metrics"


def say(word: str) -> str:
    """A verdict as a reader says it."""
    return word.replace("-", " ")


def headline(trial: Trial) -> str:
    """The comparison in half a sentence."""
    return " and ".join(filter(None, (_failed(trial), _compared(trial))))


def _failed(trial: Trial) -> str:
    """What failed in containers of the head and is held against it."""
    checks = {one.result.check for one in failures.failed(trial.blocks) if not is_said(one)}
    silent = [one.times for one in failures.unanswered(trial.blocks) if not is_said(one)]
    told = [f"{_words.plural(len(checks), 'check')} failed when measured"] if checks else []
    told += [f"{_words.plural(sum(silent), 'container')} without an answer"] if silent else []
    return " and ".join(told)


def _compared(trial: Trial) -> str:
    if trial.refused:
        return "nothing was concluded"
    if not trial.metrics:
        return "no metric was compared"
    gated = [verdict(one) for one in trial.metrics if one.gated]
    worse = [word for word in (REGRESSED, MISSING) if word in gated]
    if worse:
        return " and ".join(f"{_words.plural(gated.count(word), 'metric')} {word}" for word in worse)
    if counts(trial).keys() == {UNCHANGED}:
        return f"all {_words.plural(len(trial.metrics), 'metric')} unchanged"
    unsure = gated.count(INCONCLUSIVE) + gated.count(NOT_COMPARABLE)
    if unsure and unsure == len(gated):
        return "no metric could be decided"
    noun = "metric" if {REGRESSED, MISSING}.isdisjoint(counts(trial)) else "gated metric"
    return f"no {noun} regressed" + (f", {unsure} undecided" if unsure else "")


def standing(comparison: Comparison, trial: Trial) -> str:
    """``failed``, ``skipped`` or ``passed``: what the policy makes of one comparison. Ungated ones never fail."""
    word = verdict(comparison)
    if word in (REGRESSED, MISSING):
        return "failed" if comparison.gated else "passed"
    if word in (INCONCLUSIVE, NOT_COMPARABLE):
        return "failed" if comparison.gated and trial.policy.inconclusive == "fail" else "skipped"
    return "passed"


def percent(fraction: float | None) -> str:
    """``+3.2 %``, always with its sign; a dash where there is none."""
    if fraction is None or not math.isfinite(fraction):
        return "–"
    size = abs(100 * fraction)
    if size >= 1e6:
        return f"{100 * fraction:+.1e} %"
    text = f"{100 * fraction:+.{2 if size < 1 else 1 if size < 100 else 0}f}"
    return f"{text} %" if any(digit in text for digit in "123456789") else "0 %"


def interval(comparison: Comparison) -> str:
    """``-5.6 % to -4.6 %``; empty where a change has none."""
    if comparison.low is None or comparison.high is None:
        return ""
    return f"{percent(comparison.low)} to {percent(comparison.high)}"


def value(number: float | None, unit: str) -> str:
    """``690 TFLOP/s``; a dash where this image has none."""
    return "–" if number is None else f"{_words.number(number)} {unit}".rstrip()


def why(comparison: Comparison) -> str:
    """The reason, and the pairs it would take."""
    return "; ".join(filter(None, (comparison.reason, needed(comparison))))


def needed(comparison: Comparison) -> str:
    """The pairs that it would take; empty where none would help."""
    if comparison.pairs_needed >= MOST_PAIRS:
        return f"not even {MOST_PAIRS} pairs would settle it on this machine"
    pairs = _words.plural(comparison.pairs_needed, "pair")
    return f"about {pairs} would settle it" if comparison.pairs_needed > 0 else ""


def advice(trial: Trial) -> list[tuple[str, str]]:
    """What to do about each verdict there is. Our own words."""
    return [(word, ADVICE[word]) for word in counts(trial) if word != UNCHANGED]


def control(trial: Trial) -> str:
    """What the control showed; that there was none, which leaves the comparison unguarded."""
    known = trial.control is not None and trial.control.change is not None
    compiled = ", compiled in the image" if any(block.control_compiled for block in trial.blocks) else ""
    return f"control {percent(trial.control.change)}{compiled}" if trial.control and known else "without a control"


def watching(trial: Trial, device: str) -> str:
    """That the GPU was not watched, or only by the images themselves; empty where the host did, and on a CPU."""
    blind = sum(not block.telemetry for block in trial.blocks) if device == "cuda" else 0
    if blind:
        blocks = f"{blind} of {_words.plural(len(trial.blocks), 'block')}"
        return f"Nobody watched the GPU in {blocks}: neither host nor image has NVML, so a throttling went unseen."
    inside = any(one.inside for block in trial.blocks for one in block.telemetry)
    return "The images themselves told this: their host has no NVML." if inside else ""


def blocking(trial: Trial) -> str:
    """What an inconclusive metric does to the gate, by the policy."""
    rules = {"fail": "An inconclusive metric blocks the gate", "pass": "An inconclusive metric does not block the gate"}
    return rules.get(trial.policy.inconclusive, "An inconclusive metric warns and does not block, unless all are") + "."


def differences(report: RunReport) -> tuple[Difference, ...]:
    """What differs between the two images of a comparison; nothing where one of them is not there."""
    trial = report.trial
    images = {image.name: image for image in report.images}
    if trial is None or not {trial.base, trial.head} <= images.keys():
        return ()
    return diff(images[trial.base], images[trial.head])


def containers(trial: Trial) -> tuple[CheckResult, ...]:
    """What failed in single containers as results of checks, each with its count; skipped where it is only said."""
    found = [
        dataclasses.replace(
            one.result,
            outcome=SKIPPED if is_said(one) else one.result.outcome,
            message=f"{one.told}: {one.result.message or one.result.outcome}",
            metrics=(),
        )
        for one in failures.failed(trial.blocks)
    ]
    return tuple(found) + tuple(
        CheckResult(
            ANSWER,
            SKIPPED if is_said(one) else ERROR,
            message=f"{one.told}: {one.failure.what}",
            hint=one.failure.remedy,
            kind=one.failure.kind,
        )
        for one in failures.unanswered(trial.blocks)
    )


def is_said(one: failures.Failed | failures.Unanswered) -> bool:
    """Whether it is said and held against nobody: the base's, and what the machine spoiled."""
    return one.arm != HEAD or bool(one.excused)


def processes(trial: Trial) -> dict[str, dict[str, list[Dot]]]:
    """One dot a process, by metric and arm, in the order of the run; what is no finite number is left out."""
    found: dict[str, dict[str, list[Dot]]] = {}
    for block in trial.blocks:
        for name, metric in block.metrics():
            samples = _words.finite(metric)
            if samples and block.arm in LETTERS:
                dot = Dot(block.pair, statistics.median(samples), bool(block.invalid))
                found.setdefault(name, {BASE: [], HEAD: []})[block.arm].append(dot)
    return found


def other_reasons(summary: Summary) -> tuple[Reason, ...]:
    """The reasons that no row of the comparison tells: a row says more than the reason that is its verdict."""
    trial = summary.report.trial
    rows = {(one.metric, one.verdict) for one in trial.metrics} if trial else set()
    return tuple(reason for reason in summary.verdict.reasons if (reason.subject, reason.kind) not in rows)


def pairs(trial: Trial) -> int:
    """How many pairs both arms gave a valid block for."""
    have = {arm: {block.pair for block in trial.blocks if block.arm == arm and not block.invalid} for arm in LETTERS}
    return len(have[BASE] & have[HEAD])


def letter(block: Block) -> str:
    """``A`` for the base, ``B`` for the head."""
    return LETTERS.get(block.arm, "?")


def _size(comparison: Comparison) -> float:
    change = comparison.change
    return abs(change) if change is not None and math.isfinite(change) else 0.0
