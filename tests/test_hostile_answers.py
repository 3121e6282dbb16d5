"""What GitHub, a store or an engine answers is printed as one line that commands neither a runner nor a terminal."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from ci_gpu import containers, github
from ci_gpu.cli import listing, posting, running
from ci_gpu.errors import RunnerError
from ci_gpu.history import keeping
from tests import samples

HOSTILE = "refused\n::error title=x::smuggled\x1b[2J"


def harmless(text: str) -> bool:
    return len(text.splitlines()) == 1 and "\x1b" not in text and "smuggled" in text


@pytest.mark.attack
def test_what_github_says_of_a_comment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """GitHub's answer to a comment holds a runner command and the codes of a terminal. It is printed as one line that
    commands neither.
    """
    monkeypatch.setattr(github, "post", lambda *_, **__: github.Outcome(pending=True, message=HOSTILE))
    posting.post([samples.green()], "auto", None)

    assert harmless(capsys.readouterr().err)


@pytest.mark.attack
def test_what_a_store_says_of_the_history(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A store's answer holds a runner command and the codes of a terminal. It is printed as one line that commands
    neither.
    """
    monkeypatch.setattr(keeping, "keep", lambda summary, *_: (summary, HOSTILE))
    running.remembered(samples.green(), "git")

    assert harmless(capsys.readouterr().err)


@pytest.mark.attack
def test_what_an_engine_says_of_its_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine's answer to a sweep holds a runner command and the codes of a terminal. It is printed as one line that
    commands neither.
    """

    def refuse(*_: object, **__: object) -> None:
        raise RunnerError(HOSTILE)

    monkeypatch.setattr(containers, "sweep", refuse)
    done = CliRunner().invoke(click.Group(commands={"sweep": listing.sweep}), ["sweep", "--engine", "podman"])

    assert harmless(done.output)
