"""The shipped example under the real act, with the true action, a real image from a real registry, and GitHub by the
book: what a user gets who copies examples/pull-request.yml.

There is no GPU where this runs, so the example's own `with:` is given other values, and nothing else is touched.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
from ruamel.yaml import YAML

from tests.action import prism
from tests.action.github import REPOSITORY, GitHub, serve
from tests.action.runner import ROOT
from tests.containers.ground import Ground
from tests.needs import program

pytestmark = [pytest.mark.act, pytest.mark.contract, pytest.mark.engine]

PULL_REQUEST = 7
FORK = "stranger/octo-repo"
UPLOAD = "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a"
COMMENTS = f"/repos/{REPOSITORY}/issues/{PULL_REQUEST}/comments"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How a workflow ended: the result of each job, the outputs of the action, and the files that were kept."""

    code: int
    jobs: Mapping[str, str]
    outputs: Mapping[str, str]
    kept: frozenset[str]
    log: str


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """A repository with the example in it, and act to run it."""

    folder: Path
    ground: Ground
    api: str

    def run(self, image: str, *, head: str = REPOSITORY, checks: str = "compatibility,autograd") -> Run:
        """The workflow, as on a pull request from ``head`` with this image in it."""
        path = self.folder / "repository/.github/workflows/pull-request.yml"
        path.write_text(example(image, checks))
        event = self.folder / "event.json"
        event.write_text(json.dumps(pull_request(head)))
        argv = [program("act"), "pull_request", "--json", "--no-cache-server", "-W", str(path), "-e", str(event)]
        argv += ["-P", "self-hosted=-self-hosted", "-P", "ubuntu-24.04=-self-hosted", "-s", "GITHUB_TOKEN=ghs_test"]
        argv += ["--local-repository", f"org/ci-gpu@v1={ROOT}", "--env", f"GITHUB_API_URL={self.api}"]
        argv += ["--local-repository", f"{UPLOAD}={upload(self.folder)}"]
        for name, value in self.ground.env.items():
            argv += ["--env", f"{name}={value}"] if name != "HOME" else []
        env = {**os.environ, **self.ground.env, "HOME": str(self.folder)}
        done = subprocess.run(
            argv, cwd=self.folder / "repository", env=env, capture_output=True, text=True, timeout=540, check=False
        )
        return read(done, frozenset(path.name for path in (self.folder / "kept").rglob("*.*")))


def upload(folder: Path) -> Path:
    """In place of actions/upload-artifact, which needs GitHub's own store: a copy into a folder."""
    (folder / "upload").mkdir(exist_ok=True)
    script = f'cp -r -- "$SOURCE" "{folder}/kept"'
    step = {"shell": "bash", "env": {"SOURCE": "${{ inputs.path }}"}, "run": script}
    action = {"name": "upload", "description": "copy", "inputs": {"name": {}, "path": {}}}
    document = {**action, "runs": {"using": "composite", "steps": [step]}}
    (folder / "upload/action.yml").write_text(json.dumps(document))
    return folder / "upload"


def example(image: str, checks: str) -> str:
    """examples/pull-request.yml with other values for inputs that it gives, or could."""
    yaml = YAML(typ="safe")
    workflow: dict[str, Any] = yaml.load(ROOT / "examples/pull-request.yml")
    (step,) = [one for one in workflow["jobs"]["gpu"]["steps"] if one["uses"] == "org/ci-gpu@v1"]
    assert step["with"]["comment"] == "auto"
    step["with"] |= {"image": image, "device": "cpu", "engine": "podman", "checks": checks}
    return json.dumps(workflow)  # JSON is YAML


def pull_request(head: str) -> dict[str, Any]:
    """The event, as far as act and ci-gpu read it."""
    return {
        "action": "synchronize",
        "number": PULL_REQUEST,
        "repository": {"full_name": REPOSITORY},
        "pull_request": {
            "number": PULL_REQUEST,
            "head": {"ref": "topic", "sha": "1" * 40, "repo": {"full_name": head}},
            "base": {"ref": "main", "sha": "2" * 40, "repo": {"full_name": REPOSITORY}},
        },
    }


def read(done: subprocess.CompletedProcess[str], kept: frozenset[str]) -> Run:
    """What act's JSON lines tell."""
    jobs, outputs = {}, {}
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        if "jobResult" in line:
            jobs[str(line["jobID"])] = str(line["jobResult"])
        if line.get("command") == "set-output" and line.get("stepID") == ["gpu"]:
            outputs[str(line["name"])] = str(line["arg"])
    log = "\n".join(str(line.get("msg", "")).rstrip() for line in lines) + done.stderr
    return Run(code=done.returncode, jobs=jobs, outputs=outputs, kept=kept, log=log)


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    """The stub; its `url` is Prism's, so that nothing reaches it which GitHub would not understand."""
    description = prism.description()
    with (
        serve(prism.example(description)) as state,
        prism.proxy(description, state.url, tmp_path_factory.mktemp("prism")) as url,
    ):
        state.url = url
        yield state


@pytest.fixture
def workflow(github: GitHub, real_ground: Ground, tmp_path: Path) -> Workflow:
    github.comments.clear()
    github.calls.clear()
    github.read_only = False
    repository = tmp_path / "repository"
    (repository / ".github/workflows").mkdir(parents=True)
    git = ("git", "-C", str(repository), "-c", "user.name=test", "-c", "user.email=test@example.com")
    subprocess.run((*git, "init", "-q", "-b", "main"), check=True)
    subprocess.run((*git, "remote", "add", "origin", f"https://github.com/{REPOSITORY}"), check=True)
    subprocess.run((*git, "commit", "-q", "--allow-empty", "-m", "first"), check=True)
    return Workflow(folder=tmp_path, ground=real_ground, api=github.url)


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
