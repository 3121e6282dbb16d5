"""The last screen: what was checked, what failed, why, and what to do. Plain text, no colour; `render_rich` adds it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ci_gpu.model import Comparison, ImageReport, Reason, RunReport, Summary, Trial
from ci_gpu.payload.wire import ERROR, FAILED, PASSED, SKIPPED, CheckResult
from ci_gpu.reports import _text, _trial, _words

if TYPE_CHECKING:
    from rich.text import Text

SUFFIX = ".txt"

WIDTH = 100
"""Columns: what a terminal and a CI log both show without folding."""

SHOWN, IMAGES, METRICS, NOTES = 5, 6, 3, 2
"""Of the reasons, the images, and per image the metrics and the notes: the rest is in the other reports."""

UNSURE = "unsure"
"""In the margin of a metric of which nothing is known."""

_STYLES = {PASSED: "bold green", FAILED: "bold red", ERROR: "bold yellow", SKIPPED: "bold cyan"}
_MARGIN = 9  # the longest of the four words, and a space


def render(summary: Summary) -> str:
    """About ten lines where little is wrong."""
    report = summary.report
    lines = [line for notice in _words.notices(summary) for line in (*textwrap.wrap(notice, WIDTH), "")]
    for image in report.images[:IMAGES]:
        lines += _image(image, summary)
    lines += _more(len(report.images) - IMAGES, "image")
    lines += _wrapped("note", report.detour) if report.detour else []
    if report.trial:
        lines += ["", *_comparison(report.trial, report.device)]
    lines += [*_reasons(summary), *_advice(summary)]
    return "\n".join(_text.mute(line) for line in [*lines, "", *_last(summary)]) + "\n"


def _reasons(summary: Summary) -> Iterator[str]:
    reasons = _trial.other_reasons(summary)
    yield from [""] if reasons else []
    for reason in reasons[:SHOWN]:
        yield from _reason(reason, summary)
    yield from _more(len(reasons) - SHOWN, "reason")


def _advice(summary: Summary) -> Iterator[str]:
    advice = summary.verdict.advice
    for one in advice[:SHOWN]:
        yield from _wrapped("advice", f"{one.subject or one.kind}: {one.message}")
    yield from _more(len(advice) - SHOWN, "warning")


def render_rich(summary: Summary) -> Text:
    """The same words with the four outcomes in colour. A `Text`: nothing in it is read as markup."""
    from rich.text import Text

    text = Text(render(summary))
    for word, style in _STYLES.items():
        text.highlight_regex(rf"(?m)^{word.upper()}\b", style)
    text.highlight_regex(rf"(?m)^{UNSURE}\b", _STYLES[ERROR])
    text.highlight_regex(r"(?m)^NO GPU WAS CHECKED.*", "bold yellow")
    return text


def _image(image: ImageReport, summary: Summary) -> Iterator[str]:
    results = _words.rows(image)
    yield _row(_words.standing(image, summary), _text.line(_words.title(image), 300))
    yield from _wrapped("", _machine(image, summary.report))
    if summary.report.trial:
        yield from _skips(results)
        return
    if len(summary.report.images) > 1:
        yield from _wrapped("", _words.tally(results))
    yield from _skips(results)
    metrics = [_metric(result, index) for result in results for index in range(len(result.metrics))]
    for text in metrics[:METRICS]:
        yield from _wrapped("", text)
    notes = [f"note: {result.check}: {note}" for result in results for note in result.notes]
    for text in notes[:NOTES]:
        yield from _wrapped("", text)
    if image.gpu_mode and image.gpu_refusals:
        yield from _wrapped("", f"note: GPUs handed over {_words.handed_over(image)}")


def _comparison(trial: Trial, device: str) -> Iterator[str]:
    """What is worse, with its numbers, then what is not known; of the rest the counts in the last line."""
    if trial.refused:
        yield from _wrapped(UNSURE, f"nothing was concluded: {trial.refused}")
        return
    rows = _trial.ordered(trial.metrics)
    worse = [row for row in rows if _trial.standing(row, trial) == FAILED]
    unsure = [row for row in rows if _trial.standing(row, trial) == SKIPPED]
    for row in worse[:SHOWN]:
        yield from _wrapped(FAILED.upper(), _compared(row))
    yield from _more(len(worse) - SHOWN, "metric")
    for row in unsure[: SHOWN if not worse else NOTES]:
        yield from _wrapped(UNSURE, _compared(row))
    if worse:
        yield from _wrapped("try", _trial.ADVICE[_trial.verdict(worse[0])])
    said = f"{_words.plural(_trial.pairs(trial), 'pair')} of processes, {_trial.control(trial)}"
    yield from _wrapped("compared", f"{said}: {_trial.tally(trial)}")
    if blind := _trial.watching(trial, device):
        yield from _wrapped("note", blind)


def _compared(row: Comparison) -> str:
    """``matmul/throughput regressed: 690.7 became 655.4 TFLOP/s, -5.1 % (-5.4 % to -4.9 %)``."""
    name = f"{_text.line(row.metric, 120)} {_trial.say(_trial.verdict(row))}"
    base, head = _trial.value(row.base, ""), _trial.value(row.head, row.unit)
    if row.change is None:
        return f"{name}: {_trial.why(row) or 'no reason was given'}"
    interval = f" ({_trial.interval(row)})" if _trial.interval(row) else ""
    needed = f"; {_trial.needed(row)}" if _trial.needed(row) else ""
    return f"{name}: {base} became {head}, {_trial.percent(row.change)}{interval}{needed}"


def _machine(image: ImageReport, report: RunReport) -> str:
    inside = image.environment
    parts = [
        inside and inside.torch and f"torch {inside.torch}",
        inside and (f"CUDA {inside.torch_cuda}" if inside.torch_cuda else "no CUDA in this build"),
        _words.gpu_names(image, report),
        (driver := (inside and inside.driver) or report.host.driver) and f"driver {driver}",
        report.engine,
        image.seconds and _words.seconds(image.seconds),
    ]
    return ", ".join(str(part) for part in parts if part)


def _skips(results: tuple[CheckResult, ...]) -> Iterator[str]:
    """Reasons of skips, each once."""
    skipped = [result for result in results if _words.outcome(result) == SKIPPED]
    for message in list(dict.fromkeys(result.message for result in skipped))[:NOTES]:
        names = [result.check for result in skipped if result.message == message]
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        yield from _wrapped("skipped", f"{', '.join(names[:2])}{more}: {message or 'no reason was given'}")


def _metric(result: CheckResult, index: int) -> str:
    metric = result.metrics[index]
    return f"{result.check} {metric.name}: {_words.median_text(metric)} (median, {_words.samples_text(metric)})"


def _reason(reason: Reason, summary: Summary) -> Iterator[str]:
    several = len(summary.report.images) > 1
    where = f" in {_text.line(reason.image, 120)}" if several and reason.image and reason.subject else ""
    subject = reason.subject or reason.image or "the run"
    yield from _wrapped(_word(reason, summary), f"{_text.line(subject, 120)}{where}: {reason.message}")
    if also := _words.because(reason, summary.report):
        yield from _wrapped("", also)
    facts = [_words.fact_text(fact) for fact in _result(reason, summary).facts[:4]]
    if facts:
        yield from _wrapped("found", ", ".join(facts))
    why = _words.usual_cause(reason, summary.report)
    if why:
        yield from _wrapped("why", why)
    if reason.remedy:
        yield from _wrapped("try", reason.remedy)


def _word(reason: Reason, summary: Summary) -> str:
    word = _result(reason, summary).outcome
    return (word if word in (FAILED, ERROR) else FAILED if reason.exit_code == 1 else ERROR).upper()


def _result(reason: Reason, summary: Summary) -> CheckResult:
    """The result that a reason speaks of; an empty one if it speaks of none."""
    images = (image for image in summary.report.images if image.name == reason.image)
    found = (result for image in images for result in image.results if result.check == reason.subject)
    return next((result for result in found if result.outcome != PASSED), CheckResult(reason.subject, ""))


def _last(summary: Summary) -> list[str]:
    verdict = summary.verdict
    tally = _words.tally(_words.everything(summary.report))
    trial = summary.report.trial
    compared = f" {_trial.headline(trial).capitalize()}." if trial else ""
    text = f"{_words.conclusion(verdict).capitalize()} (exit code {verdict.exit_code}).{compared} {tally.capitalize()}."
    return textwrap.wrap(text, WIDTH)


def _more(number: int, noun: str) -> list[str]:
    return [" " * _MARGIN + f"and {_words.plural(number, noun)} more, in the reports"] if number > 0 else []


def _row(word: str, text: str) -> str:
    return f"{word.upper():<{_MARGIN}}{text}"


def _wrapped(word: str, text: str) -> list[str]:
    """One paragraph behind a word in the margin."""
    lines = textwrap.wrap(_text.line(text, 500), WIDTH - _MARGIN, break_on_hyphens=False) or [""]
    return [f"{word if not index else '':<{_MARGIN}}{part}".rstrip() for index, part in enumerate(lines)]
