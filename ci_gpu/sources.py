"""Which ci-gpu.toml counts in a job, and whose word it is.

A developer's machine, a push, a schedule: the file, whole. A pull request, a merge queue: what it tightens of the base
branch's file. A checkout of another commit, such as an earlier job left, is not read unless it is named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from ci_gpu import checkout, document
from ci_gpu.document import DEFAULT_FILE, Document, Tables
from ci_gpu.errors import CiGpuError, ConfigError
from ci_gpu.github import actions, api
from ci_gpu.github import change as changes

_REF = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?|refs/heads/.{1,250}")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The document of a job, and what a person should hear of how it was found."""

    document: Document
    note: str = ""


def find(file: Path | None, env: Mapping[str, str], token: str) -> Found:
    """The file that was named, else the one of this folder.

    Raises:
        ConfigError: it cannot be read, or is no ci-gpu.toml.
    """
    if not actions.active(env):
        return Found(document=Document(tables=document.tables(file)))
    change = changes.change(env)
    path = Path(os.path.abspath(file or DEFAULT_FILE))  # noqa: PTH100 - without .., and not where a link leads
    if file is None and not _is_of_this_run(checkout.root(path.parent), change, env):
        return Found(document=Document(tables={}), note=_note())
    tables = document.tables(file)
    if change is None or _is_the_runner_s(path, env):
        return Found(document=Document(tables=tables))
    return Found(document=_with_base(tables, _in_repository(path, env), change, env, token))


def _is_of_this_run(root: Path | None, change: changes.Change | None, env: Mapping[str, str]) -> bool:
    """Whether the checkout has a commit of this run: another one is an earlier job's, or of who knows whom."""
    heads = (env.get("GITHUB_SHA", ""), *(change.heads if change else ()))
    return root is not None and checkout.commit(root) in {head for head in heads if head}


def _note() -> str:
    if not Path(DEFAULT_FILE).is_file():
        return ""
    return f"{DEFAULT_FILE} is not read: this folder is no checkout of this run's commit; --config names a file"


def _is_the_runner_s(path: Path, env: Mapping[str, str]) -> bool:
    """A file outside the workspace is not brought by a checkout. A link in it, wherever that leads, is."""
    workspace = Path(env.get("GITHUB_WORKSPACE") or "/")
    tops = {workspace, workspace.resolve()}
    return not any(each.is_relative_to(top) for each in (path, path.resolve()) for top in tops)


def _in_repository(path: Path, env: Mapping[str, str]) -> str:
    top = checkout.root(path.parent) or Path(env.get("GITHUB_WORKSPACE") or path.parent)
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else path.name


def _with_base(tables: Tables, path: str, change: changes.Change, env: Mapping[str, str], token: str) -> Document:
    try:
        data = _from_github(path, change.ref, env, token)
        return Document(tables=tables, base=document.parse(data, path) if data is not None else {})
    except CiGpuError as error:
        return Document(tables=tables, base={}, unread=error.what)


def _from_github(path: str, ref: str, env: Mapping[str, str], token: str) -> bytes | None:
    repository = env.get("GITHUB_REPOSITORY", "")
    if not _REF.fullmatch(ref) or not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", repository):
        raise ConfigError("the event of this run does not say into what it is merged")
    if not token:
        raise ConfigError("there is no token to read it with: CI_GPU_GITHUB_TOKEN and GITHUB_TOKEN are not set")
    with closing(api.Api(token, env.get("GITHUB_API_URL") or "https://api.github.com")) as client:
        return changes.file(path, ref, repository, client)
