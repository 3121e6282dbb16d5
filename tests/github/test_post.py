"""A comment never decides over an image: refused, it is pending; only who insists hears exit 5."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from ci_gpu import github as ci_gpu_github
from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.github import body
from ci_gpu.origin import Origin
from tests import samples
from tests.github.scripted import Answer, github
from tests.github.thread import HEAD, REFUSED, Thread


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    event = tmp_path / "event.json"
    event.write_text(
        json.dumps({"pull_request": {"number": 7, "head": {"sha": HEAD, "repo": {"full_name": "org/repo"}}}})
    )
    return {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "org/repo",
        "GITHUB_WORKFLOW": "GPU",
        "GITHUB_WORKFLOW_REF": "org/repo/.github/workflows/gpu.yml@refs/pull/7/merge",
        "GITHUB_RUN_ID": "77",
        "GITHUB_RUN_ATTEMPT": "2",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_JOB": "gpu",
        "CI_GPU_MATRIX": '{"gpu": "a100"}',
    }


def test_the_outcome_is_on_the_pull_request(env: dict[str, str]) -> None:
    thread = Thread()
    with github(thread) as server:
        thread.url = server.url
        env["GITHUB_API_URL"] = server.url
        outcome = ci_gpu_github.post([samples.red()], env=env, token="t0ken", when="always", key="")

    assert not outcome.pending
    assert outcome.url == "https://example.test/1"
    (leg,) = body.read(thread.bodies[0])
    assert thread.bodies[0].startswith(f"{body.marker('GPU .github/workflows/gpu.yml')}\n")
    assert leg.label.startswith("gpu (a100): pytorch/pytorch:")
    assert (leg.run, leg.attempt, leg.commit, leg.exit, leg.fork) == (77, 2, HEAD, 1, False)
    assert "run [77](https://github.example/org/repo/actions/runs/77) (attempt 2)" in thread.bodies[0]


def test_two_uses_in_one_job_are_two_legs_of_one_comment(env: dict[str, str]) -> None:
    thread = Thread()
    with github(thread) as server:
        thread.url = server.url
        env["GITHUB_API_URL"] = server.url
        for summary in (samples.red(), samples.green()):
            ci_gpu_github.post([summary], env=env, token="t0ken", when="always", key="")

    (text,) = thread.bodies
    assert [leg.exit for leg in body.read(text)] == [1, 0]


def test_a_key_of_one_s_own_is_a_comment_of_one_s_own(env: dict[str, str]) -> None:
    thread = Thread()
    with github(thread) as server:
        thread.url = server.url
        env["GITHUB_API_URL"] = server.url
        for key in ("a", "b", "a"):
            ci_gpu_github.post([samples.red()], env=env, token="t0ken", when="always", key=key)

    assert len(thread.bodies) == 2


def test_a_report_of_another_run_is_the_leg_that_it_says_of_the_run_that_github_says(
    env: dict[str, str], tmp_path: Path
) -> None:
    """In the second workflow the variables are its own; which job measured stands in the file, and is only a name."""
    thread = Thread()
    made = Origin(event="pull_request", job="measured", run="1", attempt="9", commit="c" * 40, pull=666)
    summary = samples.red()
    report = msgspec.structs.replace(summary.report, origin=made)
    run = {"event": "pull_request", "id": 88, "run_attempt": 3, "head_sha": HEAD, "head_branch": "topic"}
    head = {"full_name": "org/repo", "owner": {"login": "org"}}
    (tmp_path / "event.json").write_text(json.dumps({"workflow_run": {**run, "head_repository": head}}))
    pulls = [{"number": 7, "state": "open", "head": {"sha": HEAD}}]
    with github(lambda asked: Answer(200, pulls) if "/pulls?" in asked.path else thread(asked)) as server:
        thread.url = server.url
        env |= {"GITHUB_API_URL": server.url, "GITHUB_EVENT_NAME": "workflow_run"}
        told = [msgspec.structs.replace(summary, report=report)]
        ci_gpu_github.post(told, env=env, token="t0ken", when="always", key="", from_file=True)

    (leg,) = body.read(thread.bodies[0])
    assert leg.label.startswith("measured: ")
    assert (leg.run, leg.attempt, leg.commit, leg.fork) == (88, 3, HEAD, False)


@pytest.mark.parametrize("token", ["t0ken", ""])
def test_a_refusal_leaves_the_comment_pending(env: dict[str, str], token: str) -> None:
    with github(
        lambda asked: REFUSED if asked.method == "POST" or asked.path == "/user" else Answer(200, [])
    ) as server:
        env["GITHUB_API_URL"] = server.url
        outcome = ci_gpu_github.post([samples.red()], env=env, token=token, when="auto", key="")

    assert outcome.pending
    assert "no comment was posted" in outcome.message


def test_without_a_pull_request_it_is_pending_too(env: dict[str, str]) -> None:
    with github(lambda asked: Answer(200, [])) as server:
        env.update(GITHUB_API_URL=server.url, GITHUB_EVENT_NAME="schedule")
        Path(env["GITHUB_EVENT_PATH"]).write_text("{}")
        outcome = ci_gpu_github.post([samples.green()], env=env, token="t0ken", when="auto", key="")

    assert outcome.pending


def test_who_insists_hears_of_it(env: dict[str, str]) -> None:
    with github(
        lambda asked: REFUSED if asked.method == "POST" or asked.path == "/user" else Answer(200, [])
    ) as server:
        env["GITHUB_API_URL"] = server.url
        with pytest.raises(GitHubError) as caught:
            ci_gpu_github.post([samples.red()], env=env, token="t0ken", when="always", key="")
        with pytest.raises(ConfigError, match="no token"):
            ci_gpu_github.post([samples.red()], env=env, token="", when="always", key="")

    assert caught.value.exit_code == 5
