"""What all tests share: one ground of real engines and a real registry, up only if a test asks for it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadGroupScheduling

from tests.chromium import Browser, chromium
from tests.containers.ground import Ground, ground
from tests.needs import program

settings.register_profile("steady", deadline=None, derandomize=True)  # a busy machine proves nothing
settings.load_profile("steady")


class Halves(LoadGroupScheduling):
    """What shares the real engines stays in one process, in its order; other tests stay together with their file."""

    def _split_scope(self, nodeid: str) -> str:
        return super()._split_scope(nodeid).partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Halves:
    """How `make test` shares the tests out to two processes."""
    return Halves(config, log)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """There is one ground of engines, one storage of podman's, and one cache of act's."""
    for item in items:
        if "real_ground" in getattr(item, "fixturenames", ()) or item.path.parent.name in ("action", "containers"):
            item.add_marker(pytest.mark.xdist_group("containers"))


@pytest.fixture(scope="session")
def real_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """docker, podman and a registry; see `tests.containers.ground`."""
    with ground(tmp_path_factory.mktemp("ground")) as up:
        yield up


@pytest.fixture(params=["podman", "docker"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Each container test runs on both engines."""
    return str(request.param)


@pytest.fixture(scope="session")
def nvml_stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A driver's libnvidia-ml.so.1 that does what it is told, in a folder of its own."""
    return _nvml(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_nvml_stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a driver before 510, which has fewer functions."""
    return _nvml(tmp_path_factory.mktemp("old-nvml"), "-DOLD_DRIVER")


def _nvml(folder: Path, *options: str) -> Path:
    path, source = folder / "libnvidia-ml.so.1", Path(__file__).with_name("nvml_stub.c")
    argv = [program("cc"), "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1", *options, "-o", str(path), str(source)]
    subprocess.run(argv, check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium; see `tests.chromium`."""
    with chromium() as up:
        yield up


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Started in the background, or by nohup, this process ignores Ctrl-C, or the end of its terminal.

    So would every program that it starts.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
