"""``ci-gpu history``: the commands around the stores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ci_gpu import console
from ci_gpu.cli import options
from ci_gpu.errors import ConfigError

if TYPE_CHECKING:
    from ci_gpu.history.stores import Store
    from ci_gpu.model import ChangePoint, Policy, Series

MAX_BYTES = 64 << 20
"""Of a file to import. A data.js of some years has a few MB."""

FORMATS = ("records", "data.js", "smaller", "bigger", "otava")

_STORE = click.option(
    "--store",
    "url",
    metavar="URL",
    envvar="CI_GPU_HISTORY",
    default="sqlite:///ci-gpu-history.db",
    show_default=True,
    help="git:OWNER/REPOSITORY, sqlite:///FILE or postgresql://HOST/DATABASE.",
)
_CONFIG = click.option("--config", "file", type=click.Path(path_type=Path), envvar="CI_GPU_CONFIG", metavar="FILE")


@click.group()
def history() -> None:
    """What earlier runs have measured.

    Exit: 0 done; 2 usage, a file that is none, or a store that cannot be used; 5 GitHub refused.
    """


def _filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, metavar, text in (
        ("uuid", "HASH", "Only this GPU, by the hash that `list` shows."),
        ("gpu", "NAME", "Only this model."),
        ("branch", "NAME", "Only points of this branch."),
        ("since", "TIME", "Only points since then, as 2026-11-23T00:00:00Z."),
    ):
        command = click.option(f"--{name}", metavar=metavar, default="", help=text)(command)
    command = click.option("--last", metavar="N", type=click.IntRange(0), default=0, help="The newest N points.")(
        command
    )
    return _beside_options(command)


def _beside_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What was not measured for the main line is shown only if it is asked for, and apart."""
    pull = click.option(
        "--pull", metavar="N", type=click.IntRange(0), default=0, help="Also what a pull request measured."
    )
    text = "Also what this event's runs measured, such as merge_group."
    return pull(click.option("--apart", metavar="EVENT", default="", help=text)(command))


@history.command("list")
@_STORE
@_beside_options
def list_(url: str, pull: int, apart: str) -> int:
    """List the series: how many points each has, and its newest value."""
    from rich.table import Table

    from ci_gpu.history.series import Filter, listed

    with _open(url) as store:
        every = listed(store.series(Filter(pull=pull, apart=apart))) if pull or apart else store.keys()
    table = Table("metric", "GPU", "id", "points", "newest", "unit", "when", "apart", box=None)
    for each in every:
        cells = (each.key.metric, each.key.gpu, each.key.uuid, str(each.count), f"{each.last.value:.6g}")
        table.add_row(*map(_cell, (*cells, each.unit, each.last.created, each.key.apart)))
    _print(table, bool(every))
    return 0


@history.command()
@click.argument("metric")
@_STORE
@_filter_options
@_CONFIG
def show(metric: str, url: str, file: Path | None, **given: Any) -> int:
    """Show the points of a metric, oldest first; one table a GPU."""
    from rich.table import Table

    from ci_gpu import config
    from ci_gpu.history.series import Filter
    from ci_gpu.reports import printable

    with _open(url) as store:
        policy = config.policy_of(options.document(file), lambda: _metrics(store))
        found = store.series(Filter(metric=metric, **given))
    for one in found:
        title = f"{one.key.metric} [{one.unit}, {one.better} is better] {one.key.gpu} {one.key.uuid} {one.key.apart}"
        table = Table("when", "value", "±", "head / base", "image", "commit", "verdict", title=_cell(title), box=None)
        for point in one.points:
            change = f"{point.change:+.4f}" if point.change is not None else ""
            words = f"masked: {point.masked}" if point.masked else point.verdict
            cells = (point.created, f"{point.value:.6g}", f"{100 * point.deviation:.2f} %", change, point.image)
            table.add_row(*map(_cell, (*cells, point.commit[:12], words)))
        _print(table, True)
        for step in _changes(one, policy):
            runs = printable(f"between {step.before} and {step.after}")
            console.say(f"{step.state}: {step.change:+.1%} {runs}, seen by {', '.join(step.detectors)}", err=False)
    _nothing(found)
    return 0


@history.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@_STORE
@click.option(
    "--salt", metavar="TEXT", envvar="CI_GPU_HISTORY_SALT", help="Of the hashes.  [default: the repository of the run]"
)
@click.option("--pull", metavar="N", type=click.IntRange(0), default=0, help="They belong to this pull request.")
def import_(files: tuple[Path, ...], url: str, salt: str | None, pull: int) -> int:
    """Add run.json reports, exported records, a data.js of github-action-benchmark, or pytest-benchmark's JSON.

    What is there already is left alone, so a file may be imported again. If one file is damaged nothing is added.
    """
    from ci_gpu.history import reading

    where: dict[str, Any] = {"salt": salt or "", "env": os.environ, "pull": pull, "tell": console.say}
    read = [(file, list(reading.records(_read(file), file.name, **where))) for file in files]
    with _open(url) as store:
        for file, found in read:
            added = [store.add(record) for record in found]
            said = f"{file}: {sum(added)} added, {len(added) - sum(added)} were there already"
            about = _without_logarithm(measured.value for kept in found for measured in kept.measurements)
            console.say(said + about, err=False)
    return 0


@history.command()
@_STORE
@click.option("--format", "name", type=click.Choice(FORMATS), default="records", show_default=True)
@click.option("--metric", metavar="ID", default="", help="Only this metric.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of stdout.")
@_filter_options
def export(url: str, name: str, metric: str, output: Path | None, **given: Any) -> int:
    """Write the history for another store or another tool.

    records: everything, one JSON object a line, for `ci-gpu history import`. data.js, smaller and bigger:
    github-action-benchmark's page, and the input of its customSmallerIsBetter and customBiggerIsBetter. otava: CSV.
    """
    from ci_gpu.history import ndjson
    from ci_gpu.history.formats import github_action_benchmark as benchmark
    from ci_gpu.history.formats import otava
    from ci_gpu.history.series import Filter

    with _open(url) as store:
        if name == "records":
            text = ndjson.text(store.records())
        else:
            found = store.series(Filter(metric=metric, **given))
            writers: dict[str, Callable[[], str]] = {
                "data.js": lambda: benchmark.write(found),
                "smaller": lambda: benchmark.write_custom(found, "lower"),
                "bigger": lambda: benchmark.write_custom(found, "higher"),
                "otava": lambda: otava.write(found),
            }
            text = writers[name]()
    _write(text, output)
    return 0


@history.command()
@_STORE
@click.option("--before", metavar="YYYY-MM", default="", help="Months before this one.  [default: the current one]")
def compact(url: str, before: str) -> int:
    """Put the finished months of a git store into one file a year. Nothing is lost, and old commits stay."""
    import re

    from ci_gpu.history.stores.git import Git

    before = before or datetime.now(timezone.utc).strftime("%Y-%m")
    if not re.fullmatch(r"\d{4}-(?:0[1-9]|1[0-2])", before):
        raise ConfigError(f"{before[:20]!r} is no month", why="", remedy="write it like 2026-11")
    with _open(url) as store:
        if not isinstance(store, Git):
            raise ConfigError("only a git store needs to be compacted", remedy="nothing: a database does it by itself")
        console.say(f"{store.compact(before)} files were put together", err=False)
    return 0


@history.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@_STORE
@click.option("--title", default="ci-gpu history", show_default=True)
@_filter_options
@_CONFIG
def site(folder: Path, url: str, title: str, file: Path | None, **given: Any) -> int:
    """Write the history as a static site, for GitHub Pages or any web server."""
    from ci_gpu import config
    from ci_gpu import site as pages
    from ci_gpu.history.series import Filter, one_a_run

    with _open(url) as store:
        policy = config.policy_of(options.document(file), lambda: _metrics(store))
        series = tuple(one_a_run(each) for each in store.series(Filter(**given)))
    files = pages.render(series, {one.key: _changes(one, policy) for one in series}, title=title)
    try:
        pages.write(folder, files)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror}", why="no such folder, or no right", remedy="choose another"
        ) from error
    console.say(f"{len(files)} files in {folder}; begin with {folder / 'index.html'}", err=False)
    return 0


def _without_logarithm(values: Iterable[float]) -> str:
    count = sum(value <= 0 for value in values)
    are = "value of 0 or below is kept and has" if count == 1 else "values of 0 or below are kept and have"
    return f"; {count} {are} no change points" if count else ""


def _changes(one: Series, policy: Policy) -> tuple[ChangePoint, ...]:
    """Of the main line alone: what a queue or a topic branch measured one after the other is no course of anything."""
    from ci_gpu import changes
    from ci_gpu.compare.margins import margin
    from ci_gpu.history.series import one_a_run

    if one.key.apart:
        return ()
    return changes.find(one_a_run(one), margin=margin(one.key.metric, one.unit, policy))


def _metrics(store: Store) -> list[str]:
    every = store.keys()
    return [each.key.metric for each in every]


@contextmanager
def _open(url: str) -> Iterator[Store]:
    from ci_gpu.history import stores
    from ci_gpu.reports import printable

    store = stores.open_store(url, os.environ)
    try:
        yield store
        if unread := stores.told(store):
            console.say(printable(unread))
    finally:
        store.close()


def _read(file: Path) -> bytes:
    from ci_gpu import files

    return files.read(file, MAX_BYTES, "give the path of a file that ci-gpu history export wrote, or of a run.json")


def _write(text: str, output: Path | None) -> None:
    from ci_gpu import files

    if output is None:
        console.document(text)
        return
    try:
        files.write(output, text)
    except OSError as error:
        raise ConfigError(
            f"{output} cannot be written: {error.strerror}", why="no such folder, or no right", remedy="choose another"
        ) from error


def _cell(text: str) -> Any:
    """What a store holds is text and nothing more: neither markup nor escape sequences."""
    from rich.text import Text

    from ci_gpu.reports import printable

    return Text(printable(text))


def _print(table: Any, anything: bool) -> None:
    if anything:
        console.table(table)
    else:
        _nothing(())


def _nothing(found: tuple[Any, ...]) -> None:
    if not found:
        console.say("nothing there; `ci-gpu history import run.json` adds a run")
