"""What a registry offers, asked as the engine would ask."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest

from ci_gpu import registry
from ci_gpu.model import ImageRef
from tests.containers.ground import Ground
from tests.containers.ground import registry as real_registry
from tests.needs import program


@pytest.mark.engine
def test_the_tags_of_a_real_registry_are_listed(real_ground: Ground) -> None:
    for tag in ("a", "b"):
        real_ground.pushed("no-torch", tag, "ci-gpu-test/listed")
    ref = ImageRef.parse(f"{real_ground.registry}/ci-gpu-test/listed:c")

    assert sorted(registry.tags(ref, real_ground.env, "docker")) == ["a", "b"]


@pytest.mark.engine
def test_a_repository_that_is_not_there_is_no_empty_list(real_ground: Ground) -> None:
    with pytest.raises(registry.NoRepositoryError):
        registry.tags(ImageRef.parse(f"{real_ground.registry}/never/pushed:c"), real_ground.env, "docker")


@pytest.mark.engine
def test_a_registry_with_a_password_is_asked_as_the_engine_s_login_asks(tmp_path: Path) -> None:
    htpasswd = tmp_path / "htpasswd"
    made = subprocess.run([program("htpasswd"), "-Bbn", "user", "pa:ss"], capture_output=True, text=True, check=True)
    htpasswd.write_text(made.stdout)
    with real_registry(tmp_path / "registry", htpasswd=str(htpasswd)) as address:
        ref = ImageRef.parse(f"{address}/some/thing:1")
        env = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
        auth = base64.b64encode(b"user:pa:ss").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))

        assert registry.credentials(address, env, "docker") == ("user", "pa:ss")
        with pytest.raises(registry.NoRepositoryError):  # let in, and there is no such repository
            registry.tags(ref, env, "docker")
        assert registry.tags(ref, {"HOME": "/nonexistent"}, "docker") == ()


def test_a_registry_that_is_not_there_has_no_tags() -> None:
    assert registry.tags(ImageRef.parse("127.0.0.1:9/a/b:c"), {}, "docker") == ()


def test_our_login_goes_to_no_realm_over_plain_http() -> None:
    challenge = 'Bearer realm="http://elsewhere.example/token",service="x",scope="y"'
    with pytest.raises(ValueError, match="plain http"):
        registry._authorised(None, challenge, "https://registry.example", ("user", "password"))  # type: ignore[arg-type]
