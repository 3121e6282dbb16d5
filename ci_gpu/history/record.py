"""What is kept of one job, small and for ever: a point for each metric of each image. Pure.

What comes back out of a store is as hostile as anything else that others can write: `decode` checks it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from math import log, sqrt
from statistics import median

import msgspec

from ci_gpu.errors import ConfigError
from ci_gpu.model import Block, Comparison, Host, ImageReport, Point, Series, SeriesKey, Summary, Trial
from ci_gpu.payload.wire import PASSED, Metric
from ci_gpu.statistics import variance

FORMAT = 1
MAX_BYTES = 4 << 20

_LARGEST = 10_000  # entries of one record


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job ran and for what. ``salt`` keeps hardware ids apart from those of other repositories."""

    run: str
    repository: str = ""
    branch: str = ""
    commit: str = ""
    pull_request: int = 0
    salt: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one image in one job."""

    key: SeriesKey
    unit: str
    better: str
    point: Point


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One job. ``id`` names it for ever: the same job written twice is the same record."""

    format: int = FORMAT
    id: str
    created: str
    repository: str = ""
    branch: str = ""
    commit: str = ""
    pull_request: int = 0
    conclusion: str = ""
    entries: tuple[Entry, ...] = ()


def record(summary: Summary, origin: Origin) -> Record:
    """The record of a run: of a comparison the head, linked to its base; else each image by its one process."""
    report = summary.report
    entries = tuple(_compared(summary, origin) if report.trial else _examined(summary, origin))
    return Record(
        id=origin.run,
        created=report.created,
        repository=origin.repository,
        branch=origin.branch,
        commit=origin.commit,
        pull_request=origin.pull_request,
        conclusion=summary.verdict.conclusion,
        entries=entries,
    )


def encode(kept: Record) -> bytes:
    """One line of JSON."""
    return msgspec.json.encode(kept)


def decode(data: bytes) -> Record:
    """A record read back.

    Raises:
        ConfigError: it is none, or of another format, or too large.
    """
    try:
        found = msgspec.json.decode(data, type=Record) if len(data) <= MAX_BYTES else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = None
    if found is None or found.format != FORMAT or len(found.entries) > _LARGEST or not found.id:
        raise ConfigError(
            "a record of the history cannot be read",
            why="it was damaged, or written by another program or a newer release",
            remedy="look at it in the store; ci-gpu history export shows what can be read",
            kind="damaged-history",
        )
    return found


def folded(records: Iterable[Record]) -> tuple[Series, ...]:
    """The series in some records, each with its oldest point first."""
    found: dict[SeriesKey, list[Entry]] = {}
    for kept in records:
        for entry in kept.entries:
            found.setdefault(entry.key, []).append(entry)
    return tuple(_series(key, entries) for key, entries in found.items())


def _series(key: SeriesKey, entries: list[Entry]) -> Series:
    points = sorted((entry.point for entry in entries), key=lambda point: (point.created, point.run, point.image))
    return Series(key=key, unit=entries[-1].unit, better=entries[-1].better, points=tuple(points))


def chained(points: Iterable[Point]) -> Iterator[tuple[Point, float, float]]:
    """The level of a metric over changes of image and of machine, as a factor of the first, with its relative error.

    Links are the changes measured within one job, so the machine cancels; their errors add up in squares. A point
    without a link is an anchor: from it the error counts anew.
    """
    level, error = 0.0, 0.0
    for point in points:
        if point.masked:
            continue
        if point.change is None:
            error = 0.0
        else:
            level, error = level + point.change, sqrt(error**2 + (point.change_error or 0.0) ** 2)
        yield point, level, error


def _compared(summary: Summary, origin: Origin) -> Iterator[Entry]:
    """The base is no point: it would turn the line back at every run. The link to it has all that it tells."""
    trial = summary.report.trial
    head = next((image for image in summary.report.images if trial and image.name == trial.head), None)
    if trial is None or head is None:
        return
    comparisons = {one.metric: one for one in trial.metrics}
    for name, (metric, values) in _processes(trial.blocks).items():
        point = _point(summary, origin, head, values)
        yield _entry(summary, origin, head, name, metric, _linked(point, trial, comparisons.get(name)))


def _processes(blocks: Iterable[Block]) -> Mapping[str, tuple[Metric, list[float]]]:
    """By metric: the medians of the head's processes whose block counts."""
    found: dict[str, tuple[Metric, list[float]]] = {}
    for block in blocks:
        for name, metric in block.metrics() if block.arm == "head" and not block.invalid else ():
            value = _median(metric)
            if value is not None:
                found.setdefault(name, (metric, []))[1].append(value)
    return found


def _examined(summary: Summary, origin: Origin) -> Iterator[Entry]:
    for image in summary.report.images:
        for result, metric in image.metrics():
            value = _median(metric) if result.outcome == PASSED else None
            if value is not None:
                point = _point(summary, origin, image, [value])
                yield _entry(summary, origin, image, f"{result.check}/{metric.name}", metric, point)


def _point(summary: Summary, origin: Origin, image: ImageReport, values: list[float]) -> Point:
    logarithms = [log(value) for value in values]
    return Point(
        run=origin.run,
        created=summary.report.created,
        image=image.image.reference,
        digest=image.image.digest,
        branch=origin.branch,
        commit=origin.commit,
        value=median(values),
        deviation=sqrt(variance(logarithms)) if len(values) > 1 else 0.0,
        processes=len(values),
    )


def _linked(point: Point, trial: Trial, comparison: Comparison | None) -> Point:
    """The point with the change against the base of the same job."""
    if comparison is None or comparison.change is None:
        return msgspec.structs.replace(point, masked=trial.refused)
    low, high = comparison.low, comparison.high
    spread = (log(1 + high) - log(1 + low)) / 2 if low is not None and high is not None and low > -1 else None
    return msgspec.structs.replace(
        point,
        change=log(1 + comparison.change),
        change_error=None if spread is None else spread / 1.96,
        verdict=comparison.verdict,
        masked=trial.refused,
    )


def _entry(summary: Summary, origin: Origin, image: ImageReport, name: str, metric: Metric, point: Point) -> Entry:
    gpu, uuid = _hardware(summary, image)
    key = SeriesKey(
        metric=name,
        version=metric.version,
        device=summary.report.device,
        gpu=gpu,
        uuid=hashlib.sha256(f"{origin.salt}/{uuid}".encode()).hexdigest()[:16],
        mig=uuid.partition("-")[0] if uuid.startswith("MIG-") else "",
    )
    return Entry(key=key, unit=metric.unit, better=metric.better, point=point)


def _hardware(summary: Summary, image: ImageReport) -> tuple[str, str]:
    """Model and id of what did the work: the GPU, or on the CPU the processor and the machine's name."""
    host: Host = summary.report.host
    if summary.report.device != "cuda":
        return (image.environment.cpu if image.environment else "") or host.machine, host.name
    gpus = (image.environment.gpus if image.environment else ()) or host.gpus
    return (gpus[0].name, gpus[0].uuid) if gpus else ("", "")


def _median(metric: Metric) -> float | None:
    """Of the samples; None where one of them cannot be true."""
    samples = [sample for sample in metric.samples if sample is not None and sample > 0]
    return median(samples) if samples and len(samples) == len(metric.samples) else None
