"""The runs of one series as rows of a table, newest first. Made without a template: there may be half a million."""

from __future__ import annotations

import functools
import math

from markupsafe import Markup, escape

from ci_gpu.model import Point
from ci_gpu.reports import _text, _trial
from ci_gpu.site import identity, trend
from ci_gpu.site.line import Line


def rows(line: Line) -> Markup:
    """The inside of a ``tbody``."""
    return Markup("\n").join(_row(line, point) for point in reversed(line.points))


def _row(line: Line, point: Point) -> Markup:
    anchor = identity.of_run(point.run)
    kind = Markup(' class="masked"') if point.masked else ""
    verdict = point.verdict if point.verdict in _trial.VERDICTS else ""
    cells = (
        f'<th scope="row" class="nowrap"><a href="#{anchor}">{trend.day(point.created)}</a></th>'
        f'<td>{_shown(point.run)}</td><td class="image"><code>{_shown(point.image)}</code> '
        f'<span class="soft small">{_shown(point.digest[7:19])}</span></td><td>{_source(point)}</td>'
        f'<td class="number">{_shown(line.value(point))}</td><td class="number">{_processes(point)}</td>'
        f'<td class="number">{_against(point)}</td>'
        f'<td>{_masked(point) or f"""<span class="{verdict}">{_trial.say(verdict) or "–"}</span>"""}</td>'
    )
    return Markup(f'<tr id="{anchor}"{kind}>{cells}</tr>')  # noqa: S704  numbers, our own words, and what was escaped


@functools.lru_cache(maxsize=4_096)
def _shown(text: str) -> str:
    return str(escape(_text.line(text, 300)))


def _masked(point: Point) -> str:
    return f"does not count: {_shown(point.masked)}" if point.masked else ""


def _source(point: Point) -> str:
    commit = f"<code>{_shown(point.commit[:10])}</code>" if point.commit else ""
    return " ".join(filter(None, (commit, _shown(point.branch)))) or "–"


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
