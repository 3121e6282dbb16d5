"""Patience has rules and an end; the token goes to one host; a refusal is told apart."""

from __future__ import annotations

from typing import Any

import pytest

from ci_gpu.errors import GitHubError
from ci_gpu.github import api
from tests.github.scripted import Answer, Asked, github

SECONDARY = {"message": "You have exceeded a secondary rate limit."}


def script(*answers: Answer) -> Any:
    """The answers one after the other, then the last one for ever."""
    left = list(answers)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


def test_a_list_is_read_page_by_page() -> None:
    def answer(asked: Asked) -> Answer:
        page = int(asked.path.rpartition("page=")[2]) if "&page=" in asked.path else 1
        link = f'<{server.url}/things?per_page=100&page={page + 1}>; rel="next"' if page < 3 else ""
        return Answer(200, [page], {"Link": link})

    with github(answer) as server:
        assert list(server.api().pages("/things", Any)) == [1, 2, 3]
        assert server.paths()[0] == "GET /things?per_page=100"


def test_the_token_follows_no_link_to_another_host() -> None:
    with github(script(Answer(200, ["stolen"]))) as thief:
        link = {"Link": f'<{thief.url}/things?page=2>; rel="next"'}
        with github(script(Answer(200, ["mine"], link))) as server:
            assert list(server.api().pages("/things", Any)) == ["mine"]
            assert server.asked[0].token == "Bearer t0ken"
        assert thief.asked == []


def test_the_token_follows_no_redirect() -> None:
    with github(script(Answer(200, {}))) as thief, github(script(Answer(302, {}, {"Location": thief.url}))) as server:
        with pytest.raises(GitHubError):
            server.api().get("/thing", Any)
        assert thief.asked == []


@pytest.mark.parametrize(
    ("first", "slept"),
    [
        (Answer(403, SECONDARY, {"Retry-After": "7"}), 7.0),
        (Answer(429, {}, {"Retry-After": "7"}), 7.0),
        (Answer(403, SECONDARY), 60.0),
        (
            Answer(
                403, {"message": "API rate limit exceeded"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1042"}
            ),
            42.0,
        ),
    ],
    ids=["secondary with a time", "429 with a time", "secondary without", "primary"],
)
def test_a_limit_is_waited_for_as_it_says(first: Answer, slept: float) -> None:
    with github(script(first, Answer(200, {"ok": True}))) as server:
        assert server.api().post("/thing", {}, Any) == {"ok": True}
        assert server.slept == [slept]


def test_a_limit_that_is_too_far_away_is_not_waited_for() -> None:
    far = Answer(
        403, {"message": "API rate limit exceeded"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4600"}
    )
    with github(script(far)) as server:
        with pytest.raises(GitHubError) as caught:
            server.api().get("/thing", Any)
        assert (caught.value.kind, server.slept) == ("github-rate-limited", [])


def test_all_waiting_together_has_an_end() -> None:
    with github(script(Answer(429, SECONDARY, {"Retry-After": "100"}))) as server:
        with pytest.raises(GitHubError):
            server.api().get("/thing", Any)
        assert sum(server.slept) <= api.MAX_WAIT


def test_a_server_error_is_tried_again_but_never_for_a_post() -> None:
    with github(script(Answer(502, b"<html>"), Answer(200, {"ok": True}))) as server:
        assert server.api().get("/thing", Any) == {"ok": True}
        assert len(server.slept) == 1
    with github(script(Answer(502, b"<html>"))) as server:
        with pytest.raises(GitHubError):
            server.api().post("/thing", {}, Any)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(401, {"message": "Bad credentials"}), "bad-token"),
        (Answer(403, {"message": "Resource not accessible by integration"}), "read-only-token"),
        (Answer(403, {"message": "Must have admin rights"}), "forbidden"),
        (Answer(403, {"message": "Unable to create comment because issue is locked."}), "locked"),
        (Answer(403, {"message": "Commenting is disabled on issues with more than 2500 comments"}), "full"),
        (Answer(410, {"message": "Issues are disabled for this repo"}), "locked"),
        (Answer(404, {"message": "Not Found"}), "not-found"),
        (Answer(422, {"message": "Validation Failed"}), "invalid"),
        (Answer(418, b"<html>teapot</html>"), "github"),
    ],
)
def test_a_refusal_is_told_apart_and_never_tried_again(answer: Answer, kind: str) -> None:
    with github(script(answer)) as server:
        with pytest.raises(GitHubError) as caught:
            server.api().patch("/thing?query=1", {}, Any)
        assert (caught.value.kind, caught.value.exit_code) == (kind, 5)
        assert caught.value.why
        assert caught.value.remedy
        assert len(server.asked) == 1
        assert "t0ken" not in caught.value.what


def test_something_that_is_no_json_is_no_answer() -> None:
    with github(script(Answer(200, b"<html>log in</html>"))) as server, pytest.raises(GitHubError) as caught:
        server.api().get("/thing", Any)

    assert caught.value.kind == "github-unreachable"


def test_a_body_beyond_all_bounds_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_BYTES", 1000)
    with github(script(Answer(200, ["x" * 2000]))) as server, pytest.raises(GitHubError):
        server.api().get("/thing", Any)


def test_a_host_that_is_not_there() -> None:
    slept: list[float] = []
    with pytest.raises(GitHubError) as caught:
        api.Api("t0ken", "http://127.0.0.1:9", sleep=slept.append).get("/thing", Any)

    assert caught.value.kind == "github-unreachable"
    assert len(slept) == api.TRIES - 1
