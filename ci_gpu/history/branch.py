"""One branch of a repository through GitHub's Git Data API: files are added to it, and nothing is ever forced.

A commit is blob, tree, commit, then the branch is moved to it, which GitHub refuses (409 or 422, in words that the
API's client knows as a conflict) if another writer was first. Then everything from the tree on is made again. Blobs are
named by their content, so making one twice is nothing.
"""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec

from ci_gpu.errors import GitHubError
from ci_gpu.github.api import TOTAL, Api

_T = TypeVar("_T")

TRIES = 10
LONGEST = 30.0  # seconds between two tries

MAX_DEPTH = 6
MAX_LISTINGS = 5_000

_AGAIN = ("conflict", "github-down", "github-unreachable")
_REFUSED = ("forbidden", "read-only-token")

_Sha = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")]
"""A name of git's: it becomes a part of a path."""


class _Named(msgspec.Struct, frozen=True):
    sha: _Sha


class _Ref(msgspec.Struct, frozen=True):
    object: _Named


class _Commit(msgspec.Struct, frozen=True):
    tree: _Named


class _Entry(msgspec.Struct, frozen=True):
    path: str
    type: str
    sha: _Sha


class _Tree(msgspec.Struct, frozen=True):
    tree: tuple[_Entry, ...]
    truncated: bool = False


class _Blob(msgspec.Struct, frozen=True):
    content: str


Wanted = Callable[[str], bool]
"""Whether a folder, by its path with a slash at its end, is of interest."""


def _all(_: str) -> bool:
    return True


class Branch:
    """A branch; it need not exist before the first file. ``pause`` waits, and is for tests.

    ``total`` is how many seconds one answer may take.
    """

    def __init__(
        self,
        token: str,
        url: str,
        repository: str,
        name: str,
        *,
        pause: Callable[[float], None] = time.sleep,
        total: float = TOTAL,
    ) -> None:
        self._api = Api(token, url, total=total, sleep=pause)
        self._git, self._name = f"/repos/{repository}/git", name
        self._url = f"git:{repository}#{name}"  # as --store names it
        self._ref = quote(f"heads/{name}", safe="")  # one part of a path, as GitHub's own clients send it
        self._pause = pause

    def close(self) -> None:
        """Let go of the connections."""
        self._api.close()

    def add(self, path: str, content: bytes, message: str) -> bool:
        """Commit one new file; False if it was there already.

        Raises:
            GitHubError: GitHub refused, or others were faster `TRIES` times.
        """
        blob = ""

        def once() -> bool:
            nonlocal blob
            tip, tree = self._tip()
            if tip and path in self._files(tree, path.startswith):
                return bool(blob)  # there after our own try: its answer was lost, not the commit
            blob = blob or self._blob(content)
            self._commit(tip, tree, [_entry(path, blob)], message)
            return True

        return self._retried(once)

    def rewrite(self, changed: Callable[[Mapping[str, str]], Mapping[str, bytes | None]], message: str) -> int:
        """Commit what ``changed`` makes of the files (path to blob): new content, or None to remove; how many went."""

        def once() -> int:
            tip, tree = self._tip()
            changes = changed(self._files(tree, _all) if tip else {})
            entries = [_entry(path, None if new is None else self._blob(new)) for path, new in changes.items()]
            if entries:
                self._commit(tip, tree, entries, message)
            return sum(new is None for new in changes.values())

        return self._retried(once)

    def files(self, wanted: Wanted = _all) -> dict[str, str]:
        """Every file's path and blob; empty while there is no branch.

        Where there are more than GitHub lists at once, only what lies in the folders that are ``wanted``.
        """

        def once() -> dict[str, str]:
            tip, tree = self._tip()
            return self._files(tree, wanted) if tip else {}

        return self._retried(once)

    def blob(self, sha: str) -> bytes:
        """The content of a blob."""
        found = self._retried(lambda: self._api.get(f"{self._git}/blobs/{sha}", _Blob))
        try:
            return base64.b64decode(found.content)
        except ValueError as error:
            raise _odd() from error

    def _tip(self) -> tuple[str, str]:
        """Commit and tree at the branch's end; empty if there is no such branch."""
        try:
            commit = self._api.get(f"{self._git}/ref/{self._ref}", _Ref).object.sha
        except GitHubError as error:
            if error.kind != "not-found":
                raise
            return "", ""
        return commit, self._api.get(f"{self._git}/commits/{commit}", _Commit).tree.sha

    def _files(self, tree: str, wanted: Wanted) -> dict[str, str]:
        """The files of a tree; what GitHub cuts off (at 100 000 entries or 7 MB) is listed folder by folder."""
        files: dict[str, str] = {}
        left = [("", tree)]
        for _ in range(MAX_LISTINGS):
            if not left:
                return files
            folder, sha = left.pop()
            found = self._tree(f"{sha}?recursive=1")
            if found.truncated and folder.count("/") < MAX_DEPTH:
                found = self._tree(sha)
                left += [(f"{folder}{one.path}/", one.sha) for one in found.tree if one.type == "tree"]
                left = [pair for pair in left if wanted(pair[0])]
            if found.truncated:
                break
            files |= {f"{folder}{one.path}": one.sha for one in found.tree if one.type == "blob"}
        raise self._too_long()

    def _tree(self, name: str) -> _Tree:
        return self._api.get(f"{self._git}/trees/{name}", _Tree)

    def _too_long(self) -> GitHubError:
        return GitHubError(
            f"the branch {self._name} has more files than GitHub lists",
            why="it was not compacted for very long, or has many folders that are none of ours",
            remedy=f"take out what is none of ours, or start another branch: git#{self._name}-2",
            kind="history-too-long",
        )

    def _blob(self, content: bytes) -> str:
        body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
        return self._api.post(f"{self._git}/blobs", body, _Named).sha

    def _commit(self, tip: str, tree: str, entries: list[dict[str, Any]], message: str) -> None:
        base = {"base_tree": tree} if tree else {}
        made = self._api.post(f"{self._git}/trees", {**base, "tree": entries}, _Named).sha
        parents = [tip] if tip else []
        body = {"message": message, "tree": made, "parents": parents}
        commit = self._api.post(f"{self._git}/commits", body, _Named).sha
        if tip:
            self._api.patch(f"{self._git}/refs/{self._ref}", {"sha": commit, "force": False}, _Ref)
        else:
            self._api.post(f"{self._git}/refs", {"ref": f"refs/heads/{self._name}", "sha": commit}, _Ref)

    def _retried(self, once: Callable[[], _T]) -> _T:
        for attempt in range(1, TRIES + 1):
            try:
                return once()
            except GitHubError as error:
                if error.kind not in _AGAIN or attempt == TRIES:
                    raise _explained(error, self._url) from error
            self._pause(random.uniform(0.2, 1.0) * min(LONGEST, 2.0 ** (attempt - 1)))  # noqa: S311 - jitter
        raise AssertionError("the last try returns or raises")


def _entry(path: str, blob: str | None) -> dict[str, Any]:
    return {"path": path, "mode": "100644", "type": "blob", "sha": blob}


def _explained(error: GitHubError, url: str) -> GitHubError:
    """The same refusal, with what helps a history rather than a comment."""
    if error.kind in _REFUSED:
        remedy = "give the job permissions: contents: write; pull requests from forks cannot have it"
        return GitHubError(error.what, why="the token may not write here", remedy=remedy, kind=error.kind)
    if error.kind == "branch-rules":
        remedy = "except the branch from the rule (Settings, Rules), or name one that is free: git#BRANCH"
        return GitHubError(error.what, why=error.why, remedy=remedy, kind=error.kind)
    if error.kind in (*_AGAIN, "github-rate-limited", "github-too-slow"):
        why = f"others were faster {TRIES} times" if error.kind == "conflict" else error.why
        remedy = f"write it later: ci-gpu history import run.json --store {url}"
        return GitHubError(error.what, why=why, remedy=remedy, kind=error.kind)
    return error


def _odd() -> GitHubError:
    return GitHubError(
        "GitHub's answer has not the shape that it documents",
        why="something between us and GitHub answers in its place",
        remedy="check GITHUB_API_URL and HTTPS_PROXY on the runner",
        kind="github-unreachable",
    )
