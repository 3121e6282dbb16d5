"""Which pull request a workflow run belongs to, by the event and by GitHub: never by a file that an image wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ci_gpu.errors import ConfigError
from ci_gpu.github.api import Api

MAX_BYTES = 16 << 20


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Where a comment goes. ``fork``: the token of its own run may only read."""

    repository: str
    number: int
    fork: bool = False


class _Head(msgspec.Struct, frozen=True):
    sha: str


class _Pull(msgspec.Struct, frozen=True):
    """A pull request, as GitHub documents it."""

    number: int
    state: str
    head: _Head


def pull_request(env: Mapping[str, str], api: Api) -> PullRequest | None:
    """The open pull request that this run is about; None if it is about none.

    Raises:
        ConfigError: the event cannot be read, or is not what GitHub sends.
    """
    repository = env.get("GITHUB_REPOSITORY", "")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", repository):
        return None
    event, name = read(env), env.get("GITHUB_EVENT_NAME", "")
    if name == "workflow_run":
        return _of_workflow_run(event, repository, api)
    if name == "push":
        return _of_commit(env.get("GITHUB_SHA", ""), repository, api)
    found = event.get("pull_request")
    if not isinstance(found, dict) or not isinstance(found.get("number"), int):
        return None
    head = (found.get("head") or {}).get("repo") or {}
    return PullRequest(repository=repository, number=found["number"], fork=head.get("full_name") != repository)


def _of_workflow_run(event: Mapping[str, Any], repository: str, api: Api) -> PullRequest | None:
    """For forks GitHub leaves the list of pull requests empty: they are found by their head, if it has not moved."""
    run = event.get("workflow_run") or {}
    head, sha = run.get("head_repository") or {}, str(run.get("head_sha", ""))
    owner, branch = str((head.get("owner") or {}).get("login", "")), str(run.get("head_branch", ""))
    if run.get("event") != "pull_request" or not owner or not branch:
        return None
    query = _quoted(f"{owner}:{branch}")
    for found in api.pages(f"/repos/{repository}/pulls?state=open&head={query}", _Pull):
        if found.head.sha == sha:
            fork = head.get("full_name") != repository
            return PullRequest(repository=repository, number=found.number, fork=fork)
    return None


def _of_commit(sha: str, repository: str, api: Api) -> PullRequest | None:
    if not re.fullmatch(r"[0-9a-f]{40,64}", sha):
        return None
    for found in api.pages(f"/repos/{repository}/commits/{sha}/pulls", _Pull):
        if found.state == "open":
            return PullRequest(repository=repository, number=found.number)
    return None


def _quoted(text: str) -> str:
    """A branch may hold nearly any character."""
    from urllib.parse import quote

    return quote(text, safe="")


def read(env: Mapping[str, str]) -> dict[str, Any]:
    """What GitHub says of the event of this run.

    Raises:
        ConfigError: it cannot be read, or is no object.
    """
    path = Path(env.get("GITHUB_EVENT_PATH") or "/nonexistent")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        event = json.loads(path.read_bytes())
        if not isinstance(event, dict):
            raise TypeError("it is no object")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"the workflow's event cannot be read: {error}",
            why="GITHUB_EVENT_PATH names no event: this does not run in a workflow",
            remedy="run `ci-gpu comment` in a job, or leave --comment away",
        ) from error
    return event
