"""Where a run was made, as its workflow says: what a report carries, so that it can be kept and told of elsewhere.

GitHub's variables and the event's file are the workflow's, not the image's. In a report that is read back they are a
claim like all the rest of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ci_gpu.errors import ConfigError
from ci_gpu.untyped import table, text

MAX_EVENT = 16 << 20
MAX_MATRIX = 1_000

_EVENT = re.compile(r"[a-z_]{1,40}")
_PULL = re.compile(r"refs/pull/([0-9]{1,9})/.*")


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The job of a workflow; all empty outside of one.

    ``apart`` is empty for what counts as the main line: a push of the default branch, a schedule, and whatever was made
    outside of a workflow. Else it is the event, and ``pull`` the number where that is a pull request's.
    """

    repository: str = ""
    branch: str = ""
    commit: str = ""
    event: str = ""
    apart: str = ""
    pull: int = 0
    run: str = ""
    attempt: str = ""
    job: str = ""
    matrix: str = ""  # the leg's values, as JSON


def of(env: Mapping[str, str]) -> Origin:
    """The origin of what is made in this environment."""
    told = _told(env)
    name, branch, commit, default = _cause(env, told)
    pull = _pull_request(env, told)
    return Origin(
        repository=env.get("GITHUB_REPOSITORY", ""),
        branch=branch,
        commit=commit,
        event=name,
        apart="" if pull or _is_main(name, default) else name,
        pull=pull,
        run=env.get("GITHUB_RUN_ID", ""),
        attempt=env.get("GITHUB_RUN_ATTEMPT", ""),
        job=env.get("GITHUB_JOB", ""),
        matrix=_matrix(env.get("CI_GPU_MATRIX", "")),
    )


def is_a_forks(env: Mapping[str, str]) -> bool:
    """Whether this job follows the run of a fork, whose files say of themselves what the fork likes."""
    return env.get("GITHUB_EVENT_NAME") == "workflow_run" and not _is_own(table(_told(env).get("workflow_run")), env)


def _is_own(run: Mapping[str, Any], env: Mapping[str, str]) -> bool:
    """Whether a run that another follows was of this repository's own branches."""
    return bool(run) and table(run.get("head_repository")).get("full_name") == env.get("GITHUB_REPOSITORY")


def event(env: Mapping[str, str]) -> dict[str, Any]:
    """What GitHub says of the event of this run.

    Raises:
        ConfigError: it cannot be read, or is no object.
    """
    path = Path(env.get("GITHUB_EVENT_PATH") or "/nonexistent")
    try:
        if path.stat().st_size > MAX_EVENT:
            raise ValueError("it is too large")
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise TypeError("it is no object")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"the workflow's event cannot be read: {error}",
            why="GITHUB_EVENT_PATH names no event: this does not run in a workflow",
            remedy="run `ci-gpu comment` in a job, or leave --comment away",
        ) from error
    return found


def _told(env: Mapping[str, str]) -> dict[str, Any]:
    """The event; empty where there is none that can be read."""
    try:
        return event(env)
    except ConfigError:
        return {}


def _cause(env: Mapping[str, str], told: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    """What started it, its branch and commit, and whether that is the default branch.

    A run that follows another workflow's was caused by what caused that one, if it was this repository's.
    """
    name, ref = env.get("GITHUB_EVENT_NAME", ""), env.get("GITHUB_REF", "")
    default = text(table(told.get("repository")).get("default_branch"))
    first = table(told.get("workflow_run"))
    if name == "workflow_run" and _is_own(first, env):
        branch = text(first.get("head_branch"))
        return _name(text(first.get("event"))), branch, text(first.get("head_sha")), bool(default) and branch == default
    branch = env.get("GITHUB_HEAD_REF") or env.get("GITHUB_REF_NAME", "")
    return _name(name), branch, env.get("GITHUB_SHA", ""), bool(default) and ref == f"refs/heads/{default}"


def _is_main(event: str, default_branch: bool) -> bool:
    """GitHub runs a schedule on the default branch alone."""
    return event in ("", "schedule") or (event == "push" and default_branch)


def _name(event: str) -> str:
    return event if not event or _EVENT.fullmatch(event) else "unknown"


def _pull_request(env: Mapping[str, str], told: Mapping[str, Any]) -> int:
    """The number by the ref or the event, 0 outside of a pull request."""
    match = _PULL.fullmatch(env.get("GITHUB_REF", ""))
    number = int(match[1]) if match else table(told.get("pull_request")).get("number", 0)
    return number if isinstance(number, int) and 0 < number < 2**31 else 0


def _matrix(said: str) -> str:
    """The values as the action hands them over; a job without a matrix has ``null``."""
    try:
        values = json.loads(said or "null")
    except (ValueError, RecursionError):
        return ""
    if not isinstance(values, dict) or not values:
        return ""
    return json.dumps(values, sort_keys=True)[:MAX_MATRIX]
