"""The password of a registry and the real clients: tests/test_credentials.py has the same attack without an engine."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from tests.containers.ground import Ground, registry
from tests.containers.test_run import Lab, lab
from tests.listening import listening
from tests.needs import program
from tests.test_pull import _push_as_user

__all__ = ["lab"]

pytestmark = pytest.mark.engine


@pytest.mark.attack
def test_a_registry_that_only_the_file_names_never_hears_the_password_from_a_real_client(
    lab: Lab, tmp_path: Path
) -> None:
    """A pull request's ci-gpu.toml names a baseline on a registry of the attacker's.

    It would get the user and password that the workflow gave for another. The login is in a folder of its own, for one
    host, and the engine's client sends it nowhere else.
    """
    made = subprocess.run([program("htpasswd"), "-Bbn", "user", "s3cret"], capture_output=True, text=True, check=True)
    (tmp_path / "htpasswd").write_text(made.stdout)
    with (
        registry(tmp_path / "registry", htpasswd=str(tmp_path / "htpasswd")) as ours,
        listening() as (theirs, heard),
    ):
        trusted = "".join(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n' for host in (ours, theirs))
        (tmp_path / "registries.conf").write_text(trusted)
        env = {**lab.ground.env, "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")}
        ground = Ground(env=env, registry=ours)
        _push_as_user(ground, f"{ours}/private/image:1", tmp_path)
        (tmp_path / "ci-gpu.toml").write_text(f'[run]\nbaseline = "{theirs}/a/b:1"\n')
        private = Lab(ground=ground, engine=lab.engine, folder=tmp_path, run_id=lab.run_id)
        options = ("--registry-username", "user", "--pull", "always", "--config", "ci-gpu.toml")
        run = private.finish(private.start(f"{ours}/private/image:1", *options, CI_GPU_REGISTRY_PASSWORD="s3cret"))

    pulled = {image["name"]: image for image in run.report["images"]}
    assert pulled[f"{ours}/private/image:1"]["failure"]["kind"] == "no-python", run.stdout + run.stderr
    assert heard
    logins = {base64.b64decode(login.partition(" ")[2]) for _, login in heard if login}
    assert logins <= {b":"}  # podman sends an empty one where it has none
