"""What all tests share: one ground of real engines and a real registry, up only if a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chromium import Browser, chromium
from tests.containers.ground import Ground, ground


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
def browser() -> Iterator[Browser]:
    """One headless Chromium; see `tests.chromium`."""
    with chromium() as up:
        yield up
