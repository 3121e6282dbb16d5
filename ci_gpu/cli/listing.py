"""What is there: the checks, and the containers that nobody needs any more."""

from __future__ import annotations

import os
import shutil

import click

from ci_gpu.errors import RunnerError


@click.command()
@click.option("--checks-dir", metavar="DIR", envvar="CI_GPU_CHECKS_DIR", default="", help="List your own as well.")
def checks(checks_dir: str) -> int:
    """List the checks, and what each proves."""
    from ci_gpu import catalogue, console

    infos, _ = catalogue.check_infos(checks_dir)
    width = max(len(info.id) for info in infos)
    for family in dict.fromkeys(info.family for info in infos):
        console.say(family, err=False)
        for info in (info for info in infos if info.family == family):
            gpu = "  [GPU]" if info.needs_gpu else ""
            console.say(f"  {info.id:<{width}}  {info.proves}{gpu}", err=False)
    return 0


@click.command()
@click.option("--engine", metavar="auto|docker|podman", envvar="CI_GPU_ENGINE", default="auto")
def sweep(engine: str) -> int:
    """Remove the containers that an interrupted run, or this workflow job, has left behind."""
    from ci_gpu import console, containers, engines
    from ci_gpu.reports import printable

    code = 0
    for name in filter(shutil.which, ("docker", "podman")) if engine in ("auto", "") else (engine,):
        try:
            removed = containers.sweep(engines.load(name), os.environ, run=containers.run_id(os.environ))
        except RunnerError as error:  # the other engine's containers must go all the same
            console.say(f"{name}: {printable(error.what)}")
            code, removed = error.exit_code, ()
        for container in removed:
            console.say(f"{name}: removed {printable(container)}", err=False)
    return code
