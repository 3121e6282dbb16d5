"""The history as a static site, for GitHub Pages or any folder: an index, and a page a series.

`render` makes the text of every file and touches nothing; `write` puts it on the disk. No page loads anything from
anywhere, and all of it can be read without JavaScript: the only script filters the list of metrics.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from ci_gpu.model import ChangePoint, Series, SeriesKey
from ci_gpu.reports import _page, _trial, _words
from ci_gpu.site import identity, matrix, table, trend
from ci_gpu.site.line import Line, image_name, read

MOST = 1_000
"""Points of one series that are shown, the newest; the store has all."""

FOLDER = "series"

_POLICY = (
    "default-src 'none'; style-src {style}; script-src {script}; img-src data:; base-uri 'none'; form-action 'none'"
)


def render(
    series: Sequence[Series], changes: Mapping[SeriesKey, tuple[ChangePoint, ...]], *, title: str
) -> dict[str, str]:
    """The site's files, by their names: ``index.html``, ``series/*.html`` and ``.nojekyll``.

    Names are made of the series' keys alone, so a link to a page, a run or a change stays good.
    """
    read_all = (read(one, changes.get(one.key, ()), MOST) for one in series)
    lines = [line for line in read_all if line.points]
    lines.sort(key=lambda line: (line.metric, line.gpu, line.id))
    made = _environment()
    page = made.get_template("line.html.j2")
    files = {".nojekyll": "", "index.html": _index(made, lines, title)}
    files.update((f"{FOLDER}/{line.id}.html", page.render(line=line, title=title)) for line in lines)
    return files


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Put the files into a folder; it and what is missing above it are made. Other files there stay.

    Raises:
        OSError: as the system says it.
    """
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _index(made: Environment, lines: Sequence[Line], title: str) -> str:
    recent = sorted(
        ((line, change) for line in lines for change in line.changes), key=lambda pair: pair[1].created, reverse=True
    )
    newest = max((line.latest.created for line in lines if line.latest), default="")
    return made.get_template("index.html.j2").render(
        newest=newest,
        lines=lines,
        title=title,
        grid=matrix.build([line for line in lines if not line.key.apart]),
        recent=recent,
        folder=FOLDER,
    )


def _environment() -> Environment:
    made = _page.environment("ci_gpu.site")
    style = made.from_string('{% include "style.css.j2" %}{% include "site.css.j2" %}').render()
    script = (resources.files("ci_gpu.site") / "templates" / "filter.js").read_text("utf-8")
    policy = _POLICY.format(style=_hash(style), script=_hash(script))
    shared: dict[str, Any] = {"style": Markup(style), "script": Markup(script), "policy": policy}  # noqa: S704  ours
    made.globals.update(
        shared,
        words=_words,
        told=_trial,
        trend=trend,
        percent=_percent,
        anchor=identity.of_run,
        rows=table.rows,
        named=image_name,
    )
    return made


def _hash(text: str) -> str:
    """The source of a policy that allows this very text and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _percent(fraction: float | None) -> str:
    """A change with a sign as wide as a plus."""
    return _trial.percent(fraction).replace("-", "\u2212")
