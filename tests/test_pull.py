"""Real pulls by real engines from a real registry: what is pinned, and how each failure is told apart."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ci_gpu import pull
from ci_gpu.errors import RunnerError
from ci_gpu.model import ImageRef, PulledImage
from tests.containers.ground import Ground, free_port
from tests.containers.ground import registry as real_registry
from tests.needs import program

REF = ImageRef.parse("pytorch/pytorch:2.9.0-cuda11.8-devel")

# As the engines said it, captured from podman 4.3.1 and docker 20.10 / 28.2 against a registry that plays each failure.
SAYINGS = [
    ("toomanyrequests: You have reached your unauthenticated pull rate limit.", "rate-limited"),
    ("failed to register layer: write /big: no space left on device", "no-space"),
    ("no matching manifest for linux/amd64 in the manifest list entries", "wrong-platform"),
    ('no image found in manifest list for architecture amd64, variant "", OS linux', "wrong-platform"),
    ("Error response from daemon: manifest for x:y not found: manifest unknown: manifest unknown", "tag-not-found"),
    ("reading manifest y in docker.io/x: manifest unknown", "tag-not-found"),
    ("Error response from daemon: name unknown: repository name not known to registry", "repo-not-found"),
    ("pull access denied for x, repository does not exist or may require 'docker login'", "unauthorized"),
    ("errors: denied: requested access to the resource is denied", "unauthorized"),
    ("unauthorized: authentication required", "unauthorized"),
    ("Error response from daemon: Head http://x/v2/a/manifests/1: no basic auth credentials", "unauthorized"),
    ("dial tcp: lookup registry-1.docker.io on 8.8.8.8:53: no such host", "registry-unreachable"),
    ("dial tcp 127.0.0.1:9: connect: connection refused", "registry-unreachable"),
    ("received unexpected HTTP status: 503 Service Unavailable", "registry-unreachable"),
    ("x509: certificate signed by unknown authority", "registry-unreachable"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "engine-down"),
    ("something that nobody has ever seen", "pull-failed"),
    ("", "pull-failed"),
]


@pytest.mark.parametrize(("said", "kind"), SAYINGS)
def test_what_an_engine_says_is_one_kind_with_a_remedy(said: str, kind: str) -> None:
    error = pull.failure(REF, said, lambda: ())

    assert (error.kind, error.exit_code) == (kind, 3)
    assert error.why
    assert error.remedy


def test_the_article_s_tag_suggests_tags_that_exist() -> None:
    error = pull.failure(REF, "manifest unknown", lambda: ())

    assert "pytorch/pytorch:2.9.0-cuda12.6-cudnn9-devel" in error.remedy
    assert "pytorch/pytorch:2.7.1-cuda11.8-cudnn9-devel" in error.remedy
    assert "as far as we know" in error.remedy


def test_where_the_registry_tells_its_tags_they_are_believed_and_ours_are_not() -> None:
    error = pull.failure(REF, "manifest unknown", lambda: ("2.9.0-cuda13.0-cudnn9-devel",))

    assert error.remedy == "the nearest of its 1 tags: pytorch/pytorch:2.9.0-cuda13.0-cudnn9-devel"


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
        again = real_ground.run(engine_name, "pull", f"{reference.rpartition(':')[0]}@{image.digest}")

        assert again.returncode == 0, again.stderr
        assert image.architecture == "amd64" if os.uname().machine == "x86_64" else "arm64"
        assert image.size > 100_000_000
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
        kind, _ = kind_of(real_ground, engine_name, f"{real_ground.registry}/ci-gpu-test/never-pushed:1")

        assert kind in ("repo-not-found", "tag-not-found")  # the registry itself answers with either

    def test_a_registry_that_is_down_is_the_network_s_fault(self, real_ground: Ground, engine_name: str) -> None:
        assert kind_of(real_ground, engine_name, f"127.0.0.1:{free_port()}/a/b:1")[0] == "registry-unreachable"

    def test_an_image_for_another_processor_is_found_after_the_pull(
        self, real_ground: Ground, engine_name: str
    ) -> None:
        reference = real_ground.pushed("foreign", "1", "ci-gpu-test/foreign")

        assert kind_of(real_ground, engine_name, reference)[0] == "wrong-platform"

    def test_a_rate_limit_is_told_apart(self, real_ground: Ground) -> None:
        """By docker; podman says the same after trying for two minutes by itself."""
        with _refusing(429, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit") as address:
            with_trust = _trusting(real_ground, address)
            assert kind_of(with_trust, "docker", f"{address}/a/b:1")[0] == "rate-limited"


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
def _refusing(status: int, code: str, message: str) -> Iterator[str]:
    """A registry that answers everything but the first knock with one error."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            knock = self.path == "/v2/"
            body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
            self.send_response(200 if knock else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
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
