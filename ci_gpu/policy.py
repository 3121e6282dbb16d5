"""What a user says about metrics, read: ``min-effect = "3%"``, ``floor = "600 TFLOP/s"``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ci_gpu.errors import ConfigError
from ci_gpu.model import MetricRule, Policy

KEYS = ("min-effect", "floor", "ceiling", "gate")


def policy(min_effect: str, inconclusive: str, tables: Mapping[str, Any]) -> Policy:
    """The policy of a comparison; ``tables`` are the ``[metrics."pattern"]`` of ci-gpu.toml.

    Raises:
        ConfigError: a key, a share or a quantity cannot be read.
    """
    return Policy(
        min_effect=fraction("min-effect", min_effect) if min_effect else None,
        inconclusive=inconclusive,
        rules=tuple((pattern, _rule(pattern, table)) for pattern, table in tables.items()),
    )


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


def _rule(pattern: str, table: Any) -> MetricRule:
    if not isinstance(table, dict) or not set(table) <= set(KEYS) or not isinstance(table.get("gate", True), bool):
        raise ConfigError(
            f'[metrics."{pattern[:80]}"] cannot be read',
            why=f"it is a table with the keys {', '.join(KEYS)}, and gate is true or false",
            remedy='[metrics."matmul.*"] on a line of its own, then min-effect = "3%" under it',
            kind="unknown-key",
        )
    effect = table.get("min-effect")
    floor, floor_unit = _quantity("floor", table.get("floor"))
    ceiling, ceiling_unit = _quantity("ceiling", table.get("ceiling"))
    if floor_unit and ceiling_unit and floor_unit != ceiling_unit:
        raise _no_quantity("ceiling", table["ceiling"])
    return MetricRule(
        min_effect=None if effect is None else fraction("min-effect", effect),
        floor=floor,
        ceiling=ceiling,
        unit=floor_unit or ceiling_unit,
        gate=table.get("gate", True),
    )


def _quantity(name: str, text: Any) -> tuple[float | None, str]:
    """A number with its unit, which is not optional: 600 of what?"""
    if text is None:
        return None, ""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s+(\S.*)", str(text).strip())
    if not match:
        raise _no_quantity(name, text)
    return float(match[1]), match[2]


def _no_quantity(name: str, text: object) -> ConfigError:
    return ConfigError(
        f"{name} cannot be {str(text)[:60]!r}",
        why="it is a number with the metric's own unit, the same for floor and ceiling",
        remedy=f'write {name} = "600 TFLOP/s"',
    )
