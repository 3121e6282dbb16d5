"""What failed in the containers of a comparison: each way once, with the number of containers. Pure.

A check that passed when its image was examined, and fails in two of the six containers that measure it, is broken. Its
metrics are of the other four alone, so that they say nothing good of the image, either.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ci_gpu.compare.readings import BASE, HEAD
from ci_gpu.model import Block, Failure
from ci_gpu.payload import cuda_errors
from ci_gpu.payload.wire import FAILED, PASSED, SKIPPED, CheckResult, Metric

BROKEN = ("ecc-uncorrectable", "nvlink-error", "gpu-lost")
"""Causes after which nothing that ran on this GPU can be held against the image."""

IMPOSSIBLE = "impossible-metric"
"""The kind of a metric with a sample that cannot be true."""

RUNNERS = 3
"""The exit code of what is the runner's fault."""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which one check did not pass in one image. ``excused``: what the machine did, where it is to blame."""

    arm: str
    result: CheckResult  # the first of them
    broken: bool  # it ran on a GPU that is broken
    times: int
    containers: int  # in which the check was made, and which the machine did not spoil
    excused: str = ""

    @property
    def told(self) -> str:
        """``failed in 2 of 6 containers of the head``."""
        word = "failed" if self.result.outcome == FAILED else "had an error"
        if self.excused:
            return f"{word} in {_containers(self.times)} of the {self.arm} that the machine spoiled ({self.excused})"
        return f"{word} in {self.times} of {_containers(self.containers)} of the {self.arm}"


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """Containers of one image that gave no answer, for one kind of reason; ``excused`` where that is the machine's."""

    arm: str
    failure: Failure  # the first of them
    times: int
    containers: int
    excused: str = ""

    @property
    def told(self) -> str:
        """``gave no answer in 2 of 7 containers of the head``."""
        return f"gave no answer in {self.times} of {_containers(self.containers)} of the {self.arm}"


def is_bad(result: CheckResult) -> bool:
    """Whether it is neither a pass nor a skip. An outcome that is none of ours is no pass."""
    return result.outcome not in (PASSED, SKIPPED)


def tells_of_failure(block: Block) -> bool:
    """Whether anything failed in it."""
    return block.failure is not None or any(_bad(block))


def _bad(block: Block) -> Iterator[CheckResult]:
    """The results that are bad, and for each metric that cannot be true one under its name."""
    for result in block.results:
        if is_bad(result):
            yield result
        for metric in result.metrics if result.outcome == PASSED else ():
            if fault(metric):
                yield _impossible(result, metric)


def _impossible(result: CheckResult, metric: Metric) -> CheckResult:
    name = f"{result.check}/{metric.name}"
    return CheckResult(name, FAILED, message=fault(metric), kind=IMPOSSIBLE, used_gpu=result.used_gpu)


def fault(metric: Metric) -> str:
    """What is wrong with the samples; empty if they can be true."""
    for sample in metric.samples:
        if sample is None or not math.isfinite(sample):
            return "a sample is not a finite number"
        if sample < 0 or (sample == 0 and not metric.exact):
            return f"a sample of {sample:g} {metric.unit} is not positive"
        if metric.limit is not None and sample > metric.limit:
            return f"a sample of {sample:g} {metric.unit} is beyond the physical limit of {metric.limit:g}"
    return "" if metric.samples else "there are no samples"


def on_a_broken_gpu(results: Iterable[CheckResult]) -> bool:
    """Whether one of these results tells of a GPU that is broken."""
    return any(is_bad(result) and result.cause in BROKEN for result in results)


def blamed(result: CheckResult) -> cuda_errors.Cause | None:
    """The cause of the result, if it is one that has a party to blame."""
    cause = cuda_errors.CAUSES.get(result.cause)
    return cause if cause and cause.party != cuda_errors.UNKNOWN else None


def by_the_runner(result: CheckResult, broken: bool) -> bool:
    """Whether a result that is bad is the runner's fault."""
    cause = blamed(result)
    return cause.party == cuda_errors.RUNNER if cause else broken and _on_the_gpu(result)


def _on_the_gpu(result: CheckResult) -> bool:
    """Whether the GPU had a part in it. A process that was killed cannot say."""
    return result.used_gpu or result.kind in ("cuda-error", "timeout", "killed", "crash", "container-died")


def failed(blocks: Sequence[Block]) -> tuple[Failed, ...]:
    """Every way in which a check did not pass, the head's first, in the order in which they were seen."""
    return tuple(one for arm in (HEAD, BASE) for one in _failed([block for block in blocks if block.arm == arm], arm))


def _failed(blocks: Sequence[Block], arm: str) -> Iterator[Failed]:
    groups: dict[tuple[str, ...], list[tuple[CheckResult, bool]]] = {}
    for block in blocks:
        broken = on_a_broken_gpu(block.results)
        for result in _bad(block):
            excused = block.invalid if _is_excused(block, result, broken) else ""
            key = (result.check, result.outcome, result.kind, result.cause, excused)
            groups.setdefault(key, []).append((result, broken))
    made = Counter(check for block in blocks if not block.spoiled for check in {r.check for r in block.results})
    for (check, *_, excused), found in groups.items():
        result, broken = found[0]
        count = made[check.partition("/")[0]]
        yield Failed(arm=arm, result=result, broken=broken, times=len(found), containers=count, excused=excused)


def _is_excused(block: Block, result: CheckResult, broken: bool) -> bool:
    """Whether the machine is to blame for it, in a block that counts for nothing: its pair was measured again."""
    return bool(block.invalid) and (block.spoiled or by_the_runner(result, broken))


def unanswered(blocks: Sequence[Block]) -> tuple[Unanswered, ...]:
    """The containers that gave no answer, the head's first, by kind."""
    return tuple(one for arm in (HEAD, BASE) for one in _unanswered([b for b in blocks if b.arm == arm], arm))


def _unanswered(blocks: Sequence[Block], arm: str) -> Iterator[Unanswered]:
    groups: dict[tuple[str, int, str], list[Failure]] = {}
    for block in blocks:
        if block.failure:
            excused = block.invalid if block.spoiled or block.failure.exit_code == RUNNERS else ""
            groups.setdefault((block.failure.kind, block.failure.exit_code, excused), []).append(block.failure)
    for (*_, excused), found in groups.items():
        yield Unanswered(arm=arm, failure=found[0], times=len(found), containers=len(blocks), excused=excused)


def lost(blocks: Sequence[Block]) -> dict[str, str]:
    """Why a metric is not that of every container, by check or metric: words of ours alone.

    A skip counts only where the same image made the check in another container.
    """
    valid = [block for block in blocks if not block.invalid]
    reasons: dict[str, list[str]] = {}
    for one in _together(failed(valid)):
        which = "it" if one.result.kind == IMPOSSIBLE else "its check"
        reasons.setdefault(one.result.check, []).append(f"{which} {one.told}")
    for check, text in (found for arm in (HEAD, BASE) for found in _skipped(valid, arm)):
        reasons.setdefault(check, []).append(text)
    return {check: " and ".join(texts) for check, texts in reasons.items()}


def _together(ways: Iterable[Failed]) -> tuple[Failed, ...]:
    """One for all ways in which a check had one outcome in one arm: an image may fail in another way each time."""
    found: dict[tuple[str, str, str], Failed] = {}
    for one in ways:
        key = one.arm, one.result.check, one.result.outcome
        times = one.times + (found[key].times if key in found else 0)
        found[key] = msgspec.structs.replace(found.get(key, one), times=times)
    return tuple(found.values())


def _skipped(blocks: Sequence[Block], arm: str) -> Iterator[tuple[str, str]]:
    outcomes: dict[str, list[str]] = {}
    for result in (result for block in blocks if block.arm == arm for result in block.results):
        outcomes.setdefault(result.check, []).append(result.outcome)
    for check, words in outcomes.items():
        if PASSED in words and SKIPPED in words:
            where = f"{words.count(SKIPPED)} of {_containers(len(words))} of the {arm}"
            yield check, f"its check was skipped in {where}"


def _containers(number: int) -> str:
    return f"{number} container{'' if number == 1 else 's'}"
