"""Which pull request a workflow run belongs to, by the event and by GitHub: never by a file that an image wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ci_gpu import origin
from ci_gpu.errors import GitHubError
from ci_gpu.github.api import Api
from ci_gpu.untyped import table, text


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Where a comment goes. ``fork``: the token of its own run may only read.

    ``run``, ``attempt`` and ``commit`` are those of the run that measured, as GitHub says them.
    """

    repository: str
    number: int
    fork: bool = False
    run: int = 0
    attempt: int = 0
    commit: str = ""


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
    event, name = origin.event(env), env.get("GITHUB_EVENT_NAME", "")
    if name == "workflow_run":
        return _of_workflow_run(event, repository, api)
    if name == "push":
        return _of_commit(env, repository, api)
    found = table(event.get("pull_request"))
    if not isinstance(found.get("number"), int):
        return None
    head = table(found.get("head"))
    return PullRequest(
        repository=repository,
        number=found["number"],
        fork=table(head.get("repo")).get("full_name") != repository,
        run=_number(env.get("GITHUB_RUN_ID")),
        attempt=_number(env.get("GITHUB_RUN_ATTEMPT")),
        commit=_commit(head.get("sha")),
    )


def head(target: PullRequest, api: Api) -> str:
    """The newest commit of the pull request; that of the run where GitHub does not say."""
    try:
        return _commit(api.get(f"/repos/{target.repository}/pulls/{target.number}", _Pull).head.sha) or target.commit
    except GitHubError:
        return target.commit


def _of_workflow_run(event: Mapping[str, Any], repository: str, api: Api) -> PullRequest | None:
    """For forks GitHub leaves the list of pull requests empty: they are found by their head, if it has not moved."""
    run = table(event.get("workflow_run"))
    head, sha = table(run.get("head_repository")), str(run.get("head_sha", ""))
    owner, branch = text(table(head.get("owner")).get("login")), text(run.get("head_branch"))
    if run.get("event") != "pull_request" or not owner or not branch:
        return None
    query = _quoted(f"{owner}:{branch}")
    for found in api.pages(f"/repos/{repository}/pulls?state=open&head={query}", _Pull):
        if found.head.sha == sha:
            return PullRequest(
                repository=repository,
                number=found.number,
                fork=head.get("full_name") != repository,
                run=_number(run.get("id")),
                attempt=_number(run.get("run_attempt")),
                commit=_commit(sha),
            )
    return None


def _of_commit(env: Mapping[str, str], repository: str, api: Api) -> PullRequest | None:
    sha = env.get("GITHUB_SHA", "")
    if not re.fullmatch(r"[0-9a-f]{40,64}", sha):
        return None
    for found in api.pages(f"/repos/{repository}/commits/{sha}/pulls", _Pull):
        if found.state == "open":
            return PullRequest(
                repository=repository,
                number=found.number,
                run=_number(env.get("GITHUB_RUN_ID")),
                attempt=_number(env.get("GITHUB_RUN_ATTEMPT")),
                commit=_commit(sha),
            )
    return None


def _number(said: Any) -> int:
    return int(said) if re.fullmatch("[0-9]{1,15}", str(said)) else 0


def _commit(said: Any) -> str:
    return said if isinstance(said, str) and re.fullmatch("[0-9a-f]{7,64}", said) else ""


def _quoted(text: str) -> str:
    """A branch may hold nearly any character."""
    from urllib.parse import quote

    return quote(text, safe="")
