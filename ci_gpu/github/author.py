"""Whose comments are ours: the token's own, and nobody else's."""

from __future__ import annotations

import re

import msgspec

from ci_gpu.errors import GitHubError
from ci_gpu.github.api import Api

ACTIONS_LOGIN = "github-actions[bot]"

_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:\[bot\])?")
_REFUSED = ("read-only-token", "forbidden", "not-found", "github", "invalid")


class _User(msgspec.Struct, frozen=True):
    login: str


class _Data(msgspec.Struct, frozen=True):
    viewer: _User


class _Answer(msgspec.Struct, frozen=True):
    data: _Data | None = None


def login(api: Api, graphql: Api) -> str:
    """The login that this token writes as.

    The token of a user says it at ``/user``. That of an app, the workflow's own included, is refused there, and says it
    to GraphQL: ``slug[bot]``. Where both are refused it is taken for the workflow's own.
    """
    try:
        return api.get("/user", _User).login
    except GitHubError as error:
        if error.kind not in _REFUSED:
            raise
    return _app(graphql) or ACTIONS_LOGIN


def _app(graphql: Api) -> str:
    """The bot of an app's token; empty where GraphQL is refused as well."""
    try:
        found = graphql.post("/graphql", {"query": "query { viewer { login } }"}, _Answer)
    except GitHubError:
        return ""
    name = found.data.viewer.login if found.data else ""
    if not _LOGIN.fullmatch(name):
        return ""
    return name if name.endswith("[bot]") else f"{name}[bot]"
