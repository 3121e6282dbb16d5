"""Records out of a file of any known kind: found by its content, because names lie."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping

import msgspec

from ci_gpu import misread, origin
from ci_gpu.history import ndjson
from ci_gpu.history.formats import github_action_benchmark, pytest_benchmark
from ci_gpu.history.record import Record, record
from ci_gpu.model import Summary
from ci_gpu.origin import Origin
from ci_gpu.reports import json as json_report


def records(
    data: bytes,
    source: str,
    *,
    salt: str,
    env: Mapping[str, str],
    pull: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Record]:
    """The records of a run.json, of lines of records, of a data.js, or of pytest-benchmark's JSON.

    A run.json says where it was made. Of one that does not, or that a fork made, ``env`` (the
    workflow's variables) tells.
    ``tell`` hears what of a file was not believed. After a fork's run only a run.json is read: it has samples.

    Raises:
        ConfigError: it is none of these, or a damaged one.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if origin.is_a_forks(env):
        return _run(data, source, salt, env, pull, tell)
    if github_action_benchmark.fits(data):
        return github_action_benchmark.read(data, source, salt or env.get("GITHUB_REPOSITORY", ""))
    if pytest_benchmark.fits(data):
        return pytest_benchmark.read(data, source, salt or env.get("GITHUB_REPOSITORY", ""))
    if b'"measurements"' in data.partition(b"\n")[0] or data[:2] == b"\x1f\x8b":
        return ndjson.unpack(data, source) if data[:2] == b"\x1f\x8b" else ndjson.lines(data, source)
    if b'"schema"' in data:
        return _run(data, source, salt, env, pull, tell)
    known = "a run.json, records, a data.js, and pytest-benchmark's JSON"
    raise misread.error(misread.UNKNOWN, source, f"it is none of the files that are read: {known}")


def _run(
    data: bytes, source: str, salt: str, env: Mapping[str, str], pull: int, tell: Callable[[str], None]
) -> Iterator[Record]:
    summary = json_report.read(data, source)
    for caveat in summary.caveats:
        tell(f"{source}: {caveat}")
    return iter((of_run(summary, salt=salt, env=env, pull=pull),))


def of_run(summary: Summary, *, salt: str, env: Mapping[str, str], pull: int = 0) -> Record:
    """The record of a run: of the job that its report names, else of the one that this environment is.

    After a fork's run the report's word for it is the fork's, who could name the main line.
    """
    said = summary.report.origin
    made = origin.of(env) if said == Origin() or origin.is_a_forks(env) else said
    return record(
        summary,
        msgspec.structs.replace(made, pull=pull) if pull else made,
        salt=salt or made.repository or env.get("GITHUB_REPOSITORY", ""),
    )
