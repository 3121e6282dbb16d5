"""A comment never decides over an image: refused, it is pending; only who insists hears exit 5."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci_gpu import github as ci_gpu_github
from ci_gpu.errors import ConfigError, GitHubError
from tests import samples
from tests.github.scripted import Answer, github
from tests.github.test_comment import REFUSED, Thread


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"repo": {"full_name": "org/repo"}}}}))
    return {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "org/repo",
        "GITHUB_WORKFLOW": "GPU",
        "GITHUB_JOB": "gpu",
    }


def test_the_outcome_is_on_the_pull_request(env: dict[str, str]) -> None:
    thread = Thread()
    with github(thread) as server:
        thread.url = server.url
        env["GITHUB_API_URL"] = server.url
        outcome = ci_gpu_github.post(samples.red(), env=env, token="t0ken", when="always", key="")

    assert not outcome.pending
    assert outcome.url == "https://example.test/1"
    assert thread.bodies[0].startswith("<!-- ci-gpu:comment v1 key=gpu/gpu -->\n")


@pytest.mark.parametrize("token", ["t0ken", ""])
def test_a_refusal_leaves_the_comment_pending(env: dict[str, str], token: str) -> None:
    with github(
        lambda asked: REFUSED if asked.method == "POST" or asked.path == "/user" else Answer(200, [])
    ) as server:
        env["GITHUB_API_URL"] = server.url
        outcome = ci_gpu_github.post(samples.red(), env=env, token=token, when="auto", key="")

    assert outcome.pending
    assert "no comment was posted" in outcome.message


def test_without_a_pull_request_it_is_pending_too(env: dict[str, str]) -> None:
    with github(lambda asked: Answer(200, [])) as server:
        env.update(GITHUB_API_URL=server.url, GITHUB_EVENT_NAME="schedule")
        Path(env["GITHUB_EVENT_PATH"]).write_text("{}")
        outcome = ci_gpu_github.post(samples.green(), env=env, token="t0ken", when="auto", key="")

    assert outcome.pending


def test_who_insists_hears_of_it(env: dict[str, str]) -> None:
    with github(
        lambda asked: REFUSED if asked.method == "POST" or asked.path == "/user" else Answer(200, [])
    ) as server:
        env["GITHUB_API_URL"] = server.url
        with pytest.raises(GitHubError) as caught:
            ci_gpu_github.post(samples.red(), env=env, token="t0ken", when="always", key="")
        with pytest.raises(ConfigError, match="no token"):
            ci_gpu_github.post(samples.red(), env=env, token="", when="always", key="")

    assert caught.value.exit_code == 5
