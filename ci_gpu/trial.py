"""Two images measured in turn on one machine: A B or B A, drawn for each pair, each time in a fresh container.

One process is one draw: what differs between processes, and between containers, is more than what differs within one.
So the pair is what is counted. Never two at once: on one GPU they would slow each other. Source of the design and
of its error rates: docs/measurement.md.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Protocol

import msgspec

from ci_gpu import budget, guest, telemetry
from ci_gpu.catalogue import CheckInfo
from ci_gpu.compare import compare, spoiling, unclear
from ci_gpu.compare.judged import judged
from ci_gpu.compare.margins import beyond_bounds, rule_of
from ci_gpu.compare.readings import of_the_image
from ci_gpu.model import MAX_SECONDS, Block, Failure, ImageReport, Policy, Trial
from ci_gpu.payload.control import CODE, COMPILED
from ci_gpu.payload.cuda_errors import CAUSES, RUNNER
from ci_gpu.payload.timing import SLOWDOWN
from ci_gpu.payload.wire import ERROR, FAILED, PASSED, CheckResult, Event, Metric

REPEATS = 2
"""How often a pair is measured anew because the machine spoiled it."""

SPOILED_IN_A_ROW = 2
"""Pairs, each with its repeats, after which nothing more is expected of this machine."""

REST_SECONDS = 5
"""What a GPU that throttled is given to cool down."""

CONTROL = CheckInfo(family="control", name="kernel", proves="", needs_gpu=True, timeout=120)
_ARMS = {"A": "base", "B": "head"}


class Watch(guest.Watch, Protocol):
    """Told of the blocks while they are measured."""

    def block(self, pair: int, pairs: int, arm: str) -> None:
        """A block begins."""


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured, and by what it is judged. ``slowdown`` is the part by which head is slowed on purpose."""

    pairs: int = 6
    most: int = 12  # for the metrics that are not clear by then
    policy: Policy = Policy()
    seed: str = ""
    slowdown: float = 0.0
    gpus: tuple[str, ...] = ()  # UUIDs of those handed over, for the telemetry; none where the host cannot see them


class Arms(msgspec.Struct, frozen=True, kw_only=True):
    """How to start each of the two images, and what its full examination found."""

    base: guest.Visit
    head: guest.Visit
    base_report: ImageReport
    head_report: ImageReport


def conduct(arms: Arms, design: Design, watch: Watch) -> Trial:
    """Measure both images in pairs, extend what is not clear, and compare."""
    trial = Trial(base=arms.base_report.name, head=arms.head_report.name, policy=design.policy, first=design.pairs)
    checks = _measured(arms)
    design = msgspec.structs.replace(design, gpus=_measured_on(arms, checks, design.gpus))
    refused = "" if checks else "neither image has a check that measures"
    refused = refused or _two_gpus(arms) or telemetry.neighbours(design.gpus)
    if refused:
        return msgspec.structs.replace(trial, refused=refused)
    _require_units(arms.head_report, design.policy)
    blocks = _pairs(arms, design, checks, range(1, design.pairs + 1), watch)
    doubtful = _checks_of(unclear(compare(blocks, design.policy, final=False, first=design.pairs)), checks)
    if doubtful and not blocks[-1].invalid:  # a machine that spoiled the last pairs is not asked for more
        blocks += _pairs(arms, design, doubtful, range(design.pairs + 1, design.most + 1), watch)
    return judged(msgspec.structs.replace(trial, blocks=blocks))


def _require_units(report: ImageReport, policy: Policy) -> None:
    """A bound in another unit is a mistake that is told before an hour is spent on measuring, if it gates."""
    for result, metric in report.metrics():
        name = f"{result.check}/{metric.name}"
        rule = rule_of(name, policy)
        if rule.gate:
            beyond_bounds(name, metric.unit, 1.0, rule)


def _measured(arms: Arms) -> tuple[CheckInfo, ...]:
    """The checks that gave a metric in either image."""
    reports = (arms.base_report, arms.head_report)
    measuring = {result.check for report in reports for result, _ in report.metrics() if result.outcome == PASSED}
    return tuple(check for check in arms.head.checks if check.id in measuring)


def _measured_on(arms: Arms, checks: Sequence[CheckInfo], gpus: tuple[str, ...]) -> tuple[str, ...]:
    """Of the GPUs that were handed over those that are measured, by UUID: CUDA's order of them is not the host's.

    Where an image does not tell which GPU is its first (a torch before 2.5, a MIG slice), all of them.
    """
    if _which(arms, checks) == "all":
        return gpus
    first = set(_first_gpus(arms))
    return tuple(gpu for gpu in gpus if gpu in first) if first and first <= set(gpus) else gpus


def _first_gpus(arms: Arms) -> tuple[str, ...]:
    """The UUID of the first GPU that CUDA shows in each image, as far as it is known."""
    environments = (report.environment for report in (arms.base_report, arms.head_report))
    return tuple(environment.gpus[0].uuid for environment in environments if environment and environment.gpus)


def _two_gpus(arms: Arms) -> str:
    """Why what is measured in one image says nothing of the other: CUDA's order of the GPUs is up to the image."""
    known = tuple(dict.fromkeys(filter(None, _first_gpus(arms))))
    if len(known) < 2:
        return ""
    return f"the base measures on the GPU {known[0]}, the head on {known[1]}: set CUDA_DEVICE_ORDER alike in both"


def _which(arms: Arms, checks: Sequence[CheckInfo]) -> str:
    """Our own checks measure on the first GPU that CUDA shows; a user's may use all of them."""
    return "all" if any(check.family in arms.head.user_sources for check in checks) else "first"


def _checks_of(metrics: Iterable[str], checks: Sequence[CheckInfo]) -> tuple[CheckInfo, ...]:
    wanted = {metric.partition("/")[0] for metric in metrics}
    return tuple(check for check in checks if check.id in wanted)


def _pairs(
    arms: Arms, design: Design, checks: Sequence[CheckInfo], numbers: Sequence[int], watch: Watch
) -> tuple[Block, ...]:
    """The pairs with these numbers; it ends early where the machine spoils one after the other."""
    blocks: tuple[Block, ...] = ()
    spoiled = 0
    for number in numbers:
        pair = _pair(arms, design, checks, number, watch)
        blocks += pair
        spoiled = spoiled + 1 if pair[-1].invalid else 0
        if spoiled == SPOILED_IN_A_ROW:
            break
    return blocks


def _pair(arms: Arms, design: Design, checks: Sequence[CheckInfo], number: int, watch: Watch) -> tuple[Block, ...]:
    """One pair, measured again where the machine spoiled it; the spoiled blocks are kept beside it."""
    kept: tuple[Block, ...] = ()
    for attempt in range(REPEATS + 1):
        if attempt:
            time.sleep(REST_SECONDS)
        blocks = tuple(_block(arms, design, checks, number, _ARMS[arm], watch) for arm in order(design.seed, number))
        spoiled = next((block.invalid for block in blocks if block.invalid), "")
        if not spoiled:
            return kept + blocks
        kept += tuple(msgspec.structs.replace(block, invalid=block.invalid or spoiled) for block in blocks)
    return kept


def order(seed: str, pair: int) -> str:
    """``AB`` or ``BA``, drawn for each pair, so that no drift and no oscillation of the machine keeps to one arm."""
    return ("AB", "BA")[hashlib.sha256(f"{seed}/{pair}".encode()).digest()[0] % 2]


def _block(arms: Arms, design: Design, checks: Sequence[CheckInfo], number: int, arm: str, watch: Watch) -> Block:
    watch.block(number, design.pairs if number <= design.pairs else design.most, arm)
    visit = _visit(arms, design, checks, number, arm)
    started, clock = datetime.now(timezone.utc).isoformat(timespec="seconds"), time.monotonic()
    with telemetry.recorded(design.gpus) as recorder:
        before = on_the_host(visit.device)
        answers = guest.examine(visit, _Quiet(watch))
        after = on_the_host(visit.device)
    report = arms.base_report if arm == "base" else arms.head_report
    seen = budget.thinned(recorder.telemetry or answers.telemetry, _looks(design))
    spoiled = spoiling.spoiled(seen)
    of_control = tuple(result for result in answers.results if result.check == CONTROL.id)
    of_image = tuple(result for result in answers.results if result.check != CONTROL.id)
    return Block(
        pair=number,
        arm=arm,
        started=started,
        seconds=time.monotonic() - clock,
        results=of_image + of_the_image(report.image, answers.environment),
        control=before + _seconds(of_control) + after,
        control_compiled=_compiled(of_control),
        telemetry=seen,
        invalid=spoiled or _unanswered(answers, arm) or _by_the_runner(of_image, arm),
        spoiled=bool(spoiled),
        failure=Failure.from_error(answers.failure) if answers.failure else None,
    )


def _looks(design: Design) -> int:
    """At all GPUs in one block, so that the looks of all blocks can be kept."""
    return budget.LOOKS // (len(_ARMS) * design.most * (REPEATS + 1))


def _unanswered(answers: guest.Answers, arm: str) -> str:
    """The kind alone: the rest may be the image's own words."""
    return f"the {arm} gave no answer: {answers.failure.kind}" if answers.failure else ""


def _by_the_runner(results: Iterable[CheckResult], arm: str) -> str:
    """Where a check ended for a cause of the runner's, what it would have measured is not missing in this image."""
    causes = (CAUSES.get(result.cause) for result in results if result.outcome in (FAILED, ERROR))
    found = next((cause for cause in causes if cause and cause.party == RUNNER), None)
    return f"a check of the {arm} ended by the runner's fault: {found.meaning}" if found else ""


def _visit(arms: Arms, design: Design, checks: Sequence[CheckInfo], pair: int, arm: str) -> guest.Visit:
    """The checks in an order of the pair's own, the same for both of its arms."""
    visit = arms.base if arm == "base" else arms.head
    shuffled = list(checks)
    random.Random(f"{design.seed}/{pair}").shuffle(shuffled)  # noqa: S311 - no secret
    slow = ((SLOWDOWN, str(design.slowdown)),) if design.slowdown and arm == "head" else ()
    job = msgspec.structs.replace(visit.job, environment=visit.job.environment + slow)
    cuda = visit.device == "cuda"
    first = (CONTROL,) if cuda else ()
    watch = _which(arms, checks) if cuda and not design.gpus else ""
    return msgspec.structs.replace(visit, job=job, checks=first + tuple(shuffled), watch=watch, looks=_looks(design))


def on_the_host(device: str, calls: int = 5) -> tuple[float, ...]:
    """The control of a run on the CPU: a fixed loop in this process, where no image can reach it. Seconds a call."""
    return tuple(_fixed_loop() for _ in range(calls)) if device == "cpu" else ()


def _fixed_loop() -> float:
    started, total = time.perf_counter(), 0
    for number in range(300_000):
        total += number * number
    return time.perf_counter() - started


def _compiled(results: Iterable[CheckResult]) -> bool:
    """Whether libcuda compiled the control in the image, because its machine code was not made for this GPU."""
    return any((fact.name, fact.value) == (CODE, COMPILED) for result in results for fact in result.facts)


def _seconds(results: Iterable[CheckResult]) -> tuple[float, ...]:
    metrics: list[Metric] = [metric for result in results for metric in result.metrics]
    samples = (sample / 1000 for metric in metrics for sample in metric.samples if sample)
    return tuple(seconds for seconds in samples if 0 <= seconds <= MAX_SECONDS)


class _Quiet:
    """Of a block only its beginning is news; what the image prints stays in the report."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def event(self, event: Event) -> None:
        """Not told."""

    def log(self, line: str) -> None:
        self._watch.log(line)

    def note(self, text: str) -> None:
        self._watch.note(text)
