"""An orphan branch of a repository on GitHub: one immutable file a job, written without a checkout.

    v1/<yyyy>/<mm>/<run>.json      a job of a branch
    pr/<number>/<run>.json         a job of a pull request
    index/<yyyy>.ndjson.gz         what `compact` has put together; index/pulls-<yyyy>.ndjson.gz, of pull requests

URL: ``git``, ``git:OWNER/REPOSITORY``, either with ``#BRANCH``. No name is ever written by two different jobs, so a
race for the branch is only about which commit comes first: whoever loses reads again and tries again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from ci_gpu.errors import ConfigError
from ci_gpu.history import document, ndjson
from ci_gpu.history.branch import Branch
from ci_gpu.history.record import Record
from ci_gpu.history.series import Filter, Listed, gather, listed
from ci_gpu.model import Series

BRANCH = "ci-gpu-history"

_URL = re.compile(
    r"git(?::(?P<repository>[A-Za-z0-9-]+/[A-Za-z0-9_.-]+))?(?:#(?P<branch>[A-Za-z0-9][A-Za-z0-9_./-]*))?"
)
_LOOSE = re.compile(r"(?:v1/(?P<year>\d{4})/(?P<month>\d{2})|pr/\d+)/[A-Za-z0-9._-]+\.json")
_INDEX = re.compile(r"index/(?:pulls-)?\d{4}\.ndjson\.gz")
_OF_PULLS = re.compile(r"pr/|index/pulls-")


class Git:
    """The store on a branch."""

    def __init__(self, branch: Branch) -> None:
        self._branch = branch
        self._known: dict[str, tuple[Record, ...]] = {}  # by the blob's name, which is its content's

    def add(self, record: Record) -> bool:
        return self._branch.add(path_of(record), document.encode(record), f"History: {record.run}")

    def series(self, wanted: Filter) -> tuple[Series, ...]:
        """Each file is a request: those of pull requests are read only if one of them is asked for."""
        return gather(self._records(lambda path: bool(wanted.pull) or not _OF_PULLS.match(path)), wanted)

    def recent(self, jobs: int) -> tuple[Series, ...]:
        return gather(self._newest(jobs), Filter())

    def records(self) -> Iterator[Record]:
        return self._records(lambda _: True)

    def _records(self, chosen: Callable[[str], bool]) -> Iterator[Record]:
        files = self._branch.files()
        paths = [path for path in sorted(files) if chosen(path)]
        found = {record.run: record for path in paths for record in self._read(path, files[path])}
        yield from sorted(found.values(), key=lambda record: (record.created, record.run))

    def _newest(self, jobs: int) -> Iterator[Record]:
        """The records of so many jobs of the main line: each file is a request, and GitHub counts them.

        Names of one month are in the order of their runs' numbers, which only ever grow.
        """
        files = self._branch.files()
        loose = [path for path in files if _LOOSE.fullmatch(path) and not _OF_PULLS.match(path)]
        main = sorted(loose, key=_by_number)
        years = [path for path in sorted(files) if _INDEX.fullmatch(path) and not _OF_PULLS.match(path)]
        chosen = main[-jobs:] if len(main) >= jobs else [*years[-1:], *main]
        found = {record.run: record for path in chosen for record in self._read(path, files[path])}
        yield from sorted(found.values(), key=lambda record: (record.created, record.run))[-jobs:]

    def keys(self) -> tuple[Listed, ...]:
        return listed(self.series(Filter()))

    def compact(self, before: str) -> int:
        """Put the files of the months before ``before`` (``yyyy-mm``) into one a year; their number."""
        return self._branch.rewrite(lambda files: self._compacted(files, before), f"History: compact up to {before}")

    def close(self) -> None:
        self._branch.close()

    def _read(self, path: str, sha: str) -> tuple[Record, ...]:
        """Each blob is a request, and is asked for once."""
        if sha not in self._known and _LOOSE.fullmatch(path):
            self._known[sha] = (document.decode(self._branch.blob(sha), path),)
        elif sha not in self._known and _INDEX.fullmatch(path):
            self._known[sha] = tuple(ndjson.unpack(self._branch.blob(sha), path))
        return self._known.get(sha, ())

    def _compacted(self, files: Mapping[str, str], before: str) -> dict[str, bytes | None]:
        """The paths that change: None where a file goes, because an index has it now."""
        changes: dict[str, bytes | None] = {}
        for index, paths in self._by_index(files, before).items():
            several = [*paths, *([index] if index in files else [])]
            found = {record.run: record for path in several for record in self._read(path, files[path])}
            changes |= dict.fromkeys(paths)
            changes[index] = ndjson.pack(found.values())
        return changes

    def _by_index(self, files: Mapping[str, str], before: str) -> dict[str, list[str]]:
        """The files of finished months, by the file that they go into. Of a pull request only the record has a date."""
        found: dict[str, list[str]] = {}
        for path in sorted(files):
            match = _LOOSE.fullmatch(path)
            if not match:
                continue
            month = f"{match['year']}-{match['month']}" if match["year"] else self._month(path, files[path])
            if month < before:
                name = month[:4] if match["year"] else f"pulls-{month[:4]}"
                found.setdefault(f"index/{name}.ndjson.gz", []).append(path)
        return found

    def _month(self, path: str, sha: str) -> str:
        (record,) = self._read(path, sha)
        return record.created[:7]


def open_store(url: str, env: Mapping[str, str]) -> Git:
    """The branch, through GitHub's API with the token of the environment.

    Raises:
        ConfigError: no repository, or no token.
    """
    match = _URL.fullmatch(url)
    repository = (match and match["repository"]) or env.get("GITHUB_REPOSITORY", "")
    token = env.get("CI_GPU_GITHUB_TOKEN") or env.get("GITHUB_TOKEN", "")
    if match is None or not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9_.-]+", repository):
        raise ConfigError(
            f"{url[:100]!r} names no repository on GitHub",
            why="outside of a workflow nothing else tells which one is meant",
            remedy="write git:OWNER/REPOSITORY",
            kind="bad-store",
        )
    if not token:
        raise ConfigError(
            "there is no token to reach the history with",
            why="neither CI_GPU_GITHUB_TOKEN nor GITHUB_TOKEN is set",
            remedy="pass github-token to the action, or set one of them",
        )
    api = env.get("GITHUB_API_URL") or "https://api.github.com"
    return Git(Branch(token, api, repository, match["branch"] or BRANCH))


def path_of(record: Record) -> str:
    """Where a record lies."""
    if record.pull:
        return f"pr/{record.pull}/{record.run}.json"
    return f"v1/{record.created[:4]}/{record.created[5:7]}/{record.run}.json"


def _by_number(path: str) -> list[str | int]:
    """Run 10 comes after run 9."""
    parts = re.split(r"([0-9]+)", path)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
