"""The branch survives what GitHub does on a bad day: nothing is lost, doubled or forced."""

from __future__ import annotations

from itertools import count

import pytest

from ci_gpu.errors import GitHubError
from ci_gpu.history.branch import TRIES, Branch
from ci_gpu.history.series import Filter
from ci_gpu.history.stores.git import Git
from tests.history import records
from tests.history.git_data import REPOSITORY, Fault, Faulty

SECONDARY = Fault(403, {"message": "You have exceeded a secondary rate limit"}, {"retry-after": "7"})
PRIMARY = Fault(403, {"message": "API rate limit exceeded"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"})
STALE = Fault(422, {"message": "Update is not a fast forward"})
CONFLICT = Fault(409, {"message": "Conflict"})
DOWN = Fault(502, {})
LOST = Fault(502, {}, done=True)


def _git(state: Faulty, slept: list[float]) -> Git:
    return Git(Branch("t", state.url, REPOSITORY, "ci-gpu-history", pause=slept.append))


@pytest.mark.parametrize("fault", [SECONDARY, PRIMARY, STALE, CONFLICT, DOWN, LOST], ids=str)
@pytest.mark.parametrize("nth", range(1, 8))
def test_one_fault_at_any_request_costs_only_time(github: Faulty, fault: Fault, nth: int) -> None:
    """But 422 outside of the ref, which GitHub gives for a content that it never takes, is tried again as well."""
    slept: list[float] = []
    store = _git(github, slept)
    store.add(records.record(1))
    before = len(github.calls)
    github.fault = lambda method, path, number: fault if number == before + nth else None
    assert store.add(records.record(2)) is True
    assert store.add(records.record(2)) is False
    assert [each.run for each in store.records()] == ["run-2026-11-1", "run-2026-11-2"]
    assert github.length() == 2
    assert slept


def test_the_first_record_makes_a_branch_without_parents(github: Faulty) -> None:
    assert _git(github, []).add(records.record(1)) is True
    assert list(github.files()) == ["v1/2026/11/run-2026-11-1.json"]
    assert github.length() == 1


def test_a_pull_requests_record_lies_beside_the_main_ones(github: Faulty) -> None:
    _git(github, []).add(records.record(1, pull=12))
    assert list(github.files()) == ["pr/12/run-2026-11-1.json"]


def test_after_ten_tries_it_gives_up_with_what_to_do(github: Faulty) -> None:
    slept: list[float] = []
    store = _git(github, slept)
    store.add(records.record(1))
    github.fault = lambda method, path, number: STALE if method == "PATCH" else None
    with pytest.raises(GitHubError, match="422") as caught:
        store.add(records.record(2))
    assert caught.value.exit_code == 5
    assert "history import" in caught.value.remedy
    assert len(slept) == TRIES - 1
    assert all(0.2 * min(30, 2**n) <= wait <= min(30, 2**n) for n, wait in enumerate(slept))


def test_a_token_that_may_only_read_is_told_so_at_once(github: Faulty) -> None:
    refused = Fault(403, {"message": "Resource not accessible by integration"})
    github.fault = lambda method, path, number: refused if method == "POST" else None
    slept: list[float] = []
    with pytest.raises(GitHubError, match="403") as caught:
        _git(github, slept).add(records.record(1))
    assert "contents: write" in caught.value.remedy
    assert slept == []


def test_a_rate_limit_longer_than_our_patience_is_exit_5(github: Faulty) -> None:
    limit = Fault(429, {"message": "rate limit"}, {"retry-after": "4000"})
    github.fault = lambda method, path, number: limit
    with pytest.raises(GitHubError) as caught:
        _git(github, []).add(records.record(1))
    assert (caught.value.kind, caught.value.exit_code) == ("github-rate-limited", 5)


def test_a_file_that_is_none_of_ours_is_left_alone(github: Faulty) -> None:
    branch = Branch("t", github.url, REPOSITORY, "ci-gpu-history")
    branch.add("README.md", b"hello", "by hand")
    store = _git(github, [])
    store.add(records.record(1))
    assert len(list(store.records())) == 1
    assert store.left_out() == ()


def test_a_listing_that_is_always_cut_off_is_an_error_and_not_a_shorter_history(github: Faulty) -> None:
    store = _git(github, [])
    store.add(records.record(1))
    cut = Fault(200, {"tree": [], "truncated": True})
    github.fault = lambda method, path, number: cut if "/trees/" in path else None
    with pytest.raises(GitHubError, match="more files than GitHub lists"):
        list(store.records())


@pytest.mark.attack
def test_folders_without_end_are_given_up(github: Faulty) -> None:
    """Whoever may push nests folders without end, and each is a request: the listing ends where none of ours can be."""
    store = _git(github, [])
    store.add(records.record(1))
    endless = Fault(200, {"tree": [{"path": "a", "type": "tree", "sha": "0" * 40}], "truncated": True})
    shallow = Fault(200, {"tree": [{"path": "a", "type": "tree", "sha": "0" * 40}]})
    github.fault = lambda method, path, number: (
        (endless if "recursive" in path else shallow) if "/trees/" in path else None
    )
    before = len(github.calls)
    with pytest.raises(GitHubError, match="more files than GitHub lists"):
        list(store.records())
    assert len(github.calls) - before < 30


@pytest.mark.attack
def test_a_history_longer_than_github_lists_goes_on_by_itself_and_can_be_compacted(github: Faulty) -> None:
    """A branch with more files than one listing has (many pull requests make it so) stopped the history, and the
    compaction that was the remedy. What GitHub cuts off is listed folder by folder, only where it is needed.
    """
    store = _git(github, [])
    for n in range(1, 5):
        store.add(records.record(n, month=3))
        store.add(records.record(n, month=11, pull=n))
    every, series = list(store.records()), store.series(Filter())
    github.most = 6
    store = _git(github, [])

    assert list(store.records()) == every
    assert store.series(Filter()) == series
    before = len(github.calls)
    assert len(_git(github, []).recent(2)) == len(series)
    assert not [call for call in github.calls[before:] if "/trees/" in call and "pr" in call]
    assert len(github.calls) - before <= 2 + 2 + 2 + 2  # the branch; the root twice; v1 and index; two files
    before = len(github.calls)
    assert store.add(records.record(9)) is True
    assert store.add(records.record(9)) is False
    assert store.compact("2026-11") == 4
    assert "index/2026.ndjson.gz" in github.files()
    assert len(list(store.records())) == len(every) + 1


@pytest.mark.attack
@pytest.mark.parametrize(
    "said",
    [
        "Repository rule violations found\n\nCannot create ref due to creations being restricted.",
        "Changes must be made through a pull request.",
        "Commits must have verified signatures.",
    ],
)
def test_a_branch_that_rules_forbid_is_told_in_github_s_words_at_once(github: Faulty, said: str) -> None:
    """A rule of the repository forbids the branch (422): ten tries took minutes and said that others were faster."""
    store = _git(github, slept := [])
    store.add(records.record(1))
    refused = Fault(422, {"message": said})
    github.fault = lambda method, path, number: refused if method == "PATCH" else None
    with pytest.raises(GitHubError) as caught:
        store.add(records.record(2))

    assert said.partition("\n")[0] in caught.value.what
    assert "others were faster" not in caught.value.why
    assert slept == []


def test_a_repository_without_a_commit_is_told_at_once(github: Faulty) -> None:
    """GitHub's git data API answers 409 there, as it does in a race."""
    github.fault = lambda method, path, number: Fault(409, {"message": "Git Repository is empty."})
    with pytest.raises(GitHubError) as caught:
        _git(github, slept := []).add(records.record(1))

    assert (caught.value.kind, slept) == ("empty-repository", [])


@pytest.mark.parametrize("body", [{}, {"object": []}, {"object": {"sha": None}}, {"object": {}}])
def test_an_odd_answer_is_an_error_of_github(github: Faulty, body: dict[str, object]) -> None:
    github.fault = lambda method, path, number: Fault(200, body)
    with pytest.raises(GitHubError):
        _git(github, []).add(records.record(1))


class TestCompact:
    """Finished months become one file a year."""

    KEPT = tuple(records.record(n, month=m, year=y) for y in (2025, 2026) for m in (3, 11) for n in (1, 2))

    def _full(self, github: Faulty) -> Git:
        store = _git(github, [])
        for each in self.KEPT:
            store.add(each)
        return store

    def test_nothing_is_lost_and_only_finished_months_move(self, github: Faulty) -> None:
        store = self._full(github)
        before = list(store.records()), store.series(Filter())
        assert store.compact("2026-11") == 6
        assert (list(store.records()), store.series(Filter())) == before
        assert [path for path in github.files() if path.startswith("v1/")] == [
            "v1/2026/11/run-2026-11-1.json",
            "v1/2026/11/run-2026-11-2.json",
        ]
        assert {path for path in github.files() if path.startswith("index/")} == {
            "index/2025.ndjson.gz",
            "index/2026.ndjson.gz",
        }

    def test_a_second_time_adds_to_the_years_file_and_a_third_changes_nothing(self, github: Faulty) -> None:
        store = self._full(github)
        before = list(store.records())
        assert [store.compact("2026-04"), store.compact("2026-12"), store.compact("2026-12")] == [6, 2, 0]
        assert list(store.records()) == before

    def test_a_record_added_in_the_middle_of_it_stays(self, github: Faulty) -> None:
        store, other = self._full(github), _git(github, [])
        late = records.record(9, month=3)
        calls = count()

        def fault(method: str, path: str, number: int) -> Fault | None:
            """Just before our branch moves somebody else's has moved it."""
            return STALE if method == "PATCH" and next(calls) == 0 else None

        github.fault = fault
        other_add = other.add(late)
        assert other_add
        assert store.compact("2026-11") == 7
        assert late in list(store.records())

    def test_pull_requests_have_a_file_of_their_own_that_the_series_never_read(self, github: Faulty) -> None:
        store = self._full(github)
        for n in range(20, 24):
            store.add(records.record(n, month=3, pull=n))
        series, every = store.series(Filter()), list(store.records())

        assert store.compact("2026-11") == 10
        assert not [path for path in github.files() if path.startswith("pr/")]
        assert "index/pulls-2026.ndjson.gz" in github.files()
        before = len(github.calls)
        assert _git(github, []).series(Filter()) == series
        assert len(github.calls) - before == 3 + 2 + 2  # the branch; two years, two files of this month
        assert list(store.records()) == every
        main, pulled = store.series(Filter(pull=21))
        assert (main, len(pulled.points)) == (series[0], 1)

    def test_a_job_written_again_afterwards_still_counts_once(self, github: Faulty) -> None:
        store = self._full(github)
        store.compact("2026-11")
        store.add(self.KEPT[0])
        assert len(list(store.records())) == len(self.KEPT)


def test_the_newest_jobs_cost_a_request_each_however_long_the_history_is(github: Faulty) -> None:
    store = _git(github, [])
    for n in range(1, 28):
        store.add(records.record(n))
    before = len(github.calls)
    (series,) = store.recent(5)

    assert [point.run for point in series.points] == [records.record(n).run for n in range(23, 28)]
    assert len(github.calls) - before == 3 + 5


def test_the_newest_jobs_are_found_in_the_year_s_file_as_well(github: Faulty) -> None:
    store = _git(github, [])
    for n in range(1, 5):
        store.add(records.record(n))
    store.compact("2030-01")
    (series,) = store.recent(3)

    assert [point.run for point in series.points] == [records.record(n).run for n in range(2, 5)]


def test_a_foreign_name_on_the_branch_is_no_job_and_no_trouble(github: Faulty) -> None:
    """Anybody who may push can make one; none of ours is hidden by it."""
    store = _git(github, [])
    store.add(records.record(1))
    for name in ("v1/2\u00b23.json", *(f"v1/9999/99/{number}.txt" for number in range(12))):
        store._branch.add(name, b"junk", "junk")
    (series,) = store.recent(3)

    assert [point.run for point in series.points] == [records.record(1).run]


def test_each_file_is_asked_for_once_however_often_the_branch_moves(github: Faulty) -> None:
    store = _git(github, [])
    for n in range(1, 6):
        store.add(records.record(n, month=3, pull=n))
    calls = count()
    github.fault = lambda method, path, number: STALE if method == "PATCH" and next(calls) < 3 else None
    before = len(github.calls)

    assert store.compact("2026-11") == 5
    assert sum("GET" in call and "/blobs/" in call for call in github.calls[before:]) == 5
