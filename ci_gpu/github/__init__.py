"""GitHub: what the runner is told, and the comment on the pull request. Needs no GPU."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.model import Summary
from ci_gpu.origin import Origin
from ci_gpu.reports import markdown

if TYPE_CHECKING:
    from ci_gpu.github.comment import Published, Section
    from ci_gpu.github.event import PullRequest

_WORKFLOW = re.compile(r"[^/]+/[^/]+/(?P<file>[^@]+)@.*")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a comment. ``pending``: it was not posted, and a run with more rights should."""

    pending: bool
    url: str = ""
    message: str = ""


def post(
    summaries: Sequence[Summary], *, env: Mapping[str, str], token: str, when: str, key: str, from_file: bool = False
) -> Outcome:
    """Post summaries on the pull request of this workflow run. ``from_file``: another run may have measured them.

    ``when`` is ``auto``, where a refusal of GitHub's never decides anything: the image is judged by itself, and the
    comment is pending; or ``always``.

    Raises:
        GitHubError: GitHub refused, and ``when`` is ``always``.
        ConfigError: there is no token, or no pull request, and ``when`` is ``always``.
    """
    try:
        done = _post(summaries, env, token, key or _default_key(env), from_file)
    except (GitHubError, ConfigError) as error:
        if when == "always":
            raise
        remedy = f" ({error.remedy})" if error.remedy else ""
        return Outcome(pending=True, message=f"no comment was posted: {error.what}{remedy}")
    return Outcome(pending=False, url=done.url, message=f"comment {done.action}: {done.url}")


def _post(summaries: Sequence[Summary], env: Mapping[str, str], token: str, key: str, from_file: bool) -> Published:
    from ci_gpu.github import api, author, body, comment, event

    if not token:
        raise ConfigError(
            "there is no token to comment with",
            why="neither CI_GPU_GITHUB_TOKEN nor GITHUB_TOKEN is set",
            remedy="pass github-token to the action, or set one of them",
        )
    base = env.get("GITHUB_API_URL") or "https://api.github.com"
    with closing(api.Api(token, base)) as client, closing(api.Api(token, _graphql(env, base))) as graphql:
        target = event.pull_request(env, client)
        if target is None:
            raise ConfigError(
                "this run belongs to no open pull request",
                why="the event is about none, or its head has moved on",
                remedy="nothing, if that is so; the step summary has it all",
            )
        place = comment.Place(repository=target.repository, number=target.number, me=author.login(client, graphql))
        page = body.Page(key=key, head=event.head(target, client), runs=_runs(env, target.repository))
        target = msgspec.structs.replace(target, commit=target.commit or page.head)
        sections = [_section(summary, env, target, from_file) for summary in summaries]
        return comment.publish(client, place, page, sections)


def _section(summary: Summary, env: Mapping[str, str], target: PullRequest, from_file: bool) -> Section:
    """Of a run that measured itself the workflow's variables say which leg it is; of a file, the file."""
    from ci_gpu import origin
    from ci_gpu.github import comment, legs

    made = summary.report.origin if from_file and summary.report.origin != Origin() else origin.of(env)
    known = msgspec.structs.replace(summary, report=msgspec.structs.replace(summary.report, origin=made))
    fork = from_file and target.fork
    job = legs.Job(run=target.run, attempt=target.attempt, commit=target.commit, fork=fork)
    return comment.Section(leg=legs.of(known, job), render=lambda budget: markdown.render(summary, budget))


def _default_key(env: Mapping[str, str]) -> str:
    """The workflow, by its file: two files may have one name."""
    match = _WORKFLOW.fullmatch(env.get("GITHUB_WORKFLOW_REF", ""))
    return f"{env.get('GITHUB_WORKFLOW', '')} {match['file'] if match else ''}".strip()


def _graphql(env: Mapping[str, str], base: str) -> str:
    """On a server of one's own GraphQL lies beside the REST API, not below it."""
    return (env.get("GITHUB_GRAPHQL_URL") or f"{base}/graphql").removesuffix("/graphql")


def _runs(env: Mapping[str, str], repository: str) -> str:
    """Where the pages of a repository's runs are; empty where the server has no plain address."""
    server = env.get("GITHUB_SERVER_URL", "")
    return f"{server}/{repository}/actions/runs" if re.fullmatch(r"https?://[A-Za-z0-9.:-]+", server) else ""
