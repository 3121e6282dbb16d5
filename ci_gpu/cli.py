"""The command line: the only place that knows click, and the only one that turns an error into words and a code."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ci_gpu import __version__
from ci_gpu.errors import INTERNAL_ERROR, CiGpuError, ConfigError, Interrupted, RunnerError

if TYPE_CHECKING:
    from ci_gpu.model import Summary

FORMATS = ("junit", "json", "html", "markdown")
FILES = {"junit": "junit.xml", "json": "run.json", "html": "report.html", "markdown": "summary.md"}


def main() -> None:
    """The program. Every way out of it is a documented exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.exit(cli.main(prog_name="ci-gpu", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; the containers are gone", err=True)
        sys.exit(Interrupted.exit_code)
    except CiGpuError as error:
        _show(error)
        sys.exit(error.exit_code)
    except Exception:
        _show_bug()
        sys.exit(INTERNAL_ERROR)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ci-gpu")
def cli() -> None:
    """Find out what a CUDA image does on your GPU before you merge it.

    Every option is also read from the environment (CI_GPU_GPUS for --gpus) and from ci-gpu.toml.
    """


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that are settings: absent means that ci-gpu.toml, then the default, decides."""
    for name, metavar, text in reversed(_SETTINGS):
        option = click.option(f"--{name}", metavar=metavar, envvar=_envvar(name), help=text)
        command = option(command)
    return command


def _envvar(name: str) -> str:
    return f"CI_GPU_{name.upper().replace('-', '_')}"


_SETTINGS = (
    ("engine", "auto|docker|podman|local", "What runs the image; local is this interpreter, without a container."),
    ("gpus", "all|none|0,1|UUID…", "The GPUs that the image gets.  [default: all]"),
    ("device", "auto|cuda|cpu", "What the checks use; auto is cuda where there is a GPU.  [default: auto]"),
    ("checks", "LIST", "Families or ids, separated by commas; see `ci-gpu checks`.  [default: all]"),
    ("checks-dir", "DIR", "A folder with your own checks, sent into the image along with ours."),
    ("pull", "missing|always|never", "When to pull the image.  [default: missing]"),
    ("platform", "linux/ARCH", "The platform to pull.  [default: this machine's]"),
    ("timeout", "SECONDS", "Time for one check.  [default: 300]"),
    ("python", "PATH", "The interpreter inside the image.  [default: python3, then conda's, then python]"),
    ("entrypoint", "image|none", "Run through the image's ENTRYPOINT, as its users do, or past it.  [default: image]"),
    ("user", "UID:GID", "The user inside the container.  [default: the image's]"),
    ("network", "none|bridge", "The container's network.  [default: none]"),
    ("memory", "SIZE", "Memory of the container, such as 32g.  [default: no limit]"),
    ("cpus", "NUMBER", "CPUs of the container.  [default: no limit]"),
    ("shm-size", "SIZE", "Size of /dev/shm.  [default: 2g]"),
    ("tmp-size", "SIZE", "Size of the writable /tmp.  [default: 16g]"),
    ("pids-limit", "NUMBER", "Processes and threads in the container.  [default: 4096]"),
    ("baseline", "IMAGE", "Measure this image in turn with the other, and judge the difference."),
    ("pairs", "NUMBER", "Pairs of processes, twice as many where it is not clear by then.  [default: 6]"),
    ("min-effect", "SHARE", "The smallest change that matters, such as 3%.  [default: 2%, more for noisy metrics]"),
    ("inconclusive", "pass|warn|fail", "What a metric without an answer does to the gate.  [default: warn]"),
    ("selftest-slowdown", "SHARE", "Slow the image down on purpose, to see that it is noticed."),
    ("registry-username", "NAME", "Log in to the registry; the password is read from CI_GPU_REGISTRY_PASSWORD."),
)


def _report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    path = click.Path(dir_okay=False, path_type=Path)
    for name in reversed(FORMATS):
        option = click.option(
            f"--{name}", metavar="PATH", type=path, envvar=_envvar(name), help=f"Write {FILES[name]}."
        )
        command = option(command)
    folder = click.Path(file_okay=False, path_type=Path)
    return click.option(
        "--report-dir", metavar="DIR", type=folder, envvar="CI_GPU_REPORT_DIR", help="Write all of these into a folder."
    )(command)


def _comment_options(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option(
        "--comment-key", metavar="KEY", envvar="CI_GPU_COMMENT_KEY", help="What tells several comments apart."
    )(command)
    return click.option(
        "--comment",
        "comment_when",
        metavar="auto|always|never",
        type=click.Choice(["auto", "always", "never"]),
        default="never",
        envvar="CI_GPU_COMMENT",
        help="Comment on the pull request of this workflow run.  [default: never]",
    )(command)


@cli.command()
@click.argument("images", nargs=-1, metavar="[IMAGE]...", envvar="CI_GPU_IMAGE")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="CI_GPU_CONFIG",
    metavar="FILE",
    help="Settings and named images.  [default: ci-gpu.toml, if it is there]",
)
@_settings_options
@_report_options
@_comment_options
@click.option("--verbose", "-v", is_flag=True, envvar="CI_GPU_VERBOSE", help="Show what the image itself prints.")
def run(
    images: tuple[str, ...],
    file: Path | None,
    report_dir: Path | None,
    comment_when: str,
    comment_key: str | None,
    verbose: bool,
    **given: Any,
) -> int:
    """Examine images on this machine's GPU.

    IMAGE is a reference, or a name from ci-gpu.toml; without one, all of that file are examined.

    Exit: 0 the gate is open; 1 an image fails; 2 usage; 3 the runner is at fault; 4 an image gave no valid answer;
    5 GitHub refused; 70 our bug; 130 interrupted.
    """
    from ci_gpu import config, pipeline, reports

    paths = _paths(report_dir, given)
    said = {key: value for key, value in given.items() if value not in (None, "")}
    targets = config.targets(images, said, file)
    wish = config.wish(targets, said, file)
    watch = _watch(verbose)
    try:
        summary = pipeline.run(targets, watch, os.environ, os.environ.get("CI_GPU_REGISTRY_PASSWORD", ""), wish)
    finally:
        watch.close()
    pipeline.write(summary, paths)
    click.echo(reports.load("terminal").render(summary))
    _tell_github(summary, paths, comment_when, comment_key)
    return summary.verdict.exit_code


@cli.command()
@click.option("--checks-dir", metavar="DIR", envvar="CI_GPU_CHECKS_DIR", default="", help="List your own as well.")
def checks(checks_dir: str) -> int:
    """List the checks, and what each proves."""
    from ci_gpu import config

    infos, _ = config.check_infos(checks_dir)
    width = max(len(info.id) for info in infos)
    for family in dict.fromkeys(info.family for info in infos):
        click.echo(click.style(family, bold=True))
        for info in (info for info in infos if info.family == family):
            gpu = "  [GPU]" if info.needs_gpu else ""
            click.echo(f"  {info.id:<{width}}  {info.proves}{gpu}")
    return 0


@cli.command()
@click.argument("run_json", type=click.Path(path_type=Path))
@click.option("--format", "name", metavar="FORMAT", required=True, help="junit, json, markdown, html or terminal.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of stdout.")
def report(run_json: Path, name: str, output: Path | None) -> int:
    """Render a run.json again, in any format."""
    from ci_gpu import pipeline, reports

    if name not in reports.names():
        raise ConfigError(
            f"there is no report format {name[:40]!r}",
            why="--format takes the name of a report",
            remedy=f"choose among {', '.join(reports.names())}",
        )
    summary = _summary(run_json)
    if output:
        pipeline.write(summary, {name: output})
    else:
        click.echo(reports.load(name).render(summary))
    return 0


@cli.command()
@click.argument("run_json", type=click.Path(path_type=Path))
@click.option("--key", metavar="KEY", envvar="CI_GPU_COMMENT_KEY", help="What tells several comments apart.")
@click.option("--auto", is_flag=True, help="A refusal of GitHub's is a warning, not exit 5.")
def comment(run_json: Path, key: str | None, auto: bool) -> int:
    """Post a run.json on its pull request: no GPU is needed, and nothing of the image is run.

    Repository and pull request come from the workflow's event, never from the file. The token is read from
    CI_GPU_GITHUB_TOKEN or GITHUB_TOKEN.
    """
    _post(_summary(run_json), "auto" if auto else "always", key)
    return 0


@cli.command()
@click.option("--engine", metavar="auto|docker|podman", envvar="CI_GPU_ENGINE", default="auto")
def sweep(engine: str) -> int:
    """Remove the containers that an interrupted run, or this workflow job, has left behind."""
    from ci_gpu import containers, engines

    code = 0
    for name in filter(shutil.which, ("docker", "podman")) if engine in ("auto", "") else (engine,):
        try:
            removed = containers.sweep(engines.load(name), os.environ, run=containers.run_id(os.environ))
        except RunnerError as error:  # the other engine's containers must go all the same
            click.echo(f"{name}: {error.what}", err=True)
            code, removed = error.exit_code, ()
        for container in removed:
            click.echo(f"{name}: removed {container}")
    return code


def _summary(path: Path) -> Summary:
    """A run.json read back; its verdict is made anew, never taken from the file."""
    from ci_gpu import verdict
    from ci_gpu.model import Summary
    from ci_gpu.reports import json as json_report

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", why="it is not there", remedy="ci-gpu run --json makes one"
        ) from error
    read = json_report.parse(data)
    return Summary(report=read, verdict=verdict.judge(read))


def _paths(report_dir: Path | None, given: dict[str, Any]) -> dict[str, Path]:
    """Format to file; takes the report options out of ``given``."""
    chosen = {name: given.pop(name) for name in FORMATS}
    folder = {name: report_dir / FILES[name] for name in FORMATS} if report_dir else {}
    return folder | {name: path for name, path in chosen.items() if path}


def _watch(verbose: bool) -> Any:
    from ci_gpu import progress
    from ci_gpu.github import actions

    if actions.active(os.environ):
        return progress.Plain(show_log=True, fence=actions.untrusted_output)
    if sys.stderr.isatty() and not verbose:
        return progress.Live()
    return progress.Plain(show_log=verbose)


def _tell_github(summary: Summary, paths: dict[str, Path], when: str, key: str | None) -> None:
    """Outputs, step summary and annotations of the job, and the comment on its pull request."""
    from ci_gpu.github import actions

    pending, url = _post(summary, when, key)
    actions.tell(summary, os.environ, {**_path_outputs(paths), "comment-pending": pending, "comment-url": url})


def _path_outputs(paths: dict[str, Path]) -> dict[str, str]:
    return {f"{name}-file": str(path) for name, path in paths.items()}


def _post(summary: Summary, when: str, key: str | None) -> tuple[str, str]:
    if when == "never":
        return "false", ""
    from ci_gpu import github

    token = os.environ.get("CI_GPU_GITHUB_TOKEN") or os.environ.get("GITHUB_TOKEN", "")
    outcome = github.post(summary, env=os.environ, token=token, when=when, key=key or "")
    if outcome.message:
        click.echo(outcome.message, err=True)
    return ("true" if outcome.pending else "false"), outcome.url


def _show(error: CiGpuError) -> None:
    """What happened, why it usually happens, what to try; in Actions also as an annotation."""
    from ci_gpu.reports import printable

    click.echo(f"ci-gpu: {printable(error.what)}", err=True)
    if error.why:
        click.echo(f"   why: {printable(error.why)}", err=True)
    if error.remedy:
        click.echo(f"   try: {printable(error.remedy)}", err=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from ci_gpu.github import actions

        click.echo(actions.command("error", f"{error.what}. {error.remedy}", title="ci-gpu"), err=True)


def _show_bug() -> None:
    """Our own mistake: a report that can be pasted as it is."""
    import platform
    import traceback

    click.echo(
        "ci-gpu: this is a bug of ours. Please report what follows.\n\n"
        f"- ci-gpu {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"- command: `ci-gpu {sys.argv[1] if len(sys.argv) > 1 else ''}`\n\n```\n{traceback.format_exc()}```",
        err=True,
    )


def _interrupt(signum: int, frame: object) -> None:
    raise Interrupted(signal.Signals(signum).name)
