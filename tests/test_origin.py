"""Where a run was made is read from the workflow, and what counts as the main line is decided there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ci_gpu import origin

MAIN = {"repository": {"default_branch": "main", "full_name": "octo-org/octo-repo"}}
PUSH = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main"}


def found(folder: Path, event: Any, **env: str) -> origin.Origin:
    (folder / "event.json").write_text(event if isinstance(event, str) else json.dumps(event))
    path = str(folder / "event.json")
    return origin.of({"GITHUB_REPOSITORY": "octo-org/octo-repo", "GITHUB_EVENT_PATH": path, **env})


@pytest.mark.parametrize(
    ("env", "apart"),
    [
        (PUSH, ""),
        ({"GITHUB_EVENT_NAME": "schedule", "GITHUB_REF": "refs/heads/main"}, ""),
        ({}, ""),  # a laptop, or another CI
        ({**PUSH, "GITHUB_REF": "refs/heads/topic"}, "push"),
        ({**PUSH, "GITHUB_REF": "refs/tags/main"}, "push"),
        (
            {"GITHUB_EVENT_NAME": "merge_group", "GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-7-abc"},
            "merge_group",
        ),
        ({"GITHUB_EVENT_NAME": "workflow_dispatch", "GITHUB_REF": "refs/heads/main"}, "workflow_dispatch"),
        ({"GITHUB_EVENT_NAME": "a b\n::", "GITHUB_REF": "refs/heads/main"}, "unknown"),
    ],
)
def test_only_pushes_of_the_default_branch_and_schedules_are_the_main_line(
    tmp_path: Path, env: dict[str, str], apart: str
) -> None:
    assert found(tmp_path, MAIN, **env).apart == apart


@pytest.mark.parametrize("event", ["", "[]", '{"repository": 3}', '{"repository": {"default_branch": 3}}', "[" * 9999])
def test_a_push_whose_default_branch_is_not_known_is_none_of_it(tmp_path: Path, event: str) -> None:
    assert found(tmp_path, event, **PUSH).apart == "push"


def test_a_pull_request_is_known_by_its_ref_or_its_event(tmp_path: Path) -> None:
    by_ref = found(tmp_path, {}, GITHUB_REF="refs/pull/12/merge", GITHUB_EVENT_NAME="pull_request")
    by_event = found(tmp_path, {"pull_request": {"number": 12}}, GITHUB_EVENT_NAME="pull_request_target")

    assert [(one.pull, one.apart) for one in (by_ref, by_event)] == [(12, ""), (12, "")]
    assert found(tmp_path, {"pull_request": {"number": "12"}}, GITHUB_EVENT_NAME="pull_request").apart == "pull_request"


@pytest.mark.parametrize(
    ("repository", "event", "branch", "apart"),
    [
        ("octo-org/octo-repo", "push", "main", ""),
        ("octo-org/octo-repo", "push", "topic", "push"),
        ("octo-org/octo-repo", "pull_request", "main", "pull_request"),
        ("stranger/octo-repo", "push", "main", "workflow_run"),
    ],
)
def test_a_run_that_follows_another_is_what_that_one_was(
    tmp_path: Path, repository: str, event: str, branch: str, apart: str
) -> None:
    first = {"event": event, "head_branch": branch, "head_sha": "ab", "head_repository": {"full_name": repository}}
    one = found(
        tmp_path, {**MAIN, "workflow_run": first}, GITHUB_EVENT_NAME="workflow_run", GITHUB_REF="refs/heads/main"
    )

    assert one.apart == apart
    assert one.branch == (branch if repository.startswith("octo") else "")


@pytest.mark.parametrize(
    ("text", "kept"), [('{"b": 1, "a": "x"}', '{"a": "x", "b": 1}'), ("null", ""), ("{}", ""), ("${{", ""), ("", "")]
)
def test_the_leg_of_a_matrix_is_kept_in_one_order(text: str, kept: str) -> None:
    assert origin.of({"CI_GPU_MATRIX": text}).matrix == kept


def test_outside_of_a_workflow_there_is_none() -> None:
    assert origin.of({}) == origin.Origin()


def test_the_action_hands_over_the_leg_of_the_matrix() -> None:
    """The runner lets a step of a composite action read ``matrix``: ``step-env`` in its action_yaml.json."""
    from tests.action.runner import ACTION

    assert ACTION["runs"]["steps"][2]["env"]["CI_GPU_MATRIX"] == "${{ toJSON(matrix) }}"
