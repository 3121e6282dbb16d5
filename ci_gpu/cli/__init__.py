"""The command line: the only place that knows click, and the only one that turns an error into words and a code."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click

from ci_gpu import __version__, console
from ci_gpu.cli import calibrating, history, interruption, listing, mistakes, reading, running, streams
from ci_gpu.errors import INTERNAL_ERROR, CiGpuError, ConfigError, Interrupted


def main() -> None:
    """The program. Every way out of it is a documented exit code."""
    stdout = streams.open_all()
    interruption.expect()
    try:
        _require_folder()
        code = cli.main(prog_name="ci-gpu", standalone_mode=False)
        if not code:
            streams.require_heard(stdout)
        sys.exit(code)
    except click.ClickException as error:
        _show_usage(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        console.say(interruption.words(error))
        interruption.over()
        sys.exit(Interrupted.exit_code)
    except CiGpuError as error:
        mistakes.show(error)
        sys.exit(error.exit_code)
    except Exception:
        mistakes.show_bug()
        sys.exit(INTERNAL_ERROR)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ci-gpu")
def cli() -> None:
    """Find out what a CUDA image does on your GPU before you merge it.

    Every option is also read from the environment (CI_GPU_GPUS for --gpus) and from ci-gpu.toml.
    """


for command in (
    running.run,
    calibrating.calibrate,
    listing.checks,
    reading.report,
    reading.compare,
    reading.comment,
    history.history,
    listing.sweep,
):
    cli.add_command(command)


def _show_usage(error: click.ClickException) -> None:
    """In click's words, which repeat what it was given."""
    words = io.StringIO()
    error.show(words)
    console.say(words.getvalue().rstrip("\n"))


def _require_folder() -> None:
    """Programs that we start, Python in the image's place among them, fail there in ways that blame the image."""
    try:
        Path.cwd()
    except OSError as error:
        raise ConfigError(
            f"the current folder cannot be read: {error.strerror}",
            why="it was removed or unmounted after this shell, or this job, went there",
            remedy="cd to a folder that is there",
        ) from error
