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
from urllib.parse import quote

from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.github.api import Api
from ci_gpu.history.record import Record, decode, encode, folded
from ci_gpu.model import Series

BRANCH = "ci-gpu-history"
TRIES = 10
LONGEST_PAUSE = 30.0
FOLDER, INDEX = "v1", "index"

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
        self._ref = quote(f"heads/{branch}", safe="")  # one part of a path, as GitHub's description has it

    def add(self, kept: Record) -> bool:
        """Keep a record; False if the job's was there already.

        Raises:
            GitHubError: GitHub refused, or others were quicker ten times.
        """
        for attempt in range(TRIES):
            head = self._head()
            if head and self._has(head, kept):
                return False
            try:
                self._advance(head, self._commit(head, kept))
                return True
            except GitHubError as error:
                if error.kind not in ("invalid", "conflict", "github-down") or attempt == TRIES - 1:
                    raise
            self._sleep(min(LONGEST_PAUSE, 2.0**attempt) * (0.5 + random.random()))  # noqa: S311 - jitter
        raise AssertionError("the last try returns or raises")

    def _has(self, head: str, kept: Record) -> bool:
        """Whether the job is there, as a file or as a line of its year's."""
        files = self._files(head)
        year = files.get(f"{INDEX}/{kept.created[:4]}.ndjson")
        return path(kept) in files or (
            year is not None and any(decode(line.encode()).id == kept.id for line in self._lines(year))
        )

    def series(self, metric: str = "", gpu: str = "") -> tuple[Series, ...]:
        """The series of a metric and a GPU, without what pull requests measured."""
        found = folded(kept for kept in self.records() if not kept.pull_request)
        return tuple(each for each in found if metric in ("", each.key.metric) and gpu in ("", each.key.uuid))

    def records(self) -> Iterator[Record]:
        """Everything on the branch that can be read, oldest first."""
        head = self._head()
        files = self._files(head) if head else {}
        kept = [self._lines(sha) for name, sha in sorted(files.items()) if name.endswith((".json", ".ndjson"))]
        found = [decode(line.encode()) for lines in kept for line in lines]
        yield from sorted(found, key=lambda one: (one.created, one.id))

    def compact(self, before: str) -> int:
        """Put the records of the months before ``before`` (``2026-11``) into one file a year; returns how many.

        One commit takes the old files away and adds the new one, so nothing is ever missing or there twice.

        Raises:
            GitHubError: GitHub refused, or somebody wrote at the same moment; nothing has changed then.
        """
        head = self._head()
        files = self._files(head) if head else {}
        old = {name: sha for name, sha in files.items() if _is_older(name, before)}
        if not old:
            return 0
        texts = {f"{INDEX}/{year}.ndjson": self._year(year, files, old) for year in {name[3:7] for name in old}}
        items = [self._item(name, text) for name, text in texts.items()]
        items += [{"path": name, "mode": "100644", "type": "blob", "sha": None} for name in old]
        self._advance(head, self._committed(head, items, f"compact {len(old)} records"))
        return len(old)

    def _year(self, year: str, files: Mapping[str, str], old: Mapping[str, str]) -> str:
        """The lines of a year: those that were there, and those of the files that go."""
        present = files.get(f"{INDEX}/{year}.ndjson")
        lines = self._lines(present) if present else []
        added = (self._blob(sha).strip() for name, sha in sorted(old.items()) if name[3:7] == year)
        return "".join(f"{line}\n" for line in (*lines, *added))

    def _lines(self, sha: str) -> list[str]:
        return [line for line in self._blob(sha).splitlines() if line.strip()]

    def _blob(self, sha: str) -> str:
        blob = self._api.get(f"{self._git}/blobs/{sha}")
        try:
            return base64.b64decode(str(blob["content"])).decode("utf-8", errors="replace")
        except (KeyError, TypeError, ValueError) as error:
            raise GitHubError("GitHub sent a blob that is none", why="an old GHES", remedy="try again") from error

    def _head(self) -> str:
        """The commit at the tip; empty if there is no branch yet."""
        try:
            return str(self._api.get(f"{self._git}/ref/{self._ref}")["object"]["sha"])
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
        return self._committed(head, items, f"{kept.id}: {len(kept.entries)} points")

    def _committed(self, head: str, items: list[dict[str, Any]], message: str) -> str:
        base = {"base_tree": self._api.get(f"{self._git}/commits/{head}")["tree"]["sha"]} if head else {}
        tree = self._api.post(f"{self._git}/trees", {**base, "tree": items})["sha"]
        body = {"message": message, "tree": tree, "parents": [head] if head else []}
        return str(self._api.post(f"{self._git}/commits", body)["sha"])

    def _item(self, name: str, text: str) -> dict[str, Any]:
        blob = self._api.post(f"{self._git}/blobs", {"content": text, "encoding": "utf-8"})
        return {"path": name, "mode": "100644", "type": "blob", "sha": blob["sha"]}

    def _advance(self, head: str, commit: str) -> None:
        """Move the branch to the commit, unless somebody else has moved it meanwhile."""
        if head:
            self._api.patch(f"{self._git}/refs/{self._ref}", {"sha": commit, "force": False})
        else:
            self._api.post(f"{self._git}/refs", {"ref": f"refs/heads/{self._branch}", "sha": commit})


def _is_older(name: str, before: str) -> bool:
    match = re.fullmatch(rf"{FOLDER}/([0-9]{{4}})/([0-9]{{2}})/[^/]+\.json", name)
    return match is not None and f"{match[1]}-{match[2]}" < before


def path(kept: Record) -> str:
    """``v1/2026/11/<id>.json``; what a pull request measured lies apart and can be pruned."""
    name = re.sub(r"[^\w.-]+", "-", kept.id)[:150]
    year, month = kept.created[:4], kept.created[5:7]
    folder = f"pr/{kept.pull_request}" if kept.pull_request else f"{FOLDER}/{year}/{month}"
    return f"{folder}/{name}.json"
