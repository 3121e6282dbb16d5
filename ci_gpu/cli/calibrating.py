"""An image against itself: what this machine can tell, and how often ci-gpu is wrong on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ci_gpu.cli import mistakes, options, running, telling

if TYPE_CHECKING:
    from ci_gpu.model import Trial


@click.command()
@click.argument("image")
@click.option("--config", "file", type=click.Path(path_type=Path), envvar="CI_GPU_CONFIG", metavar="FILE")
@options.settings
@options.reports
@options.history
@click.option("--rounds", type=click.IntRange(1, 1000), default=1, show_default=True, help="Comparisons to make.")
def calibrate(image: str, file: Path | None, report_dir: Path | None, url: str, rounds: int, **given: Any) -> int:
    """Compare an image with itself: how noisy this machine is, and how often ci-gpu is wrong on it.

    The noise is kept in the history; the reports are those of the last comparison. Exit 1 if a difference was seen
    where there is none.
    """
    from ci_gpu import config, console, pipeline
    from ci_gpu.compare import noise

    paths = options.paths(report_dir, given)
    telling.require_writable(paths)
    said = {"pairs": 10, **{key: value for key, value in given.items() if value not in (None, "")}, "baseline": image}
    document = options.document(file)
    targets = config.targets((image,), said, document)
    trials = []
    for number in range(rounds):
        console.say(f"comparison {number + 1} of {rounds}")
        summary = running.examined(targets, config.wish(targets, said, document), verbose=False)
        if summary.report.trial is None or not summary.report.trial.blocks:
            break
        trials.append(summary.report.trial)
        summary = running.remembered(summary, url)
    unwritten = pipeline.write(summary, paths)
    console.say(_table(trials), err=False)
    mistakes.show_all(unwritten)
    code = 1 if noise.false_alarms(trials) else 0 if trials else summary.verdict.exit_code
    return code or max((error.exit_code for error in unwritten), default=0)


def _table(trials: Sequence[Trial]) -> str:
    return "\n".join(_lines(trials))


def _lines(trials: Sequence[Trial]) -> Iterator[str]:
    from ci_gpu.compare import noise
    from ci_gpu.reports import printable

    blocks = trials[-1].blocks if trials else ()
    rows = noise.noise(blocks)
    width = max((len(row.metric) for row in rows), default=0)
    yield f"{'metric':<{width}}  noise of a process  seen with 6 pairs  with 12"
    for row in rows:
        six, twelve = (f"{share:+.1%}" for share in row.visible)
        yield f"{printable(row.metric):<{width}}  {row.deviation:>18.2%}  {six:>17}  {twelve:>7}"
    alarms = noise.false_alarms(trials)
    compared = sum(len(trial.metrics) for trial in trials)
    yield ""
    yield f"{len(alarms)} false alarms in {compared} metrics of {len(trials)} comparisons of an image with itself"
    yield from (f"  {printable(alarm)}" for alarm in alarms)
    refused = [trial.refused for trial in trials if trial.refused]
    yield from (f"  a comparison was refused: {printable(why)}" for why in refused)
