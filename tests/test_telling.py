"""What a run has measured is on this machine before anything is asked over a network; each thing told fails alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner

from ci_gpu import github, pipeline
from ci_gpu.cli import cli
from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.history import keeping
from ci_gpu.model import Series, SeriesKey, Summary
from tests import samples
from tests.answers import FAULTS, saying
from tests.github.test_actions import parse

SERIES = (Series(key=SeriesKey(metric="m"), unit="s", better="lower", points=()),)
REFUSED = GitHubError("GitHub refused", why="it may not", remedy="let it", kind="forbidden")


class Job:
    """A job of a workflow, whose run is the sample that is given: what it leaves behind."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, summary: Summary) -> None:
        self.folder, self.summary = folder, summary
        event = {"pull_request": {"number": 7, "head": {"repo": {"full_name": "org/repo"}}}}
        (folder / "event.json").write_text(json.dumps(event))
        monkeypatch.chdir(folder)
        monkeypatch.setattr(pipeline, "run", self._run)
        self.ran = 0
        self.env = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "GITHUB_REPOSITORY": "org/repo",
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_TOKEN": "t0ken",
        }

    def _run(self, *_: object) -> Summary:
        self.ran += 1
        return self.summary

    def done(self, *options: str, **env: str) -> int:
        argv = ["run", "a/b:1", "--device", "cpu", "--report-dir", "report", *options]
        found = CliRunner().invoke(cli, argv, env={**self.env, **env}, standalone_mode=False)
        self.said = found.output
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        return int(found.return_value)

    @property
    def outputs(self) -> dict[str, str]:
        return parse((self.folder / "output").read_text())

    @property
    def text(self) -> str:
        return (self.folder / "summary").read_text()


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(tmp_path, monkeypatch, samples.green())


def _refuse(*_: object, **__: object) -> Any:
    raise REFUSED


def _break(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("a planted bug")


@pytest.mark.attack
def test_a_comment_that_is_refused_loses_nothing_else(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub refuses a comment that is asked for always: outputs and step summary were lost. They are written first."""
    monkeypatch.setattr(github, "_post", _refuse)

    assert job.done("--comment", "always") == 5
    assert job.outputs["comment-pending"] == "true"
    assert (job.outputs["conclusion"], job.outputs["exit-code"]) == ("error", "5")
    assert job.outputs["failure-class"] == "forbidden"
    assert int(job.outputs["passed"]) > 0
    assert job.text.strip()
    assert (job.folder / "report/run.json").exists()


@pytest.mark.attack
def test_a_comment_that_is_refused_does_not_hide_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub refuses the comment of an image that fails: exit code 5 hid that the image is wrong, which is 1."""
    job = Job(tmp_path, monkeypatch, samples.red())
    monkeypatch.setattr(github, "_post", _refuse)

    assert job.done("--comment", "always") == 1
    assert (job.outputs["conclusion"], job.outputs["exit-code"]) == ("failure", "1")


@pytest.mark.attack
@pytest.mark.parametrize("step", ["keep", "_post"])
def test_a_bug_in_one_step_loses_none_of_the_others(job: Job, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whoever finds an answer that breaks the history or the comment loses the run's verdict: each fails alone."""
    calls: list[str] = []
    monkeypatch.setattr(keeping, "keep", lambda summary, *_: calls.append("keep") or (summary, ""))
    monkeypatch.setattr(
        github, "_post", lambda *_: calls.append("_post") or github.comment.Published(action="updated", url="u")
    )
    monkeypatch.setattr(keeping if step == "keep" else github, step, _break)

    assert job.done("--comment", "always", "--history", "git") == 70
    assert calls == (["_post"] if step == "keep" else ["keep"])
    assert job.outputs["exit-code"] == "70"
    assert job.outputs["comment-pending"] == ("false" if step == "keep" else "true")
    assert job.text.strip()
    assert "a planted bug" in job.said


@pytest.mark.attack
@pytest.mark.parametrize("fault", ["a body that is cut", "deep arrays", "no gzip, and said to be", "not a byte"])
def test_a_bad_network_costs_a_green_run_its_comment_and_its_history_alone(job: Job, fault: str) -> None:
    """A network that breaks GitHub's answers lost reports, outputs and verdict of the run; now it loses only them."""
    with saying(FAULTS[fault]) as url:
        assert job.done("--comment", "auto", "--history", "git", GITHUB_API_URL=url) == 0

    assert job.outputs["conclusion"] == "success"
    assert job.outputs["comment-pending"] == "true"


def test_what_is_there_before_the_first_question(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed while it asks has left everything else behind, with the comment pending."""
    found: list[dict[str, str]] = []

    def killed(*_: object) -> None:
        assert (job.folder / "report/junit.xml").exists()
        assert job.text.strip()
        found.append(job.outputs)
        raise KeyboardInterrupt

    monkeypatch.setattr(keeping, "keep", killed)
    with pytest.raises(click.Abort):
        job.done("--comment", "auto", "--history", "git")

    assert (found[0]["conclusion"], found[0]["comment-pending"]) == ("success", "true")


@pytest.mark.attack
@pytest.mark.parametrize("summary", ["green", "red"])
def test_a_step_summary_that_cannot_be_written_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, summary: str
) -> None:
    """A full disk or a file of another user's for the step summary ended as our bug and lost the verdict: it warns."""
    job = Job(tmp_path, monkeypatch, getattr(samples, summary)())
    code = job.done(GITHUB_STEP_SUMMARY=str(tmp_path))

    assert code == job.summary.verdict.exit_code
    assert job.outputs["exit-code"] == str(code)
    assert "::warning title=ci-gpu::the step summary cannot be written" in job.said


@pytest.mark.attack
def test_outputs_that_cannot_be_written_are_the_runner_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow that gates by an output goes on without it: a green run is then exit code 3, a red one stays red."""
    assert Job(tmp_path, monkeypatch, samples.green()).done(GITHUB_OUTPUT=str(tmp_path)) == 3
    assert Job(tmp_path, monkeypatch, samples.red()).done(GITHUB_OUTPUT=str(tmp_path)) == 1


@pytest.mark.attack
def test_a_folder_for_reports_that_cannot_be_written_is_found_before_the_run(job: Job) -> None:
    """A wrong report-dir costs an hour on a GPU and then the reports: it is found before anything is pulled."""
    (job.folder / "file").touch()
    with pytest.raises(ConfigError, match="the junit report cannot be written") as caught:
        job.done("--junit", "file/junit.xml")

    assert (caught.value.exit_code, job.ran) == (2, 0)


def test_what_the_history_knew_is_in_the_reports_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    (job.folder / "summary").write_text("of another tool\n")
    monkeypatch.setattr(keeping, "keep", lambda summary, *_: (msgspec.structs.replace(summary, series=SERIES), ""))

    def render(summary: Summary, _: int = 0) -> str:
        return f"with {len(summary.series)} series"

    monkeypatch.setattr("ci_gpu.reports.markdown.render", render)
    job.done("--history", "git")

    assert job.text == "of another tool\nwith 1 series\n"
    assert (job.folder / "report/summary.md").read_text().strip() == "with 1 series"
