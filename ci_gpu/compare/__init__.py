"""What two images' measurements prove: a pure judgement, the same for the same blocks.

A process is one draw, so its samples count once, by their median. Of a pair of neighbouring processes the difference
of the logarithms is taken (what changes the whole machine cancels), and over the pairs Student's t. The verdicts:

    regressed      worse by the margin or more, and not by chance (Holm over the gated metrics); or beyond a bound
    improved       the mirror image of it
    unchanged      the change is shown to be smaller than the margin (two one-sided tests)
    inconclusive   neither; the reason says why, and ``pairs_needed`` what it would take; or its check failed in some of
                   the containers, so that the rest of them would be a choice
    new, missing   only the head, only the base has it (where the base failed, it is inconclusive)
    not-comparable the two measured different things

There are two looks, after six pairs and after twelve. What the first calls regressed is provisional; at the last one
the pairs after the first look must confirm a change by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import expm1
from statistics import median
from typing import Any

import msgspec

from ci_gpu.compare import failures
from ci_gpu.compare.clocks import balanced
from ci_gpu.compare.effects import FIRST_LOOK, FLOOR, PROVISIONAL, Effect, rule
from ci_gpu.compare.margins import beyond_bounds, margin, rule_of
from ci_gpu.compare.readings import BASE, HEAD, Arm, Kind, Reading, read
from ci_gpu.errors import ConfigError
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
    Policy,
)
from ci_gpu.statistics import holm, paired_t

__all__ = ["compare", "control", "margin", "unclear", "withdrawn"]

CONTROL_ALPHA, CONTROL_SHIFT = 0.01, 0.005
"""A control that moved by so much, by so rare a chance, spoils the whole comparison. On a noisy machine it moves more
by chance alone: the metrics' own intervals tell of that."""

KINDS = 3
"""Of the ways in which one image measured one metric, how many are told."""

Chances = dict[str, tuple[float, float]]
"""Adjusted one-sided p-values of a metric: worse, better."""


def compare(
    blocks: Sequence[Block], policy: Policy, *, final: bool = True, first: int = FIRST_LOOK
) -> tuple[Comparison, ...]:
    """Judge every metric of the valid blocks. ``final=False`` is the first look, at the pairs up to number ``first``.

    Raises:
        ConfigError: a rule's bounds are in another unit than its metric, or a min-effect is no fraction.
    """
    readings = read(blocks)
    arms = frozenset(block.arm for block in blocks if not block.invalid)
    effects = {reading.metric: _effect(reading, policy, first) for reading in readings if _is_timed_twice(reading)}
    chances = _chances(effects)
    family = max(1, sum(effect.gated for effect in effects.values()))
    judged = []
    for reading in readings:
        fields = _alone(reading, arms) or _exact(reading, policy) or _too_few(reading)
        if fields is None:
            fields = _timed(effects[reading.metric], chances[reading.metric], family, final)
        judged.append(_comparison(reading, policy, fields))
    believed = balanced(judged, blocks) if final else judged  # more pairs may yet balance the clocks
    lost = failures.lost(blocks)
    return tuple(_bounded(_of_all(each, lost), policy) for each in believed)


def _of_all(comparison: Comparison, lost: dict[str, str]) -> Comparison:
    """Where a check failed in some of its containers, the others prove nothing good; what they prove bad stays."""
    names = comparison.metric, comparison.metric.partition("/")[0]
    reason = " and ".join(lost[name] for name in names if name in lost)
    if not reason:
        return comparison
    if comparison.verdict in (UNCHANGED, IMPROVED, NEW):
        return msgspec.structs.replace(comparison, verdict=INCONCLUSIVE, reason=reason, pairs_needed=0)
    told = "; ".join(filter(None, (comparison.reason, reason)))
    return msgspec.structs.replace(comparison, reason=told, pairs_needed=0)


def unclear(comparisons: Iterable[Comparison]) -> frozenset[str]:
    """The metrics that six more pairs may settle: gated, and lost in noise or provisional."""
    return frozenset(each.metric for each in comparisons if each.gated and _is_unclear(each))


def _is_unclear(comparison: Comparison) -> bool:
    lost = comparison.verdict == INCONCLUSIVE and comparison.pairs_needed > 0
    return lost or comparison.reason.startswith(PROVISIONAL)


def withdrawn(comparisons: Iterable[Comparison], reason: str) -> tuple[Comparison, ...]:
    """Where the machine cannot be trusted, nothing that was timed on it can; counts, and what is gone, stay."""
    return tuple(
        each
        if each.exact or each.change is None
        else msgspec.structs.replace(each, verdict=INCONCLUSIVE, reason=reason, pairs_needed=0)
        for each in comparisons
    )


def control(blocks: Sequence[Block]) -> Comparison | None:
    """The negative control, which no image can change: ``inconclusive`` if it changed all the same. None: not run."""
    ran = [block for block in blocks if not block.invalid and block.control and min(block.control) > 0]
    if not ran:
        return None
    reading = Reading(metric="control", base=_control_arm(ran, BASE), head=_control_arm(ran, HEAD))
    if fields := _alone(reading, frozenset()) or _too_few(reading):
        return _comparison(reading, Policy(), {**fields, "verdict": INCONCLUSIVE})
    compiled = any(block.control_compiled for block in ran)
    return _comparison(reading, Policy(), _drift(_effect(reading, Policy(), FIRST_LOOK), compiled))


def _control_arm(blocks: Iterable[Block], arm: str) -> Arm:
    values = {block.pair: median(block.control) for block in blocks if block.arm == arm}
    return Arm(kinds=(Kind(1, "s", "lower", False),), values=values)


def _drift(effect: Effect, compiled: bool) -> dict[str, Any]:
    mean = effect.estimate.mean
    p = min(1.0, 2 * min(effect.p, effect.turned().p))
    if p < CONTROL_ALPHA and abs(mean) >= CONTROL_SHIFT:
        suspects = "the machine" + (", or what compiles the control in the images," if compiled else "")
        reason = f"control drift of {100 * expm1(mean):+.3g} %: {suspects} changed between the images"
        return {**effect.shown(), "p": p, "verdict": INCONCLUSIVE, "reason": reason}
    return {**effect.shown(), "p": p, "verdict": UNCHANGED}


def _is_timed_twice(reading: Reading) -> bool:
    return reading.comparable and not reading.kind.exact and len(reading.pairs()) >= 2


def _effect(reading: Reading, policy: Policy, first: int) -> Effect:
    pairs = reading.pairs()
    base, head = reading.logarithms(reading.base, pairs), reading.logarithms(reading.head, pairs)
    return Effect(
        base=base,
        head=head,
        first=sum(pair <= first for pair in pairs),
        estimate=paired_t([worse - before for before, worse in zip(base, head, strict=True)], FLOOR),
        larger_is_worse=reading.kind.better == "lower",
        margin=margin(reading.metric, reading.kind.unit, policy),
        gated=rule_of(reading.metric, policy).gate,
    )


def _chances(effects: dict[str, Effect]) -> Chances:
    """Holm over the gated metrics, which all can turn the gate red; the others stand for themselves."""
    chances = {name: (effect.p, effect.turned().p) for name, effect in effects.items()}
    gated = [name for name, effect in effects.items() if effect.gated]
    worse, better = (holm([chances[name][side] for name in gated]) for side in (0, 1))
    return chances | dict(zip(gated, zip(worse, better, strict=True), strict=True))


def _timed(effect: Effect, chance: tuple[float, float], family: int, final: bool) -> dict[str, Any]:
    verdict, reason, needed = rule(effect, *chance, family if effect.gated else 1, final=final)
    return {**effect.shown(), "p": chance[0], "verdict": verdict, "reason": reason, "pairs_needed": needed}


def _alone(reading: Reading, arms: frozenset[str]) -> dict[str, Any] | None:
    """What is to say of a metric that only one image has, or that is not the same in both."""
    for arm, other, verdict in ((reading.head, HEAD, MISSING), (reading.base, BASE, NEW)):
        if not arm.values and other not in arms:
            return {"verdict": INCONCLUSIVE, "reason": f"too few pairs: no valid block of the {other}"}
        if not arm.values:
            return {"verdict": verdict, "reason": f"the {other} has no valid value of it"}
    return None if reading.comparable else {"verdict": NOT_COMPARABLE, "reason": _difference(reading)}


def _difference(reading: Reading) -> str:
    base, head = (_listed(arm.kinds) for arm in (reading.base, reading.head))
    return f"the base measured {base}, the head {head}"


def _listed(kinds: Sequence[Kind]) -> str:
    """An image may measure under one name in another way each time."""
    more = (f"{len(kinds) - KINDS} more",) if len(kinds) > KINDS else ()
    return " and ".join((*map(_kind, kinds[:KINDS]), *more))


def _kind(kind: Kind) -> str:
    exact = ", exact" if kind.exact else ""
    return f"version {kind.version} in {kind.unit} ({kind.better} is better{exact})"


def _too_few(reading: Reading) -> dict[str, Any] | None:
    pairs, started = len(reading.pairs()), len(reading.base.values | reading.head.values)
    if pairs >= 2 and 2 * pairs >= started:
        return None
    return {"verdict": INCONCLUSIVE, "reason": f"too few pairs: {pairs} of {started} can be used", "pairs": pairs}


def _exact(reading: Reading, policy: Policy) -> dict[str, Any] | None:
    """No statistics for what has no noise: it is equal, within its margin, or it is not."""
    if not reading.kind.exact:
        return None
    pairs = len(reading.pairs())
    for arm in (reading.base, reading.head):
        if len(set(arm.values.values())) > 1:
            low, high = min(arm.values.values()), max(arm.values.values())
            reason = f"an exact metric is not exact: {low:g} to {high:g} {reading.kind.unit} in one image"
            return {"verdict": INCONCLUSIVE, "reason": reason, "pairs": pairs}
    base, head = reading.base.value or 0.0, reading.head.value or 0.0
    share = margin(reading.metric, reading.kind.unit, policy, exact=True)
    beyond = abs(head - base) > share * base
    worse = (head > base) == (reading.kind.better == "lower")
    verdict = UNCHANGED if not beyond else REGRESSED if worse else IMPROVED
    reason = "" if verdict == UNCHANGED else f"{base:g} became {head:g} {reading.kind.unit}"
    return {"verdict": verdict, "reason": reason, "pairs": pairs, "change": head / base - 1 if base else None}


def _comparison(reading: Reading, policy: Policy, fields: dict[str, Any]) -> Comparison:
    kind = reading.kind
    return Comparison(
        metric=reading.metric,
        version=kind.version,
        unit=kind.unit,
        better=kind.better,
        exact=kind.exact,
        gated=rule_of(reading.metric, policy).gate,
        margin=margin(reading.metric, kind.unit, policy, exact=kind.exact),
        base=reading.base.value,
        head=reading.head.value,
        **fields,
    )


def _bounded(comparison: Comparison, policy: Policy) -> Comparison:
    """Red beyond the user's own floor or ceiling, whatever the base; what does not gate is never an error."""
    if comparison.head is None:
        return comparison
    asked = rule_of(comparison.metric, policy)
    try:
        broken = beyond_bounds(comparison.metric, comparison.unit, comparison.head, asked)
    except ConfigError as error:
        if asked.gate:
            raise
        reason = "; ".join(filter(None, (comparison.reason, error.what)))
        return msgspec.structs.replace(comparison, reason=reason)
    if not broken:
        return comparison
    reason = f"{broken}; {comparison.reason}" if comparison.verdict == REGRESSED else broken
    return msgspec.structs.replace(comparison, verdict=REGRESSED, reason=reason, pairs_needed=0)
