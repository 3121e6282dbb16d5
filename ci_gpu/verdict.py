"""Whether the gate is open: a pure judgement of a report. Green needs proof; silence is red.

The rules, in the order in which they are read out:

    an image that could not be examined     its own exit code (3 runner, 4 image, 1 refused by the driver)
    a promised check without a result       1
    a check that failed or had an error     1   (3 where its cause is the runner's: `cuda_errors.CAUSES`, or where it
                                                 ran on a GPU that is broken)
    a GPU that was asked for is lost        3
    GPUs were asked for and are not there   3   (1 if they are, and the image cannot use them: a CPU build, a driver
                                                 that is too old for it, a compatibility libcuda or a stub in it, GPUs
                                                 that its ENV hides)
    a check family in which nothing passed  1   (unless all of it needs a GPU, and the run was told to use the CPU, or
                                                 the image does not have it by its own wish, as a cache turned off)
    nothing that passed touched the GPU     1   (unless the run was told to use the CPU)
    a metric that cannot be true            1   (not finite, negative, zero where it is no count, beyond
                                                 the physical limit)
    a metric beyond the user's own bound    1   (floor or ceiling; of a comparison, by the medians of its processes)
    a bound in another unit than its metric 2   (with gate = false, both bounds are said as advice)
    no image at all                         1

One cause is one reason: the errors of one cause are read out once, with the checks that it kept from being made, and
what follows from an error (that nothing passed, that nothing touched the GPU) is not read out beside it.

Of a comparison the base only has to be measurable: what it fails, it failed before this change. Then:

    a check of the head that failed, or     as above: 1, 3 where its cause is the runner's (in a container that the
      had an error, in any container          machine spoiled it is said as advice, and so is every one of the base)
    a container of the head without answer  its own exit code (as advice where that is 3: its pair was measured again)
    a metric that regressed, or vanished    1
    two images that were not comparable     3   (a shared or throttled GPU, a control that drifted)
    not one metric about which something    3   (unless inconclusive results may pass)
      could be concluded
    an inconclusive metric                  1   (only if the user wants that)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from statistics import median

import msgspec

from ci_gpu import advice, gpus
from ci_gpu.compare import failures
from ci_gpu.compare.failures import Failed, Unanswered
from ci_gpu.compare.margins import Rules, beyond_bounds, pattern_of, rule_of
from ci_gpu.compare.readings import HEAD, named
from ci_gpu.errors import ConfigError
from ci_gpu.model import (
    INCONCLUSIVE,
    MISSING,
    NEW,
    NOT_COMPARABLE,
    REGRESSED,
    Comparison,
    Failure,
    ImageReport,
    MetricRule,
    Reason,
    RunReport,
    Trial,
    Verdict,
)
from ci_gpu.payload import cuda_errors
from ci_gpu.payload.wire import ERROR, FAILED, PASSED, SKIPPED, CheckResult, Gpu, Metric, NeedsGpu, NotHere

_PRECEDENCE = (1, 4, 3)
"""Of several reasons the one that a retry on another runner cannot mend decides the exit code."""


def judge(report: RunReport) -> Verdict:
    """The verdict on a report, from nothing but the report."""
    reasons = _once(tuple(reason for image in report.images for reason in _reasons(report, image)), report)
    reasons = tuple(_or_the_cpu(report, reason) for reason in reasons)
    if report.trial:
        reasons = (*_with_containers(reasons, report.trial), *_of_trial(report.trial))
    if not report.images:
        reasons = (_reason("", "nothing-checked", "", "no image was examined"),)
    codes = {reason.exit_code for reason in reasons}
    code = next((code for code in _PRECEDENCE if code in codes), max(codes, default=0))
    conclusion = {0: "success", 1: "failure"}.get(code, "error")
    return Verdict(exit_code=code, conclusion=conclusion, reasons=reasons, advice=tuple(_advice(report)))


def _reasons(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    if image.failure:
        yield _from_failure(image.name, image.failure)
        yield from _bad_results(image)
        return
    if report.trial and image.name == report.trial.base != report.trial.head:
        return
    found = (*_missing_gpus(report, image), *_missing_results(image), *_bad_results(image))
    yield from _folded(found)
    empty = tuple(_empty_families(report, image))
    yield from empty
    if not found:
        yield from () if empty else _nothing_passed(image)
        yield from _untouched_gpu(report, image)
    yield from _impossible_metrics(image)
    if report.trial is None:
        yield from _beyond_bounds(report, image, gate=True)


def _advice(report: RunReport) -> Iterator[Reason]:
    """What shuts no gate and must not go unsaid: bounds that are broken and do not gate, and such as bound nothing; of
    a comparison what failed in containers of the base, or in such as the machine spoiled; what waits for a merge.
    """
    yield from advice.of(report)
    yield from (reason for reason in _of_containers(report.trial) if not reason.exit_code) if report.trial else ()
    for image in report.images:
        if image.failure or (report.trial and image.name != report.trial.head):
            continue
        if report.trial is None:  # in a comparison its table says so
            yield from _broken_without_a_gate(report, image)
        yield from _unused_bounds(report, image)


def _broken_without_a_gate(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    for reason in _beyond_bounds(report, image, gate=False):
        yield msgspec.structs.replace(reason, exit_code=0, message=f"{reason.message}; it does not gate (gate = false)")


def _unused_bounds(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    """Of a metric that is misspelt, gone or not of this device: a floor that holds nothing looks kept."""
    metrics = [name for name, _ in named(image)]
    for rules in (report.policy.rules, report.policy.tightened):
        yield from _unused(image, rules, {pattern_of(metric, rules) for metric in metrics})


def _unused(image: ImageReport, rules: Rules, used: Collection[str | None]) -> Iterator[Reason]:
    for pattern, rule in rules:
        if pattern not in used and (rule.floor is not None or rule.ceiling is not None):
            message = f'nothing is held to the bound of [metrics."{pattern}"]: no metric of this run takes it'
            yield _reason(image.name, "unused-bound", pattern, message, exit_code=0)


def _once(reasons: tuple[Reason, ...], report: RunReport) -> tuple[Reason, ...]:
    """What keeps every image from being examined in the same way, such as an engine that is down, is one reason."""
    whats = {(one.kind, one.exit_code, one.what) if (one := image.failure) else None for image in report.images}
    if len(report.images) < 2 or len(whats) > 1 or None in whats or any(reason.subject for reason in reasons):
        return reasons
    return (msgspec.structs.replace(reasons[0], image=""),)


def _or_the_cpu(report: RunReport, reason: Reason) -> Reason:
    """Where the device was left to us and the GPU fails: why it is the GPU, and how to say otherwise."""
    of_gpus = reason.cause or reason.kind.startswith(("gpu-", "cdi-"))
    if report.asked_device != "auto" or reason.exit_code != 3 or not of_gpus:
        return reason
    signs = ", ".join(report.host.signs) or "what its engine says"
    return msgspec.structs.replace(
        reason,
        message=f"{reason.message}; this machine seems to have a GPU, by {signs}",
        remedy=f"{reason.remedy}; or say --device cpu, if the CPU is meant",
    )


def _folded(reasons: Iterable[Reason]) -> Iterator[Reason]:
    """The reasons of one cause as one, in the place of the first, with the checks of the others as its dependents."""
    groups: dict[str | int, list[Reason]] = {}
    for number, reason in enumerate(reasons):
        groups.setdefault(reason.cause or number, []).append(reason)
    yield from (_of_one_cause(group) for group in groups.values())


def _of_one_cause(group: list[Reason]) -> Reason:
    """The reason that tells most speaks for all; where no check bears the cause itself, the cause does."""
    bearer = next((reason for reason in group if reason.kind != cuda_errors.NOT_MADE or not reason.cause), None)
    if bearer is None:
        cause = cuda_errors.CAUSES[group[0].cause]
        bearer = msgspec.structs.replace(group[0], kind=cause.id, subject="", message=cause.meaning)
    others = dict.fromkeys(reason.subject for reason in group if reason.subject not in ("", bearer.subject))
    return msgspec.structs.replace(bearer, dependents=tuple(others))


def _with_containers(reasons: tuple[Reason, ...], trial: Trial) -> Iterator[Reason]:
    """The reasons of the examinations, then what failed while it was measured: of a check that did both, one reason."""
    found = tuple(_folded(reason for reason in _of_containers(trial) if reason.exit_code))
    alike = {_way(one): one for one in reversed(found) if one.subject}
    for reason in reasons:
        again = alike.get(_way(reason))
        yield _again(reason, again) if again else reason
    told = {alike[_way(reason)] for reason in reasons if _way(reason) in alike}
    known = {(reason.image, check) for reason in reasons for check in reason.dependents}
    yield from (one for one in found if one not in told and (one.image, one.subject) not in known)


def _way(reason: Reason) -> tuple[str, str, str]:
    return reason.image, reason.subject, reason.kind


def _again(reason: Reason, again: Reason) -> Reason:
    told = again.message.partition(": ")[0]
    return msgspec.structs.replace(reason, message=f"{reason.message} (it {told}, too)")


def _of_containers(trial: Trial) -> Iterator[Reason]:
    """What failed in containers of a comparison. What shuts no gate has the exit code 0."""
    yield from (_of_failed(trial, one) for one in failures.failed(trial.blocks))
    yield from (_of_unanswered(trial, one) for one in failures.unanswered(trial.blocks))


def _of_failed(trial: Trial, one: Failed) -> Reason:
    reason = _of_result(trial.head if one.arm == HEAD else trial.base, one.result, one.broken)
    said = one.arm != HEAD or bool(one.excused)
    message = f"{one.told}: {reason.message}"
    return msgspec.structs.replace(reason, message=message, exit_code=0 if said else reason.exit_code)


def _of_unanswered(trial: Trial, one: Unanswered) -> Reason:
    said = one.arm != HEAD or bool(one.excused)
    return _reason(
        trial.head if one.arm == HEAD else trial.base,
        one.failure.kind,
        "",
        f"{one.told}: {one.failure.what}",
        remedy=one.failure.remedy,
        exit_code=0 if said else one.failure.exit_code,
    )


_UNDECIDED = (INCONCLUSIVE, NOT_COMPARABLE, NEW)
"""Verdicts on a metric that say nothing of the change; with such alone nothing was compared."""


def _of_trial(trial: Trial) -> Iterator[Reason]:
    gated = [metric for metric in trial.metrics if metric.gated]
    yield from (_of_metric(trial, metric) for metric in gated if metric.verdict in (REGRESSED, MISSING))
    doubtful = [metric for metric in gated if metric.verdict in (INCONCLUSIVE, NOT_COMPARABLE)]
    if trial.refused:
        yield _reason(trial.head, "not-compared", "", f"nothing was compared: {trial.refused}", exit_code=3)
    elif trial.policy.inconclusive == "fail" and doubtful:
        yield from (_of_metric(trial, metric) for metric in doubtful)
    elif all(metric.verdict in _UNDECIDED for metric in gated) and trial.policy.inconclusive != "pass":
        why = (doubtful or gated)[0].reason if gated else "no metric is gated"
        yield _reason(trial.head, "nothing-compared", "", f"nothing could be concluded: {why}", exit_code=3)


def _of_metric(trial: Trial, metric: Comparison) -> Reason:
    change = "" if metric.change is None else f" by {metric.change:+.1%}"
    interval = "" if metric.low is None or metric.high is None else f" [{metric.low:+.1%}, {metric.high:+.1%}]"
    text = f"{metric.verdict}{change}{interval} against {trial.base}"
    return _reason(trial.head, metric.verdict, metric.metric, f"{text}: {metric.reason}" if metric.reason else text)


def _missing_results(image: ImageReport) -> Iterator[Reason]:
    if not image.planned:
        yield _reason(image.name, "nothing-checked", "", "no check was promised for this image")
    have = Counter(result.check for result in image.results)
    for check in image.planned:
        if have[check] != 1:
            yield _reason(image.name, "missing", check, f"{have[check]} results came of it instead of one")
    planned = set(image.planned)
    for check in (check for check in have if check not in planned):
        yield _reason(image.name, "foreign", check, "there is a result that nobody asked for", exit_code=4)


def _bad_results(image: ImageReport) -> Iterator[Reason]:
    broken = failures.on_a_broken_gpu(image.results)
    yield from (_of_result(image.name, result, broken) for result in image.results if failures.is_bad(result))


def _of_result(image: str, result: CheckResult, broken: bool) -> Reason:
    """Why a check that did not pass shuts the gate, and whose fault that is."""
    if result.outcome not in (FAILED, ERROR):
        return _reason(image, "foreign", result.check, "its outcome is no word of ours", exit_code=4)
    cause, kind = failures.blamed(result), result.kind or result.outcome
    return _reason(
        image,
        cause.id if cause and kind != cuda_errors.NOT_MADE else kind,
        result.check,
        result.message or result.outcome,
        remedy=result.hint,
        exit_code=failures.RUNNERS if failures.by_the_runner(result, broken) else 1,
        cause=cause.id if cause else "",
    )


def _missing_gpus(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    if report.device != "cuda" or _is_cpu_build(image):
        return  # a CPU build sees no GPU whatever the runner does: the checks say so, and it is the image's fault
    inside, lost = image.environment, gpus.lost(report, image)
    seen, wanted = _seen(image), gpus.wanted(report, inside)
    if lost:
        yield _of_lost(image, lost)
    if seen < wanted:
        error = inside.gpu_error if inside else ""
        cause = gpus.cause_of_missing(inside)
        hidden_by_the_job = cause.id == "gpus-hidden" and report.engine == "local"  # whose variables are the job's
        refused = cause.party == cuda_errors.IMAGE and not hidden_by_the_job
        yield _reason(
            image.name,
            "gpu-refused" if refused else "gpu-missing",
            "",
            f"{wanted} GPU{'s' * (wanted > 1)} asked for, {seen} seen inside the image"
            + (f": {error}" if error else "")
            + f" ({gpus.meaning(cause, inside)})",
            remedy=cause.remedy,
            exit_code=1 if refused else 3,
            cause=cause.id,
        )


def _of_lost(image: ImageReport, lost: tuple[Gpu, ...]) -> Reason:
    """Under the cause by which checks were not made, where it explains that, too."""
    known = cuda_errors.classify(lost[0].error) or cuda_errors.CAUSES["gpu-lost"]
    fallen = cuda_errors.fallen(image.environment) if image.environment else None
    told = (
        f"GPU {gpu.index}{f' ({gpu.uuid})' if gpu.uuid else ''} does not answer: {gpu.error or 'no reason given'}"
        for gpu in lost
    )
    cause = fallen if fallen and fallen.party == cuda_errors.RUNNER else known
    return _reason(image.name, "gpu-lost", "", "; ".join(told), remedy=known.remedy, exit_code=3, cause=cause.id)


def _seen(image: ImageReport) -> int:
    return len(image.environment.gpus) if image.environment else 0


def _is_cpu_build(image: ImageReport) -> bool:
    return bool(image.environment and not image.environment.torch_cuda)


def _empty_families(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    families: dict[str, list[CheckResult]] = {check.partition(".")[0]: [] for check in image.planned}
    for result in image.results:
        families.get(result.check.partition(".")[0], []).append(result)
    for family, results in families.items():
        if results and all(result.outcome == SKIPPED for result in results) and not _is_excused(report, results):
            why = results[0].message
            yield _reason(image.name, "all-skipped", family, f"every check of this family was skipped: {why}")


def _nothing_passed(image: ImageReport) -> Iterator[Reason]:
    if image.results and not any(result.outcome == PASSED for result in image.results):
        yield _reason(image.name, "nothing-checked", "", "not one check passed, so nothing is known to work")


def _is_excused(report: RunReport, results: list[CheckResult]) -> bool:
    """A family may be skipped as a whole where the user chose the CPU and it is about GPUs, or where the image does not
    have, by its own wish, what it is about.
    """
    excuses = (NotHere.kind, NeedsGpu.kind) if report.device == "cpu" else (NotHere.kind,)
    return bool(results) and all(result.outcome == SKIPPED and result.kind in excuses for result in results)


def _untouched_gpu(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    passed = [result for result in image.results if result.outcome == PASSED]
    if report.device == "cuda" and passed and not any(result.used_gpu for result in passed):
        yield _reason(image.name, "gpu-untouched", "", "no check that passed has touched the GPU")


def _impossible_metrics(image: ImageReport) -> Iterator[Reason]:
    for result, metric in image.metrics():
        fault = failures.fault(metric)
        if fault:
            yield _reason(image.name, failures.IMPOSSIBLE, f"{result.check}/{metric.name}", fault)


def _beyond_bounds(report: RunReport, image: ImageReport, *, gate: bool) -> Iterator[Reason]:
    for name, metric in named(image):
        rule = rule_of(name, report.policy)
        if rule.gate == gate and not failures.fault(metric):
            yield from _beyond_bound(image.name, name, metric, rule)


def _beyond_bound(image: str, name: str, metric: Metric, rule: MetricRule) -> Iterator[Reason]:
    middle = median(sample for sample in metric.samples if sample is not None)
    try:
        broken = beyond_bounds(name, metric.unit, middle, rule)
    except ConfigError as error:
        yield _reason(image, error.kind, name, error.what, remedy=error.remedy, exit_code=error.exit_code)
    else:
        if broken:
            yield _reason(image, "beyond-bound", name, broken, remedy="the bound is in [metrics] of ci-gpu.toml")


def _from_failure(image: str, failure: Failure) -> Reason:
    return _reason(image, failure.kind, "", failure.what, remedy=failure.remedy, exit_code=failure.exit_code)


def _reason(
    image: str, kind: str, subject: str, message: str, *, remedy: str = "", exit_code: int = 1, cause: str = ""
) -> Reason:
    return Reason(
        exit_code=exit_code, kind=kind, image=image, subject=subject, message=message, remedy=remedy, cause=cause
    )
