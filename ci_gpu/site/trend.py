"""The course of one series as inline SVG: runs in their order, levels, upgrades and changes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
from markupsafe import Markup, escape

from ci_gpu.model import Point
from ci_gpu.reports import _text, _trial, _words
from ci_gpu.site.line import Line, levels

WIDTH, HEIGHT = 960, 310
LEFT, RIGHT, TOP, BOTTOM = 62, 10, 34, 44
HOVER, NUMBERED = 300, 40
"""Up to so many points each tells its run to the mouse, and so many upgrades have a number."""

SPARK_WIDTH, SPARK_HEIGHT, SPARK_POINTS = 120, 24, 60


class _Scale(msgspec.Struct, frozen=True):
    """Where a run and a value lie, in pixels."""

    count: int
    low: float
    high: float

    def x(self, index: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (index + 0.5) / max(self.count, 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max(share, 0.0), 1.0))


def chart(line: Line) -> Markup:
    """The picture; nothing where there is no point."""
    if not line.points:
        return Markup("")
    scale = _scale(line.points)
    drawn = "".join(
        (
            *_grid(line, scale),
            *_upgrades(line, scale),
            *_levels(line, scale),
            _dots(line, scale),
            *_changes(line, scale),
        )
    )
    return Markup(  # noqa: S704  numbers, our own words, and what is escaped where it is put in
        f'<svg class="trend" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="trend-t trend-d">'
        f'<title id="trend-t">{escape(_text.line(line.metric, 200))} over time</title>'
        f'<desc id="trend-d">{escape(_says(line))}</desc>{drawn}</svg>'
    )


def spark(line: Line) -> Markup:
    """The newest points as a small line that says nothing the row does not: hidden from screen readers."""
    values = [point.value for point in line.points[-SPARK_POINTS:] if not point.masked]
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    reach = high / 2 - low / 2
    places = (
        f"{3 + index * (SPARK_WIDTH - 6) / (len(values) - 1):.1f} "
        f"{SPARK_HEIGHT - 3 - (SPARK_HEIGHT - 6) * ((value / 2 - low / 2) / reach if reach > 0 else 0.5):.1f}"
        for index, value in enumerate(values)
    )
    return Markup(  # noqa: S704  numbers only
        f'<svg class="spark" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" aria-hidden="true" focusable="false">'
        f'<path d="M{"L".join(places)}"/></svg>'
    )


def _scale(points: Sequence[Point]) -> _Scale:
    """Masked points do not stretch it; they are drawn at the edge where they lie beyond."""
    values = [point.value for point in points if not point.masked] or [point.value for point in points]
    values = [max(-1e300, min(1e300, value)) for value in values]
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    return _Scale(len(points), low - room, high + room)


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers between the two."""
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step *= next(factor for factor in (5, 2, 1) if (high - low) / (step * factor) >= 2.5)
    return [step * index for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _grid(line: Line, scale: _Scale) -> Iterable[str]:
    for value in _ticks(scale.low, scale.high):
        y = scale.y(value)
        yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_words.number(value)}</text>'
    last = len(line.points) - 1
    for index in dict.fromkeys(round(last * share / 4) for share in range(5)):
        anchor = "start" if index == 0 else "end" if index == last else "middle"
        x = scale.x(index) if 0 < index < last else LEFT if index == 0 else WIDTH - RIGHT
        yield f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{day(line.points[index].created)}</text>'


def _upgrades(line: Line, scale: _Scale) -> Iterable[str]:
    for upgrade in line.upgrades:
        x = scale.x(upgrade.index - 0.5)
        yield f'<line class="upgrade" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        if len(line.upgrades) <= NUMBERED:
            yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{upgrade.number}</text>'


def _levels(line: Line, scale: _Scale) -> Iterable[str]:
    for first, last, value in levels(line) if line.changes else ():
        ends = f'x1="{scale.x(first - 0.4):.1f}" x2="{scale.x(last + 0.4):.1f}"'
        yield f'<line class="level" {ends} y1="{scale.y(value):.1f}" y2="{scale.y(value):.1f}"/>'


def _changes(line: Line, scale: _Scale) -> Iterable[str]:
    for change in line.changes:
        x = scale.x(change.index - 0.5)
        kind = (
            f"cut {'worse' if change.worse else 'better'}{'' if change.point.state == 'confirmed' else ' suspicious'}"
        )
        anchor = "start" if x < LEFT + 40 else "end" if x > WIDTH - RIGHT - 40 else "middle"
        label = _trial.percent(change.point.change).replace("-", "\u2212")
        yield f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{HEIGHT - BOTTOM}"/>'
        yield f'<text class="{kind}" x="{x:.1f}" y="{TOP - 14}" text-anchor="{anchor}">{label}</text>'


def _dots(line: Line, scale: _Scale) -> str:
    places = [(point, scale.x(index), scale.y(point.value)) for index, point in enumerate(line.points)]
    radius = 3.4 if len(places) <= 120 else 2.4 if len(places) <= HOVER else 1.6
    if len(places) > HOVER:
        path = "".join(f"M{x:.1f} {y:.1f}h0" for point, x, y in places if not point.masked)
        hollow = "".join(_dot(line, point, x, y, radius, hover=False) for point, x, y in places if point.masked)
        return f'<path class="dots" d="{path}"/>{hollow}'
    return "".join(_dot(line, point, x, y, radius, hover=True) for point, x, y in places)


def _dot(line: Line, point: Point, x: float, y: float, radius: float, *, hover: bool) -> str:
    kind = "masked" if point.masked else "run"
    if not hover:
        return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
    said = f"{day(point.created)}, {line.value(point)}, {point.image}" + (f", {point.masked}" if point.masked else "")
    title = escape(_text.line(said, 300))
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{title}</title></circle>'


def day(created: str) -> str:
    """The day of a time stamp; a dash where it is none."""
    found = created[:10]
    return found if len(found) == 10 and found.replace("-", "").isdecimal() and found.isascii() else "–"


def _says(line: Line) -> str:
    values = [point.value for point in line.points if not point.masked]
    masked = len(line.points) - len(values)
    parts = [
        _words.plural(len(line.points), "run"),
        f"{day(line.points[0].created)} to {day(line.points[-1].created)}",
        f"{_words.number(min(values))} to {_words.number(max(values))} {line.unit}" if values else "no value counts",
        f"{masked} masked" if masked else "",
        _words.plural(len(line.upgrades), "upgrade"),
        _words.plural(len(line.changes), "change point"),
    ]
    return _text.line(", ".join(filter(None, parts)) + ". All of it is in the tables below.")
