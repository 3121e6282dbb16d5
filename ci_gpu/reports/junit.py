"""JUnit XML, one suite an image and one for their comparison, valid against both schemas in use: Jenkins' and Ant's.

What both allow is narrow: a root without attributes, times of three decimals, a time stamp without a zone, output of
a suite but not of a test. junit-xml makes the elements; `_tidy` brings them into that form.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from xml.etree import ElementTree

from junit_xml import TestCase, TestSuite

from ci_gpu.model import Comparison, ImageReport, RunReport, Summary, Trial
from ci_gpu.payload.wire import ERROR, FAILED, SKIPPED, CheckResult
from ci_gpu.reports import _text, _trial, _words

SUFFIX = ".xml"

PACKAGE = "ci_gpu"
COMPARISON, REFUSED = "comparison", "conclusive"
"""The class of the tests that are metrics of two images, and the one that fails where nothing was concluded."""

FAILURE = "image.usable"
"""The test that stands for an image which could not be examined (to the end)."""

_EPOCH = "1970-01-01T00:00:00"
_LOG = 64 << 10


def render(summary: Summary) -> str:
    """The whole document. A check without a result and an image that could not be examined are errors in it."""
    root = ElementTree.Element("testsuites")
    for index, image in enumerate(summary.report.images):
        suite = _suite(index, image, summary.report).build_xml_doc()
        root.append(_tidy(suite, _log(image, summary)))
    if summary.report.trial:
        suite = _compared(summary.report.trial, summary.report).build_xml_doc()
        root.append(_tidy(suite, _told(summary) or _trial.headline(summary.report.trial)))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _suite(index: int, image: ImageReport, report: RunReport) -> TestSuite:
    cpu = "[NO GPU WAS CHECKED] " if _words.notice(report) else ""
    return TestSuite(
        cpu + _name(image.name, "image"),
        test_cases=list(_cases(image)),
        hostname=_name(report.host.name, "localhost"),
        id=str(index),
        package=PACKAGE,
        timestamp=_timestamp(image.started) or _timestamp(report.created) or _EPOCH,
        properties=_properties(image, report),
    )


def _compared(trial: Trial, report: RunReport) -> TestSuite:
    """One test a gated metric, and one a way in which a check failed in containers. Where nothing was concluded, that
    is an error of its own.
    """
    rows = [one for one in _trial.ordered(trial.metrics) if one.gated]
    results = [*_trial.containers(trial), *(_row(one, trial) for one in rows)]
    if trial.refused:
        results.insert(0, CheckResult(REFUSED, ERROR, message=trial.refused, kind="refused"))
    cpu = "[NO GPU WAS CHECKED] " if _words.notice(report) else ""
    figures = {_name(f"metric {one.metric}", "metric"): _text.line(_figures(one)) for one in trial.metrics}
    return TestSuite(
        f"{cpu}{_name(trial.head, 'head')} against {_name(trial.base, 'base')}",
        test_cases=list(_distinct(_case(result, COMPARISON) for result in results)),
        hostname=_name(report.host.name, "localhost"),
        id=str(len(report.images)),
        package=PACKAGE,
        timestamp=_timestamp(report.created) or _EPOCH,
        properties={"ci-gpu": _text.line(report.version), **figures},
    )


def _row(one: Comparison, trial: Trial) -> CheckResult:
    """A comparison in the words of a check: its verdict decides, by the policy."""
    word = _trial.verdict(one)
    hint = _trial.ADVICE[word]
    message = f"{_trial.say(word)}: {_figures(one)}"
    return CheckResult(one.metric, _trial.standing(one, trial), message=message, hint=hint, kind=word)


def _figures(one: Comparison) -> str:
    base, head = _trial.value(one.base, one.unit), _trial.value(one.head, one.unit)
    interval = f" ({_trial.interval(one)})" if _trial.interval(one) else ""
    change = "" if one.change is None else f", {_trial.percent(one.change)}{interval}"
    return "; ".join(filter(None, (f"base {base}, head {head}{change}", _trial.why(one))))


def _distinct(cases: Iterable[TestCase]) -> Iterator[TestCase]:
    """Consumers key on class and name: of two results under one name they would show only one."""
    seen: set[tuple[str, str]] = set()
    numbers: dict[tuple[str, str], int] = {}
    for case in cases:
        plain = case.name
        while (case.classname, case.name) in seen:
            number = numbers[case.classname, plain] = numbers.get((case.classname, plain), 1) + 1
            case.name = f"{plain} ({number})"
        seen.add((case.classname, case.name))
        yield case


def _cases(image: ImageReport) -> Iterator[TestCase]:
    results = list(_words.rows(image))
    if image.failure:
        results.insert(0, _failure(image))
    yield from _distinct(_case(result) for result in results)


def _failure(image: ImageReport) -> CheckResult:
    failure = image.failure
    assert failure is not None
    hint = "\n".join(filter(None, (failure.why and f"Usually because: {failure.why}", failure.remedy)))
    return CheckResult(FAILURE, ERROR, message=failure.what, hint=hint, kind=failure.kind, log=image.log)


def _case(result: CheckResult, group: str = "") -> TestCase:
    family, _, name = result.check.partition(".")
    names = (result.check, group) if group else (name, f"{PACKAGE}.{_name(family, 'unknown')}")
    case = TestCase(_name(names[0], "check"), names[1], result.seconds)
    message, outcome = _name(result.message, "no reason was given"), _words.outcome(result)
    if outcome == FAILED:
        case.add_failure_info(message, _body(result), _name(result.kind, FAILED))
    elif outcome == ERROR:
        case.add_error_info(message, _body(result), _name(result.kind, ERROR))
    elif outcome == SKIPPED:
        case.add_skipped_info(message, _body(result))
    return case


def _body(result: CheckResult) -> str:
    """All that is known of a check that did not pass."""
    lines = [_text.line(result.message, 8_000) or "no reason was given"]
    lines += [f"try: {_text.line(line)}" for line in result.hint.splitlines()[:20]]
    lines += [_text.line(_words.fact_text(fact)) for fact in result.facts[:200]]
    lines += [f"note: {_text.line(note)}" for note in result.notes[:50]]
    log = _text.tail(result.log)
    return "\n".join([*lines, "", log] if log else lines)


def _properties(image: ImageReport, report: RunReport) -> dict[str, str]:
    inside = image.environment
    pairs = {
        "notice": _words.notice(report),
        "ci-gpu": report.version,
        "image": image.image.reference,
        "digest": image.image.digest,
        "engine": report.engine,
        "driver": (inside and inside.driver) or report.host.driver,
        "torch": inside.torch if inside else "",
        "cuda": inside.torch_cuda if inside else "",
        "cudnn": inside.cudnn if inside else "",
        "nccl": inside.nccl if inside else "",
        "python": inside.python if inside else "",
        "gpu": _words.gpu_names(image, report),
    }
    return {name: _text.line(text) for name, text in pairs.items() if text} | _metrics(image)


def _metrics(image: ImageReport) -> dict[str, str]:
    return {
        _name(f"metric {result.check}/{metric.name}", "metric"): _text.line(
            f"{_words.median_text(metric)} (median, {_words.samples_text(metric)})"
        )
        for result, metric in image.metrics()
    }


def _log(image: ImageReport, summary: Summary) -> str:
    """What the suite printed: our notice and notes, then the end of the image's own output."""
    notes = [f"{result.check}: {note}" for result in image.results for note in result.notes[:50]]
    advice = [f"{one.subject or one.kind}: {one.message}" for one in summary.verdict.advice if one.image == image.name]
    head = [*_words.notices(summary), _words.tally(_words.rows(image)), *advice[:50], *notes]
    text = "\n".join([_text.line(line) for line in head if line] + [_text.tail(image.log, _LOG)])
    # GitLab takes files from the workspace that such a line names.
    return text.replace("[[ATTACHMENT", "[ [ATTACHMENT")


def _told(summary: Summary) -> str:
    return "\n".join(_words.notices(summary))


def _tidy(suite: ElementTree.Element, log: str) -> ElementTree.Element:
    cases = suite.findall("testcase")
    suite.attrib.pop("disabled", None)
    for case, skipped in ((case, case.find("skipped")) for case in cases):
        case.set("time", _time(case.get("time")))
        if skipped is not None:
            skipped.attrib.pop("type", None)
    suite.set("time", _time(sum(float(case.get("time", 0)) for case in cases)))
    ElementTree.SubElement(suite, "system-out").text = log
    ElementTree.SubElement(suite, "system-err")
    return suite


def _name(text: str, otherwise: str) -> str:
    """A name that is never empty: consumers throw a test without one away, or break on it."""
    return _text.line(text) or otherwise


def _time(value: str | float | None) -> str:
    seconds = float(value or 0)
    return f"{min(max(seconds, 0.0), 1e9) if math.isfinite(seconds) else 0.0:.3f}"


def _timestamp(text: str) -> str:
    """RFC 3339 as the schema wants it: UTC, to the second, without saying so. Empty if it is none."""
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") if moment.year > 999 else ""
    except (ValueError, OverflowError):
        return ""
