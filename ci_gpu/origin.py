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
    event = read_event(env)
    name, branch, commit, default = _cause(env, event)
    pull = _pull_request(env, event)
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
    first = _at(read_event(env), "workflow_run")
    follows = env.get("GITHUB_EVENT_NAME") == "workflow_run"
    return follows and _text(first, "head_repository", "full_name") != env.get("GITHUB_REPOSITORY", "")


def read_event(env: Mapping[str, str]) -> dict[str, Any]:
    """The event's document; empty where there is none that can be read."""
    path = Path(env.get("GITHUB_EVENT_PATH") or "/nonexistent")
    try:
        if path.stat().st_size > MAX_EVENT:
            return {}
        event = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def _cause(env: Mapping[str, str], event: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    """What started it, its branch and commit, and whether that is the default branch.

    A run that follows another workflow's was caused by what caused that one, if it was this repository's.
    """
    name, ref = env.get("GITHUB_EVENT_NAME", ""), env.get("GITHUB_REF", "")
    default = _text(event, "repository", "default_branch")
    first = _at(event, "workflow_run")
    if name == "workflow_run" and _text(first, "head_repository", "full_name") == env.get("GITHUB_REPOSITORY"):
        branch = _text(first, "head_branch")
        return _name(_text(first, "event")), branch, _text(first, "head_sha"), bool(default) and branch == default
    branch = env.get("GITHUB_HEAD_REF") or env.get("GITHUB_REF_NAME", "")
    return _name(name), branch, env.get("GITHUB_SHA", ""), bool(default) and ref == f"refs/heads/{default}"


def _is_main(event: str, default_branch: bool) -> bool:
    """GitHub runs a schedule on the default branch alone."""
    return event in ("", "schedule") or (event == "push" and default_branch)


def _name(event: str) -> str:
    return event if not event or _EVENT.fullmatch(event) else "unknown"


def _pull_request(env: Mapping[str, str], event: Mapping[str, Any]) -> int:
    """The number by the ref or the event, 0 outside of a pull request."""
    match = _PULL.fullmatch(env.get("GITHUB_REF", ""))
    number = int(match[1]) if match else _at(event, "pull_request").get("number", 0)
    return number if isinstance(number, int) and 0 < number < 2**31 else 0


def _matrix(text: str) -> str:
    """The values as the action hands them over; a job without a matrix has ``null``."""
    try:
        values = json.loads(text or "null")
    except (ValueError, RecursionError):
        return ""
    if not isinstance(values, dict) or not values:
        return ""
    return json.dumps(values, sort_keys=True)[:MAX_MATRIX]


def _at(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _text(document: Mapping[str, Any], *names: str) -> str:
    for name in names[:-1]:
        document = _at(document, name)
    found = document.get(names[-1])
    return found if isinstance(found, str) else ""
