"""Every mistake of the user's is found before anything starts, and named with its remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ci_gpu import plan
from ci_gpu.catalogue import check_infos
from ci_gpu.config import targets
from ci_gpu.errors import ConfigError
from ci_gpu.settings import Settings

IMAGE = "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ci-gpu.toml of this repository's is read by accident."""
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    path = Path("ci-gpu.toml")
    path.write_text(text)
    return path


def test_without_a_word_the_defaults_hold() -> None:
    (target,) = targets((IMAGE,), {}, None)

    assert target.settings == Settings()
    assert str(target.ref) == f"docker.io/{IMAGE}"
    assert {check.family for check in target.checks} >= {"compatibility", "autograd", "matmul", "cache"}


def test_later_wins_from_default_to_command_line() -> None:
    run = '[run]\ntimeout = 10\nshm-size = "1g"\npull = "never"\n'
    write(f'{run}[images.a]\nimage = "{IMAGE}"\ntimeout = 20\npull = "always"\n')
    (target,) = targets(("a",), {"pull": "missing"}, None)

    assert (target.settings.shm_size, target.settings.timeout, target.settings.pull) == ("1g", 20, "missing")


def test_several_named_images_come_from_one_file() -> None:
    write(f'[images.old]\nimage = "{IMAGE}"\n[images.new]\nimage = "ghcr.io/a/b:1"\n')

    assert [(each.name, str(each.ref)) for each in targets((), {}, None)] == [
        ("old", f"docker.io/{IMAGE}"),
        ("new", "ghcr.io/a/b:1"),
    ]
    assert [each.name for each in targets(("new",), {}, None)] == ["new"]


def test_numbers_and_lists_may_come_as_text_from_the_environment() -> None:
    (target,) = targets((IMAGE,), {"timeout": "42", "checks": "matmul, autograd.polynomial\n"}, None)

    assert target.settings.timeout == 42
    assert {check.family for check in target.checks} == {"matmul", "autograd"}


def test_the_local_engine_needs_no_image() -> None:
    (target,) = targets((), {"engine": "local"}, None)

    assert (target.name, target.ref) == ("local", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[run]\ntimout = 3\n", "did you mean 'timeout'"),
        ("[run]\nregistry-password = 'x'\n", "unknown key 'registry-password'"),
        ("[runs]\n", "did you mean 'run'"),
        ("[run]\ntimeout = 'soon'\n", "wrong type"),
        ("[run\n", "cannot be read"),
        ("images = 3\n", "tables"),
        ("run = []\n", "tables"),
        ("[images]\na = 'x'\n", "tables"),
        ("[images.a]\nimage = 'A B'\n", "not an image reference"),
        ("[images.a]\nimage = '-q.b/c'\n", "not an image reference"),
        ("[images.a]\nimage = 'a/b'\ndevise = 'cpu'\n", "did you mean 'device'"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, says: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError, match=says) as caught:
        targets((), {}, path)

    assert caught.value.exit_code == 2
    assert caught.value.why
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"engine": "dokcer"}, "--engine cannot be 'dokcer'"),
        ({"gpus": "0:"}, "--gpus cannot be"),
        ({"gpus": "0;rm -rf /"}, "--gpus cannot be"),
        ({"gpus": "--privileged"}, "--gpus cannot be"),
        ({"gpus": "none", "device": "cuda"}, "--gpus cannot be 'none'"),
        ({"timeout": "0"}, "--timeout cannot be '0'"),
        ({"memory": "lots"}, "--memory cannot be"),
        ({"user": "root"}, "--user cannot be"),
        ({"python": "-c"}, "--python cannot be"),
        ({"platform": "windows"}, "--platform cannot be"),
        ({"pids_limit": "3"}, "--pids-limit cannot be"),
        ({"gpu_mode": "csv"}, "--gpu-mode cannot be 'csv'"),
        ({"gpu_mode": "gpus", "engine": "podman"}, "--gpu-mode cannot be 'gpus'"),
        ({"gpu_mode": "cdi", "engine": "local"}, "--gpu-mode cannot be 'cdi'"),
        ({"memlock": "much"}, "--memlock cannot be 'much'"),
        ({"stack": "unlimited"}, "--stack cannot be 'unlimited'"),
        ({"group_add": "video"}, "--group-add cannot be 'video'"),
        ({"group_add": "keep-groups,44", "engine": "podman"}, "--group-add cannot be 'keep-groups,44'"),
        ({"group_add": "keep-groups"}, "--group-add cannot be 'keep-groups'"),
        ({"selinux_label": "off"}, "--selinux-label cannot be 'off'"),
        ({"checks": "matmull"}, "did you mean 'matmul'"),
        ({"checks_dir": "nowhere"}, "has no .*py file"),
    ],
)
def test_a_mistake_in_an_option_is_named(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        targets((IMAGE,), given, None)


def test_no_image_at_all_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="no image was named"):
        targets((), {}, None)


def test_a_file_that_was_named_must_be_there() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        targets((IMAGE,), {}, Path("absent.toml"))


@pytest.mark.parametrize(
    ("said", "meant"), [({"timeout": "42"}, {42}), ({"timeout": "4200"}, {4200}), ({}, {300, 600})]
)
def test_a_time_that_is_said_is_that_of_every_check_and_else_each_has_its_own(
    said: dict[str, str], meant: set[int]
) -> None:
    """The hint of a check that took too long is to raise --timeout: of autograd and matmul that did nothing."""
    (target,) = targets((IMAGE,), said, None)
    chosen = target.settings.timeout
    sent = plan.guest(target.checks, device="cpu", timeout=chosen, python="python3", user_sources={})

    assert {sent.seconds_for(check.id) for check in target.checks} == meant
    assert {int(found) for found in re.findall(rb'"timeout": (\d+)', sent.stdin)} == meant


class TestOwnChecks:
    """A folder of the user's own checks."""

    def folder(self, name: str, text: str = '"""Mine."""\ndef check_it(device):\n    """It holds."""\n') -> str:
        Path("mine").mkdir()
        Path("mine", name).write_text(text)
        return "mine"

    def test_they_are_listed_with_ours(self) -> None:
        infos, sources = check_infos(self.folder("softmax.py"))

        assert [info.proves for info in infos if info.id == "softmax.it"] == ["It holds."]
        assert list(sources) == ["softmax"]

    def test_they_are_read_and_never_run(self) -> None:
        check_infos(self.folder("softmax.py", "raise SystemExit(3)\ndef check_it(device): ...\n"))

    @pytest.mark.parametrize("name", ["Upper.py", "with-dash.py", "__init__.py"])
    def test_a_name_that_is_taken_or_none_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match="cannot be a file of checks"):
            check_infos(self.folder(name))

    def test_a_link_is_refused(self) -> None:
        self.folder("softmax.py")
        Path("mine/other.py").symlink_to("/etc/hostname")
        with pytest.raises(ConfigError, match="cannot be a file of checks"):
            check_infos("mine")

    def test_what_is_no_python_is_named(self) -> None:
        with pytest.raises(ConfigError, match=r"softmax\.py:1: this is no Python"):
            check_infos(self.folder("softmax.py", "def check_it(:\n"))


@pytest.mark.parametrize("given", [{"pids_limit": "3"}, {"shm_size": "much"}, {"tmp_size": "much"}, {"gpus": "some"}])
def test_the_variable_that_a_message_names_is_the_one_that_is_read(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as raised:
        targets((IMAGE,), given, None)

    assert raised.value.remedy.endswith(f"CI_GPU_{next(iter(given)).upper()}")
