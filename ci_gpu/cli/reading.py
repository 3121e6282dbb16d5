"""The commands that need nothing but reports that are there already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_gpu.cli import options, posting
from ci_gpu.errors import ConfigError

if TYPE_CHECKING:
    from ci_gpu.model import Summary


@click.command()
@click.argument("run_json", type=click.Path(path_type=Path))
@click.option("--format", "name", metavar="FORMAT", required=True, help="junit, json, markdown, html or terminal.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of stdout.")
def report(run_json: Path, name: str, output: Path | None) -> int:
    """Render a run.json again, in any format."""
    _require_format(name)
    _show(summary_of(run_json), name, output)
    return 0


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("head", type=click.Path(path_type=Path))
@click.option("--format", "name", metavar="FORMAT", default="terminal", help="As of `report`.  [default: terminal]")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of stdout.")
@click.option("--config", "file", type=click.Path(path_type=Path), envvar="CI_GPU_CONFIG", metavar="FILE")
def compare(base: Path, head: Path, name: str, output: Path | None, file: Path | None) -> int:
    """Compare the images of two run.json: BASE is what was there, HEAD what is new.

    One process of each proves little about times: `ci-gpu run HEAD --baseline BASE` measures them in turn.
    """
    from ci_gpu import config, verdict
    from ci_gpu.compare.readings import named
    from ci_gpu.compare.side_by_side import side_by_side
    from ci_gpu.model import Summary

    _require_format(name)
    first, second = summary_of(base), summary_of(head)
    old, new = first.report, second.report
    images = (*old.images, *new.images)
    document = options.document(file)
    policy = config.policy_of(document, lambda: [metric for image in images for metric, _ in named(image)])
    both = side_by_side(old, new, policy)
    caveats = (*(f"BASE: {one}" for one in first.caveats), *(f"HEAD: {one}" for one in second.caveats))
    summary = Summary(report=both, verdict=verdict.judge(both), caveats=caveats)
    _show(summary, name, output)
    return summary.verdict.exit_code


@click.command()
@click.argument("files", metavar="RUN_JSON...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--key", metavar="KEY", envvar="CI_GPU_COMMENT_KEY", help="The comment: one a key.  [default: the workflow]"
)
@click.option("--auto", is_flag=True, help="A refusal of GitHub's is a warning, not exit 5.")
def comment(files: tuple[Path, ...], key: str | None, auto: bool) -> int:
    """Post run.json reports on their pull request: no GPU is needed, and nothing of the image is run.

    A workflow has one comment, with a section for each report. One that cannot be read keeps no other from it.

    Repository and pull request come from the workflow's event, never from the file. The token is read from
    CI_GPU_GITHUB_TOKEN or GITHUB_TOKEN. On a fork's pull request the comment says first that it is not verified.
    """
    found, faults = [], []
    for file in files:
        try:
            found.append(summary_of(file))
        except ConfigError as error:
            faults.append(error)
    if found:
        posting.post(found, "auto" if auto else "always", key, from_file=True)
    if faults:
        raise faults[0]
    return 0


def _require_format(name: str) -> None:
    from ci_gpu import reports

    if name not in reports.names():
        raise ConfigError(
            f"there is no report format {name[:40]!r}",
            why="--format takes the name of a report",
            remedy=f"choose among {', '.join(reports.names())}",
        )


def _show(summary: Summary, name: str, output: Path | None) -> None:
    from ci_gpu import console, pipeline, reports

    if output:
        for fault in pipeline.write(summary, {name: output}):
            raise fault
    else:
        console.document(reports.load(name).render(summary))


def summary_of(path: Path) -> Summary:
    """A run.json read back; comparison and verdict are made anew, never taken from the file."""
    from ci_gpu import files
    from ci_gpu.reports import json as json_report

    data = files.read(path, json_report.MAX_BYTES, "ci-gpu run --json makes one")
    return json_report.read(data)
