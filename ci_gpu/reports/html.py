"""One self-contained page: no script, no request, readable on paper, on a phone and by a screen reader."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from ci_gpu.model import ImageReport, Summary
from ci_gpu.payload.wire import ERROR, FAILED, PASSED, SKIPPED, CheckResult
from ci_gpu.reports import _plot, _text, _words

SUFFIX = ".html"

SIGNS = {PASSED: "✓", FAILED: "✗", ERROR: "!", SKIPPED: "–"}
_TEMPLATE = "report.html.j2"
_MANY = 500
"""Rows of one table that are shown; the JSON report has all."""


def render(summary: Summary) -> str:
    """The page. Whatever the template puts out is cleaned and escaped on its way (`_foreign`)."""
    template = _environment().from_string(_source())
    return template.render(summary=summary, report=summary.report, verdict=summary.verdict, words=_words)


def _environment() -> Environment:
    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_foreign
    )
    made.filters.update(log=_log, many=lambda items: items[:_MANY], short=lambda text: _text.line(text, 300))
    made.globals.update(signs=SIGNS, strip=_plot.strip, spread=_spread, ordered=_ordered, notice=_words.notice)
    return made


def _source() -> str:
    return (resources.files("ci_gpu.reports") / "templates" / _TEMPLATE).read_text("utf-8")


def _foreign(value: Any) -> Any:
    """Nothing but our own markup goes into the page unseen."""
    return value if isinstance(value, Markup) else _text.line(str(value), 4_000)


def _log(text: str) -> Markup:
    """The end of a log, its lines kept."""
    return escape(_text.tail(text, 64 << 10))


def _spread(metric: Any) -> str:
    """``655.4 – 692.2``: the smallest and the largest finite sample."""
    samples = _words.finite(metric)
    return f"{_words.number(min(samples))} – {_words.number(max(samples))}" if samples else ""


def _ordered(image: ImageReport) -> list[CheckResult]:
    """What did not pass comes first; otherwise the order of the run."""
    order = (FAILED, ERROR, SKIPPED, PASSED)
    return sorted(_words.rows(image), key=lambda result: order.index(_words.outcome(result)))
