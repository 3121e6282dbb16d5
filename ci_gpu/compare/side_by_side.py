"""Two reports compared afterwards, from their files. Pure; for images that were not measured in turn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import msgspec

from ci_gpu.compare.failures import fault, is_bad, tells_of_failure
from ci_gpu.compare.judged import judged
from ci_gpu.errors import ConfigError
from ci_gpu.model import Block, ImageReport, Policy, RunReport, Trial
from ci_gpu.payload.wire import CheckResult


def side_by_side(base: RunReport, head: RunReport, policy: Policy) -> RunReport:
    """One report of the head's image and the base's, with the comparison that their samples allow.

    Where a run measured its image several times (a comparison of its own), those processes are compared, else there
    is one process of each: enough for counts, and never for times.

    Raises:
        ConfigError: a report has no image, or a bound is in another unit than its metric.
    """
    blocks = (*_blocks(base, "base"), *_blocks(head, "head"))
    images = _image(head), msgspec.structs.replace(_image(base), name=_name(base, _image(head).name))
    machines = _machine(base), _machine(head)
    trial = Trial(base=images[1].name, head=images[0].name, policy=policy, machines=machines, blocks=blocks)
    return msgspec.structs.replace(head, images=images, trial=judged(trial))


def _blocks(report: RunReport, arm: str) -> tuple[Block, ...]:
    """The processes that measured the image of this report, numbered anew; behind them those that only failed."""
    measured = [block for block in (report.trial.blocks if report.trial else ()) if block.arm == "head"]
    found = [block for block in measured if not block.invalid] or [_examined(report, arm)]
    found += [block for block in measured if block.invalid and tells_of_failure(block)]
    return tuple(
        msgspec.structs.replace(block, pair=pair, arm=arm, control=()) for pair, block in enumerate(found, start=1)
    )


def _examined(report: RunReport, arm: str) -> Block:
    """The examination as a process. What fails in it, of the head its image tells."""
    results = _image(report).results
    return Block(pair=1, arm=arm, results=results if arm == "base" else tuple(_sound(results)))


def _sound(results: Iterable[CheckResult]) -> Iterator[CheckResult]:
    """What did not fail, with the metrics that can be true."""
    for result in results:
        if not is_bad(result):
            metrics = tuple(metric for metric in result.metrics if not fault(metric))
            yield dataclasses.replace(result, metrics=metrics)


def _image(report: RunReport) -> ImageReport:
    if not report.images:
        raise ConfigError(
            "a report has no image to compare",
            why="the run ended before any image was examined",
            remedy="compare two reports of runs that examined one image each",
        )
    return report.images[0]


def _name(base: RunReport, head: str) -> str:
    """One tag at two times is two images: they need two names."""
    name = _image(base).name
    return f"{name} ({base.created})" if name == head else name


def _machine(report: RunReport) -> str:
    """Times of two runs can be compared where this is the same."""
    environment = _image(report).environment
    gpus = (environment.gpus if environment else ()) or report.host.gpus
    seen = ", ".join(gpu.uuid for gpu in gpus) if report.device == "cuda" else environment.cpu if environment else ""
    return " ".join(part for part in (report.device, seen, "of", report.host.name) if part)
