"""What a user says about metrics, read: ``min-effect = "3%"``, ``floor = "600 TFLOP/s"``."""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ci_gpu.compare.margins import searched
from ci_gpu.errors import ConfigError
from ci_gpu.model import MAX_PATTERN, MAX_RULES, MAX_SEARCHED, MetricRule, Policy

KEYS = ("min-effect", "floor", "ceiling", "gate")

_SET = r"\[!?\]?[^\]]*\]"
"""One letter of several, as `fnmatch` reads it."""

_OF_THE_IMAGE = ("image.size/size", "image.import/torch")
"""Metrics that no check measures (`compare.readings.of_the_image`)."""


def policy(
    min_effect: str, inconclusive: str, tables: Mapping[str, Any], tightened: Mapping[str, Any] | None = None
) -> Policy:
    """The policy of a run; ``tables`` are the ``[metrics."pattern"]`` of ci-gpu.toml, ``tightened`` a pull request's.

    Raises:
        ConfigError: a key, a share or a quantity cannot be read.
    """
    for each in (tables, tightened or {}):
        _require_few(each)
    return Policy(
        min_effect=share("min-effect", min_effect) if min_effect else None,
        inconclusive=inconclusive,
        rules=_rules(tables),
        tightened=_rules(tightened or {}),
    )


def _rules(tables: Mapping[str, Any]) -> tuple[tuple[str, MetricRule], ...]:
    return tuple((pattern, rule(pattern, table)) for pattern, table in tables.items())


def _require_few(patterns: Collection[str]) -> None:
    """The bounds of a run.json, which is read back with the rules that it was made by."""
    longest = max(patterns, key=len, default="")
    if len(patterns) > MAX_RULES or len(longest) > MAX_PATTERN:
        raise ConfigError(
            f"[metrics] has {len(patterns)} patterns, the longest of {len(longest)} characters",
            why=f"at most {MAX_RULES} are read, of {MAX_PATTERN} characters: every metric is held against each",
            remedy='let one pattern cover several metrics, such as [metrics."matmul.*"]',
            kind="too-many-rules",
        )
    if searched(patterns) > MAX_SEARCHED:
        raise ConfigError(
            f"the patterns of [metrics] have {searched(patterns)} characters behind their first stars",
            why=f"at most {MAX_SEARCHED} are read, of all together: those are looked for at each place of a name",
            remedy='begin patterns with the check, such as [metrics."matmul.float32/*"]',
            kind="too-many-rules",
        )


def require_known(
    patterns: Iterable[str], checks: Collection[str], metrics: Callable[[], Iterable[str]] = tuple
) -> None:
    """Refuse a pattern that no metric of these checks (``family.name``) can fit: its rule would have no effect.

    ``metrics`` gives those that are there already, of whatever checks; it is called where the checks are not enough.

    Raises:
        ConfigError: there is one; the nearest that would fit is named.
    """
    unknown = [pattern for pattern in patterns if not _is_of_a_check(pattern, checks)]
    known = tuple(metrics()) if unknown else ()
    for pattern in unknown:
        if not any(fnmatchcase(metric, pattern) for metric in known):
            raise _no_such_metric(pattern, sorted(checks))


def _is_of_a_check(pattern: str, checks: Collection[str]) -> bool:
    of_the_image = any(fnmatchcase(name, pattern) for name in _OF_THE_IMAGE)
    return of_the_image or any(_can_fit(pattern, check) for check in checks)


def _can_fit(pattern: str, check: str) -> bool:
    """Whether the pattern covers ``check/name`` for some name: its beginning covers ``check/``, and more follows.

    A star covers all the rest of it, so that only what stands before the first one is compared, letter by letter.
    """
    single, star = _before_a_star(pattern)
    begins = all(fnmatchcase(letter, part) for letter, part in zip(f"{check}/", single, strict=False))
    return begins and (star or len(single) > len(check) + 1)


@functools.lru_cache(MAX_RULES)
def _before_a_star(pattern: str) -> tuple[tuple[str, ...], bool]:
    """The parts of a pattern that stand for one letter each, and whether there is a star after them."""
    begin, star, _ = re.sub(_SET, lambda found: found[0].replace("*", "\0"), pattern).partition("*")
    return tuple(part.replace("\0", "*") for part in re.findall(f"{_SET}|.", begin, re.DOTALL)), bool(star)


def share(name: str, text: str) -> float:
    """`fraction`, and not 0: with a margin of 0 no change is ever shown to be small enough.

    Raises:
        ConfigError: it is no fraction, or 0.
    """
    value = fraction(name, text)
    if value == 0:
        raise ConfigError(
            f"{name} cannot be {str(text)[:60]!r}",
            why="with a margin of 0 every change of a time matters, so none can be told from noise; of what is counted "
            "exactly every change matters without a word, but for bytes",
            remedy=f'write the smallest change that matters, such as {name} = "1%", and for bytes {name} = "0.0001%"',
        )
    return value


def fraction(name: str, text: str) -> float:
    """``3%`` and ``0.03`` alike: 0.03.

    Raises:
        ConfigError: it is neither, or not between 0 and 1.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(%?)", str(text).strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0 <= value < 1:
        raise ConfigError(
            f"{name} cannot be {str(text)[:60]!r}",
            why="it is a part of a value, between 0 and 100 %",
            remedy=f'write {name} = "3%" or {name} = 0.03',
        )
    return value


def rule(pattern: str, table: Any) -> MetricRule:
    """The rule of one ``[metrics."pattern"]``.

    Raises:
        ConfigError: as of `policy`.
    """
    _require_table(pattern, table)
    effect = table.get("min-effect")
    floor, ceiling, unit = _bounds(table)
    return MetricRule(
        min_effect=None if effect is None else share("min-effect", effect),
        floor=floor,
        ceiling=ceiling,
        unit=unit,
        gate=table.get("gate", True),
    )


def _require_table(pattern: str, table: Any) -> None:
    unknown = [key for key in table if key not in KEYS] if isinstance(table, dict) else []
    if unknown:
        near = difflib.get_close_matches(unknown[0], KEYS, n=1)
        raise ConfigError(
            f'[metrics."{pattern[:80]}"] has an unknown key {unknown[0][:60]!r}'
            + (f"; did you mean {near[0]!r}?" if near else ""),
            why="unknown keys are rejected, so that a typo cannot pass",
            remedy=f"the keys are: {', '.join(KEYS)}",
            kind="unknown-key",
        )
    if not isinstance(table, dict) or not isinstance(table.get("gate", True), bool):
        raise ConfigError(
            f'[metrics."{pattern[:80]}"] cannot be read',
            why=f"it is a table with the keys {', '.join(KEYS)}, and gate is true or false",
            remedy='[metrics."matmul.*"] on a line of its own, then min-effect = "3%" under it',
            kind="unknown-key",
        )


def _bounds(table: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """Floor, ceiling and their unit."""
    floor, floor_unit = _quantity("floor", table.get("floor"))
    ceiling, ceiling_unit = _quantity("ceiling", table.get("ceiling"))
    if floor_unit and ceiling_unit and floor_unit != ceiling_unit:
        raise _no_quantity("ceiling", table["ceiling"])
    if floor is not None and ceiling is not None and floor > ceiling:
        raise ConfigError(
            f"no value is between the floor of {table['floor']} and the ceiling of {table['ceiling']}",
            why="the floor is above the ceiling",
            remedy="exchange the two; a floor is for what should be high, a ceiling for what should be low",
        )
    return floor, ceiling, floor_unit or ceiling_unit


def _quantity(name: str, text: Any) -> tuple[float | None, str]:
    """A number with its unit, which is not optional: 600 of what?"""
    if text is None:
        return None, ""
    match = re.fullmatch(r"((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s+(\S.*)", str(text).strip())
    if not match or not math.isfinite(float(match[1])):
        raise _no_quantity(name, text)
    return float(match[1]), match[2]


def _no_quantity(name: str, text: object) -> ConfigError:
    return ConfigError(
        f"{name} cannot be {str(text)[:60]!r}",
        why="it is a number that is not negative, with the metric's own unit, the same for floor and ceiling",
        remedy=f'write {name} = "600 TFLOP/s"',
    )


def _no_such_metric(pattern: str, checks: Iterable[str]) -> ConfigError:
    """With the pattern of the check, or of the family, that was probably meant."""
    names = [*checks, *(name.partition("/")[0] for name in _OF_THE_IMAGE)]
    known = [like for name in names for like in (f"{name}/*", f"{name.partition('.')[0]}.*")]
    near = difflib.get_close_matches(pattern, known, n=1)
    return ConfigError(
        f'[metrics."{pattern[:80]}"] covers no metric' + (f"; did you mean {near[0]!r}?" if near else ""),
        why="a metric is named check/name, and the pattern has to cover all of that: the rule would be without effect",
        remedy="ci-gpu checks lists the checks; a metric is in run.json and in the report as family.check/name",
        kind="unknown-metric",
    )
