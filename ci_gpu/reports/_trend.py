"""The trend of a metric as a chart that GitHub draws (mermaid's ``xychart-beta``)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import islice

from ci_gpu.model import UNCHANGED, Comparison, Point, Series
from ci_gpu.reports import _trial, _words

CHARTS, FEWEST, MOST = 3, 3, 12
"""Charts in a comment, and points in one."""


def charts(metrics: Sequence[Comparison], series: Sequence[Series]) -> list[str]:
    """A chart for each of the first metrics that changed and have a history, this run's value last."""
    changed = [one for one in _trial.ordered(metrics) if _trial.verdict(one) != UNCHANGED and one.head is not None]
    known: dict[str, list[Series]] = {}
    for each in series:
        known.setdefault(each.key.metric, []).append(each)
    drawn = (_chart(one, each) for one in changed for each in known.get(one.metric, ()))
    return list(islice(filter(None, drawn), CHARTS))


def _chart(one: Comparison, known: Series) -> str:
    points = [point for point in known.points if not point.masked and math.isfinite(point.value)][1 - MOST :]
    if len(points) + 1 < FEWEST or known.key.version != one.version or known.unit != one.unit:
        return ""
    values = [*(point.value for point in points), one.head or 0.0]
    names = [*(_label(point) for point in points), "this run"]
    low, high = min(values), max(values)
    margin = 0.1 * (high - low) or 0.05 * abs(high) or 1.0
    quoted = ", ".join(f'"{number + 1} {name}"' for number, name in enumerate(names))
    return "\n".join(
        (
            f"_The median of {_words.plural(len(values), 'run')} on this machine, oldest first; the last is this run._",
            "",
            "```mermaid",
            "xychart-beta",
            f'  title "{_plain(one.metric, 80)}"',
            f"  x-axis [{quoted}]",
            f'  y-axis "{_plain(one.unit, 20)}" {_fixed(low - margin)} --> {_fixed(high + margin)}',
            f"  line [{', '.join(map(_fixed, values))}]",
            "```",
        )
    )


def _fixed(value: float) -> str:
    """Six digits, and no exponent: mermaid reads none."""
    digits = 5 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:.{min(30, max(0, digits))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _label(point: Point) -> str:
    """The end of the image's name, by which upgrades are told."""
    return _plain(point.image.rpartition(":")[2] or point.commit[:7] or "run", 18)


def _plain(text: str, most: int) -> str:
    """Only what can end neither a string of mermaid's nor a block of markdown's."""
    return re.sub(r"[^A-Za-z0-9_./+-]+", " ", text)[:most].strip() or "run"
