"""Where a job ran, from the workflow's own environment: never from a file that an image wrote."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ci_gpu.history.record import Origin
from ci_gpu.model import RunReport


def origin(report: RunReport, env: Mapping[str, str]) -> Origin:
    """The origin of a report that was made just now, in this environment.

    The id has a hash of the report, since the legs of a matrix share run, attempt and job; the same report has the
    same id whenever it is added.
    """
    names = ("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB")
    job = "-".join(filter(None, (env.get(name, "") for name in names))) or "local"
    repository = env.get("GITHUB_REPOSITORY", "")
    return Origin(
        run=f"{job}-{hashlib.sha256(msgspec.json.encode(report)).hexdigest()[:12]}",
        repository=repository,
        branch=env.get("GITHUB_HEAD_REF") or env.get("GITHUB_REF_NAME", ""),
        commit=env.get("GITHUB_SHA", ""),
        pull_request=_pull_request(env),
        salt=env.get("CI_GPU_HISTORY_SALT") or repository,
    )


def _pull_request(env: Mapping[str, str]) -> int:
    """The number in the workflow's event, 0 outside of one: what a pull request measured is kept apart."""
    match = re.fullmatch(r"refs/pull/([0-9]{1,9})/.*", env.get("GITHUB_REF", ""))
    if match:
        return int(match[1])
    try:
        number = json.loads(Path(env.get("GITHUB_EVENT_PATH") or "/nonexistent").read_bytes())["pull_request"]["number"]
        return number if isinstance(number, int) else 0
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return 0
