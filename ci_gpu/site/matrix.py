"""Images against GPUs: in each cell the families of checks, with their latest verdict or value."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from ci_gpu.model import Point
from ci_gpu.reports import _text, _trial
from ci_gpu.site.line import Line

IMAGES, GPUS = 24, 16
"""The newest images and the busiest GPUs that have room."""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """A family of checks of one image on one GPU. ``verdict`` is the worst of its metrics, empty if none was compared.

    ``line`` is the id of the only series; empty where there are several, which ``query`` finds in the list.
    """

    name: str
    verdict: str
    text: str
    line: str = ""
    query: str = ""


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """``rows``: an image and a cell for each of the ``gpus``."""

    gpus: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[Family, ...], ...]], ...]
    images_left_out: int
    gpus_left_out: int


def build(lines: Sequence[Line]) -> Grid:
    """The newest image first."""
    cells: dict[tuple[str, str], list[tuple[Line, Point]]] = {}
    newest: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for line in lines:
        sizes[line.gpu] = sizes.get(line.gpu, 0) + 1
        for image, point in _latest(line).items():
            cells.setdefault((image, line.gpu), []).append((line, point))
            newest[image] = max(newest.get(image, ""), point.created)
    images = sorted(newest, key=lambda image: (newest[image], image), reverse=True)
    gpus = sorted(sorted(sizes, key=lambda gpu: -sizes[gpu])[:GPUS])
    rows = tuple((image, tuple(_cell(cells.get((image, gpu), [])) for gpu in gpus)) for image in images[:IMAGES])
    return Grid(
        gpus=tuple(gpus),
        rows=rows,
        images_left_out=max(0, len(images) - IMAGES),
        gpus_left_out=max(0, len(sizes) - GPUS),
    )


def _latest(line: Line) -> dict[str, Point]:
    """The newest point of each image; masked ones do not count."""
    return {point.image: point for point in line.points if not point.masked}


def _cell(found: Sequence[tuple[Line, Point]]) -> tuple[Family, ...]:
    families: dict[str, list[tuple[Line, Point]]] = {}
    for line, point in found:
        families.setdefault(line.key.metric.partition(".")[0], []).append((line, point))
    return tuple(_family(name, members) for name, members in sorted(families.items()))


def _family(name: str, members: Sequence[tuple[Line, Point]]) -> Family:
    verdicts = [point.verdict for _, point in members if point.verdict in _trial.VERDICTS]
    worst = min(verdicts, key=_trial.VERDICTS.index, default="")
    line, point = members[0]
    if len(members) == 1:
        return Family(name=name, verdict=worst, text=line.value(point), line=line.id)
    text = f"{verdicts.count(worst)} of {len(members)}" if worst else f"{len(members)} metrics"
    query = quote(_text.line(f"{name}. {line.gpu}", 300))
    return Family(name=name, verdict=worst, text=text, query=query)
