"""The sentences and figures that all reports share. What the image said is returned raw: each report escapes it."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections import Counter
from collections.abc import Iterable

from ci_gpu.errors import ConfigError
from ci_gpu.model import ImageRef, ImageReport, Reason, RunReport, Summary, Verdict
from ci_gpu.payload.cuda_errors import NOT_MADE
from ci_gpu.payload.wire import ERROR, OUTCOMES, CheckResult, Environment, Fact, Metric

NO_GPU = "NO GPU WAS CHECKED: this run used the CPU, so it proves nothing about CUDA, the driver or the GPU."

UNREAD = "The base branch's ci-gpu.toml could not be read: the defaults hold in its place."

MISSING = "missing"
_CONCLUSIONS = {
    0: "passed",
    1: "failed",
    3: "not judged, the runner is at fault",
    4: "not judged, the image gave no valid answer",
}


def notice(report: RunReport) -> str:
    """That no GPU was checked; empty if one was used."""
    return NO_GPU if report.device != "cuda" else ""


def notices(summary: Summary) -> tuple[str, ...]:
    """What stands before everything else in every report, a paragraph each; words of ours alone."""
    unread = UNREAD if summary.report.proposal.unread else ""
    return tuple(filter(None, (*summary.caveats, unread, notice(summary.report))))


def title(image: ImageReport) -> str:
    """The image's name, and where that is one of ci-gpu.toml's, what it stands for: ``nightly = ghcr.io/a/b:1``."""
    name, reference = image.name, image.image.reference
    with contextlib.suppress(ConfigError):
        name = str(ImageRef.parse(name))
    return image.name if reference in ("", image.name, name) else f"{image.name} = {reference}"


def rows(image: ImageReport) -> tuple[CheckResult, ...]:
    """Every check that was promised or answered; one without an answer is an error of kind ``missing``."""
    have = {result.check for result in image.results}
    why = f"not reached: {image.failure.what}" if image.failure else "no result came back for this check"
    missing = (check for check in image.planned if check not in have)
    return (*image.results, *(CheckResult(check, ERROR, message=why, kind=MISSING) for check in missing))


def outcome(result: CheckResult) -> str:
    """One of the four words; any other word is no answer, so an error."""
    return result.outcome if result.outcome in OUTCOMES else ERROR


def is_missing(result: CheckResult) -> bool:
    """Whether it stands for a check that gave no result; `rows` made it."""
    return result.outcome == ERROR and result.kind == MISSING


def is_not_made(result: CheckResult) -> bool:
    """Whether it was never tried, because its precondition fell."""
    return result.outcome == ERROR and result.kind == NOT_MADE


def folded(results: Iterable[CheckResult]) -> list[tuple[CheckResult, ...]]:
    """The rows of a table: one a check, and one for all that were not made, or not reached, for one cause."""
    groups: dict[tuple[str, str], list[CheckResult]] = {}
    for result in results:
        untried = is_not_made(result) or is_missing(result)
        groups.setdefault((result.kind, result.message) if untried else ("", str(len(groups))), []).append(result)
    return [tuple(group) for group in groups.values()]


def because(reason: Reason, report: RunReport) -> str:
    """What else the cause of a reason did: ``and 18 checks that could not be made because of it``; empty if nothing."""
    if not reason.dependents:
        return ""
    results = [result for image in report.images if image.name == reason.image for result in image.results]
    dependents = set(reason.dependents)
    untried = sum(is_not_made(result) and result.check in dependents for result in results)
    ended = len(reason.dependents) - untried
    told = [f"{plural(untried, 'check')} that could not be made because of it"] if untried else []
    told += [f"{plural(ended, 'check')} that ended for the same cause"] if ended else []
    return f"and {' and '.join(told)}"


def counts(results: tuple[CheckResult, ...]) -> dict[str, int]:
    """How many there are of each of the four outcomes, zeros included."""
    words = [outcome(result) for result in results]
    return {word: words.count(word) for word in OUTCOMES}


def tally(results: tuple[CheckResult, ...]) -> str:
    """``14 checks: 12 passed, 1 failed, 1 without a result``; ``14 checks passed`` where there is nothing else."""
    if not results:
        return "no checks"
    missing = sum(is_missing(result) for result in results)
    untried = sum(is_not_made(result) for result in results)
    found = {**counts(results), "not made": untried, "without a result": missing}
    found[ERROR] -= missing + untried
    parts = [f"{number} {word}" for word, number in found.items() if number]
    total = plural(len(results), "check")
    return total + parts[0].removeprefix(str(len(results))) if len(parts) == 1 else f"{total}: {', '.join(parts)}"


def everything(report: RunReport) -> tuple[CheckResult, ...]:
    """The rows of all images."""
    return tuple(row for image in report.images for row in rows(image))


def conclusion(verdict: Verdict) -> str:
    """The verdict in a few words: ``passed``, ``failed``, or why there is none."""
    return _CONCLUSIONS.get(verdict.exit_code, f"stopped with exit code {verdict.exit_code}")


def standing(image: ImageReport, summary: Summary) -> str:
    """``passed``, ``failed`` or ``error``: how one image stands by the verdict's reasons."""
    codes = {reason.exit_code for reason in summary.verdict.reasons if reason.image == image.name}
    if image.failure:
        codes.add(image.failure.exit_code)
    return "failed" if 1 in codes else ("error" if codes else "passed")


def usual_cause(reason: Reason, report: RunReport) -> str:
    """Why it usually happens: a reason does not carry that, and the failure that it was made of does."""
    failures = (image.failure for image in report.images if image.name == reason.image and image.failure)
    return next((failure.why for failure in failures if failure.what == reason.message), "")


def plural(number: int, noun: str) -> str:
    """``1 check``, ``2 checks``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def number(value: float | None, digits: int = 4) -> str:
    """A measured figure with a few significant digits; a word where it is no finite number."""
    if value is None or not math.isfinite(value):
        return "not a number"
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{digits}g}" if abs(value) < 10 ** (digits - 1) else f"{value:.0f}"


def fact_value(fact: Fact) -> str:
    """What a check found, as text."""
    value = fact.value
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        # Python refuses to write integers of more than 4300 digits.
        return str(value) if abs(value) < 10**18 else "more than 10^18"
    return number(value, 6) if isinstance(value, float) else value


def fact_text(fact: Fact) -> str:
    """``dz/dy = 30.69 (expected 31)``."""
    return f"{fact.name} = {fact_value(fact)}" + (f" (expected {fact.expected})" if fact.expected else "")


def finite(metric: Metric) -> list[float]:
    """The samples that are finite numbers."""
    return [sample for sample in metric.samples if sample is not None and math.isfinite(sample)]


def median_text(metric: Metric) -> str:
    """``612.3 TFLOP/s``: the median of the finite samples, with its unit."""
    samples = finite(metric)
    return f"{number(statistics.median(samples))} {metric.unit}" if samples else "not a number"


def samples_text(metric: Metric) -> str:
    """``20 samples``, and how many of them are no numbers."""
    bad = len(metric.samples) - len(finite(metric))
    return plural(len(metric.samples), "sample") + (f", {bad} not finite" if bad else "")


def seconds(value: float) -> str:
    """A duration for people: ``0.4 s``, ``74 s``, ``6 min 12 s``."""
    if not math.isfinite(value) or value < 0:
        return "unknown"
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{int(value // 60)} min {int(value % 60)} s"


def gpu_names(image: ImageReport, report: RunReport) -> str:
    """``2 × NVIDIA H100 80GB HBM3``, as the image sees them, else as the host does."""
    gpus = (image.environment.gpus if image.environment else ()) or report.host.gpus
    names = Counter(gpu.name for gpu in gpus if gpu.name)
    return ", ".join(f"{number} × {name}" if number > 1 else name for name, number in names.items())


def handed_over(image: ImageReport) -> str:
    """``by runtime; refused: gpus (…)``: how the engine handed over the GPUs, and what it refused before."""
    refused = "; ".join(f"{each.mode} ({each.failure.what})" for each in image.gpu_refusals)
    how = f"by {image.gpu_mode}" if image.gpu_mode else ""
    return "; ".join(filter(None, (how, refused and f"refused: {refused}")))


def environment_rows(image: ImageReport, report: RunReport) -> list[tuple[str, str]]:
    """What ran where, as pairs of a label and a text; what is unknown is left out."""
    inside = image.environment or Environment(python="", machine="", torch="")
    pairs = [
        ("image", image.image.reference),
        ("digest", image.image.digest),
        ("size", size(image.image.size)),
        ("torch", inside.torch),
        ("CUDA of the build", inside.torch_cuda),
        ("CUDA runtime", inside.cuda_runtime),
        ("cuDNN", inside.cudnn),
        ("NCCL", inside.nccl),
        ("Triton", inside.triton),
        ("built for", " ".join(inside.arch_list)),
        ("driver", inside.driver or report.host.driver),
        ("CUDA of the driver", inside.driver_cuda),
        ("GPUs", gpu_names(image, report)),
        ("GPUs handed over", handed_over(image)),
        ("containers", report.detour),
        ("GPU error", inside.gpu_error),
        ("Python", inside.python),
        ("CPU", inside.cpu),
        ("engine", report.engine),
        ("host", " ".join(filter(None, (report.host.name, report.host.machine, report.host.system)))),
        ("time", seconds(image.seconds) if image.seconds else ""),
        ("started", image.started or report.created),
        ("ci-gpu", report.version),
    ]
    return [(label, text) for label, text in pairs if text]


def size(octets: int) -> str:
    """``18.4 GB``; empty if unknown."""
    return f"{octets / 1e9:.1f} GB" if 0 < octets < 10**18 else ""
