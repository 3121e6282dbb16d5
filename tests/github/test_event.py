"""Which pull request a run is about: by the event and by GitHub, and by nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ci_gpu.errors import ConfigError
from ci_gpu.github.event import PullRequest, head, pull_request
from tests.github.scripted import Answer, github

SHA = "a" * 40
RUN = {
    "event": "pull_request",
    "head_sha": SHA,
    "id": 12,
    "run_attempt": 3,
    "head_branch": "new image&state=closed",
    "head_repository": {"full_name": "stranger/repo", "owner": {"login": "stranger"}},
    "pull_requests": [{"number": 666}],
}


def pull(number: int, *, state: str = "open", sha: str = SHA) -> dict[str, Any]:
    """A pull request as GitHub lists it, in the fields that are read."""
    return {"number": number, "state": state, "head": {"sha": sha}}


def found(tmp_path: Path, name: str, event: Any, pulls: Any = (), **env: str) -> tuple[PullRequest | None, list[str]]:
    path = tmp_path / "event.json"
    path.write_text(event if isinstance(event, str) else json.dumps(event))
    env = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path), "GITHUB_REPOSITORY": "org/repo", **env}
    with github(lambda asked: Answer(200, list(pulls))) as server:
        return pull_request(env, server.api()), [asked.path for asked in server.asked]


@pytest.mark.parametrize(("head", "fork"), [("org/repo", False), ("stranger/repo", True), (None, True)])
def test_a_pull_request_names_itself(tmp_path: Path, head: str | None, fork: bool) -> None:
    event = {"pull_request": {"number": 7, "head": {"sha": SHA, "repo": {"full_name": head} if head else None}}}
    target, asked = found(tmp_path, "pull_request", event, GITHUB_RUN_ID="12", GITHUB_RUN_ATTEMPT="x")

    assert target == PullRequest(repository="org/repo", number=7, fork=fork, run=12, commit=SHA)
    assert asked == []


def test_a_push_is_looked_up_by_its_commit(tmp_path: Path) -> None:
    pulls = [pull(3, state="closed"), pull(4)]
    target, asked = found(tmp_path, "push", {}, pulls, GITHUB_SHA=SHA)

    assert target == PullRequest(repository="org/repo", number=4, commit=SHA)
    assert asked == [f"/repos/org/repo/commits/{SHA}/pulls?per_page=100"]


def test_a_second_workflow_finds_the_pull_request_by_its_head_and_believes_no_number(tmp_path: Path) -> None:
    pulls = [pull(8, sha="b" * 40), pull(9)]
    target, asked = found(tmp_path, "workflow_run", {"workflow_run": RUN}, pulls)

    assert target == PullRequest(repository="org/repo", number=9, fork=True, run=12, attempt=3, commit=SHA)
    assert asked == ["/repos/org/repo/pulls?state=open&head=stranger%3Anew%20image%26state%3Dclosed&per_page=100"]


def test_a_head_that_has_moved_on_is_no_pull_request(tmp_path: Path) -> None:
    pulls = [pull(8, sha="b" * 40)]

    assert found(tmp_path, "workflow_run", {"workflow_run": RUN}, pulls)[0] is None


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("schedule", {}),
        ("merge_group", {"merge_group": {}}),
        ("pull_request", {"pull_request": {"number": "7; rm -rf /"}}),
        ("pull_request", {"pull_request": [7]}),
        ("workflow_run", {"workflow_run": 7}),
        ("workflow_run", {"workflow_run": {"event": "pull_request", "head_repository": [7], "head_branch": {}}}),
        ("workflow_run", {"workflow_run": {**RUN, "head_repository": {"owner": ["stranger"]}}}),
        ("pull_request", {"pull_request": []}),
        ("workflow_run", {"workflow_run": {**RUN, "event": "push"}}),
        ("workflow_run", {}),
        ("push", {}),
    ],
)
def test_what_is_about_no_pull_request(tmp_path: Path, name: str, event: Any) -> None:
    assert found(tmp_path, name, event, GITHUB_SHA="not a sha")[0] is None


def test_a_repository_that_is_none_is_never_asked_for(tmp_path: Path) -> None:
    assert found(tmp_path, "push", {}, GITHUB_SHA=SHA, GITHUB_REPOSITORY="../../user") == (None, [])


@pytest.mark.parametrize("event", ["", "[]", "{", "null", '{"a": ' * 2000])
def test_an_event_that_is_none_is_a_mistake(tmp_path: Path, event: str) -> None:
    with pytest.raises(ConfigError):
        found(tmp_path, "pull_request", event)


@pytest.mark.parametrize(
    ("answer", "commit"),
    [
        (Answer(200, pull(7, sha="c" * 40)), "c" * 40),
        (Answer(403, {"message": "Resource not accessible by integration"}), SHA),
        (Answer(200, pull(7, sha="main; rm -rf /")), SHA),
    ],
)
def test_the_newest_commit_is_what_github_says_it_is_now(answer: Answer, commit: str) -> None:
    with github(lambda asked: answer) as server:
        assert head(PullRequest(repository="org/repo", number=7, commit=SHA), server.api()) == commit
        assert server.paths() == ["GET /repos/org/repo/pulls/7"]
