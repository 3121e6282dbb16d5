"""The legs of a comment: what each use of ci-gpu in a workflow found, and how several of them stand together. Pure.

A leg is a job, its values of the matrix and what it was asked to look at. It is replaced by its own next run and by
nothing else, so that no green one hides a red one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from ci_gpu.model import RunReport, Summary
from ci_gpu.reports import _text

MOST = 60
"""Legs that one comment has room for."""

MAX_LABEL = 100  # bytes

_HASH = re.compile(r"[0-9a-f]{12}(?:-[1-9][0-9]?)?")
_COMMIT = re.compile(r"(?:[0-9a-f]{7,64})?")
_CREATED = re.compile(r"[0-9T:.+Z-]{0,40}", re.ASCII)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The run of a workflow that a report is posted for, as GitHub says it, and never the report."""

    run: int = 0
    attempt: int = 0
    commit: str = ""
    fork: bool = False


class Leg(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One leg. ``id`` stays the same over commits; ``seat`` is that of its job and matrix alone, ``use`` that of this
    very report. ``text`` is its section, in our markdown: empty without room for it, or where it is of an older commit.
    """

    id: str
    seat: str
    use: str
    label: str
    exit: int
    run: int
    attempt: int
    commit: str
    created: str
    fork: bool
    text: str = ""


def of(summary: Summary, job: Job) -> Leg:
    """The leg that a report belongs to, without its text."""
    report = summary.report
    made = report.origin
    seat = [made.event, made.job, made.matrix, job.fork]  # a file of a fork's may name any job
    return Leg(
        id=_hash([seat, _asked(report)]),
        seat=_hash(seat),
        use=_hash([report.created, report.host.name, [(one.started, one.seconds) for one in report.images]]),
        label=_label(report),
        exit=summary.verdict.exit_code,
        run=job.run,
        attempt=job.attempt,
        commit=job.commit,
        created=report.created if _CREATED.fullmatch(report.created) else "",
        fork=job.fork,
    )


def merged(known: Iterable[Leg], new: Iterable[Leg], head: str) -> tuple[Leg, ...]:
    """All legs, red first. ``head`` is the pull request's newest commit: what is of another one is told as such."""
    found: dict[str, Leg] = {}
    for leg in known:
        found[leg.id] = max(found.get(leg.id, leg), leg, key=lambda one: (one.commit == head, _age(one), one.exit != 0))
    for leg in new:
        placed = _placed(leg, found)
        before = found.get(placed.id)
        if before is None or before.commit != head or placed.commit == head:
            found[placed.id] = placed
    return tuple(sorted(_bounded(_without_gone(tuple(found.values()), head), head), key=lambda leg: _rank(leg, head)))


def holds(legs: Iterable[Leg], wanted: Leg) -> bool:
    """Whether this very report is among them."""
    return any((leg.use, leg.run, leg.attempt) == (wanted.use, wanted.run, wanted.attempt) for leg in legs)


def is_red(leg: Leg) -> bool:
    """Whether it did not pass: the image is at fault, or there is no verdict."""
    return leg.exit != 0


def is_leg(leg: Leg) -> bool:
    """Whether a leg that was read back can be one of ours."""
    return (
        all(_HASH.fullmatch(each) for each in (leg.id, leg.seat, leg.use))
        and leg.label == _cut(leg.label)
        and 0 <= leg.exit <= 255
        and all(0 <= number < 2**53 for number in (leg.run, leg.attempt))
        and bool(_COMMIT.fullmatch(leg.commit) and _CREATED.fullmatch(leg.created))
    )


def _placed(leg: Leg, found: dict[str, Leg]) -> Leg:
    """Two uses that are alike in all we know, in one run, are two legs: the second takes the next number."""
    name = leg.id
    for number in range(2, 100):
        other = found.get(name)
        if other is None or (other.run, other.attempt) != (leg.run, leg.attempt) or other.use == leg.use:
            break
        name = f"{leg.id}-{number}"
    return msgspec.structs.replace(leg, id=name)


def _without_gone(legs: tuple[Leg, ...], head: str) -> tuple[Leg, ...]:
    """Of older commits only the newest one's legs are kept, until their job has told of the new commit."""
    old = [leg for leg in legs if leg.commit != head]
    if not old:
        return legs
    newest = max(old, key=_age).commit
    told, waiting = Counter(leg.seat for leg in legs if leg.commit == head), Counter(leg.seat for leg in old)
    return tuple(
        leg if leg.commit == head else msgspec.structs.replace(leg, text="")
        for leg in legs
        if leg.commit == head or (leg.commit == newest and told[leg.seat] < waiting[leg.seat])
    )


def _bounded(legs: tuple[Leg, ...], head: str) -> tuple[Leg, ...]:
    return tuple(sorted(legs, key=lambda leg: _rank(leg, head))[:MOST])


def _rank(leg: Leg, head: str) -> tuple[Any, ...]:
    return leg.commit != head, not is_red(leg), leg.label, leg.id


def _age(leg: Leg) -> tuple[int, int, str]:
    return leg.run, leg.attempt, leg.created


def _asked(report: RunReport) -> list[Any]:
    """What was asked for, so far as a report says it; and on which GPUs it was found."""
    images = [(image.name, image.planned) for image in report.images]
    gpus = sorted({gpu.name for image in report.images if image.environment for gpu in image.environment.gpus})
    return [images, bool(report.trial), report.device, report.gpus, report.engine, gpus]


def _label(report: RunReport) -> str:
    """``gpu (a100, 12.8): pytorch/pytorch:2.9.0``."""
    made = report.origin
    values = ", ".join(_values(made.matrix))
    images = ", ".join(image.name.removeprefix("docker.io/") for image in report.images[:3])
    more = f" and {len(report.images) - 3} more" if len(report.images) > 3 else ""
    where = f"{made.job[:60]} ({values[:60]})" if values else made.job[:60]
    return _cut(": ".join(filter(None, (where, images + more)))) or "a run"


def _cut(text: str) -> str:
    """One line of so many bytes."""
    line = _text.line(text)
    return line if len(line.encode()) <= MAX_LABEL else line.encode()[: MAX_LABEL - 3].decode(errors="ignore") + "…"


def _values(matrix: str) -> list[str]:
    """The values of a matrix; what is no plain value of it is left out."""
    try:
        found = json.loads(matrix or "{}")
    except (ValueError, RecursionError):
        return []
    values = found.values() if isinstance(found, dict) else ()
    return [str(value)[:40] for value in values if isinstance(value, (str, int, float))]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode("utf-8", "surrogatepass")).hexdigest()[:12]
