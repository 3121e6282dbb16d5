"""One self-contained page: no script, no request, readable on paper, on a phone and by a screen reader."""

from __future__ import annotations

from typing import Any

from ci_gpu.model import ImageReport, RunReport, Summary
from ci_gpu.payload.wire import ERROR, FAILED, PASSED, SKIPPED, CheckResult
from ci_gpu.reports import _clocks, _page, _plot, _strip, _trial, _words

SUFFIX = ".html"

SIGNS = {PASSED: "✓", FAILED: "✗", ERROR: "!", SKIPPED: "–"}
_TEMPLATE = "report.html.j2"
_OF_THE_RUN = ("image", "digest", "time", "started")
"""Rows of an environment that differ between any two images."""


def render(summary: Summary) -> str:
    """The page. Whatever the template puts out is cleaned and escaped on its way (`_page`)."""
    made = _page.environment()
    made.globals.update(signs=SIGNS, strip=_plot.strip, spread=_spread, ordered=_ordered, notice=_words.notice)
    made.globals.update(notices=_words.notices)
    made.globals.update(told=_trial, plot=_strip, clocks=_clocks, percent=_percent, differences=_differences)
    template = made.get_template(_TEMPLATE)
    return template.render(summary=summary, report=summary.report, verdict=summary.verdict, words=_words)


def _percent(text: str) -> str:
    """A sign as wide as a plus."""
    return text.replace("-", "\u2212")


def _differences(report: RunReport) -> list[tuple[str, str, str]]:
    """A name, and what the base and the head have."""
    return [(f"{one.kind}: {one.name}", one.base, one.head) for one in _trial.differences(report)]


def _spread(metric: Any) -> str:
    """``655.4 – 692.2``: the smallest and the largest finite sample."""
    samples = _words.finite(metric)
    return f"{_words.number(min(samples))} – {_words.number(max(samples))}" if samples else ""


def _ordered(image: ImageReport) -> list[CheckResult]:
    """What did not pass comes first; otherwise the order of the run."""
    order = (FAILED, ERROR, SKIPPED, PASSED)
    return sorted(_words.rows(image), key=lambda result: order.index(_words.outcome(result)))
