"""The shipped example under the real act, with the true action, a real image from a real registry, and GitHub by the
book: what a user gets who copies examples/pull-request.yml.
"""

from __future__ import annotations

import pytest
import requests

from tests.action.github import REPOSITORY, GitHub
from tests.action.workflow import PULL_REQUEST, Workflow
from tests.containers.ground import Ground

pytestmark = [pytest.mark.act, pytest.mark.contract, pytest.mark.engine]

FORK = "stranger/octo-repo"
COMMENTS = f"/repos/{REPOSITORY}/issues/{PULL_REQUEST}/comments"


@pytest.fixture(scope="module")
def good(real_ground: Ground) -> str:
    """A real torch whose tag promises no CUDA."""
    return real_ground.pushed("torch", "2.13.0-cpu", "ci-gpu-test/act")


def test_a_good_image_lets_the_merge_through_and_is_told_in_one_comment_that_is_updated(
    workflow: Workflow, github: GitHub, good: str
) -> None:
    first = workflow.run(good)

    assert first.code == 0, first.log
    assert first.jobs == {"gpu": "success", "gate": "success"}
    assert first.outputs["conclusion"] == "success"
    assert first.outputs["exit-code"] == "0"
    assert first.outputs["comment-pending"] == "false"
    assert first.outputs["image-digest"].startswith("sha256:")
    assert first.outputs["torch-version"].startswith("2.13.0")
    assert first.kept == {"junit.xml", "run.json", "report.html", "summary.md"}
    (comment,) = github.comments[PULL_REQUEST]
    assert first.outputs["comment-url"] == comment["html_url"]
    assert "NO GPU WAS CHECKED" in comment["body"].upper()
    assert "autograd.polynomial" in comment["body"]

    again = workflow.run(good)

    assert again.code == 0, again.log
    (updated,) = github.comments[PULL_REQUEST]
    assert updated["id"] == comment["id"]
    assert github.calls.count(f"POST {COMMENTS}") == 1
    assert f"PATCH /repos/{REPOSITORY}/issues/comments/{comment['id']}" in github.calls


def test_an_image_whose_tag_promises_cuda_and_whose_torch_has_none_blocks_the_merge_and_the_comment_says_why(
    workflow: Workflow, github: GitHub, real_ground: Ground
) -> None:
    done = workflow.run(real_ground.pushed("torch", "2.13.0-cuda12.8-cudnn9-runtime", "ci-gpu-test/act"))

    assert done.code == 1
    assert done.jobs == {"gpu": "failure", "gate": "failure"}
    assert done.outputs["conclusion"] == "failure"
    assert done.outputs["exit-code"] == "1"
    assert "report.html" in done.kept
    (comment,) = github.comments[PULL_REQUEST]
    assert "compatibility.cuda_build" in comment["body"]
    assert "CPU" in comment["body"]


def test_an_image_without_torch_blocks_the_merge_and_the_comment_says_why(
    workflow: Workflow, github: GitHub, real_ground: Ground
) -> None:
    done = workflow.run(real_ground.pushed("no-torch", "1", "ci-gpu-test/act"))

    assert done.code == 1
    assert done.jobs == {"gpu": "failure", "gate": "failure"}
    assert done.outputs["exit-code"] == "4"
    assert done.outputs["failure-class"] == "no-torch"
    (comment,) = github.comments[PULL_REQUEST]
    assert "torch" in comment["body"]


def test_a_pull_request_from_a_fork_is_judged_by_its_image_alone(workflow: Workflow, github: GitHub, good: str) -> None:
    github.read_only = True
    done = workflow.run(good, head=FORK)

    assert done.code == 0, done.log
    assert done.jobs == {"gpu": "success", "gate": "success"}
    assert done.outputs["comment-pending"] == "true"
    assert f"POST {COMMENTS}" in github.calls
    assert github.comments == {}


def test_a_mistake_in_the_workflow_is_an_error_and_blocks_the_merge(workflow: Workflow, github: GitHub) -> None:
    done = workflow.run("a/b", checks="sonnet")

    assert done.jobs == {"gpu": "failure", "gate": "failure"}
    assert done.outputs["conclusion"] == "error"
    assert "there is no check 'sonnet'" in done.log
    assert done.kept == set()
    assert github.comments == {}


def test_prism_lets_no_question_through_that_github_would_not_understand(github: GitHub) -> None:
    calls = len(github.calls)
    answer = requests.post(f"{github.url}{COMMENTS}", json={"boddy": "x"}, timeout=20)

    assert answer.status_code == 422
    assert len(github.calls) == calls
