"""A branch through GitHub's Git Data API: races, refusals and rate limits, over objects in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.history import store
from ci_gpu.history.git import BRANCH, GitStore
from tests.action.git_data import GitData
from tests.github.scripted import Answer, Asked, GitHub, github
from tests.history.records import record

REPOSITORY = "octo-org/octo-repo"


class Served:
    """GitHub with injected troubles: each is (method and noun, answer), used up one by one."""

    def __init__(self) -> None:
        self.git = GitData(REPOSITORY)
        self.troubles: list[tuple[str, Answer]] = []

    def answer(self, asked: Asked) -> Answer:
        noun = f"{asked.method} {asked.path.partition('/git/')[2].partition('/')[0].partition('?')[0]}"
        for trouble in self.troubles:
            if trouble[0] == noun:
                self.troubles.remove(trouble)
                return trouble[1]
        found = self.git.answer(asked.method, asked.path.partition("?")[0], asked.body or {})
        assert found is not None
        return Answer(*found)


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def server(served: Served):
    with github(served.answer) as up:
        yield up


@pytest.fixture
def opened(server: GitHub) -> Callable[[], GitStore]:
    return lambda: GitStore(server.api(), REPOSITORY, sleep=server.slept.append)


def test_the_first_record_makes_the_branch_and_the_second_adds_a_file(served: Served, opened) -> None:
    assert opened().add(record("run-1")) is True
    assert opened().add(record("run-2", created="2026-12-01T00:00:00+00:00")) is True

    assert sorted(served.git.files(BRANCH)) == ["README.md", "v1/2026/11/run-1.json", "v1/2026/12/run-2.json"]
    assert [one.id for one in opened().records()] == ["run-1", "run-2"]
    assert [len(series.points) for series in opened().series("matmul.throughput/x")] == [2]


def test_the_same_job_twice_is_one_file_and_no_second_commit(served: Served, opened) -> None:
    assert [opened().add(record()), opened().add(record())] == [True, False]
    assert len(served.git.commits) == 1


def test_what_a_pull_request_measured_lies_apart(served: Served, opened) -> None:
    opened().add(record("run-1", pull_request=12))

    assert "pr/12/run-1.json" in served.git.files(BRANCH)
    assert opened().series() == ()


@pytest.mark.parametrize(
    "trouble",
    [
        ("PATCH refs", Answer(422, {"message": "Update is not a fast forward"})),
        ("PATCH refs", Answer(409, {"message": "Conflict"})),
        ("POST trees", Answer(502, {"message": "Server Error"})),
        ("POST blobs", Answer(500, {"message": "Server Error"})),
        ("GET ref", Answer(503, {})),
        ("POST commits", Answer(403, {"message": "You have exceeded a secondary rate limit"}, {"retry-after": "3"})),
        ("POST blobs", Answer(429, {"message": "API rate limit exceeded"}, {"retry-after": "2"})),
    ],
)
def test_a_trouble_that_passes_costs_a_pause_and_no_record(served: Served, server: GitHub, opened, trouble) -> None:
    opened().add(record("run-1"))
    served.troubles = [trouble, trouble]

    assert opened().add(record("run-2")) is True
    assert served.troubles == []
    assert {"v1/2026/11/run-1.json", "v1/2026/11/run-2.json"} < set(served.git.files(BRANCH))
    assert len(server.slept) >= 2


def test_a_branch_that_another_made_first_is_used(served: Served, opened) -> None:
    served.troubles = [("POST refs", Answer(422, {"message": "Reference already exists"}))]

    assert opened().add(record("run-1")) is True
    assert "v1/2026/11/run-1.json" in served.git.files(BRANCH)


def test_a_token_that_may_only_read_is_told_at_once(served: Served, server: GitHub, opened) -> None:
    served.troubles = [("POST blobs", Answer(403, {"message": "Resource not accessible by integration"}))]

    with pytest.raises(GitHubError) as error:
        opened().add(record())
    assert error.value.kind == "read-only-token"
    assert server.slept == []


def test_a_conflict_without_end_is_given_up_after_ten_tries(served: Served, server: GitHub, opened) -> None:
    opened().add(record("run-1"))
    served.troubles = [("PATCH refs", Answer(409, {"message": "Conflict"}))] * 20

    with pytest.raises(GitHubError):
        opened().add(record("run-2"))
    assert len(served.troubles) == 10
    assert max(server.slept) <= 45


def test_sixteen_writers_at_once_lose_nothing_and_never_force(served: Served, server: GitHub) -> None:
    def write(number: int) -> None:
        GitStore(server.api(), REPOSITORY, sleep=lambda _: None).add(record(f"run-{number}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    written = {path for path in served.git.files(BRANCH) if path.endswith(".json")}

    assert written == {f"v1/2026/11/run-{number}.json" for number in range(16)}
    assert not any(asked.body.get("force") for asked in server.asked if asked.body and asked.method == "PATCH")


def test_a_file_that_somebody_damaged_is_told(served: Served, opened) -> None:
    opened().add(record("run-1"))
    (sha,) = [sha for sha, data in served.git.blobs.items() if b"run-1" in data]
    served.git.blobs[sha] = b'{"format": 1'

    with pytest.raises(ConfigError, match="cannot be read"):
        list(opened().records())


@pytest.mark.parametrize(
    "env",
    [{}, {"GITHUB_REPOSITORY": "a/b"}, {"GITHUB_TOKEN": "x", "GITHUB_REPOSITORY": "a/../../b"}],
)
def test_outside_of_a_workflow_there_is_no_branch_to_write(env: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="needs a repository and a token"):
        store("git", env)


def test_old_months_become_one_file_a_year_and_nothing_is_lost_or_doubled(served: Served, opened) -> None:
    months = [f"2026-{month:02}-01T00:00:00+00:00" for month in (1, 2, 11)] + ["2025-12-31T00:00:00+00:00"]
    made = [record(f"run-{number}", created=created) for number, created in enumerate(months)]
    for one in made:
        opened().add(one)
    before = list(opened().records())

    assert opened().compact("2026-11") == 3
    assert sorted(served.git.files(BRANCH)) == [
        "README.md",
        "index/2025.ndjson",
        "index/2026.ndjson",
        "v1/2026/11/run-2.json",
    ]
    assert list(opened().records()) == before
    assert [opened().add(one) for one in made] == [False] * 4
    assert opened().compact("2026-11") == 0
    assert opened().compact("2026-12") == 1
    assert list(opened().records()) == before


def test_a_compaction_that_meets_a_writer_changes_nothing(served: Served, opened) -> None:
    opened().add(record("run-1"))
    served.troubles = [("PATCH refs", Answer(422, {"message": "Update is not a fast forward"}))]

    with pytest.raises(GitHubError):
        opened().compact("2026-12")
    assert "v1/2026/11/run-1.json" in served.git.files(BRANCH)
