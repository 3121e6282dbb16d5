"""Whether the gate is open: a pure judgement of a report. Green needs proof; silence is red.

The rules, in the order in which they are read out:

    an image that could not be examined     its own exit code (3 runner, 4 image, 1 refused by the driver)
    a promised check without a result       1
    a check that failed or had an error     1
    GPUs were asked for and are not there   3   (1 if they are, and the driver and the image do not fit together;
                                                 with no GPU at all, the errors that follow from it are not read out)
    a check family in which nothing passed  1   (unless all of it needs a GPU, and the run was told to use the CPU)
    nothing that passed touched the GPU     1   (unless the run was told to use the CPU)
    a metric that cannot be true            1   (not finite, zero, negative, beyond the physical limit)
    no image at all                         1

Of a comparison the base only has to be measurable: what it fails, it failed before this change. Then:

    a metric that regressed, or vanished    1
    two images that were not comparable     3   (a shared or throttled GPU, a control that drifted)
    not one metric about which something    3   (unless inconclusive results may pass)
      could be concluded
    an inconclusive metric                  1   (only if the user wants that)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ci_gpu.model import (
    INCONCLUSIVE,
    MISSING,
    NOT_COMPARABLE,
    REGRESSED,
    Comparison,
    Failure,
    ImageReport,
    Reason,
    RunReport,
    Trial,
    Verdict,
)
from ci_gpu.payload.wire import ERROR, FAILED, PASSED, SKIPPED, CheckResult, Metric

_PRECEDENCE = (1, 4, 3)
"""Of several reasons the one that a retry on another runner cannot mend decides the exit code."""


def judge(report: RunReport) -> Verdict:
    """The verdict on a report, from nothing but the report."""
    reasons = tuple(reason for image in report.images for reason in _reasons(report, image))
    reasons += tuple(_of_trial(report.trial)) if report.trial else ()
    if not report.images:
        reasons = (_reason("", "nothing-checked", "", "no image was examined"),)
    codes = {reason.exit_code for reason in reasons}
    code = next((code for code in _PRECEDENCE if code in codes), max(codes, default=0))
    return Verdict(exit_code=code, conclusion={0: "success", 1: "failure"}.get(code, "error"), reasons=reasons)


def _reasons(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    if image.failure:
        yield _from_failure(image.name, image.failure)
        yield from _bad_results(image)
        return
    if report.trial and image.name == report.trial.base != report.trial.head:
        return
    missing_gpus = tuple(_missing_gpus(report, image))
    yield from missing_gpus
    if any(reason.kind == "gpu-missing" for reason in missing_gpus) and not _seen(image):
        return
    yield from _missing_results(image)
    yield from _bad_results(image)
    yield from _empty_families(report, image)
    yield from _untouched_gpu(report, image)
    yield from _impossible_metrics(image)


def _of_trial(trial: Trial) -> Iterator[Reason]:
    gated = [metric for metric in trial.metrics if metric.gated]
    yield from (_of_metric(trial, metric) for metric in gated if metric.verdict in (REGRESSED, MISSING))
    doubtful = [metric for metric in gated if metric.verdict in (INCONCLUSIVE, NOT_COMPARABLE)]
    if trial.refused:
        yield _reason(trial.head, "not-compared", "", f"nothing was compared: {trial.refused}", exit_code=3)
    elif trial.policy.inconclusive == "fail":
        yield from (_of_metric(trial, metric) for metric in doubtful)
    elif len(doubtful) == len(gated) and trial.policy.inconclusive != "pass":
        why = doubtful[0].reason if doubtful else "no metric is gated"
        yield _reason(trial.head, "nothing-compared", "", f"nothing could be concluded: {why}", exit_code=3)


def _of_metric(trial: Trial, metric: Comparison) -> Reason:
    change = "" if metric.change is None else f" by {metric.change:+.1%}"
    interval = "" if metric.low is None or metric.high is None else f" [{metric.low:+.1%}, {metric.high:+.1%}]"
    text = f"{metric.verdict}{change}{interval} against {trial.base}"
    return _reason(trial.head, metric.verdict, metric.metric, f"{text}: {metric.reason}" if metric.reason else text)


def _missing_results(image: ImageReport) -> Iterator[Reason]:
    if not image.planned:
        yield _reason(image.name, "nothing-checked", "", "no check was promised for this image")
    have = [result.check for result in image.results]
    for check in image.planned:
        if have.count(check) != 1:
            yield _reason(image.name, "missing", check, f"{have.count(check)} results came of it instead of one")
    for check in dict.fromkeys(have):
        if check not in image.planned:
            yield _reason(image.name, "foreign", check, "there is a result that nobody asked for", exit_code=4)


def _bad_results(image: ImageReport) -> Iterator[Reason]:
    for result in image.results:
        if result.outcome in (FAILED, ERROR):
            kind = result.kind or result.outcome
            yield _reason(image.name, kind, result.check, result.message or result.outcome, remedy=result.hint)
        elif result.outcome not in (PASSED, SKIPPED):
            yield _reason(image.name, "foreign", result.check, "its outcome is no word of ours", exit_code=4)


def _missing_gpus(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    if report.device != "cuda" or _is_cpu_build(image):
        return  # a CPU build sees no GPU whatever the runner does: the checks say so, and it is the image's fault
    seen, wanted = _seen(image), _wanted_gpus(report)
    if seen < wanted:
        error = image.environment.gpu_error if image.environment else ""
        misfit = re.search(_MISFIT, error, re.IGNORECASE)
        yield _reason(
            image.name,
            "gpu-refused" if misfit else "gpu-missing",
            "",
            f"{wanted} GPU{'s' * (wanted > 1)} asked for, {seen} seen inside the image"
            + (f": {error}" if error else ""),
            remedy="run nvidia-smi on the runner, and check how its engine hands GPUs to containers",
            exit_code=1 if misfit else 3,
        )


_MISFIT = r"too old|insufficient|\b80[34]\b|unsupported display driver|forward compatibility"
"""CUDA's words where there is a driver, and this image cannot use it: another image could."""


def _seen(image: ImageReport) -> int:
    return len(image.environment.gpus) if image.environment else 0


def _is_cpu_build(image: ImageReport) -> bool:
    return bool(image.environment and not image.environment.torch_cuda)


def _wanted_gpus(report: RunReport) -> int:
    if report.gpus in ("all", ""):
        return max(1, len(report.host.gpus))
    return len(report.gpus.split(","))


def _empty_families(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    for family in dict.fromkeys(check.partition(".")[0] for check in image.planned):
        results = [result for result in image.results if result.check.partition(".")[0] == family]
        if any(result.outcome == PASSED for result in results) or _is_excused(report, results):
            continue
        if results and all(result.outcome == SKIPPED for result in results):
            why = results[0].message
            yield _reason(image.name, "all-skipped", family, f"every check of this family was skipped: {why}")
    if image.results and not any(result.outcome == PASSED for result in image.results):
        yield _reason(image.name, "nothing-checked", "", "not one check passed, so nothing is known to work")


def _is_excused(report: RunReport, results: list[CheckResult]) -> bool:
    """A family may be skipped as a whole where the user himself chose the CPU and it is about GPUs."""
    return report.device == "cpu" and all(result.kind == "needs-gpu" for result in results)


def _untouched_gpu(report: RunReport, image: ImageReport) -> Iterator[Reason]:
    passed = [result for result in image.results if result.outcome == PASSED]
    if report.device == "cuda" and passed and not any(result.used_gpu for result in passed):
        yield _reason(image.name, "gpu-untouched", "", "no check that passed has touched the GPU")


def _impossible_metrics(image: ImageReport) -> Iterator[Reason]:
    for result, metric in image.metrics():
        fault = _fault(metric)
        if fault:
            yield _reason(image.name, "impossible-metric", f"{result.check}/{metric.name}", fault)


def _fault(metric: Metric) -> str:
    """What is wrong with the samples; empty if they can be true."""
    for sample in metric.samples:
        if sample is None or not math.isfinite(sample):
            return "a sample is not a finite number"
        if sample <= 0:
            return f"a sample of {sample:g} {metric.unit} is not positive"
        if metric.limit is not None and sample > metric.limit:
            return f"a sample of {sample:g} {metric.unit} is beyond the physical limit of {metric.limit:g}"
    return "" if metric.samples else "there are no samples"


def _from_failure(image: str, failure: Failure) -> Reason:
    return _reason(image, failure.kind, "", failure.what, remedy=failure.remedy, exit_code=failure.exit_code)


def _reason(image: str, kind: str, subject: str, message: str, *, remedy: str = "", exit_code: int = 1) -> Reason:
    return Reason(exit_code=exit_code, kind=kind, image=image, subject=subject, message=message, remedy=remedy)
