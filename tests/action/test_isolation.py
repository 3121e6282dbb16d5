"""Nothing in a checkout runs in the action's place: the steps of action.yml are started inside a hostile one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.action import hostile
from tests.action.runner import ROOT, Runner, Step
from tests.needs import module, program, unavailable


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hostile.Trap]:
    with hostile.trap(tmp_path_factory.mktemp("trap") / "canaries") as ready:
        yield ready


@pytest.fixture(scope="module")
def checkout(trap: hostile.Trap, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile.checkout(tmp_path_factory.mktemp("work") / "checkout", trap)


@pytest.fixture(scope="module")
def job(checkout: Path, trap: hostile.Trap, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A runner with a space in its path, and a job that trusts its checkout: on Python's path, as pip's index."""
    folder = tmp_path_factory.mktemp("runner")
    temp, home = folder / "runner temp", folder / "home"
    temp.mkdir()
    home.mkdir()
    env = {"HOME": str(home), "PYTHONPATH": str(checkout), "PIP_INDEX_URL": trap.index, "GITHUB_ACTIONS": "true"}
    env |= {"PIP_CONFIG_FILE": str(checkout / "pip.conf"), "PIP_PYTHON": str(checkout / "python3")}
    env |= {"XDG_CONFIG_DIRS": str(checkout / ".config"), "PYTHON_BASIC_REPL": "1"}
    action = folder / "the action"
    shutil.copytree(ROOT / "ci_gpu", action / "ci_gpu", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", action)
    return Runner(workspace=checkout, temp=temp, action=action, env={**env, "GITHUB_ENV": str(folder / "env")})


@pytest.fixture(scope="module")
def steps(job: Runner, trap: hostile.Trap) -> dict[str, Step]:
    """All steps, for an image of a registry that does not answer: everything of ours runs, up to a verdict."""
    trap.sprung()
    done = job.run(engine="podman", image="localhost:1/no/image:1")
    if "No matching distribution" in done["setup"].log and not trap.requests:
        unavailable(f"the package index does not answer: {done['setup'].log[-500:]}")
    return done


def test_the_steps_did_their_work(steps: dict[str, Step], checkout: Path) -> None:
    assert steps["setup"].code == 0, steps["setup"].log
    assert steps["run"].code == 3, steps["run"].log
    assert "localhost:1/no/image:1" in (checkout / "ci-gpu-report/summary.md").read_text()
    assert steps["Clean up"].code == 0, steps["Clean up"].log


@pytest.mark.attack
def test_nothing_of_the_checkout_was_used(steps: dict[str, Step], trap: hostile.Trap) -> None:
    """A pull request has files that are named as modules, programs and configurations, and an earlier step of the job
    points variables of pip's and Python's at them.

    They would run with the job's tokens in the place of ci-gpu. Each step runs isolated, from a folder outside the
    checkout, and without the variables that pass pip's own `--isolated`.
    """
    assert len(steps) == 3
    assert trap.sprung() == set()


def test_nothing_is_left_on_the_runner(steps: dict[str, Step], job: Runner) -> None:
    assert steps["setup"].outputs["venv"].startswith(f"{job.temp}/")
    assert not Path(steps["setup"].outputs["venv"]).exists()
    home = {path.name for path in Path(job.env["HOME"]).iterdir()}
    assert home <= {".rustup"}  # where there is a rustc, pip asks it for its version
    assert not Path(job.env["GITHUB_ENV"]).exists()


def test_the_action_s_own_folder_stays_as_it_was(steps: dict[str, Step], job: Runner) -> None:
    assert steps["run"].code == 3
    assert list(job.action.rglob("__pycache__")) == []


@pytest.mark.attack
def test_the_guest_of_the_local_engine_uses_nothing_of_the_checkout(checkout: Path, trap: hostile.Trap) -> None:
    """A pull request has a file for each module that the guest imports, and the local engine starts it in the checkout.
    The guest's Python does not look for modules there.
    """
    module("torch")
    trap.sprung()
    argv = (sys.executable, "-I", "-m", "ci_gpu", "run", "--engine", "local", "--device", "cpu")
    done = subprocess.run((*argv, "--checks", "autograd.polynomial"), cwd=checkout, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    assert trap.sprung() == set()


def test_a_runner_without_a_recent_python_is_told_what_to_install(tmp_path: Path) -> None:
    """The search finds only what is too old, or broken; the clean-up still runs and has nothing to do."""
    for name in ("bash", "mktemp", "rm"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    for name in ("python3", "python3.13"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    done = Runner(workspace=tmp_path, temp=tmp_path, env={"PATH": str(tmp_path)}).run(image="a/b")

    assert done["setup"].code == 3
    assert "::error title=ci-gpu::No Python 3.10 or newer" in done["setup"].log
    assert "run" not in done
    assert done["Clean up"].code == 0


def test_a_runner_without_a_network_is_told_so_once(tmp_path: Path) -> None:
    """By a proxy at which nobody listens; pip tries it some times."""
    away = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:1")
    done = Runner(workspace=tmp_path, temp=tmp_path, env={**away, "NO_PROXY": "", "no_proxy": ""}).run(image="a/b")
    annotations = [line for line in done["setup"].log.splitlines() if line.startswith("::error")]

    assert done["setup"].code == 3, done["setup"].log
    assert done["setup"].outputs["exit-code"] == "3"
    assert len(annotations) == 1
    for part in ("cannot be installed", "does not reach a package index", "/etc/pip.conf"):
        assert part in annotations[0]
    assert done["setup"].log.count("::stop-commands::") == 1
    assert "run" not in done
    assert list(tmp_path.glob("ci-gpu-*")) == []


@pytest.mark.parametrize(
    ("unwary", "caught"),
    [
        (("python", "-m", "ci_gpu", "--version"), "ci_gpu"),
        (("python", "-c", "import click"), "click.py"),
        (("python", "-m", "venv", "--without-pip", "{temp}/venv"), "venv.py"),
        (("env", "PYTHONPATH=.", "python", "-c", ""), "sitecustomize.py"),
        (("python", "-m", "pip", "--version"), "pip.py"),
        (("env", "PIP_CONFIG_FILE=pip.conf", "python", "-I", "-m", "pip", "download", "evil"), "index: /simple/evil/"),
        (
            ("env", "PIP_CONFIG_FILE=pip.conf", "python", "-I", "-m", "pip", "--isolated", "download", "evil"),
            "index: /simple/evil/",
        ),
        (
            ("env", "PIP_PYTHON=./python3", "python", "-I", "-m", "pip", "--isolated", "--version"),
            "program python3",
        ),
        (("uv", "pip", "install", "--no-cache", "--target", "{temp}/site", "evil"), "index: /simple/evil/"),
        (("env", "PATH=.:{path}", "python3", "--version"), "program python3"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_the_trap_catches_an_unwary_step(
    unwary: tuple[str, ...], caught: str, trap: hostile.Trap, checkout: Path, tmp_path: Path
) -> None:
    """What would have happened without -I, --isolated, and a folder outside the checkout."""
    program("uv")
    trap.sprung()
    argv = [word.format(temp=tmp_path, path=os.environ["PATH"]) for word in unwary]
    env = {name: value for name, value in os.environ.items() if name not in ("PIP_NO_INDEX", "UV_NO_CONFIG")}
    subprocess.run(argv, cwd=checkout, env=env, capture_output=True, timeout=120, check=False)

    assert caught in trap.sprung()


def debian_python(folder: Path, *refused: str) -> str:
    """An interpreter as Debian ships it: what it is asked for in these words is not installed."""
    path = folder / "debian python"
    cases = "".join(f'*"{words}"*) echo not installed >&2; exit 1 ;;\n' for words in refused)
    path.write_text(f'#!/bin/bash\ncase "$*" in\n{cases}esac\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_a_python_without_ensurepip_is_served_by_the_pip_outside(tmp_path: Path) -> None:
    python = debian_python(tmp_path, f"venv {tmp_path}")
    done = Runner(workspace=tmp_path, temp=tmp_path).run(**{"host-python": python, "image": "A B"})

    assert done["setup"].code == 0, done["setup"].log
    assert done["run"].code == 2
    assert "not an image reference" in done["run"].log


def test_a_python_without_ensurepip_and_pip_is_told_what_to_install(tmp_path: Path) -> None:
    python = debian_python(tmp_path, f"venv {tmp_path}", "-m pip")
    done = Runner(workspace=tmp_path, temp=tmp_path).run(**{"host-python": python, "image": "a/b"})

    assert done["setup"].code == 3
    assert "install python3-venv" in done["setup"].log
    assert "run" not in done


@pytest.mark.parametrize("named", ["/nowhere/python", "false", "old"])
def test_a_host_python_that_is_none_is_a_mistake_and_no_other_is_taken(named: str, tmp_path: Path) -> None:
    """Whoever names one means it: another would hide that it is gone, or older than it has to be."""
    (tmp_path / "old").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "old").chmod(0o755)
    python = str(tmp_path / "old") if named == "old" else named
    done = Runner(workspace=tmp_path, temp=tmp_path).run(**{"host-python": python, "image": "a/b"})

    assert done["setup"].code == 2, done["setup"].log
    assert "::error title=ci-gpu::host-python is no Python 3.10 or newer" in done["setup"].log
    assert "leave host-python empty" in done["setup"].log
    assert "run" not in done
