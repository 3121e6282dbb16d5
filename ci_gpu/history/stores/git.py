"""An orphan branch of a repository on GitHub: one immutable file a job, written without a checkout.

    v1/<yyyy>/<mm>/<run>.json              a job of the main line
    pr/<number>/<run>.json                 a job of a pull request
    apart/<event>/<yyyy>/<mm>/<run>.json   another job, by its event
    index/<yyyy>.ndjson.gz                 packed by `compact`; of the others index/pulls-… and index/apart-…

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
from ci_gpu.history.sieve import Sieve
from ci_gpu.model import Series

BRANCH = "ci-gpu-history"

_URL = re.compile(
    r"git(?::(?P<repository>[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+))?(?:#(?P<branch>[A-Za-z0-9][A-Za-z0-9_./-]*))?"
)
SPARE = 100
"""Files on the way to the newest jobs that may be no records."""

_LOOSE = re.compile(r"(?:(?:v1|apart/[a-z_]+)/(?P<year>\d{4})/(?P<month>\d{2})|pr/\d+)/[A-Za-z0-9._-]+\.json", re.ASCII)
_INDEX = re.compile(r"index/(?:pulls-|apart-)?\d{4}\.ndjson\.gz", re.ASCII)
_OF_PULLS, _OF_EVENTS = re.compile(r"pr/|index/pulls-"), re.compile(r"apart/|index/apart-")


class Git:
    """The store on a branch."""

    def __init__(self, branch: Branch) -> None:
        self._branch = branch
        self._known: dict[tuple[str, str], tuple[Record, ...]] = {}  # by path and content
        self._unread: dict[str, tuple[bytes, ...] | None] = {}  # lines of packed files that are none of ours
        self._sieve = Sieve()

    def add(self, record: Record) -> bool:
        return self._branch.add(path_of(record), document.encode(record), f"History: {record.run}")

    def series(self, wanted: Filter) -> tuple[Series, ...]:
        """Each file is a request: those beside the main line are read only if they are asked for."""

        def asked(path: str) -> bool:
            if _OF_PULLS.match(path):
                return bool(wanted.pull)
            return bool(wanted.apart) or not _OF_EVENTS.match(path)

        return gather(self._records(asked), wanted)

    def recent(self, jobs: int) -> tuple[Series, ...]:
        return gather(self._newest(jobs), Filter())

    def records(self) -> Iterator[Record]:
        return self._records(lambda _: True)

    def _records(self, chosen: Callable[[str], bool]) -> Iterator[Record]:
        files = self._branch.files(chosen)
        paths = [path for path in sorted(files) if chosen(path)]
        found = {record.run: record for path in paths for record in self._read(path, files[path])}
        yield from sorted(found.values(), key=lambda record: (record.created, record.run))

    def _newest(self, jobs: int) -> Iterator[Record]:
        """The records of so many jobs of the main line: each file is a request, and GitHub counts them.

        Names of one month are in the order of their runs' numbers, which only ever grow. Behind `SPARE` files that are
        no records nothing more is asked for: who may push could spend all requests of the job.
        """
        files = self._branch.files(_is_main)
        main = [path for path in files if _is_main(path)]
        loose = [path for path in main if _LOOSE.fullmatch(path)]
        years = [path for path in main if _INDEX.fullmatch(path)]
        newest_first = [*sorted(loose, key=_by_number, reverse=True), *sorted(years, reverse=True)[:1]]
        found: dict[str, Record] = {}
        for path in newest_first[: jobs + SPARE]:
            if len(found) >= jobs:
                break
            found |= {record.run: record for record in self._read(path, files[path])}
        yield from sorted(found.values(), key=lambda record: (record.created, record.run))[-jobs:]

    def keys(self) -> tuple[Listed, ...]:
        return listed(self.series(Filter()))

    def compact(self, before: str) -> int:
        """Put the files of the months before ``before`` (``yyyy-mm``) into one a year; their number."""
        return self._branch.rewrite(lambda files: self._compacted(files, before), f"History: compact up to {before}")

    def left_out(self) -> tuple[str, ...]:
        return self._sieve.told()

    def close(self) -> None:
        self._branch.close()

    def _read(self, path: str, sha: str) -> tuple[Record, ...]:
        """Each blob is a request, and is asked for once. What is no record of ours there is left out, and told."""
        if (path, sha) not in self._known and _LOOSE.fullmatch(path):
            self._known[path, sha] = self._loose(path, self._branch.blob(sha))
        elif (path, sha) not in self._known and _INDEX.fullmatch(path):
            self._known[path, sha] = self._packed(path, self._branch.blob(sha))
        return self._known.get((path, sha), ())

    def _loose(self, path: str, data: bytes) -> tuple[Record, ...]:
        record = self._sieve.record(data, path)
        if record and path_of(record) != path:
            self._sieve.refuse(path, document.bad(path, f"the record of another place, {path_of(record)}, is in it"))
            return ()
        return (record,) if record else ()

    def _packed(self, path: str, data: bytes) -> tuple[Record, ...]:
        """The records of a year; one of a pull request is none of the main line's year."""
        try:
            lines = ndjson.split(data, path)
        except ConfigError as error:
            self._sieve.refuse(path, error)
            self._unread[path] = None
            return ()
        found = [self._sieve.record(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]
        fitting = [record if record and index_of(record) == path else None for record in found]
        self._unread[path] = tuple(line for line, record in zip(lines, fitting, strict=True) if record is None)
        return tuple(record for record in fitting if record)

    def _compacted(self, files: Mapping[str, str], before: str) -> dict[str, bytes | None]:
        """The paths that change: None where a file goes, because an index has it now. What cannot be read stays."""
        changes: dict[str, bytes | None] = {}
        for index, paths in self._by_index(files, before).items():
            several = [*paths, *([index] if index in files else [])]
            found = {record.run: record for path in several for record in self._read(path, files[path])}
            unread = self._unread.get(index, ())
            if unread is not None:
                changes |= dict.fromkeys(paths)
                changes[index] = ndjson.pack(found.values(), unread)
        return changes

    def _by_index(self, files: Mapping[str, str], before: str) -> dict[str, list[str]]:
        """The files of finished months that can be read, by the file that they go into."""
        found: dict[str, list[str]] = {}
        for path in sorted(files):
            match = _LOOSE.fullmatch(path)
            if not match or (match["year"] and f"{match['year']}-{match['month']}" >= before):
                continue
            for record in self._read(path, files[path]):
                if record.created[:7] < before:
                    found.setdefault(index_of(record), []).append(path)
        return found


def _is_main(path: str) -> bool:
    return not (_OF_PULLS.match(path) or _OF_EVENTS.match(path))


def open_store(url: str, env: Mapping[str, str]) -> Git:
    """The branch, through GitHub's API with the token of the environment.

    Raises:
        ConfigError: no repository, or no token.
    """
    match = _URL.fullmatch(url)
    repository = (match and match["repository"]) or env.get("GITHUB_REPOSITORY", "")
    token = env.get("CI_GPU_GITHUB_TOKEN") or env.get("GITHUB_TOKEN", "")
    if match is None or not re.fullmatch(r"[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+", repository):
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
    folder = f"apart/{record.apart}" if record.apart else "v1"
    return f"{folder}/{record.created[:4]}/{record.created[5:7]}/{record.run}.json"


def index_of(record: Record) -> str:
    """The packed file that it goes into."""
    of = "pulls-" if record.pull else "apart-" if record.apart else ""
    return f"index/{of}{record.created[:4]}.ndjson.gz"


def _by_number(path: str) -> list[str | int]:
    """Run 10 comes after run 9."""
    parts = re.split(r"([0-9]+)", path)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
