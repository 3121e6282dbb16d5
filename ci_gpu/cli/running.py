"""The commands that examine images."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ci_gpu.cli import mistakes, options, telling

if TYPE_CHECKING:
    from ci_gpu.config import Target, Wish
    from ci_gpu.model import Summary


@click.command()
@click.argument("images", nargs=-1, metavar="[IMAGE]...", envvar="CI_GPU_IMAGE")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="CI_GPU_CONFIG",
    metavar="FILE",
    help="Settings and named images.  [default: ci-gpu.toml, if it is there]",
)
@options.settings
@options.reports
@options.comments
@options.history
@click.option("--verbose", "-v", is_flag=True, envvar="CI_GPU_VERBOSE", help="Show what the image itself prints.")
def run(
    images: tuple[str, ...],
    file: Path | None,
    report_dir: Path | None,
    comment_when: str,
    comment_key: str | None,
    url: str,
    verbose: bool,
    **given: Any,
) -> int:
    """Examine images on this machine's GPU.

    IMAGE is a reference, or a name from ci-gpu.toml; without one, all of that file are examined. With --engine local it
    is the path of an interpreter, or local for this one.

    Exit: 0 the gate is open; 1 an image fails; 2 usage; 3 the runner is at fault; 4 an image gave no valid answer;
    5 GitHub refused; 70 our bug; 130 interrupted.
    """
    from ci_gpu import config, console, reports

    paths = options.paths(report_dir, given)
    telling.require_writable(paths)
    said = {key: value for key, value in given.items() if value not in (None, "")}
    document = options.document(file)
    targets = config.targets(images, said, document)
    summary = examined(targets, config.wish(targets, said, document), verbose=verbose)
    kept = telling.keep(summary, paths, comment_when)
    console.document(reports.load("terminal").render(summary))
    mistakes.show_all(kept.faults)
    known, lost = telling.remember(summary, lambda: remembered(summary, url), paths, kept)
    refused = telling.post(known, comment_when, comment_key)
    return telling.code(summary, (*kept.faults, *lost, *refused))


def remembered(summary: Summary, url: str) -> Summary:
    """The summary with what the history knew; the history has what this run measured."""
    if url in ("", "none"):
        return summary
    from ci_gpu import console
    from ci_gpu.history import keeping
    from ci_gpu.reports import printable

    known, message = keeping.keep(summary, url, os.environ)
    if message:
        console.say(printable(message))
    return known


def examined(targets: tuple[Target, ...], wish: Wish | None, *, verbose: bool) -> Summary:
    """Run the pipeline, with progress on stderr."""
    from ci_gpu import pipeline

    watch = _watch(verbose)
    try:
        return pipeline.run(targets, watch, os.environ, os.environ.get("CI_GPU_REGISTRY_PASSWORD", ""), wish)
    finally:
        watch.close()


def _watch(verbose: bool) -> Any:
    from ci_gpu import progress
    from ci_gpu.github import actions

    if actions.active(os.environ):
        return progress.Plain(show_log=True, fence=actions.untrusted_output)
    if sys.stderr.isatty() and not verbose:
        return progress.Live()
    return progress.Plain(show_log=verbose)
