"""A branch of the repository itself, through GitHub's Git Data API: no server, no checkout, no growing file.

One immutable file a job, so writers never disagree about content, only about which commit came first; the loser reads
the branch again and adds its file to what is there now. The branch is moved forward only: ``force`` is never used.
"""

from __future__ import annotations

import base64
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.github.api import Api
from ci_gpu.history.record import Record, decode, encode, folded
from ci_gpu.model import Series

BRANCH = "ci-gpu-history"
TRIES = 10
LONGEST_PAUSE = 30.0
FOLDER = "v1"

_README = "One file a job, written by ci-gpu. Files are never changed; `ci-gpu history export` reads them.\n"


def open_store(url: str, env: Mapping[str, str]) -> GitStore:
    """The branch of the repository that the workflow runs in; ``git:NAME`` is another branch.

    Raises:
        ConfigError: the environment names no repository or no token.
    """
    repository = env.get("GITHUB_REPOSITORY", "")
    token = env.get("CI_GPU_GITHUB_TOKEN") or env.get("GITHUB_TOKEN", "")
    branch = url.partition(":")[2] or BRANCH
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or not token or not re.fullmatch(r"[\w./-]{1,100}", branch):
        raise ConfigError(
            "the history in git needs a repository and a token",
            why="it is written through GitHub's API, which a workflow names in GITHUB_REPOSITORY and GITHUB_TOKEN",
            remedy="run it in a workflow with permissions: contents: write, or name another store",
        )
    return GitStore(Api(token, env.get("GITHUB_API_URL") or "https://api.github.com"), repository, branch)


class GitStore:
    """One branch."""

    def __init__(
        self, api: Api, repository: str, branch: str = BRANCH, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._api, self._sleep = api, sleep
        self._git = f"/repos/{repository}/git"
        self._branch = branch

    def add(self, kept: Record) -> bool:
        """Keep a record; False if the job's was there already.

        Raises:
            GitHubError: GitHub refused, or others were quicker ten times.
        """
        for attempt in range(TRIES):
            head = self._head()
            if head and path(kept) in self._files(head):
                return False
            try:
                self._advance(head, self._commit(head, kept))
                return True
            except GitHubError as error:
                if error.kind not in ("invalid", "conflict", "github-down") or attempt == TRIES - 1:
                    raise
            self._sleep(min(LONGEST_PAUSE, 2.0**attempt) * (0.5 + random.random()))  # noqa: S311 - jitter
        raise AssertionError("the last try returns or raises")

    def series(self, metric: str = "", gpu: str = "") -> tuple[Series, ...]:
        """The series of a metric and a GPU, without what pull requests measured."""
        found = folded(kept for kept in self.records() if not kept.pull_request)
        return tuple(each for each in found if metric in ("", each.key.metric) and gpu in ("", each.key.uuid))

    def records(self) -> Iterator[Record]:
        """Everything on the branch that can be read, oldest first."""
        head = self._head()
        files = self._files(head) if head else {}
        found = [self._record(sha) for name, sha in sorted(files.items()) if name.endswith(".json")]
        yield from sorted(found, key=lambda kept: (kept.created, kept.id))

    def _record(self, sha: str) -> Record:
        blob = self._api.get(f"{self._git}/blobs/{sha}")
        try:
            return decode(base64.b64decode(str(blob["content"])))
        except (KeyError, TypeError, ValueError) as error:
            raise GitHubError("GitHub sent a blob that is none", why="an old GHES", remedy="try again") from error

    def _head(self) -> str:
        """The commit at the tip; empty if there is no branch yet."""
        try:
            return str(self._api.get(f"{self._git}/ref/heads/{self._branch}")["object"]["sha"])
        except GitHubError as error:
            if error.kind == "not-found":
                return ""
            raise

    def _files(self, head: str) -> dict[str, str]:
        """Path to blob of all records at a commit."""
        tree = self._api.get(f"{self._git}/commits/{head}")["tree"]["sha"]
        listed = self._api.get(f"{self._git}/trees/{tree}?recursive=1")
        if listed.get("truncated"):
            raise GitHubError(
                f"the branch {self._branch} has more files than GitHub lists",
                why="it was never compacted",
                remedy="ci-gpu history compact",
            )
        return {str(item["path"]): str(item["sha"]) for item in listed["tree"] if item.get("type") == "blob"}

    def _commit(self, head: str, kept: Record) -> str:
        """A commit with one file more; nothing refers to it yet."""
        files = {path(kept): encode(kept).decode()}
        if not head:
            files["README.md"] = _README
        items = [self._item(name, text) for name, text in files.items()]
        base = {"base_tree": self._api.get(f"{self._git}/commits/{head}")["tree"]["sha"]} if head else {}
        tree = self._api.post(f"{self._git}/trees", {**base, "tree": items})["sha"]
        body = {"message": f"{kept.id}: {len(kept.entries)} points", "tree": tree, "parents": [head] if head else []}
        return str(self._api.post(f"{self._git}/commits", body)["sha"])

    def _item(self, name: str, text: str) -> dict[str, Any]:
        blob = self._api.post(f"{self._git}/blobs", {"content": text, "encoding": "utf-8"})
        return {"path": name, "mode": "100644", "type": "blob", "sha": blob["sha"]}

    def _advance(self, head: str, commit: str) -> None:
        """Move the branch to the commit, unless somebody else has moved it meanwhile."""
        if head:
            self._api.patch(f"{self._git}/refs/heads/{self._branch}", {"sha": commit, "force": False})
        else:
            self._api.post(f"{self._git}/refs", {"ref": f"refs/heads/{self._branch}", "sha": commit})


def path(kept: Record) -> str:
    """``v1/2026/11/<id>.json``; what a pull request measured lies apart and can be pruned."""
    name = re.sub(r"[^\w.-]+", "-", kept.id)[:150]
    year, month = kept.created[:4], kept.created[5:7]
    folder = f"pr/{kept.pull_request}" if kept.pull_request else f"{FOLDER}/{year}/{month}"
    return f"{folder}/{name}.json"
