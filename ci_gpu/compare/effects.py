"""One timed metric's change, and what it proves."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from ci_gpu.model import IMPROVED, INCONCLUSIVE, REGRESSED, UNCHANGED
from ci_gpu.statistics import EXACT_PAIRS, Estimate, pairs_needed, sign_flip_p, welch_p, within

FIRST_LOOK = 6
"""Pairs before the first look. Those after it must confirm by themselves what is called a change."""

PROVISIONAL_ALPHA = 0.0294
"""Of the first look, which concludes nothing: Pocock's boundary for two looks."""

ALPHA = 0.007
"""Of the last look, for all gated metrics together: only it can be red, so nothing is shared with the first. Less
than 0.01, because t errs a little where processes have two modes (docs/measurement.md)."""

SAME_ALPHA = 0.05

PLAUSIBLE = 0.025
"""So that what is called a change has a 95 % interval without 0."""

FLOOR = math.sqrt(2) * 0.001
"""Of the deviation of a difference: a clock that always answers the same has steps, and no noise-free processes."""

SIGN_FLIP_FROM = 9
"""With fewer pairs not even unanimous signs are rare enough for a suite of metrics."""

PROVISIONAL = "provisional"

_LARGEST = 300.0
"""No change is larger than e to that: an image may claim to have measured anything."""

Ruling = tuple[str, str, int]
"""A verdict, its reason, and the pairs it would take."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What the pairs say of one metric. The logarithms have the sign that makes larger worse."""

    base: tuple[float, ...]
    head: tuple[float, ...]
    first: int  # so many of the pairs belong to the first look
    estimate: Estimate  # of head - base
    larger_is_worse: bool
    margin: float
    gated: bool

    @property
    def worsenings(self) -> tuple[float, ...]:
        return tuple(head - base for base, head in zip(self.base, self.head, strict=True))

    @property
    def later(self) -> tuple[float, ...]:
        """The pairs after the first look."""
        return self.worsenings[self.first :]

    @property
    def threshold(self) -> float:
        return math.log1p(self.margin)

    @property
    def p(self) -> float:
        """One-sided probability of such a worsening by chance.

        Twice the smaller one of the paired t's and of Welch's, which has up to twice the degrees of freedom and loses
        only where the machine drifts. But not below the paired one, where that is not plausible by itself.
        """
        paired = self.estimate.p_above
        either = min(1.0, 2 * min(paired, welch_p(self.base, self.head, FLOOR)))
        return either if paired < PLAUSIBLE else max(paired, either)

    def turned(self) -> Effect:
        """The same with the arms swapped."""
        mean, middle = -self.estimate.mean, -self.estimate.hodges_lehmann
        estimate = msgspec.structs.replace(self.estimate, mean=mean, hodges_lehmann=middle)
        return msgspec.structs.replace(self, base=self.head, head=self.base, estimate=estimate)

    def shown(self) -> dict[str, Any]:
        """The fields of a `Comparison` that tell of the change, in the raw direction."""
        low, high = sorted(map(self.raw, self.estimate.interval(0.95)))
        return {
            "pairs": self.estimate.pairs,
            "change": self.raw(self.estimate.mean),
            "low": low,
            "high": high,
            "hodges_lehmann": self.raw(self.estimate.hodges_lehmann),
        }

    def raw(self, worsening: float) -> float:
        """A worsening as a change in fractions of the base: +0.03 is 3 % larger."""
        return math.expm1(min(worsening if self.larger_is_worse else -worsening, _LARGEST))


def rule(effect: Effect, p_worse: float, p_better: float, family: int, *, final: bool) -> Ruling:
    """The verdict on one metric. The p-values are adjusted, for a ``family`` of so many metrics."""
    ruling = _one_sided(effect, p_worse, REGRESSED, final) or _one_sided(effect.turned(), p_better, IMPROVED, final)
    if ruling is None:
        ruling = _neither(effect)
    verdict, reason = ruling
    return verdict, reason, _needed(effect, family) if verdict == INCONCLUSIVE else 0


def _one_sided(effect: Effect, p: float, verdict: str, final: bool) -> tuple[str, str] | None:
    """A significant change of the margin or more in the positive direction, or why it is not believed."""
    mean, pairs = effect.estimate.mean, effect.estimate.pairs
    if mean < effect.threshold or mean == 0.0 or p >= (ALPHA if final else PROVISIONAL_ALPHA):
        return None
    if doubt := _doubt(effect, final):
        return INCONCLUSIVE, doubt
    text = f"{_percent(effect, mean)} {'worse' if verdict == REGRESSED else 'better'}"
    if not final and (verdict == REGRESSED or p >= ALPHA):
        return verdict, f"{PROVISIONAL}: {text} in {pairs} pairs (p {p:.2g}), to be confirmed by more"
    unconfirmed = "" if effect.later else ", not confirmed by further pairs"
    return verdict, f"{text} in {pairs} pairs (margin {100 * effect.margin:g} %, p {p:.2g}){unconfirmed}"


def _doubt(effect: Effect, final: bool) -> str:
    """Why a significant change may still be none; empty if nothing speaks against it."""
    if effect.estimate.hodges_lehmann < effect.threshold and _stands_out(effect):
        return _outlier(effect)
    if SIGN_FLIP_FROM <= effect.estimate.pairs <= EXACT_PAIRS and sign_flip_p(effect.worsenings) >= ALPHA:
        return f"noise: the change of {_percent(effect, effect.estimate.mean)} rests on a few of the pairs"
    if final and effect.later and (alone := math.fsum(effect.later) / len(effect.later)) < effect.threshold / 2:
        return (
            f"not confirmed: {_percent(effect, effect.estimate.mean)} over all pairs, but {_percent(effect, alone)} "
            f"in those after the first {effect.first}"
        )
    return ""


def _neither(effect: Effect) -> tuple[str, str]:
    if _stands_out(effect):
        return INCONCLUSIVE, _outlier(effect)
    if within(effect.estimate, effect.threshold, SAME_ALPHA):
        return UNCHANGED, ""
    low, high = (100 * effect.shown()[end] for end in ("low", "high"))
    between = f"the change is between {low:+.2g} % and {high:+.2g} %"
    return (
        INCONCLUSIVE,
        f"noise: {between} after {effect.estimate.pairs} pairs, the margin is {100 * effect.margin:g} %",
    )


def _stands_out(effect: Effect) -> bool:
    return abs(effect.estimate.mean - effect.estimate.hodges_lehmann) > effect.threshold / 2


def _outlier(effect: Effect) -> str:
    mean, middle = _percent(effect, effect.estimate.mean), _percent(effect, effect.estimate.hodges_lehmann)
    return f"outlier process: the mean of the pairs says {mean}, their middle {middle}"


def _percent(effect: Effect, worsening: float) -> str:
    return f"{100 * effect.raw(worsening):+.3g} %"


def _needed(effect: Effect, family: int) -> int:
    """Pairs that would show a change as large as the margin, or tell this one from the margin; more than there are."""
    estimate = effect.estimate
    needed = pairs_needed(estimate.deviation, effect.threshold, ALPHA / family)
    if needed <= estimate.pairs:
        needed = pairs_needed(estimate.deviation, abs(effect.threshold - abs(estimate.mean)), SAME_ALPHA)
    return max(needed, estimate.pairs + 1)
