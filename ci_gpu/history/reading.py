"""Records out of a file of any known kind: found by its content, because names lie."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping

from ci_gpu import misread
from ci_gpu.history import ndjson
from ci_gpu.history.formats import github_action_benchmark, pytest_benchmark
from ci_gpu.history.record import Record, record, run_name
from ci_gpu.model import Summary
from ci_gpu.reports import json as json_report


def records(data: bytes, source: str, *, salt: str, env: Mapping[str, str], pull: int = 0) -> Iterator[Record]:
    """The records of a run.json, of lines of records, of a data.js, or of pytest-benchmark's JSON.

    A run.json does not know where it was made: ``env`` is the workflow's, with the names that GitHub gives.

    Raises:
        ConfigError: it is none of these, or a damaged one.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if github_action_benchmark.fits(data):
        return github_action_benchmark.read(data, source, salt)
    if pytest_benchmark.fits(data):
        return pytest_benchmark.read(data, source, salt)
    if b'"measurements"' in data.partition(b"\n")[0] or data[:2] == b"\x1f\x8b":
        return ndjson.unpack(data, source) if data[:2] == b"\x1f\x8b" else ndjson.lines(data, source)
    if b'"schema"' in data:
        return iter((of_report(data, source, salt=salt, env=env, pull=pull),))
    known = "a run.json, records, a data.js, and pytest-benchmark's JSON"
    raise misread.error(misread.UNKNOWN, source, f"it is none of the files that are read: {known}")


def of_report(data: bytes, source: str, *, salt: str, env: Mapping[str, str], pull: int = 0) -> Record:
    """The record of a run.json."""
    return of_run(json_report.read(data, source), salt=salt, env=env, pull=pull)


def of_run(summary: Summary, *, salt: str, env: Mapping[str, str], pull: int = 0) -> Record:
    """The record of a run in this environment: a report does not know its branch and commit, the workflow does."""
    return record(
        summary,
        branch=env.get("GITHUB_HEAD_REF") or env.get("GITHUB_REF_NAME", ""),
        commit=env.get("GITHUB_SHA", ""),
        repository=env.get("GITHUB_REPOSITORY", ""),
        salt=salt,
        run=run_name(summary.report, env),
        pull=pull,
    )
