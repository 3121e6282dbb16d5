"""How large a change must be to matter, and the bounds that a user sets beside it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from ci_gpu.errors import ConfigError
from ci_gpu.model import MetricRule, Policy

KERNEL = 0.02
SHORT = 0.05
"""Microseconds and allocators: the clock's steps and the driver's mood are a larger share of them."""
ONCE = 0.10
"""What happens once a process: an import, a compilation, a first call."""

_MICROSECONDS = ("us", "µs", "μs")  # the micro sign and the Greek letter look alike
_BYTES = ("B", "bytes", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB")
"""A workspace that grows by some MiB is no reason to keep an image; one graph break more may be."""
_ONCE = re.compile(r"(?<![a-z])(cold(?!_?l2)|import|compile|start[-_]?up)(?![a-z])")
_ALLOCATOR = re.compile(r"(?<![a-z])alloc")
Rules = tuple[tuple[str, MetricRule], ...]
_NO_RULE = MetricRule()
_ADVICE = MetricRule(gate=False)
"""For what a new image changes rightly, its size and its start: shown, and gated only where the user says so."""


def rule_of(metric: str, policy: Policy) -> MetricRule:
    """The first of the policy's rules whose pattern covers the metric's id (``check/name``), and what tightens it.

    The ``min_effect`` is that of the rule alone: `margin` has the smallest change that matters.
    """
    rule, tighter = _rules_of(metric, policy)
    return rule if tighter is None else _tightened(rule, tighter)


@functools.lru_cache(20_000)
def _rules_of(metric: str, policy: Policy) -> tuple[MetricRule, MetricRule | None]:
    unsaid = _ADVICE if metric.startswith("image.") else _NO_RULE
    return _first(metric, policy.rules) or unsaid, _first(metric, policy.tightened)


def _first(metric: str, rules: Rules) -> MetricRule | None:
    return next((rule for pattern, rule in rules if fnmatchcase(metric, pattern)), None)


def _tightened(rule: MetricRule, by: MetricRule) -> MetricRule:
    """Red where either is: a rule that does not gate adds nothing to one that does."""
    if rule.gate != by.gate:
        return rule if rule.gate else by
    if rule.unit and by.unit and rule.unit != by.unit:
        return rule
    floors = [each.floor for each in (rule, by) if each.floor is not None]
    ceilings = [each.ceiling for each in (rule, by) if each.ceiling is not None]
    return msgspec.structs.replace(
        rule,
        floor=max(floors, default=None),
        ceiling=min(ceilings, default=None),
        unit=rule.unit or by.unit,
    )


def searched(patterns: Iterable[str]) -> int:
    """Characters behind the first star of each: what stands there is tried at every place of a metric's name."""
    return sum(len(pattern.partition("*")[2]) for pattern in patterns)


def pattern_of(metric: str, rules: Rules) -> str | None:
    """The pattern of the rule that a metric takes; None if it takes none."""
    return next((pattern for pattern, _ in rules if fnmatchcase(metric, pattern)), None)


def margin(metric: str, unit: str, policy: Policy, *, exact: bool = False) -> float:
    """The smallest change that matters, as a fraction of the base.

    Raises:
        ConfigError: the configured one is no fraction.
    """
    rule, tighter = _rules_of(metric, policy)
    found = [each for each in (rule, tighter) if each is not None]
    gating = [each for each in found if each.gate] or found[:1]
    return min(_margin(metric, unit, policy, each.min_effect, exact) for each in gating)


def _margin(metric: str, unit: str, policy: Policy, asked: float | None, exact: bool) -> float:
    if asked is not None:
        return _checked(metric, asked)
    if exact:
        return _of_policy(metric, policy) if unit in _BYTES else 0.0
    if _ONCE.search(metric) and not metric.endswith("_l2_cold"):
        return ONCE
    if unit in _MICROSECONDS or _ALLOCATOR.search(metric):
        return SHORT
    return _of_policy(metric, policy)


def _of_policy(metric: str, policy: Policy) -> float:
    return KERNEL if policy.min_effect is None else _checked(metric, policy.min_effect)


def _checked(metric: str, fraction: float) -> float:
    if 0.0 <= fraction < 1.0:
        return fraction
    raise ConfigError(
        f"a min-effect of {fraction:g} for {metric} cannot be meant",
        why="it is a share of the base's value: 0.02 is 2 %",
        remedy="give a number from 0 to below 1",
        kind="bad-min-effect",
    )


def beyond_bounds(metric: str, unit: str, head: float, rule: MetricRule) -> str:
    """Which of the rule's bounds the head's median breaks, in words; empty if none.

    Raises:
        ConfigError: the bounds are in another unit than the metric.
    """
    if rule.floor is None and rule.ceiling is None:
        return ""
    if rule.unit != unit:
        raise _other_unit(metric, unit, rule)
    if rule.floor is not None and head < rule.floor:
        return f"{head:.4g} {unit} is below the floor of {rule.floor:g} {unit}"
    if rule.ceiling is not None and head > rule.ceiling:
        return f"{head:.4g} {unit} is above the ceiling of {rule.ceiling:g} {unit}"
    return ""


def _other_unit(metric: str, unit: str, rule: MetricRule) -> ConfigError:
    return ConfigError(
        f"the bounds of {metric} are in {rule.unit or 'no unit'}, and it is measured in {unit}",
        why="a bound without its unit, or in another one, would silently mean something else",
        remedy=f'write floor = "NUMBER {unit}", and ceiling alike; or let the pattern cover metrics of one unit alone',
        kind="unit-mismatch",
    )
