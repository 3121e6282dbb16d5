"""What a run leaves behind, in the order of what can fail: this machine's files, then the history, then GitHub.

Each fails alone. What is on this machine is there before anything is asked over a network, so that a run that is killed
there has its reports, outputs and step summary. The verdict decides the exit code; only under a green one does what
could not be told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ci_gpu.cli import mistakes, posting
from ci_gpu.errors import INTERNAL_ERROR, CiGpuError, ConfigError

if TYPE_CHECKING:
    from ci_gpu.model import Summary


class Fault(NamedTuple):
    """Something that could not be told, by its exit code and its kind."""

    exit_code: int
    kind: str


class Kept(NamedTuple):
    """What is on this machine. ``at``: the byte of the step summary where ours begins."""

    faults: tuple[CiGpuError, ...]
    at: int


def require_writable(paths: dict[str, Path]) -> None:
    """
    Raises:
        ConfigError: a report could not be written there, which is better known before the run than after it.
    """
    from ci_gpu import files

    for name, path in paths.items():
        try:
            files.probe(path)
        except OSError as error:
            raise ConfigError(
                f"the {name} report cannot be written to {path}: {error.strerror}",
                why="the folder cannot be made or written by this user, or its disk is full",
                remedy="name a path that this user can write",
            ) from error


def keep(summary: Summary, paths: dict[str, Path], when: str) -> Kept:
    """Reports, outputs, step summary and annotations. Until a comment is posted it is pending."""
    from ci_gpu import pipeline
    from ci_gpu.github import actions

    unwritten = pipeline.write(summary, paths)
    pending = {"comment-pending": "false" if when == "never" else "true", "comment-url": ""}
    told = actions.tell(summary, os.environ, {**_path_outputs(paths), **pending})
    return Kept((*unwritten, *told.faults), told.at)


def remember(
    summary: Summary, ask: Callable[[], Summary], paths: dict[str, Path], kept: Kept
) -> tuple[Summary, tuple[Fault, ...]]:
    """The summary with what the history knew, also in the reports that show trends."""
    known = summary

    def asked() -> None:
        nonlocal known
        known = ask()
        _renew(known, paths, kept)

    faults = alone(asked)
    return known, faults


def _renew(known: Summary, paths: dict[str, Path], kept: Kept) -> None:
    from ci_gpu import pipeline
    from ci_gpu.github import actions

    if not known.series:
        return
    trends = {name: path for name, path in paths.items() if name == "markdown" and _is_file(path)}  # no other has any
    pipeline.write(known, trends)
    if actions.active(os.environ):
        actions.summarise(known, os.environ, kept.at)


def post(summary: Summary, when: str, key: str | None) -> tuple[Fault, ...]:
    """The comment, and the outputs that tell of it."""
    from ci_gpu.github import actions

    def posted() -> None:
        pending, url = posting.post([summary], when, key)
        if when != "never" and actions.active(os.environ):
            actions.add_outputs(os.environ, {"comment-pending": pending, "comment-url": url})

    return alone(posted)


def alone(step: Callable[[], None]) -> tuple[Fault, ...]:
    """Take a step of which nothing else depends; what went wrong in it, told."""
    try:
        step()
    except CiGpuError as error:
        mistakes.show(error)
        return (Fault(error.exit_code, error.kind),)
    except Exception:
        mistakes.show_bug()
        return (Fault(INTERNAL_ERROR, "bug"),)
    return ()


def code(summary: Summary, faults: Sequence[Fault | CiGpuError]) -> int:
    """The exit code. Where a fault and not the verdict decides it, the outputs say so."""
    from ci_gpu.github import actions

    worst = max(faults, key=lambda fault: fault.exit_code, default=None)
    if summary.verdict.exit_code or worst is None:
        return summary.verdict.exit_code
    if actions.active(os.environ):
        values = {"conclusion": "error", "exit-code": str(worst.exit_code), "failure-class": worst.kind}
        actions.add_outputs(os.environ, values)
    return worst.exit_code


def _path_outputs(paths: dict[str, Path]) -> dict[str, str]:
    return {f"{name}-file": str(path) for name, path in paths.items()}


def _is_file(path: Path) -> bool:
    """Not a terminal or a pipe, which would have it twice."""
    return path.is_file() and path.parent != Path("/dev")
