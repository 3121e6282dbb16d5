"""What a comparison concludes, from its samples alone: the same in the run that measured it and from a file. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose
from typing import Any

import msgspec

from ci_gpu.compare import compare, control, withdrawn
from ci_gpu.compare.readings import BASE
from ci_gpu.model import INCONCLUSIVE, Block, Comparison, Trial

NO_SAMPLES = "there are no samples from which anything could be concluded"

_SAME = 1e-6
"""Numbers that differ by less are the same: machines differ in the last digits of a logarithm."""

_WORDS = ("reason", "pairs_needed")
"""What follows from the rest, in words and in a number that such a last digit can move."""


def judged(trial: Trial) -> Trial:
    """The trial with what its blocks, its policy and its first look prove; what it says of itself is not looked at.

    Without blocks it has no metrics, and is refused: for its own reason, if it has one.

    Raises:
        ConfigError: as of `compare`.
    """
    if not trial.blocks:
        return msgspec.structs.replace(trial, order="", metrics=(), control=None, refused=trial.refused or NO_SAMPLES)
    drift = control(trial.blocks)
    metrics = compare(trial.blocks, trial.policy, first=trial.first)
    refused = _apart(trial) or _drifted(drift) or _all_spoiled(trial)
    if refused:
        metrics = withdrawn(metrics, refused)
    return msgspec.structs.replace(trial, order=_order(trial), metrics=metrics, control=drift, refused=refused)


def _apart(trial: Trial) -> str:
    """Two machines, where the images were not measured in turn."""
    if len(set(trial.machines)) < 2:
        return ""
    return f"measured on different machines: {' and '.join(trial.machines)}"


def _drifted(drift: Comparison | None) -> str:
    return drift.reason if drift and drift.verdict == INCONCLUSIVE else ""


def _all_spoiled(trial: Trial) -> str:
    return trial.blocks[0].invalid if all(block.invalid for block in trial.blocks) else ""


def _order(trial: Trial) -> str:
    return "" if trial.machines else "".join(map(_letter, trial.blocks))


def _letter(block: Block) -> str:
    return "A" if block.arm == BASE else "B"


def differing(stated: Trial, found: Trial) -> tuple[int, bool]:
    """Of how many metrics a trial states something else than was found, and whether it does of the whole."""
    said, true = _by_name(stated), _by_name(found)
    names = {**said, **true}
    metrics = sum(not _alike(said.get(name, ()), true.get(name, ())) for name in names)
    of_control = _alike(_some(stated.control), _some(found.control))
    return metrics, not of_control or bool(stated.refused) != bool(found.refused)


def _by_name(trial: Trial) -> dict[str, tuple[Comparison, ...]]:
    names: dict[str, tuple[Comparison, ...]] = {}
    for one in trial.metrics:
        names[one.metric] = (*names.get(one.metric, ()), one)
    return names


def _some(one: Comparison | None) -> tuple[Comparison, ...]:
    return (one,) if one else ()


def _alike(said: tuple[Comparison, ...], true: tuple[Comparison, ...]) -> bool:
    return len(said) == len(true) and all(
        _equal(left, right) for one, other in zip(said, true, strict=True) for left, right in _values(one, other)
    )


def _values(one: Comparison, other: Comparison) -> Iterator[tuple[Any, Any]]:
    names = (name for name in Comparison.__struct_fields__ if name not in _WORDS)
    return ((getattr(one, name), getattr(other, name)) for name in names)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return isclose(left, right, rel_tol=_SAME, abs_tol=_SAME)
    return bool(left == right)
