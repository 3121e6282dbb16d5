"""``run.json``: the whole report, the counts and the verdict; and the way back, which trusts none of it.

The JSON Schema is published as ``docs/report.schema.json``. The baseline of the next run is such a file, and the
workflow that posts comments reads one that a pull request made: `parse` takes it as hostile.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ci_gpu import misread
from ci_gpu.errors import ConfigError
from ci_gpu.model import MAX_PATTERN, MAX_RULES, SCHEMA, RunReport, Summary, Verdict
from ci_gpu.payload.wire import OUTCOMES
from ci_gpu.reports import _words

SUFFIX = ".json"

MAX_BYTES = 32 << 20
MAX_TEXT = 200_000  # characters in any one text
MAX_ITEMS = 100_000  # items in any one list
MAX_IMAGES, MAX_CHECKS = 100, 5_000  # in a report, and of one image
CHECK = r"^[a-z0-9_]+\.[a-z0-9_]+$"
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"

_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,40}")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many checks ended how; ``error`` includes the ``missing`` ones, which gave no result."""

    passed: int
    failed: int
    error: int
    skipped: int
    missing: int


class Document(RunReport, frozen=True, kw_only=True):
    """A run of ci-gpu. ``notice`` is there only where no GPU was checked."""

    notice: str = ""
    counts: Counts
    verdict: Verdict


class _Version(msgspec.Struct):
    schema: int
    version: Any = ""


def render(summary: Summary) -> str:
    """The document in ASCII, indented, its keys always in the same order."""
    report, notice = summary.report, _words.notice(summary.report)
    document = {"notice": notice} if notice else {}
    document |= _fields(report)
    document["counts"] = msgspec.to_builtins(_counts(report))
    document["verdict"] = _fields(summary.verdict)
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


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


def parse(text: str | bytes, source: str = "the report") -> RunReport:
    """Read a ``run.json`` back. Its verdict is not even looked at: judge the report anew.

    Raises:
        ConfigError: it is too big, no JSON, of another schema version, or holds what no run can have written
            (kind ``bad-report``).
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > MAX_BYTES:
        raise misread.error(misread.REPORT, source, f"at most {MAX_BYTES} bytes are read, and there are {len(data)}")
    try:
        _check_version(msgspec.json.decode(data, type=_Version), source)
        report = msgspec.json.decode(data, type=RunReport)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise misread.of_json(misread.REPORT, source, error) from error
    fault = next(_faults(report), "")
    if fault:
        raise misread.error(misread.REPORT, source, f"it holds what no run can have written: {fault}")
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
    yield from _unbounded(_fields(report))
    if report.device not in ("cuda", "cpu"):
        yield "a device that is neither cuda nor cpu"
    yield from _policy_faults(report)
    if len(report.images) > MAX_IMAGES:
        yield f"{len(report.images)} images"
    for image in report.images:
        if max(len(image.planned), len(image.results)) > MAX_CHECKS:
            yield f"an image with more than {MAX_CHECKS} checks"
        checks = (*image.planned, *(result.check for result in image.results))
        yield from ("a check id that is none" for check in checks if not re.fullmatch(CHECK[1:-1], check))
        for result in image.results:
            if result.outcome not in OUTCOMES:
                yield f"an outcome that is none of {', '.join(OUTCOMES)}"
            if result.seconds < 0:
                yield "a check that took less than no time"
        for _, metric in image.metrics():
            if metric.better not in ("higher", "lower"):
                yield "a metric without a direction"


def _policy_faults(report: RunReport) -> Iterator[str]:
    """Matching a long pattern, or very many, against every metric would take seconds."""
    for policy in (report.policy, *((report.trial.policy,) if report.trial else ())):
        if len(policy.rules) > MAX_RULES or any(len(pattern) > MAX_PATTERN for pattern, _ in policy.rules):
            yield f"more than {MAX_RULES} rules, or a pattern of more than {MAX_PATTERN} characters"


def _unbounded(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        yield f"a text of {len(value)} characters"
    elif isinstance(value, (list, tuple, dict)):
        if len(value) > MAX_ITEMS:
            yield f"a list of {len(value)} items"
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _unbounded(item)


def _counts(report: RunReport) -> Counts:
    results = _words.everything(report)
    missing = sum(len(_words.rows(image)) - len(image.results) for image in report.images)
    return Counts(**_words.counts(results), missing=missing)


def _fields(value: Any) -> Any:
    return _plain(msgspec.to_builtins(value))


def _plain(value: Any) -> Any:
    """As every JSON reader takes it: no lone surrogate, no NaN, no infinity, no integer beyond 64 bits."""
    if isinstance(value, dict):
        plain = {_plain(key): _plain(item) for key, item in value.items()}
        return plain if plain.get("seconds", 0) is not None else {**plain, "seconds": 0.0}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return None
    return value
