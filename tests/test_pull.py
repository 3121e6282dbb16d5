"""Real pulls by real engines from a real registry: what is pinned, and how each failure is told apart."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ci_gpu import fetch, pull
from ci_gpu.errors import RunnerError
from ci_gpu.model import ImageRef, PulledImage
from tests.containers.ground import Ground, free_port
from tests.containers.ground import registry as real_registry
from tests.needs import program


def do_pull(ground: Ground, engine: str, reference: str, policy: str = "always", platform: str = "") -> PulledImage:
    said: list[str] = []
    return pull.pull(
        engine, ImageRef.parse(reference), policy=policy, platform=platform, env=ground.env, on_progress=said.append
    )


def kind_of(ground: Ground, engine: str, reference: str, **changes: str) -> tuple[str, str]:
    with pytest.raises(RunnerError) as caught:
        do_pull(ground, engine, reference, **changes)
    return caught.value.kind, caught.value.remedy


@pytest.mark.engine
class TestRealPulls:
    """On podman and on docker."""

    def test_an_image_is_pinned_to_the_digest_in_the_registry(self, real_ground: Ground, engine_name: str) -> None:
        reference = real_ground.pushed("no-torch", "1", "ci-gpu-test/pinned")
        image = do_pull(real_ground, engine_name, reference)

        assert image.digest == _offered(real_ground, "ci-gpu-test/pinned", "1")
        assert image.image_id.removeprefix("sha256:").isalnum()
        assert image.architecture == pull.ARCHITECTURES[os.uname().machine]
        assert image.entrypoint == ()
        assert image.size > 100_000_000
        assert image.layers
        assert all(layer.startswith("sha256:") and len(layer) == 71 for layer in image.layers)
        assert image.pulled

    def test_what_is_here_is_not_pulled_again(self, real_ground: Ground, engine_name: str) -> None:
        reference = real_ground.pushed("no-torch", "2", "ci-gpu-test/pinned")
        first = do_pull(real_ground, engine_name, reference, "always")
        second = do_pull(real_ground, engine_name, reference, "missing")
        third = do_pull(real_ground, engine_name, reference, "never")

        assert (second.digest, second.pulled) == (first.digest, False)
        assert third == second

    def test_never_means_never(self, real_ground: Ground, engine_name: str) -> None:
        reference = f"{real_ground.registry}/ci-gpu-test/pinned:not-here"

        assert kind_of(real_ground, engine_name, reference, policy="never")[0] == "not-here"

    def test_a_missing_tag_suggests_the_registry_s_own(self, real_ground: Ground, engine_name: str) -> None:
        for tag in ("2.9.0-cuda12.6-cudnn9-devel", "2.7.1-cuda11.8-cudnn9-devel"):
            real_ground.pushed("no-torch", tag, "ci-gpu-test/pytorch")
        kind, remedy = kind_of(
            real_ground, engine_name, f"{real_ground.registry}/ci-gpu-test/pytorch:2.9.0-cuda11.8-devel"
        )

        assert kind == "tag-not-found"
        assert "the nearest of its 2 tags: ci-gpu-test/pytorch:2.9.0-cuda12.6-cudnn9-devel" in remedy

    def test_a_missing_repository_is_not_a_missing_tag(self, real_ground: Ground, engine_name: str) -> None:
        """Although the engines are told the same of both: the list of tags tells them apart."""
        kind, _ = kind_of(real_ground, engine_name, f"{real_ground.registry}/ci-gpu-test/never-pushed:1")

        assert kind == "repo-not-found"

    def test_a_missing_digest_suggests_no_tags(self, real_ground: Ground, engine_name: str) -> None:
        name = real_ground.pushed("no-python", "1", "ci-gpu-test/digests").rpartition(":")[0]
        kind, remedy = kind_of(real_ground, engine_name, f"{name}@sha256:{'0' * 64}")

        assert kind == "tag-not-found"
        assert remedy == "name a tag, and let ci-gpu record its digest"

    def test_a_registry_that_is_down_is_the_network_s_fault(self, real_ground: Ground, engine_name: str) -> None:
        assert kind_of(real_ground, engine_name, f"127.0.0.1:{free_port()}/a/b:1")[0] == "registry-unreachable"

    def test_an_image_for_another_processor_is_found_after_the_pull(
        self, real_ground: Ground, engine_name: str
    ) -> None:
        reference = real_ground.pushed("foreign", "1", "ci-gpu-test/foreign")

        assert kind_of(real_ground, engine_name, reference)[0] == "wrong-platform"

    def test_an_index_without_this_processor(self, real_ground: Ground, engine_name: str) -> None:
        index = f"{real_ground.registry}/ci-gpu-test/index:1"
        foreign = real_ground.pushed("foreign", "1", "ci-gpu-test/foreign")
        for words in (("create", index), ("add", index, f"docker://{foreign}"), ("push", index, f"docker://{index}")):
            done = real_ground.run("podman", "manifest", *words)
            assert done.returncode == 0, done.stderr
        real_ground.run("podman", "rmi", index)

        assert kind_of(real_ground, engine_name, index)[0] == "wrong-platform"

    def test_the_entrypoint_is_recorded(self, real_ground: Ground, engine_name: str) -> None:
        image = do_pull(real_ground, engine_name, real_ground.pushed("stubborn", "1", "ci-gpu-test/stubborn"))

        assert image.entrypoint == ("/entrypoint.sh",)

    def test_a_registry_that_is_broken_is_not_the_image_s_fault(self, real_ground: Ground) -> None:
        with _refusing(503, "UNAVAILABLE", "try again") as address:
            assert kind_of(_trusting(real_ground, address), "docker", f"{address}/a/b:1")[0] == "registry-unreachable"

    @pytest.mark.parametrize("policy", ["missing", "always", "never"])
    def test_a_daemon_that_is_away_is_named(self, real_ground: Ground, tmp_path: Path, policy: str) -> None:
        away = Ground(env={**real_ground.env, "DOCKER_HOST": f"unix://{tmp_path}/none"}, registry=real_ground.registry)

        assert kind_of(away, "docker", f"{away.registry}/a/b:1", policy=policy)[0] == "engine-down"

    def test_a_full_disk_is_told_apart(self, real_ground: Ground, tmp_path: Path) -> None:
        """podman's storage on a disk of 30 MB."""
        reference = real_ground.pushed("no-torch", "1", "ci-gpu-test/big")
        with _small_disk(tmp_path / "disk") as env:
            ground = Ground(env={**real_ground.env, **env}, registry=real_ground.registry)
            assert kind_of(ground, "podman", reference)[0] == "no-space"

    def test_a_rate_limit_is_told_apart(self, real_ground: Ground) -> None:
        """By docker; podman says the same after trying for two minutes by itself."""
        with _refusing(429, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit") as address:
            with_trust = _trusting(real_ground, address)
            assert kind_of(with_trust, "docker", f"{address}/a/b:1")[0] == "rate-limited"

    @pytest.mark.attack
    def test_a_long_limit_is_told_and_not_waited_for(
        self, real_ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A registry asks to wait for an hour. podman waited a minute, twenty times, and then said no reason for it.

        Where nothing comes, the registry itself is asked, and its time is told at once.
        """
        monkeypatch.setattr(fetch, "LOOK_SECONDS", 1.0)
        with _refusing(429, "TOOMANYREQUESTS", "slow down", Retry_After="3600") as address:
            ground = _trusting(real_ground, address)
            with pytest.raises(RunnerError, match="it asks to wait 3600 s") as caught:
                do_pull(ground, "podman", f"{address}/a/b:1")

        assert caught.value.kind == "rate-limited"


@pytest.mark.engine
def test_a_private_registry_by_login_without_leaking_the_password(
    real_ground: Ground, engine_name: str, tmp_path: Path
) -> None:
    made = subprocess.run([program("htpasswd"), "-Bbn", "user", "s3cret"], capture_output=True, text=True, check=True)
    (tmp_path / "htpasswd").write_text(made.stdout)
    with real_registry(tmp_path / "registry", htpasswd=str(tmp_path / "htpasswd")) as address:
        ground = _trusting(real_ground, address)
        _push_as_user(ground, f"{address}/private/image:1", tmp_path)

        assert kind_of(ground, engine_name, f"{address}/private/image:1")[0] == "unauthorized"
        with pytest.raises(RunnerError) as caught, pull.login(engine_name, address, "user", "wr0ng", env=ground.env):
            pass
        assert caught.value.kind == "unauthorized"
        assert "wr0ng" not in caught.value.what
        with pull.login(engine_name, address, "user", "s3cret", env=ground.env) as env:
            inside = Ground(env=dict(env), registry=address)
            assert do_pull(inside, engine_name, f"{address}/private/image:1").digest.startswith("sha256:")
            folder = Path(env.get("DOCKER_CONFIG") or Path(env["REGISTRY_AUTH_FILE"]).parent)
        assert not folder.exists()
    assert "s3cret" not in json.dumps(ground.env)


@pytest.mark.engine
def test_a_login_to_a_registry_that_is_away_is_no_wrong_password(real_ground: Ground, engine_name: str) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(RunnerError) as caught, pull.login(engine_name, host, "user", "s3cret", env=real_ground.env):
        pass

    assert caught.value.kind == "registry-unreachable"


def test_a_place_for_layers_that_is_not_there_is_left_to_podman_s_own_words(tmp_path: Path) -> None:
    """It ended as a bug of ours."""
    env = {"TMPDIR": str(tmp_path / "gone"), "HOME": str(tmp_path), "CONTAINERS_CONF": str(tmp_path / "none.conf")}
    with pull._room("podman", env) as inside:
        assert inside == env
    (tmp_path / "gone").mkdir()
    with pull._room("podman", env) as inside:
        assert Path(inside["TMPDIR"]).parent == tmp_path / "gone"


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A podman that says what it tries, and then waits, as it does for a limit (containers/image, docker_client.go)."""
    path = tmp_path / "podman"
    path.write_text('#!/bin/sh\n[ "$1" = pull ] || exit 125\necho "Trying to pull it..." >&2\nexec sleep 3600\n')
    path.chmod(0o755)
    monkeypatch.setattr(fetch, "LOOK_SECONDS", 0.2)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}


def _pulled(address: str, env: dict[str, str]) -> None:
    ref = ImageRef.parse(f"{address}/a/b:1")
    pull.pull("podman", ref, policy="always", platform="", env=env, on_progress=lambda _: None)


@pytest.mark.attack
def test_a_limit_that_the_engine_waits_for_in_silence_is_told(silent: dict[str, str]) -> None:
    """A registry's limit for hours kept a job for sixteen minutes, in silence; its time to wait is told at once."""
    with (
        _refusing(429, "TOOMANYREQUESTS", "slow down", Retry_After="3600") as address,
        pytest.raises(RunnerError, match="rate limit is reached, and it asks to wait 3600 s") as caught,
    ):
        _pulled(address, silent)

    assert caught.value.kind == "rate-limited"


@pytest.mark.parametrize(
    "refusal", [(429, {"Retry_After": "30"}), (429, {}), (503, {"Retry_After": "3600"}), (200, {})]
)
def test_what_is_no_long_limit_is_left_to_the_engine(
    silent: dict[str, str], monkeypatch: pytest.MonkeyPatch, refusal: tuple[int, dict[str, str]]
) -> None:
    monkeypatch.setattr(fetch, "SILENCE_SECONDS", 0.2)
    with _refusing(refusal[0], "X", "x", **refusal[1]) as address, pytest.raises(RunnerError) as caught:
        _pulled(address, silent)

    assert caught.value.kind == "pull-stalled"


@pytest.mark.parametrize("text", ["[]", "7", "null", "{", "[" * 100_000, '{"auths": {}, "credsStore": "x"}'], ids=len)
def test_whatever_docker_s_configuration_is_the_login_has_one_of_its_own(tmp_path: Path, text: str) -> None:
    own, folder = tmp_path / "own", tmp_path / "ours"
    own.mkdir()
    folder.mkdir()
    (own / "config.json").write_text(text)

    assert pull._private_configuration("docker", folder, {"DOCKER_CONFIG": str(own)}) == {"DOCKER_CONFIG": str(folder)}
    assert json.loads((folder / "config.json").read_text()).keys() <= {"auths"}


def test_there_is_no_login_without_a_password() -> None:
    with (
        pytest.raises(RunnerError, match="CI_GPU_REGISTRY_PASSWORD is empty"),
        pull.login("docker", "x", "u", "", env={}),
    ):
        pass


def _offered(ground: Ground, repository: str, tag: str) -> str:
    """The digest under which the registry itself has a tag."""
    accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    url = f"http://{ground.registry}/v2/{repository}/manifests/{tag}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept})) as answer:
        return str(answer.headers["Docker-Content-Digest"])


@contextmanager
def _small_disk(folder: Path) -> Iterator[dict[str, str]]:
    """Settings of podman under which its storage is a disk of 30 MB."""
    folder.mkdir()
    settings = folder.with_suffix(".conf")
    settings.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}"\nrunroot = "{folder}-run"\n')
    subprocess.run([program("mount"), "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(folder)], check=True)
    try:
        yield {"CONTAINERS_STORAGE_CONF": str(settings)}
    finally:
        subprocess.run([program("umount"), "--lazy", str(folder)], check=True)


def _push_as_user(ground: Ground, reference: str, folder: Path) -> None:
    from tests.containers import images

    argv = ("podman", "push", "-q", "--creds", "user:s3cret", images.image("no-python"), reference)
    done = ground.run(*argv)
    assert done.returncode == 0, done.stderr


def _trusting(ground: Ground, address: str) -> Ground:
    """The same ground, and plain http to one more registry on loopback is allowed for podman, too."""
    path = Path(ground.env["CONTAINERS_REGISTRIES_CONF"]).with_name(f"registries-{address.rpartition(':')[2]}.conf")
    path.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
    return Ground(env={**ground.env, "CONTAINERS_REGISTRIES_CONF": str(path)}, registry=address)


@contextmanager
def _refusing(status: int, code: str, message: str, **headers: str) -> Iterator[str]:
    """A registry that answers everything but the first knock with one error."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            knock = self.path == "/v2/"
            body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
            self.send_response(200 if knock else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            """Nothing: the tests' own output is enough."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
