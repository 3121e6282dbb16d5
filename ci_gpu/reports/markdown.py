"""GitHub's markdown, for the step summary and the comment on a pull request.

Where it grows beyond the budget whole sections are left out, the least needed first (`_Section.rank`); a table or a
folded section is never cut.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ci_gpu.model import ImageReport, Reason, RunReport, Summary, Trial
from ci_gpu.payload.wire import ERROR, FAILED, PASSED, SKIPPED, CheckResult, Fact
from ci_gpu.reports import _markdown_trial, _trend, _trial, _words
from ci_gpu.reports._markdown import NAME, code, details, fence, table

SUFFIX = ".md"

SIGNS = {PASSED: "✅", FAILED: "❌", ERROR: "⚠️", SKIPPED: "⏭️"}
_VERDICTS = {0: "✅", 1: "❌"}

MUST, CHANGES, TABLE, DIFFERENCES, TRENDS, CLOCKS, UNCHANGED, METRICS, NOTES, FOUND, PASSING, ENVIRONMENT, LOGS = range(
    13
)
"""The ladder: the highest rank is left out first, rank 0 never."""

NOTED = 50

_LEFT_OUT = {
    CHANGES: "what changed",
    DIFFERENCES: "the differences of the images",
    TRENDS: "the trends",
    CLOCKS: "the clocks",
    UNCHANGED: "the unchanged metrics",
    TABLE: "the outcome tables",
    METRICS: "the metrics",
    NOTES: "the notes",
    FOUND: "what each check found",
    PASSING: "the checks that passed",
    ENVIRONMENT: "the environment",
    LOGS: "the logs",
}


class _Section(msgspec.Struct, frozen=True):
    rank: int
    text: str


def render(summary: Summary, budget: int = 60_000) -> str:
    """The report in at most ``budget`` bytes of UTF-8 (GitHub takes 65 536 characters of a comment).

    The headline is always there, whatever the budget: that takes up to 3 000 bytes.
    """
    sections = list(_sections(summary))
    for rank in range(LOGS, MUST - 1, -1):
        text = _assemble(sections, rank)
        if len(text.encode()) <= budget:
            return text
    for most in (5, 1):
        text = f"{_head(summary)}\n{_reasons(summary, most)}\n"
        if _trial.other_reasons(summary) and len(text.encode()) <= budget:
            return text
    return _head(summary)


def _assemble(sections: list[_Section], rank: int) -> str:
    kept = [section.text for section in sections if section.rank <= rank]
    gone = [_LEFT_OUT[rank] for rank in sorted({section.rank for section in sections if section.rank > rank})]
    if gone:
        kept.append(f"_Left out here for want of room: {', '.join(gone)}. The JSON and HTML reports have all of it._")
    return "\n\n".join(kept) + "\n"


def _sections(summary: Summary) -> Iterator[_Section]:
    yield _Section(MUST, _head(summary).rstrip("\n"))
    if _trial.other_reasons(summary):
        yield _Section(MUST, _reasons(summary))
    if summary.verdict.advice:
        yield _Section(NOTES, _advice(summary))
    if summary.report.trial:
        yield from _trial_sections(summary, summary.report.trial)
    for image in summary.report.images:
        yield from _image(image, summary)


def _trial_sections(summary: Summary, trial: Trial) -> Iterator[_Section]:
    trends = _trend.charts(trial.metrics, summary.series)
    texts = {
        CHANGES: _markdown_trial.changes(trial),
        UNCHANGED: _markdown_trial.unchanged(trial),
        DIFFERENCES: _markdown_trial.differences(summary.report),
        TRENDS: details("Trends", "\n\n".join(trends)) if trends else "",
        CLOCKS: _markdown_trial.clocks(trial, summary.report.device),
    }
    yield from (_Section(rank, text) for rank, text in texts.items() if text)
    for result in _trial.containers(trial):
        if result.log:
            body = f"{code(result.check, NAME)} {code(result.message)}\n\n{fence(result.log, 4_000)}"
            yield _Section(LOGS, details("Log of the first container in which a check failed", body))


def _head(summary: Summary) -> str:
    report, verdict = summary.report, summary.verdict
    names = [code(_words.title(image), NAME) for image in report.images[:3]]
    more = f" and {len(report.images) - 3} more" if len(report.images) > 3 else ""
    headline = (
        f"### {_VERDICTS.get(verdict.exit_code, '⚠️')} GPU image check {_words.conclusion(verdict)} – "
        f"{_words.tally(_words.everything(report))} in {', '.join(names) or 'no image'}{more}"
    )
    if report.trial:
        headline += f"; {_trial.headline(report.trial)}"
    return "".join(f"**{notice}**\n\n" for notice in _words.notices(summary)) + headline + "\n"


def _reasons(summary: Summary, most: int = 20) -> str:
    reasons = _trial.other_reasons(summary)
    several = len(summary.report.images) > 1
    lines = ["**Why, and what to do**", ""]
    lines += [_reason(reason, several, summary.report) for reason in reasons[:most]]
    if len(reasons) > most:
        lines.append(f"- and {_words.plural(len(reasons) - most, 'reason')} more, in the JSON report")
    return "\n".join(lines)


def _advice(summary: Summary, most: int = 20) -> str:
    advice = summary.verdict.advice
    lines = ["**Advice**", ""]
    lines += [
        f"- **{code(one.subject or one.kind, NAME)}** in {code(one.image, NAME)}: {code(one.message)}"
        for one in advice[:most]
    ]
    if len(advice) > most:
        lines.append(f"- and {len(advice) - most} more, in the JSON report")
    return "\n".join(lines)


def _reason(reason: Reason, several: bool, report: RunReport) -> str:
    where = f" in {code(reason.image, NAME)}" if several and reason.image and reason.subject else ""
    subject = code(reason.subject or reason.image or "the run", NAME)
    lines = [f"- **{subject}**{where} ({code(reason.kind, 60)}): {code(reason.message)}"]
    if also := _words.because(reason, report):
        lines.append(f"  <br>{also}")
    why = _words.usual_cause(reason, report)
    if why:
        lines.append(f"  <br>Usually because: {code(why)}")
    if reason.remedy:
        lines.append(f"  <br>Try: {code(reason.remedy)}")
    return "\n".join(lines)


def _image(image: ImageReport, summary: Summary) -> Iterator[_Section]:
    results = _words.rows(image)
    passed = tuple(result for result in results if _words.outcome(result) == PASSED)
    rest = tuple(result for result in results if _words.outcome(result) != PASSED)
    if len(summary.report.images) > 1:
        yield _Section(TABLE, f"#### {code(_words.title(image), NAME)}: {_words.tally(results)}")
    if rest:
        yield _Section(TABLE, _outcomes(rest))
    if passed:
        text = _outcomes(passed)
        yield _Section(PASSING, details(f"{_words.plural(len(passed), 'check')} passed", text) if rest else text)
    yield from _measured(image, results)
    yield _Section(ENVIRONMENT, details("Environment", _environment(image, summary)))
    yield from _logs(image, results)


def _measured(image: ImageReport, results: tuple[CheckResult, ...]) -> Iterator[_Section]:
    if any(result.metrics for result in results):
        yield _Section(METRICS, _metrics(image))
    notes = [f"- {code(result.check, NAME)}: {code(note)}" for result in results for note in result.notes]
    if notes:
        yield _Section(NOTES, "\n".join(["**Notes**", "", *notes[:NOTED]]))
    facts = [_fact(result, fact) for result in results for fact in result.facts]
    if facts:
        yield _Section(FOUND, details("What the checks found", table(("Check", "What", "Found", "Expected"), facts)))


def _outcomes(results: tuple[CheckResult, ...]) -> str:
    return table(("Check", "Outcome", "What was found", "Time"), [_row(group) for group in _words.folded(results)])


def _row(group: tuple[CheckResult, ...]) -> tuple[str, ...]:
    """One check, or all that were not tried for one cause."""
    result, more = group[0], f" and {len(group) - 1} more" if len(group) > 1 else ""
    word = _words.outcome(result)
    kind = f" ({code(result.kind, 60)})" if result.kind and word != PASSED else ""
    untried = _words.is_missing(result) or _words.is_not_made(result) or word == SKIPPED
    return (
        code(result.check, NAME) + more,
        f"{SIGNS[word]} {word}{kind}",
        code(result.message),
        "–" if untried else _words.seconds(result.seconds),
    )


def _fact(result: CheckResult, fact: Fact) -> tuple[str, ...]:
    return code(result.check, NAME), code(fact.name, NAME), code(_words.fact_value(fact)), code(fact.expected)


def _metrics(image: ImageReport) -> str:
    rows = [
        (code(f"{result.check}/{metric.name}", NAME), code(_words.median_text(metric)), _words.samples_text(metric))
        for result, metric in image.metrics()
    ]
    return table(("Metric", "Median", "From"), rows)


def _environment(image: ImageReport, summary: Summary) -> str:
    rows = [(label, code(text)) for label, text in _words.environment_rows(image, summary.report)]
    return table(("", "Found"), rows)


def _logs(image: ImageReport, results: tuple[CheckResult, ...]) -> Iterator[_Section]:
    for result in results:
        if result.log and _words.outcome(result) != PASSED:
            body = f"{code(result.check, NAME)}\n\n{fence(result.log, 4_000)}"
            yield _Section(LOGS, details("Log of a check that did not pass", body))
    if image.log:
        yield _Section(LOGS, details("What the image itself printed", fence(image.log, 4_000)))
