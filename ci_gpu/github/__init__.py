"""GitHub: what the runner is told, and the comment on the pull request. Needs no GPU."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import msgspec

from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.model import Summary
from ci_gpu.reports import markdown

FORK = "This was reported by a fork's run, not verified: outcomes, samples and policy are what that run said."


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a comment. ``pending``: it was not posted, and a run with more rights should."""

    pending: bool
    url: str = ""
    message: str = ""


def post(
    summary: Summary, *, env: Mapping[str, str], token: str, when: str, key: str, from_file: bool = False
) -> Outcome:
    """Post the summary on the pull request of this workflow run. ``from_file``: another run may have measured it.

    ``when`` is ``auto``, where a refusal of GitHub's never decides anything: the image is judged by itself, and the
    comment is pending; or ``always``.

    Raises:
        GitHubError: GitHub refused, and ``when`` is ``always``.
        ConfigError: there is no token, or no pull request, and ``when`` is ``always``.
    """
    try:
        return _post(summary, env, token, key or _default_key(env), from_file)
    except (GitHubError, ConfigError) as error:
        if when == "always":
            raise
        remedy = f" ({error.remedy})" if error.remedy else ""
        return Outcome(pending=True, message=f"no comment was posted: {error.what}{remedy}")


def _post(summary: Summary, env: Mapping[str, str], token: str, key: str, from_file: bool) -> Outcome:
    from ci_gpu.github import api, comment, event

    if not token:
        raise ConfigError(
            "there is no token to comment with",
            why="neither CI_GPU_GITHUB_TOKEN nor GITHUB_TOKEN is set",
            remedy="pass github-token to the action, or set one of them",
        )
    with closing(api.Api(token, env.get("GITHUB_API_URL") or "https://api.github.com")) as client:
        target = event.pull_request(env, client)
        if target is None:
            raise ConfigError(
                "this run belongs to no open pull request",
                why="the event is about none, or its head has moved on",
                remedy="nothing, if that is so; the step summary has it all",
            )
        told = _of_a_fork(summary) if from_file and target.fork else summary
        published = comment.publish(
            client,
            repository=target.repository,
            number=target.number,
            key=key,
            render=lambda budget: markdown.render(told, budget),
        )
    return Outcome(pending=False, url=published.url, message=f"comment {published.action}: {published.url}")


def _of_a_fork(summary: Summary) -> Summary:
    """Whoever opens a pull request writes the workflow that made its report, and can upload any."""
    return msgspec.structs.replace(summary, caveats=(FORK, *summary.caveats))


def _default_key(env: Mapping[str, str]) -> str:
    return f"{env.get('GITHUB_WORKFLOW', '')}/{env.get('GITHUB_JOB', '')}"
