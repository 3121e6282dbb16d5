"""Two rows of dots and the interval of a change, as inline SVG. A dot is one process: its median."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from markupsafe import Markup, escape

from ci_gpu.model import Comparison
from ci_gpu.reports import _text, _trial, _words
from ci_gpu.reports._trial import Dot

WIDTH, HEIGHT = 240, 54
LEFT, RIGHT = 34, 8
ROWS = {_trial.BASE: 12, _trial.HEAD: 31}
MOST = 100
"""Processes of one row that are drawn."""

BAR_WIDTH, BAR_HEIGHT = 160, 18


def strip(comparison: Comparison, arms: dict[str, list[Dot]], name: str) -> Markup:
    """Base above head on one axis, lines between the two of a pair; nothing where no process has a value.

    ``name`` makes the ids of the title and the description, and is our own word.
    """
    rows = {arm: arms.get(arm, [])[:MOST] for arm in ROWS}
    if not any(rows.values()):
        return Markup("")
    low, high = _ends(rows)
    drawn = _links(rows, low, high) + "".join(_row(arm, dots, low, high) for arm, dots in rows.items())
    describe = ". ".join(_says(arm, dots, comparison.unit) for arm, dots in rows.items())
    return _svg(name, WIDTH, HEIGHT, "strip", "One dot a process", describe, drawn + _scale(low, high))


def bar(comparison: Comparison, name: str) -> Markup:
    """The 95 % interval of the change around no change, and the margin as a band; nothing without an interval."""
    ends = (comparison.low, comparison.change, comparison.high)
    low, change, high = (end if end is not None and math.isfinite(end) else None for end in ends)
    if low is None or change is None or high is None:
        return Markup("")
    reach = max(abs(low), abs(high), abs(change), comparison.margin, 1e-9) * 1.12
    left, middle, right, zero = (_across(end, reach) for end in (low, change, high, 0.0))
    margin = min(max(comparison.margin, 0.0), reach)
    y, band = BAR_HEIGHT / 2, (_across(-margin, reach), _across(margin, reach))
    drawn = (
        f'<rect class="band" x="{band[0]:.1f}" y="1" width="{band[1] - band[0]:.1f}" height="{BAR_HEIGHT - 2}"/>'
        f'<line class="zero" x1="{zero:.1f}" x2="{zero:.1f}" y1="1" y2="{BAR_HEIGHT - 1}"/>'
        f'<line class="reach" x1="{left:.1f}" x2="{right:.1f}" y1="{y}" y2="{y}"/>'
        f'<line class="reach" x1="{left:.1f}" x2="{left:.1f}" y1="{y - 3}" y2="{y + 3}"/>'
        f'<line class="reach" x1="{right:.1f}" x2="{right:.1f}" y1="{y - 3}" y2="{y + 3}"/>'
        f'<circle class="change" cx="{middle:.1f}" cy="{y}" r="2.8"/>'
    )
    within = f"{_trial.percent(comparison.change)}, 95 % interval {_trial.interval(comparison)}"
    text = f"{within}; shaded: the margin of {100 * comparison.margin:g} % either way"
    return _svg(name, BAR_WIDTH, BAR_HEIGHT, "bar", "Change", text, drawn)


def _ends(rows: dict[str, list[Dot]]) -> tuple[float, float]:
    """Of the valid dots: an invalid one far outside is drawn at the edge, and does not press the others together."""
    dots = [dot for row in rows.values() for dot in row]
    values = [dot.value for dot in dots if not dot.invalid] or [dot.value for dot in dots]
    return min(values), max(values)


def _svg(name: str, width: int, height: int, kind: str, title: str, describe: str, drawn: str) -> Markup:
    shown = escape(_text.line(describe))
    return Markup(  # noqa: S704  numbers, our own words, and what was escaped above
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{title}</title><desc id="{name}-d">{shown}</desc>{drawn}</svg>'
    )


def _row(arm: str, dots: Sequence[Dot], low: float, high: float) -> str:
    y = ROWS[arm]
    label = f'<text x="0" y="{y + 3.5}">{arm}</text><line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}"/>'
    places = [("invalid" if dot.invalid else arm, _place(dot.value, low, high)) for dot in dots]
    marks = "".join(f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="3.1"/>' for kind, x in places)
    valid = [dot.value for dot in dots if not dot.invalid]
    if not valid:
        return label + marks
    middle = _place(statistics.median(valid), low, high)
    return f'{label}{marks}<line class="median" x1="{middle:.1f}" x2="{middle:.1f}" y1="{y - 7}" y2="{y + 7}"/>'


def _links(rows: dict[str, list[Dot]], low: float, high: float) -> str:
    """A line from each base to the head that ran beside it."""
    heads = {dot.pair: dot.value for dot in rows[_trial.HEAD] if not dot.invalid}
    pairs = [(dot.value, heads[dot.pair]) for dot in rows[_trial.BASE] if not dot.invalid and dot.pair in heads]
    return "".join(
        f'<line class="pair" x1="{_place(base, low, high):.1f}" x2="{_place(head, low, high):.1f}" '
        f'y1="{ROWS[_trial.BASE]}" y2="{ROWS[_trial.HEAD]}"/>'
        for base, head in pairs
    )


def _scale(low: float, high: float) -> str:
    if low == high:
        return f'<text x="{(LEFT + WIDTH) / 2:.1f}" y="51" text-anchor="middle">{_words.number(low)}</text>'
    return (
        f'<text x="{LEFT}" y="51">{_words.number(low)}</text>'
        f'<text x="{WIDTH}" y="51" text-anchor="end">{_words.number(high)}</text>'
    )


def _says(arm: str, dots: Sequence[Dot], unit: str) -> str:
    valid = [dot.value for dot in dots if not dot.invalid]
    if not valid:
        return f"{arm}: no process"
    spread = f"{_words.number(min(valid))} to {_words.number(max(valid))}"
    middle = _words.number(statistics.median(valid))
    return f"{arm}: {len(valid)} processes from {spread}, median {middle} {unit}"


def _place(value: float, low: float, high: float) -> float:
    # Halves, because the distance between two finite numbers need not be finite.
    reach = high / 2 - low / 2
    share = (value / 2 - low / 2) / reach if reach > 0 else 0.5
    return LEFT + 6 + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - 6 - RIGHT)


def _across(fraction: float, reach: float) -> float:
    return BAR_WIDTH / 2 * (1 + max(-1.0, min(1.0, fraction / reach)))
