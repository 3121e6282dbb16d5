"""The runs of one series as rows of a table, newest first. Made without a template: there may be half a million."""

from __future__ import annotations

import functools
import math

from markupsafe import Markup, escape

from ci_gpu.model import Point
from ci_gpu.reports import _text, _trial
from ci_gpu.site import identity, trend
from ci_gpu.site.line import Line, image_name


def rows(line: Line) -> Markup:
    """The inside of a ``tbody``. End tags and quotes that HTML does not ask for are left out: that halves it."""
    return Markup("\n").join(_row(line, point) for point in reversed(line.points))


def _row(line: Line, point: Point) -> Markup:
    anchor = identity.of_run(point.run)
    verdict = point.verdict if point.verdict in _trial.VERDICTS else ""
    said = f"<span class={verdict}>{_trial.say(verdict)}</span>" if verdict else "–"
    cells = (
        f"<th scope=row><a href=#{anchor}>{trend.day(point.created)}</a>",
        f"{_shown(point.run)}",
        f"<code>{_shown(image_name(point.image))}</code> <i>{_shown(point.digest[7:19])}</i>",
        _source(point),
        _shown(line.value(point)),
        _processes(point),
        _against(point),
        f"does not count: {_shown(point.masked)}" if point.masked else said,
    )
    kind = " class=masked" if point.masked else ""
    return Markup(f"<tr id={anchor}{kind}>{'<td>'.join(cells)}")  # noqa: S704  numbers, our words, and what was escaped


@functools.lru_cache(maxsize=4_096)
def _shown(text: str) -> str:
    return str(escape(_text.line(text, 300)))


def _source(point: Point) -> str:
    return _shown(" ".join(filter(None, (point.commit[:10], point.branch)))) or "–"


def _processes(point: Point) -> str:
    """How many, and how far apart: the deviation of the logarithms is a fraction."""
    spread = f" ±{100 * point.deviation:.2g} %" if 0 < point.deviation < math.inf else ""
    return f"{point.processes}{spread}"


def _against(point: Point) -> str:
    """The change against the base of the same run, with its standard error."""
    if point.change is None or not abs(point.change) < 100:
        return "–"
    error = point.change_error
    spread = f" ±{100 * error:.2g}" if error is not None and 0 < error < math.inf else ""
    return _trial.percent(math.expm1(point.change)).replace("-", "\u2212").replace(" %", f"{spread} %")
