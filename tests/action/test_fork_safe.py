"""The second of the two workflows for forks: its own script on a report that a stranger has written.

The step before, which downloads the report, needs GitHub's store; what it would leave is put in its place.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from ci_gpu import reports
from tests import samples
from tests.action import prism
from tests.action.github import REPOSITORY, GitHub
from tests.action.runner import ROOT, SHELL
from tests.needs import program

pytestmark = pytest.mark.contract

WORKFLOW: dict[str, Any] = YAML(typ="safe").load(ROOT / "examples/fork-safe/gpu-comment.yml")
STEPS = WORKFLOW["jobs"]["comment"]["steps"]
HEAD = "1" * 40
EVENT = {
    "workflow_run": {
        "event": "pull_request",
        "head_sha": HEAD,
        "head_branch": "topic",
        "head_repository": {"full_name": "stranger/octo-repo", "owner": {"login": "stranger"}},
        "pull_requests": [],
    }
}


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    with prism.github(tmp_path_factory.mktemp("prism")) as state:
        yield state


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """The runner on which the second workflow runs."""

    folder: Path
    github: GitHub

    def comment(self, run_json: str) -> subprocess.CompletedProcess[str]:
        """The last step, with this file as the downloaded report."""
        (self.folder / "report/ci-gpu-report").mkdir(parents=True)
        (self.folder / "report/ci-gpu-report/run.json").write_text(run_json)
        (self.folder / "venv/bin").mkdir(parents=True)
        (self.folder / "venv/bin/ci-gpu").symlink_to(program("ci-gpu"))
        (self.folder / "event.json").write_text(json.dumps(EVENT))
        runner = {
            "GITHUB_API_URL": self.github.url,
            "GITHUB_EVENT_NAME": "workflow_run",
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_REPOSITORY": REPOSITORY,
            "RUNNER_TEMP": str(self.folder),
        }
        env = {**os.environ, **runner, **dict.fromkeys(STEPS[-1]["env"], "ghs_test")}
        argv = (*SHELL, "-c", STEPS[-1]["run"])
        return subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def stage(github: GitHub, tmp_path: Path) -> Stage:
    description = prism.description()
    github.comments.clear()
    github.calls.clear()
    github.queries.clear()
    github.pulls = [prism.pull_request(description, 9, "9" * 40), prism.pull_request(description, 7, HEAD)]
    return Stage(folder=tmp_path, github=github)


def red() -> str:
    return reports.load("json").render(samples.red())


def test_the_comment_goes_to_the_pull_request_whose_head_was_checked(stage: Stage, github: GitHub) -> None:
    done = stage.comment(red())

    assert done.returncode == 0, done.stderr
    assert list(github.comments) == [7]
    assert any("head=stranger%3Atopic" in query for query in github.queries)
    assert "reinstall torch in the image" in github.comments[7][0]["body"]


@pytest.mark.attack
def test_a_verdict_that_the_stranger_has_written_is_not_believed(stage: Stage, github: GitHub) -> None:
    """A fork's file carries a verdict of success over failed checks. The verdict is computed from the results."""
    forged = json.loads(red())
    forged["verdict"] = {**forged["verdict"], "exit_code": 0, "conclusion": "success", "reasons": []}
    honest, done = reports.load("markdown").render(samples.red()), stage.comment(json.dumps(forged))

    assert done.returncode == 0, done.stderr
    assert honest.splitlines()[0] in github.comments[7][0]["body"]


@pytest.mark.attack
def test_nothing_is_said_where_the_head_has_moved_on(stage: Stage, github: GitHub) -> None:
    """A stranger pushes again while an older, green report is on its way, so that it would stand under other code.
    Nothing is said where no open pull request has that commit as its head.
    """
    github.pulls.pop()
    done = stage.comment(red())

    assert done.returncode == 0
    assert "no open pull request" in done.stderr
    assert github.comments == {}


@pytest.mark.attack
@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": 1, "images": "all"}', "{" * 100_000])
def test_a_damaged_report_is_refused_and_nothing_is_said(text: str, stage: Stage, github: GitHub) -> None:
    """A fork's artifact holds something else in the place of a report. It is refused in words, and GitHub is asked
    nothing.
    """
    done = stage.comment(text)

    assert done.returncode not in (0, 70), done.stderr
    assert "Traceback" not in done.stderr
    assert github.calls == []


def test_no_step_checks_anything_out() -> None:
    assert [step for step in STEPS if "uses" in step] == []
