"""What a registry offers, asked as the engine would ask, and what is nearest to a wrong tag."""

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

PYTORCH = ImageRef.parse("pytorch/pytorch:2.9.0-cuda11.8-devel")
HUB = registry.known_tags(PYTORCH)


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        (
            "2.9.0-cuda11.8-devel",
            ("2.9.0-cuda12.6-cudnn9-devel", "2.9.0-cuda12.8-cudnn9-devel", "2.7.1-cuda11.8-cudnn9-devel"),
        ),
        (
            "1.13.1-cuda11.7",
            ("1.13.1-cuda11.6-cudnn8-runtime", "1.13.1-cuda11.6-cudnn8-devel", "2.0.1-cuda11.7-cudnn8-runtime"),
        ),
        ("2.9.0-cuda12.8-cudnn8-runtime", ("2.9.0-cuda12.8-cudnn9-runtime",)),
        ("2.12.0-cuda12.8-cudnn9-runtime", ("2.12.0-cuda12.6-cudnn9-runtime", "2.12.0-cuda13.0-cudnn9-runtime")),
        ("9.9-cuda99.0", ()),
        ("latst", ()),
    ],
)
def test_the_nearest_tags_are_those_a_person_would_choose(wanted: str, first: tuple[str, ...]) -> None:
    assert registry.nearest(wanted, HUB)[: len(first)] == first


def test_tags_of_another_form_are_compared_as_text() -> None:
    assert registry.nearest("24.08-py4", ("24.07-py3", "24.08-py3", "latest"))[0] == "24.08-py3"


def test_the_article_s_tags_do_not_exist() -> None:
    assert "2.9.0-cuda11.8-devel" not in HUB
    assert not any(tag.startswith("1.13.1-cuda11.7") for tag in HUB)


@pytest.mark.engine
def test_the_tags_of_a_real_registry_are_listed(real_ground: Ground) -> None:
    for tag in ("a", "b"):
        real_ground.pushed("no-torch", tag, "ci-gpu-test/listed")
    ref = ImageRef.parse(f"{real_ground.registry}/ci-gpu-test/listed:c")

    assert sorted(registry.tags(ref, real_ground.env, "docker")) == ["a", "b"]


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
        assert _status(ref, env) == 404  # let in, and there is no such repository
        assert _status(ref, {"HOME": "/nonexistent"}) == 401


def test_a_registry_that_is_not_there_has_no_tags() -> None:
    assert registry.tags(ImageRef.parse("127.0.0.1:9/a/b:c"), {}, "docker") == ()


def test_our_login_goes_to_no_realm_over_plain_http() -> None:
    challenge = 'Bearer realm="http://elsewhere.example/token",service="x",scope="y"'
    with pytest.raises(ValueError, match="plain http"):
        registry._authorised(None, challenge, "https://registry.example", ("user", "password"))  # type: ignore[arg-type]


def _status(ref: ImageRef, env: dict[str, str]) -> int:
    import requests

    with requests.Session() as session:
        try:
            registry._tags(session, ref, registry.credentials(ref.registry, env, "docker"))
        except requests.HTTPError as error:
            return error.response.status_code
    return 200
