"""What a workflow run proposes to change, by its event, and what a file is in the branch that it would change."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from ci_gpu import origin
from ci_gpu.document import MAX_BYTES
from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.github.api import Api
from ci_gpu.untyped import table, text

_ABOUT_CHANGES = ("pull_request", "merge_group", "workflow_run", "issue_comment")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request, or a group of them in a merge queue. ``ref``: of what it is to be merged into; empty if unknown.

    ``heads`` are its own commits that a checkout may have, beside the one of the run (GITHUB_SHA).
    """

    ref: str = ""
    heads: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True):
    content: str = ""
    encoding: str = ""


def change(env: Mapping[str, str]) -> Change | None:
    """What this run proposes; None where it is of a commit that is in the repository already."""
    name = env.get("GITHUB_EVENT_NAME", "")
    try:
        event = origin.event(env)
    except ConfigError:
        return Change() if name.startswith(_ABOUT_CHANGES) else None
    pull, group = table(event.get("pull_request")), table(event.get("merge_group"))
    if pull:
        return Change(ref=text(table(pull.get("base")).get("sha")), heads=(text(table(pull.get("head")).get("sha")),))
    if group:
        return Change(ref=text(group.get("base_ref")), heads=(text(group.get("head_sha")),))
    # These two run on the default branch, whose commit GITHUB_SHA is, and often check out the pull request's.
    about = table(event.get("issue")).get("pull_request") or _of_a_pull_request(table(event.get("workflow_run")))
    return Change(ref=env.get("GITHUB_SHA", "")) if about else None


def file(path: str, ref: str, repository: str, api: Api) -> bytes | None:
    """A file of the repository at a commit or branch; None if there is none.

    Raises:
        GitHubError: GitHub refused, or answered with something else.
    """
    at = f"?ref={quote(ref, safe='')}"
    try:
        found = api.get(f"/repos/{repository}/contents/{quote(path)}{at}", _File)
    except GitHubError as error:
        if error.kind != "not-found":
            raise
        api.get(
            f"/repos/{repository}/contents{at}", list[Any]
        )  # also not-found, where the token may not see the repository
        return None
    return _content(found, path)


def _content(found: _File, path: str) -> bytes:
    """As docs.github.com/rest/repos/contents has it: base64 up to 1 MB, and none for what is larger."""
    if found.encoding != "base64" or len(found.content) > 2 * MAX_BYTES:
        raise _no_file(path)
    try:
        return base64.b64decode(found.content)
    except (binascii.Error, ValueError) as error:
        raise _no_file(path) from error


def _no_file(path: str) -> GitHubError:
    return GitHubError(
        f"GitHub does not give {path[:200]} as a file",
        why=f"it is a folder, a link, a submodule, or larger than {MAX_BYTES >> 10} KiB",
        remedy="make it a plain file of the repository",
        kind="no-file",
    )


def _of_a_pull_request(run: Mapping[str, Any]) -> bool:
    return str(run.get("event", "")).startswith("pull_request")
