"""Puts the stand-ins in place, and examines what they make up."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ci_gpu import config, host, pipeline
from ci_gpu.model import Host, Summary
from ci_gpu.payload.wire import Gpu
from ci_gpu.pull import ARCHITECTURES
from tests.needs import program
from tests.test_causes import Watch

FOLDER = Path(__file__).parent
H100 = ("NVIDIA H100 80GB HBM3", "9.0")
TORCH = {"version": "2.9.0+cu128", "cuda": "12.8", "archs": "sm_80 sm_90 sm_100", "gpus": [H100]}
CPU_BUILD = {"version": "2.9.0+cpu", "cuda": None, "archs": "", "gpus": []}
CHECKS = (
    "compatibility.cuda_build",
    "compatibility.architectures",
    "compatibility.gpus",
    "compatibility.driver",
    "planted",
)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One state of host, engine, GPU and image, and what has to come of it.

    ``kind`` is that of the only reason, ``party`` who has to mend it; both are empty where the gate is open.
    ``docker`` None: the local engine. ``libcuda``: the folder where the image finds one; empty: none is handed in.
    """

    code: int
    party: str
    kind: str = ""
    says: str = ""  # in the reason's message, or in a note where the gate is open
    device: str = "cuda"
    gpus: str = "all"
    host_gpus: int = 0
    lost: int = -1  # the index of the host's GPU that does not answer
    signs: tuple[str, ...] = ()
    docker: dict[str, Any] | None = None
    engine: str = ""
    torch: dict[str, Any] = {}
    image: str = "registry.example/team/image:1"
    libcuda: str = "lib"
    file: str = "libcuda.so.1"  # what that name is a link to; its version is that of the libcuda
    cuinit: int = 0
    env: dict[str, str] = {}
    checks: tuple[str, ...] = CHECKS
    pull: str = "missing"
    platform: str = ""


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two libraries of a driver, in a file that is copied to where a state wants it."""
    path = tmp_path_factory.mktemp("driver") / "driver.so"
    argv = [program("cc"), "-shared", "-fPIC", "-o", str(path), str(FOLDER / "driver.c")]
    subprocess.run(argv, check=True, capture_output=True)
    return path


class Noting(Watch):
    """Remembers the notes."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self._notes = notes

    def note(self, text: str) -> None:
        self._notes.append(text)


def examined(
    state: State,
    folder: Path,
    driver: Path,
    patch: pytest.MonkeyPatch,
    notes: list[str] | None = None,
    **settings: str,
) -> Summary:
    """What the true pipeline makes of the state, with its notes in ``notes``."""
    _image(state, folder, driver, patch)
    _machine(state, folder, patch)
    (folder / "checks").mkdir()
    shutil.copy(FOLDER / "planted.py", folder / "checks" / "planted.py")
    given: dict[str, Any] = {
        "engine": state.engine or ("local" if state.docker is None else "docker"),
        "device": state.device,
        "gpus": state.gpus,
        "checks": state.checks,
        "checks_dir": str(folder / "checks"),
        "pull": state.pull,
        "platform": state.platform,
        **settings,
    }
    images = () if given["engine"] == "local" else tuple(state.image.split())
    targets = config.targets(images, given, None)
    wish = config.wish(targets, given, None)
    return pipeline.run(targets, Noting([] if notes is None else notes), {}, wish=wish)


def _image(state: State, folder: Path, driver: Path, patch: pytest.MonkeyPatch) -> None:
    """torch, and the libraries that the loader finds."""
    (folder / "torch").mkdir()
    if state.torch.get("absent"):
        (folder / "torch" / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    else:
        shutil.copy(FOLDER / "torch.py", folder / "torch" / "torch.py")
    patch.setenv("PYTHONPATH", str(folder / "torch"))
    patch.setenv("STATE_TORCH", json.dumps({**TORCH, **state.torch}))
    patch.setenv("STATE_CUINIT", str(state.cuinit))
    if state.libcuda:
        path = folder / state.libcuda
        path.mkdir(parents=True)
        for name in (state.file, "libnvidia-ml.so.1"):
            shutil.copy(driver, path / name)
        if state.file != "libcuda.so.1":
            (path / "libcuda.so.1").symlink_to(state.file)
        patch.setenv("LD_LIBRARY_PATH", str(path))
    for name, value in state.env.items():
        patch.setenv(name, value)


def _machine(state: State, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The GPUs of the host, and its engine. The host's NVML is a value here: `tests.test_host` asks a stub of it."""
    errors = ["GPU is lost" if index == state.lost else "" for index in range(state.host_gpus)]
    gpus = tuple(Gpu(at, H100[0], f"GPU-{at}", H100[1], error=error) for at, error in enumerate(errors))
    found = Host(name="runner", machine=platform.machine(), gpus=gpus, signs=state.signs)
    patch.setattr(host, "look", lambda env: found)
    (folder / "bin").mkdir()
    if state.docker is None:
        if state.engine:
            patch.setenv("PATH", str(folder / "bin"))
        return
    client = folder / "bin" / "docker"
    client.write_text(f"#!{sys.executable}\n{(FOLDER / 'docker.py').read_text()}")
    client.chmod(0o755)
    machine = platform.machine()
    patch.setenv("STATE_DOCKER", json.dumps({"architecture": ARCHITECTURES.get(machine, machine), **state.docker}))
    patch.setenv("PATH", str(folder / "bin"), prepend=":")
