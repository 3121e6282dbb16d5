"""Whose comments are ours, for each kind of token."""

from __future__ import annotations

import pytest

from ci_gpu.errors import GitHubError
from ci_gpu.github.author import login
from tests.github.scripted import Answer, Asked, github
from tests.github.thread import REFUSED, Thread


def found(answer: object) -> tuple[str, list[str]]:
    with github(answer) as server:  # type: ignore[arg-type]
        return login(server.api(), server.api()), server.paths()


def test_a_user_is_asked_for_at_user() -> None:
    assert found(Thread(me="deploy")) == ("deploy", ["GET /user"])


@pytest.mark.attack
@pytest.mark.parametrize("said", ["our-app[bot]", "our-app"])
def test_an_app_learns_its_bot_from_graphql(said: str) -> None:
    """A workflow comments with an app's token: its comments are by `our-app[bot]`, and GitHub refuses `GET /user`.

    They were looked for among those of `github-actions[bot]`, so that each run made another one.
    """
    assert found(Thread(app=said)) == ("our-app[bot]", ["GET /user", "POST /graphql"])


@pytest.mark.parametrize(
    "answer",
    [
        REFUSED,
        Answer(200, {"data": None, "errors": [{"message": "no"}]}),
        Answer(200, {"data": {"viewer": {"login": "../x"}}}),
        Answer(200, []),
        Answer(502, b""),
    ],
)
def test_without_an_answer_it_is_the_workflow_s_own(answer: Answer) -> None:
    def both(asked: Asked) -> Answer:
        return REFUSED if asked.path == "/user" else answer

    assert found(both)[0] == "github-actions[bot]"


def test_a_wrong_token_is_none() -> None:
    with pytest.raises(GitHubError) as caught:
        found(lambda asked: Answer(401, {"message": "Bad credentials"}))
    assert caught.value.kind == "bad-token"
