"""The history of what was measured."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_gpu.cli import reading

if TYPE_CHECKING:
    from ci_gpu.history import Store
    from ci_gpu.model import ChangePoint, Series

DEFAULT = "sqlite:///ci-gpu-history.db"

_store = click.option(
    "--store",
    "url",
    metavar="URL",
    envvar="CI_GPU_HISTORY",
    default=DEFAULT,
    show_default=True,
    help="git, sqlite:///FILE or postgresql://…",
)


@click.group()
def history() -> None:
    """Keep, show and move what was measured, over upgrades of the image."""


@history.command("add")
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path))
@_store
def add(reports: tuple[Path, ...], url: str) -> int:
    """Add run.json files that were made in this environment."""
    from ci_gpu.history.origin import origin
    from ci_gpu.history.record import record

    store = _opened(url)
    for path in reports:
        report = reading.summary_of(path)
        added = store.add(record(report, origin(report.report, os.environ)))
        click.echo(f"{path}: {'added' if added else 'was there already'}")
    return 0


@history.command("list")
@_store
def list_(url: str) -> int:
    """List the series: a metric on one GPU, how many points, the last value."""
    for one in _opened(url).series():
        last = one.points[-1]
        click.echo(f"{_name(one)}  {len(one.points)} points, last {last.value:.6g} {_safe(one.unit)} on {last.created}")
    return 0


@history.command()
@click.argument("metric")
@_store
@click.option("--gpu", default="", help="The hashed id of one GPU, as `list` shows it.")
def show(metric: str, url: str, gpu: str) -> int:
    """Show the points of a metric, and where its level changed."""
    from ci_gpu.errors import ConfigError

    found = _opened(url).series(metric, gpu)
    if not found:
        raise ConfigError(
            f"there is no metric {metric[:100]!r} in the history", why="it was never measured", remedy="history list"
        )
    for one in found:
        click.echo(_name(one))
        for point in one.points:
            mask = f"  ({_safe(point.masked)})" if point.masked else ""
            click.echo(f"  {point.created}  {point.value:>12.6g} {_safe(one.unit)}  {_safe(point.image)}{mask}")
        for change in _changes(one):
            runs = f"between {_safe(change.before)} and {_safe(change.after)}"
            click.echo(f"  {change.state}: {change.change:+.1%} {runs}, seen by {', '.join(change.detectors)}")
    return 0


@history.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_store
def import_(files: tuple[Path, ...], url: str) -> int:
    """Take over records, github-action-benchmark's data.js, or pytest-benchmark's JSON."""
    from ci_gpu.history import formats

    store = _opened(url)
    for path in files:
        records = formats.read(path.read_text("utf-8", errors="replace"), str(path))
        added = sum(store.add(one) for one in records)
        click.echo(f"{path}: {added} of {len(records)} records added")
    return 0


@history.command()
@click.option("--format", "form", default="records", show_default=True, help="records, github-action-benchmark, otava")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of stdout.")
@_store
def export(form: str, output: Path | None, url: str) -> int:
    """Write the history for another store or tool."""
    from ci_gpu.history import formats

    store = _opened(url)
    text = formats.write(form, list(store.records()), store.series())
    if output:
        output.write_text(text, "utf-8")
    else:
        click.echo(text, nl=False)
    return 0


@history.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@_store
@click.option("--title", default="ci-gpu history", show_default=True)
def site(folder: Path, url: str, title: str) -> int:
    """Write the history as a static site, for GitHub Pages or any web server."""
    from ci_gpu import site as pages

    series = _opened(url).series()
    files = pages.render(series, {one.key: _changes(one) for one in series}, title=title)
    pages.write(folder, files)
    click.echo(f"{len(files)} files in {folder}; begin with {folder / 'index.html'}")
    return 0


@history.command()
@_store
def compact(url: str) -> int:
    """Put what is older than this month into one file a year; a database has nothing to compact."""
    from ci_gpu.history.git import GitStore

    store = _opened(url)
    if not isinstance(store, GitStore):
        click.echo("a database compacts itself")
        return 0
    month = datetime.now(timezone.utc).strftime("%Y-%m")
    click.echo(f"{store.compact(month)} records compacted")
    return 0


def _changes(one: Series) -> tuple[ChangePoint, ...]:
    from ci_gpu import changes
    from ci_gpu.compare.margins import margin
    from ci_gpu.model import Policy

    return changes.find(one, margin=margin(one.key.metric, one.unit, Policy()))


def _opened(url: str) -> Store:
    from ci_gpu.history import store

    return store(url, os.environ)


def _name(one: Series) -> str:
    return f"{_safe(one.key.metric)}  v{one.key.version}  {_safe(one.key.gpu)} {_safe(one.key.uuid)}".rstrip()


def _safe(text: str) -> str:
    from ci_gpu.reports import printable

    return printable(text)
