"""GitHub by the book, and a repository in which act runs our examples."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.action import prism
from tests.action.github import REPOSITORY, GitHub, serve
from tests.action.workflow import Workflow
from tests.containers.ground import Ground
from tests.git_data import GitData


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
    github.git = GitData(REPOSITORY)
    github.read_only = False
    repository = tmp_path / "repository"
    (repository / ".github/workflows").mkdir(parents=True)
    git = ("git", "-C", str(repository), "-c", "user.name=test", "-c", "user.email=test@example.com")
    subprocess.run((*git, "init", "-q", "-b", "main"), check=True)
    subprocess.run((*git, "remote", "add", "origin", f"https://github.com/{REPOSITORY}"), check=True)
    subprocess.run((*git, "commit", "-q", "--allow-empty", "-m", "first"), check=True)
    return Workflow(folder=tmp_path, ground=real_ground, api=github.url)
