"""Pages: templates that put nothing out unseen, and the style that all pages share."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ci_gpu.reports import _text

MANY = 500
"""Rows of one table that are shown; the JSON report has all."""


def environment(*packages: str) -> Environment:
    """Templates of these packages and of the reports. Whatever they put out is cleaned and escaped on its way."""
    folders = [PackageLoader(package) for package in (*packages, "ci_gpu.reports")]
    made = Environment(
        loader=ChoiceLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_foreign,
    )
    made.filters.update(log=_log, many=lambda items: items[:MANY], short=lambda text: _text.line(text, 300))
    return made


def _foreign(value: Any) -> Any:
    """Nothing but our own markup goes into the page unseen."""
    return value if isinstance(value, Markup) else _text.line(str(value), 4_000)


def _log(text: str) -> Markup:
    """The end of a log, its lines kept."""
    return escape(_text.tail(text, 64 << 10))
