"""``run.json``: the whole report, the counts and the verdict; and the way back, which trusts none of it.

The JSON Schema is published as ``docs/report.schema.json``. The baseline of the next run is such a file, and the
workflow that posts comments reads one that a pull request made: `parse` takes it as hostile, and `read` shows of what
it concludes nothing that its samples do not give.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from types import NoneType
from typing import Any

import msgspec

from ci_gpu import budget, layout, misread
from ci_gpu.compare import margins
from ci_gpu.compare.judged import differing, judged
from ci_gpu.compare.readings import BASE, HEAD
from ci_gpu.compare.spoiling import unshown
from ci_gpu.errors import ConfigError
from ci_gpu.model import (
    MAX_CHECKS,
    MAX_CLOCK,
    MAX_PATTERN,
    MAX_RULES,
    MAX_SEARCHED,
    MAX_SECONDS,
    SCHEMA,
    Block,
    Failure,
    ImageReport,
    Policy,
    RunReport,
    Summary,
    Trial,
    Verdict,
)
from ci_gpu.payload.wire import OUTCOMES, CheckResult
from ci_gpu.reports import _words
from ci_gpu.verdict import judge

SUFFIX = ".json"

MAX_BYTES = budget.REPORT.octets
MAX_TEXT = 200_000  # characters in any one text
MAX_ITEMS = 100_000  # items in any one list
MAX_IMAGES = 100  # in a report
MAX_METRICS, MAX_PAIRS = 10_000, 100  # in a comparison, and before its first look
LOOSE = 0.10
"""A smallest change beyond it, in a file, is told: the largest that is ours."""

FAILURE_CODES = (1, 2, 3, 4, 5)
CHECK = r"^[a-z0-9_]+\.[a-z0-9_]+$"
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"

_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,40}")


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many checks ended how; ``error`` includes the ``missing`` ones, which gave no result."""

    passed: int
    failed: int
    error: int
    skipped: int
    missing: int


class Document(RunReport, frozen=True, kw_only=True):
    """A run of ci-gpu. ``notice`` is there only where no GPU was checked, or not all of a file was believed."""

    notice: str = ""
    counts: Counts
    verdict: Verdict


class _Version(msgspec.Struct):
    schema: int
    version: Any = ""


def render(summary: Summary) -> str:
    """The document in ASCII, indented, its keys always in the same order."""
    report, notice = summary.report, " ".join(_words.notices(summary))
    document: dict[str, Any] = {"notice": notice} if notice else {}
    document |= dict(layout.entries(report))
    document |= {"counts": _counts(report), "verdict": summary.verdict}
    return layout.text(document) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of what `render` writes."""
    document = msgspec.json.schema(Document)
    definitions = document["$defs"]
    result, report = definitions["CheckResult"]["properties"], definitions["Document"]["properties"]
    result["check"]["pattern"] = CHECK
    result["outcome"]["enum"] = list(OUTCOMES)
    report["schema"] = {"const": SCHEMA}
    report["device"]["enum"] = ["cuda", "cpu"]
    definitions["Document"]["required"].append("schema")
    definitions["Verdict"]["properties"]["conclusion"]["enum"] = ["success", "failure", "error"]
    definitions["Metric"]["properties"]["better"]["enum"] = ["higher", "lower"]
    for definition in definitions.values():
        definition["description"] = inspect.cleandoc(definition["description"])  # as Python 3.13 has it by itself
    return {"$schema": SCHEMA_ID, "title": "run.json of ci-gpu", **document}


def read(text: str | bytes, source: str = "the report") -> Summary:
    """A ``run.json`` as it may be shown: its comparison is computed from its samples, and the verdict from that.

    Where the file concludes something else, ``caveats`` say so. That is no error: another release, or somebody who
    forged it, would keep a regression from being shown by it.

    Raises:
        ConfigError: as of `parse`; or nothing can be computed from it.
    """
    report = parse(text, source)
    if report.trial is None:
        return Summary(report=report, verdict=judge(report), caveats=tuple(_of_policy(report.policy)))
    try:
        found = judged(report.trial)
    except ConfigError as error:
        raise _impossible(source, error.what) from error
    recomputed = msgspec.structs.replace(report, trial=found)
    return Summary(
        report=recomputed, verdict=judge(recomputed), caveats=(*_caveats(report.trial, found), *_believed(found))
    )


def _caveats(stated: Trial, found: Trial) -> Iterator[str]:
    metrics, whole = differing(stated, found)
    parts = [_words.plural(metrics, "metric")] if metrics else []
    parts += ["the comparison as a whole"] if whole else []
    if parts:
        yield (
            f"The file of this run concludes something else than its samples give ({', '.join(parts)}): "
            "what is shown is computed from the samples. Another release wrote it, or somebody changed it."
        )


def _believed(trial: Trial) -> Iterator[str]:
    """What of a file cannot be computed anew, where it keeps something from being judged."""
    for_nothing, spoiled = unshown(trial.blocks)
    if for_nothing:
        blocks = _words.plural(for_nothing, "block")
        yield f"By the word of the file alone {blocks} of this comparison count for nothing: nothing in them shows why."
    if spoiled:
        blocks = _words.plural(spoiled, "block")
        yield f"By the word of the file {blocks} count although the GPU was throttled, shared or broken meanwhile."
    yield from _of_policy(trial.policy)


def _of_policy(policy: Policy) -> Iterator[str]:
    """The bounds are those of the run that wrote the file, or of whoever changed it."""
    loose = sum(not rule.gate or (rule.min_effect or 0) > LOOSE for _, rule in policy.rules)
    parts = [f"{_words.plural(loose, 'rule')} that do not gate, or only beyond {LOOSE:.0%}"] if loose else []
    parts += [f"a min-effect of {policy.min_effect:.0%}"] if (policy.min_effect or 0) > LOOSE else []
    parts += ["inconclusive metrics that pass"] if policy.inconclusive == "pass" else []
    if parts:
        yield f"What blocks is the file's own word, and that is loose: {', '.join(parts)}."


def _impossible(source: str, fault: str) -> ConfigError:
    return misread.error(misread.REPORT, source, f"it holds what no run can have written: {fault}")


def parse(text: str | bytes, source: str = "the report") -> RunReport:
    """What a ``run.json`` says, conclusions of its own included: `read` makes those anew.

    Raises:
        ConfigError: it is too big, no JSON, of another schema version, or holds what no run can have written
            (kind ``bad-report``).
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > MAX_BYTES:
        raise misread.error(misread.REPORT, source, f"at most {MAX_BYTES} bytes are read, and there are {len(data)}")
    weight = budget.weigh(data)
    if weight.exceeds(budget.REPORT):
        raise misread.error(misread.REPORT, source, f"it has {weight}, and at most {budget.REPORT} are read")
    try:
        _check_version(msgspec.json.decode(data, type=_Version), source)
        report = msgspec.json.decode(data, type=RunReport)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise misread.of_json(misread.REPORT, source, error) from error
    fault = next(_faults(report), "")
    if fault:
        raise _impossible(source, fault)
    return report


def _check_version(found: _Version, source: str) -> None:
    if found.schema == SCHEMA:
        return
    version = found.version if isinstance(found.version, str) and _VERSION.fullmatch(found.version) else ""
    needed = f"ci-gpu {version or 'of the release that wrote it'}"
    raise ConfigError(
        f"{source} has format {found.schema}, and this ci-gpu reads format {SCHEMA}",
        why=f"it was written by {'a newer' if found.schema > SCHEMA else 'another'} release",
        remedy=f"read it with {needed}" + (f": pip install 'ci-gpu=={version}'" if version else ""),
        kind="bad-report",
    )


def _faults(report: RunReport) -> Iterator[str]:
    yield from _unbounded(report)
    if report.device not in ("cuda", "cpu"):
        yield "a device that is neither cuda nor cpu"
    yield from _policy_faults(report)
    if len(report.images) > MAX_IMAGES:
        yield f"{len(report.images)} images"
    for image in report.images:
        yield from _image_faults(image)
    if report.trial:
        yield from _trial_faults(report.trial, [image.name for image in report.images])


def _image_faults(image: ImageReport) -> Iterator[str]:
    if max(len(image.planned), len(image.results)) > MAX_CHECKS:
        yield f"an image with more than {MAX_CHECKS} checks"
    yield from ("a check id that is none" for check in image.planned if not re.fullmatch(CHECK[1:-1], check))
    yield from _result_faults(image.results)
    yield from _failure_faults(image.failure)


def _failure_faults(failure: Failure | None) -> Iterator[str]:
    if failure and failure.exit_code not in FAILURE_CODES:
        yield "an image that could not be examined, with an exit code that is none for that"


def _result_faults(results: Iterable[CheckResult]) -> Iterator[str]:
    for result in results:
        if not re.fullmatch(CHECK[1:-1], result.check):
            yield "a check id that is none"
        if result.outcome not in OUTCOMES:
            yield f"an outcome that is none of {', '.join(OUTCOMES)}"
        if result.seconds < 0:
            yield "a check that took less than no time"
        if any(metric.better not in ("higher", "lower") for metric in result.metrics):
            yield "a metric without a direction"


def _trial_faults(trial: Trial, images: list[str]) -> Iterator[str]:
    """Numbers of pairs are bounded because a comparison takes the time of their square."""
    if sorted(images) != sorted((trial.base, trial.head)):
        yield "a comparison of other images than its two"
    if not 2 <= trial.first <= MAX_PAIRS or len(trial.machines) not in (0, 2):
        yield "a comparison that was not planned like that"
    most = 2 * (MAX_PAIRS if trial.machines else trial.first)
    valid = [(block.pair, block.arm) for block in trial.blocks if not block.invalid]
    if len(valid) != len(set(valid)):
        yield "two processes of one image in one pair"
    if len({name for block in trial.blocks for name, _ in block.metrics()}) > MAX_METRICS:
        yield f"a comparison of more than {MAX_METRICS} metrics"
    for block in trial.blocks:
        yield from _block_faults(block, most)


def _block_faults(block: Block, most: int) -> Iterator[str]:
    if block.arm not in (BASE, HEAD) or block.pair < 1 or (block.pair > most and not block.invalid):
        yield "a process of no pair"
    yield from _result_faults(block.results)
    yield from _failure_faults(block.failure)
    if not all(0 <= seconds <= MAX_SECONDS for seconds in block.control):
        yield "a control that took no time that can be"
    clocks = (state.sm_mhz or 0 for watched in block.telemetry for state in watched.states)
    if not all(0 <= clock <= MAX_CLOCK for clock in clocks):
        yield "a clock that no GPU has"


def _policy_faults(report: RunReport) -> Iterator[str]:
    """Matching a long pattern, or very many, against every metric would take seconds."""
    for policy in (report.policy, *((report.trial.policy,) if report.trial else ())):
        for rules in (policy.rules, policy.tightened):
            patterns = [pattern for pattern, _ in rules]
            if len(patterns) > MAX_RULES or any(len(pattern) > MAX_PATTERN for pattern in patterns):
                yield f"more than {MAX_RULES} rules, or a pattern of more than {MAX_PATTERN} characters"
            if margins.searched(patterns) > MAX_SEARCHED:
                yield f"patterns with more than {MAX_SEARCHED} characters behind their stars"


def _unbounded(value: Any) -> Iterator[str]:
    """Nothing is copied: a file may hold as much as can be read."""
    if isinstance(value, str):
        yield from [f"a text of {len(value)} characters"] if len(value) > MAX_TEXT else ()
        return
    if isinstance(value, (list, tuple, dict)) and len(value) > MAX_ITEMS:
        yield f"a list of {len(value)} items"
    held = [item for pair in layout.entries(value) for item in pair] if layout.is_object(value) else value
    for item in held:
        if not isinstance(item, (float, int, bool, NoneType)):
            yield from _unbounded(item)


def _counts(report: RunReport) -> Counts:
    results = _words.everything(report)
    missing = sum(len(_words.rows(image)) - len(image.results) for image in report.images)
    return Counts(**_words.counts(results), missing=missing)
