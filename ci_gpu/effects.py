"""One timed metric's change, and what it proves."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from ci_gpu.model import IMPROVED, INCONCLUSIVE, REGRESSED, UNCHANGED
from ci_gpu.statistics import EXACT_PAIRS, Estimate, pairs_needed, sign_flip_p, within

FIRST_LOOK = 6
"""Pairs before the first look. Those after it must confirm by themselves what is called a change."""

PROVISIONAL_ALPHA = 0.0294
"""Of the first look, which concludes nothing: Pocock's boundary for two looks."""

ALPHA = 0.008
"""Of the last look, for all gated metrics together: only it can be red, so nothing is shared with the first."""

SAME_ALPHA = 0.05

FLOOR = math.sqrt(2) * 0.001
"""Of the deviation of a difference: a clock that always answers the same has steps, and no noise-free processes."""

SIGN_FLIP_FROM = 9
"""With fewer pairs not even unanimous signs are rare enough for a suite of metrics."""

PROVISIONAL = "provisional"

Ruling = tuple[str, str, int]
"""A verdict, its reason, and the pairs it would take."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """The differences of logarithms of the pairs, positive where the head is worse, and what is asked of them."""

    worsenings: tuple[float, ...]
    later: tuple[float, ...]  # those of the pairs after the first look
    estimate: Estimate
    larger_is_worse: bool
    threshold: float  # ln(1 + margin)
    margin: float
    gated: bool

    @property
    def p_worse(self) -> float:
        return self.estimate.p_above

    @property
    def p_better(self) -> float:
        return self.turned().estimate.p_above

    def turned(self) -> Effect:
        """The same with the arms swapped."""
        mean, middle = -self.estimate.mean, -self.estimate.hodges_lehmann
        return msgspec.structs.replace(
            self,
            worsenings=tuple(-each for each in self.worsenings),
            later=tuple(-each for each in self.later),
            estimate=msgspec.structs.replace(self.estimate, mean=mean, hodges_lehmann=middle),
        )

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
        return math.expm1(worsening if self.larger_is_worse else -worsening)


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
        return verdict, f"{PROVISIONAL}: {text} in {pairs} pairs (p {p:.2g}), to be confirmed by six more"
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
            f"in those after the first {FIRST_LOOK}"
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
