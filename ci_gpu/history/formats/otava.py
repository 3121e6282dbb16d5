"""Apache Otava's CSV: a column of times, one of values for each metric, and attributes.

Otava refuses an empty cell, so a file holds one series, or several that have a value in the same runs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from ci_gpu.errors import ConfigError
from ci_gpu.history.formats.github_action_benchmark import name
from ci_gpu.model import Point, Series

ATTRIBUTES = ("time", "branch", "commit", "run", "image")


def write(several: Iterable[Series]) -> str:
    """The rows of the runs that have a value of every series, oldest first; masked points are left out.

    Raises:
        ConfigError: no run has a value of them all.
    """
    chosen = [(one, {_identity(point): point for point in one.points if not point.masked}) for one in several]
    shared = set.intersection(*(set(points) for _, points in chosen)) if chosen else set()
    if not shared:
        raise ConfigError(
            "there is no run with a value of every one of these series",
            why="Otava's CSV cannot leave a cell empty",
            remedy="choose fewer with --metric and --uuid; `ci-gpu history list` shows them",
            kind="no-series",
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*ATTRIBUTES, *(name(one.key) for one, _ in chosen)])
    for identity in sorted(shared):
        point = chosen[0][1][identity]
        attributes = (point.created, point.branch, point.commit, point.run, point.image)
        writer.writerow([*(_inert(each) for each in attributes), *(repr(found[identity].value) for _, found in chosen)])
    return text.getvalue()


def _identity(point: Point) -> tuple[str, str, str]:
    return point.created, point.run, point.image


def _inert(text: str) -> str:
    """A spreadsheet must not take a branch's name for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
