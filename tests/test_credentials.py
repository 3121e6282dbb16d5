"""User and password of a registry go to one host, which ci-gpu.toml does not choose.

The engine's client is the stand-in of `tests/states/docker.py`, which asks the registries of these tests as docker asks
them: at a login with the password that it is given, at a pull with the login of that very host.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ci_gpu import config, pipeline
from ci_gpu.cli import cli
from ci_gpu.config import targets, wish
from ci_gpu.errors import ConfigError
from ci_gpu.model import Summary
from tests.listening import Heard, listening
from tests.test_guest import Recorder

OURS = "Basic " + base64.b64encode(b"user:s3cret").decode()
Examine = Callable[..., tuple[Summary, list[str]]]


class Watch(Recorder):
    """Keeps the notes. No image comes so far that there is more to tell."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def image(self, target: config.Target) -> None:
        pass

    def pulling(self, line: str) -> None:
        pass


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ci-gpu.toml of this repository's is read by accident."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker whose pulls end after the registry was asked."""
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "docker"
    path.write_text(f"#!{sys.executable}\n{(Path(__file__).parent / 'states/docker.py').read_text()}")
    path.chmod(0o755)
    state = {
        "asks": True,
        "inspect": [1, "Error response from daemon: No such image\n", "[]\n"],
        "pull": [1, "Error response from daemon: denied: requested access to the resource is denied\n"],
    }
    monkeypatch.setenv("STATE_DOCKER", json.dumps(state))
    monkeypatch.setenv("PATH", str(path.parent), prepend=":")
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


@pytest.fixture
def examine(client: Path) -> Examine:
    """The true pipeline, up to the pulls, with what it noted."""

    def examined(*images: str, file: str = "", **given: str) -> tuple[Summary, list[str]]:
        Path("ci-gpu.toml").write_text(file)
        said = {"engine": "docker", "device": "cpu", "registry_username": "user", **given}
        chosen, watch = targets(images, said, None), Watch()
        summary = pipeline.run(chosen, watch, {}, "s3cret", wish(chosen, said, None))
        return summary, watch.notes

    return examined


def logins(heard: list[Heard]) -> set[str]:
    """Whatever came as an Authorization."""
    return {login for _, login in heard if login}


@pytest.mark.attack
def test_a_file_that_makes_another_image_of_the_workflow_s_does_not_get_the_password(examine: Examine) -> None:
    """A pull request's ci-gpu.toml turns the image that the workflow names into one of another registry, which would
    then be sent the password. A reference that the workflow gives is that image, and a table that says otherwise is
    refused.
    """
    file = '[images."{0}/a/b:1"]\nimage = "{1}/a/b:1"\n'
    other = pytest.raises(ConfigError, match="names another image")
    with listening() as (ours, kept), listening() as (theirs, heard), other as caught:
        examine(f"{ours}/a/b:1", file=file.format(ours, theirs))

    assert (caught.value.exit_code, heard, kept) == (2, [], [])


@pytest.mark.attack
def test_a_baseline_that_the_file_names_does_not_get_the_password(examine: Examine) -> None:
    """A pull request's ci-gpu.toml names a baseline on another registry, which would be sent the password. That host is
    asked without a login, and the log says so.
    """
    with listening() as (ours, kept), listening() as (theirs, heard):
        _, notes = examine(f"{ours}/a/b:1", file=f'[run]\nbaseline = "{theirs}/a/b:1"\n')

    assert heard
    assert logins(heard) == set()
    assert logins(kept) == {OURS}
    assert notes == [f"{theirs} is asked without the login, which is for {ours}"]


@pytest.mark.attack
def test_the_second_image_of_a_workflow_is_of_a_host_of_its_own(examine: Examine) -> None:
    """The second image of a workflow lies on another registry, which would be sent the password of the first. Without
    `registry` the login is for the host of the first image alone.
    """
    with listening() as (ours, kept), listening() as (theirs, heard):
        examine(f"{ours}/a/b:1", f"{theirs}/a/b:1")

    assert heard
    assert logins(heard) == set()
    assert logins(kept) == {OURS}


@pytest.mark.attack
def test_images_that_only_the_file_names_get_no_password_without_a_registry(examine: Examine) -> None:
    """Only ci-gpu.toml names images, so a pull request chooses who is sent the password. With a login, `registry` has
    to be said by the workflow.
    """
    with listening() as (theirs, heard), pytest.raises(ConfigError, match="does not say for which registry") as caught:
        examine(file=f'[images.nightly]\nimage = "{theirs}/a/b:1"\n')

    assert (caught.value.exit_code, heard) == (2, [])
    assert "--registry" in caught.value.remedy


@pytest.mark.attack
def test_a_name_that_may_be_one_of_the_file_s_is_no_registry(examine: Examine) -> None:
    """The workflow gives a name that the pull request's ci-gpu.toml may define, or drop so that it becomes an image of
    Docker Hub. Such a name decides no registry: the login needs `registry`.
    """
    with listening() as (theirs, heard):
        for file in (f'[images.nightly]\nimage = "{theirs}/a/b:1"\n', ""):
            with pytest.raises(ConfigError, match="does not say for which registry"):
                examine("nightly", file=file)

    assert heard == []


@pytest.mark.attack
@pytest.mark.parametrize("key", ["registry", "registry-username", "registry_username"])
@pytest.mark.parametrize("table", ["run", "images.a"])
def test_a_file_cannot_say_whose_password_it_is(table: str, key: str) -> None:
    """A pull request's ci-gpu.toml says for which registry, or under which name, the workflow's password is. These keys
    are refused in the file.
    """
    Path("ci-gpu.toml").write_text(f'[{table}]\n{key} = "x"\n')
    with pytest.raises(ConfigError, match=f"ci-gpu.toml cannot say '{key}'") as caught:
        targets(("a/b",), {}, None)

    assert caught.value.exit_code == 2
    assert "password" in caught.value.why


@pytest.mark.attack
def test_a_file_that_says_a_thing_in_two_spellings_does_not_win_over_the_workflow() -> None:
    """A pull request's ci-gpu.toml says an option twice, with `_` and with `-`, so that one of the two would win over
    the workflow. Both are one key, and the workflow's value stands.
    """
    twice = 'group_add = "1"\ngroup-add = "2"\n'
    Path("ci-gpu.toml").write_text(f'[run]\n{twice}[images."a/b"]\n{twice}')
    (target,) = targets(("a/b",), {"group_add": "none"}, None)

    assert target.settings.group_add == "none"


def test_images_of_the_file_get_the_login_of_the_host_that_the_workflow_names(examine: Examine) -> None:
    with listening() as (ours, kept), listening() as (theirs, heard):
        file = f'[images.old]\nimage = "{theirs}/a/b:1"\n[images.new]\nimage = "{ours}/a/b:1"\n'
        examine(file=file, registry=ours)

    assert heard
    assert logins(heard) == set()
    assert logins(kept) == {OURS}


def test_another_port_is_another_registry(examine: Examine) -> None:
    with listening() as (theirs, heard):
        _, notes = examine(f"{theirs}/a/b:1", registry="127.0.0.1")

    assert heard
    assert logins(heard) == set()
    assert notes == [f"{theirs} is asked without the login, which is for 127.0.0.1"]


def test_the_login_that_the_runner_has_already_is_not_touched(examine: Examine, tmp_path: Path) -> None:
    """Only that of the user and password given: an engine's own login for another host is the runner's."""
    with listening() as (ours, _), listening() as (theirs, heard):
        own = base64.b64encode(b"runner:own").decode()
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {theirs: {"auth": own}}}))
        examine(f"{ours}/a/b:1", f"{theirs}/a/b:1")

    assert logins(heard) == {f"Basic {own}"}


@pytest.mark.parametrize(
    ("images", "given", "host"),
    [
        (("a/b:1",), {}, "docker.io"),
        (("index.docker.io/a/b:1",), {}, "docker.io"),
        (("r.example:5000/a/b:1", "other.example/a/b"), {}, "r.example:5000"),
        (("a/b:1",), {"registry": "https://index.docker.io/v1/"}, "docker.io"),
        (("a/b:1",), {"registry": "index.docker.io"}, "docker.io"),
        (("a/b:1",), {"registry": "r.example:5000"}, "r.example:5000"),
        (("a/b:1",), {"registry": "https://r.example/"}, "r.example"),
        (("a/b:1",), {"registry": "[::1]:5000"}, "[::1]:5000"),
    ],
)
def test_the_host_is_the_one_that_is_named_else_that_of_the_first_image(
    images: tuple[str, ...], given: dict[str, str], host: str
) -> None:
    found = targets(images, {"registry_username": "user", **given}, None)

    assert {target.settings.registry for target in found} == {host}


@pytest.mark.parametrize(
    "text", ["r.example/team", "http://r.example", "-r.example", "r.example:x", "a b", "u:p@r.example"]
)
def test_what_is_no_host_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="--registry cannot be"):
        targets(("a/b",), {"registry_username": "user", "registry": text}, None)


def test_docker_hub_is_one_registry_under_each_of_its_names() -> None:
    (target,) = targets(("index.docker.io/pytorch:1",), {}, None)

    assert str(target.ref) == "docker.io/library/pytorch:1"


def test_an_interpreter_needs_no_registry() -> None:
    (target,) = targets((sys.executable,), {"engine": "local", "registry_username": "user"}, None)

    assert target.ref is None


def test_the_command_line_and_the_environment_name_the_host(client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_GPU_REGISTRY_PASSWORD", "s3cret")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    argv = ["run", "--engine", "docker", "--device", "cpu", "--registry-username", "user"]
    with listening() as (ours, kept), listening() as (theirs, heard):
        CliRunner().invoke(cli, [*argv, f"{theirs}/a/b:1", f"{ours}/a/b:1", "--registry", ours])
        monkeypatch.setenv("CI_GPU_REGISTRY", ours)
        CliRunner().invoke(cli, [*argv, f"{theirs}/a/b:1", f"{ours}/a/b:1"])

    assert heard
    assert logins(heard) == set()
    assert [login for path, login in kept if login] == [OURS] * 4  # a login and a pull, twice
