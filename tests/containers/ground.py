"""Real engines and a real registry on loopback, started for the tests and gone after them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.containers import images
from tests.needs import program, unavailable


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What a test of real containers stands on. ``env`` makes both engines' clients work; ``registry`` is host:port."""

    env: dict[str, str]
    registry: str

    def pushed(self, name: str, tag: str, repository: str = "ci-gpu-test/torch") -> str:
        """One of `images.RECIPES` in the registry, under a name of the test's choice."""
        reference = f"{self.registry}/{repository}:{tag}"
        _engine(self.env, "podman", "push", "-q", "--tls-verify=false", images.image(name), reference)
        return reference

    def run(self, *argv: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """An engine's client with this ground's environment."""
        every = {**os.environ, **self.env, **env}
        return subprocess.run(argv, env=every, input=stdin, capture_output=True, text=True, check=False)


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Everything up; the processes end with the block."""
    if os.geteuid() != 0:
        unavailable("a private dockerd needs root")
    env = {**images.configuration(), "HOME": str(folder)}
    with registry(folder / "registry") as address, _dockerd(folder / "docker") as docker_host:
        insecure = Path(folder, "registries.conf")
        insecure.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        yield Ground(
            env={**env, "CONTAINERS_REGISTRIES_CONF": str(insecure), "DOCKER_HOST": docker_host}, registry=address
        )


@contextmanager
def registry(folder: Path, *, htpasswd: str = "") -> Iterator[str]:
    """The real registry of the Debian package, on a free port of loopback."""
    serve = program("docker-registry")
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    auth = f"auth: {{htpasswd: {{realm: ci-gpu-test, path: {htpasswd}}}}}\n" if htpasswd else ""
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n{auth}"
    )
    with _server((serve, "serve", str(folder / "config.yml")), folder / "log"):
        wait_for(lambda: _answers(f"http://127.0.0.1:{port}/v2/"), "the registry", folder / "log")
        try:
            yield f"127.0.0.1:{port}"
        finally:
            _forget(f"127.0.0.1:{port}")
    shutil.rmtree(folder / "data", ignore_errors=True)


@contextmanager
def _dockerd(folder: Path) -> Iterator[str]:
    """A docker daemon of the tests' own: private storage, private socket, no network rules of the host's touched."""
    daemon, client = program("dockerd"), program("docker")
    folder.mkdir(parents=True, exist_ok=True)
    host = f"unix://{folder}/docker.sock"
    argv = (daemon, "--iptables=false", "--bridge=none", "--host", host, "--pidfile", f"{folder}/pid")
    argv += ("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec")
    env = {**os.environ, "DOCKER_HOST": host}
    with _server(argv, folder / "log"):
        ready = (client, "version", "--format", "{{.Server.Version}}")
        wait_for(lambda: _succeeds(ready, env), "dockerd", folder / "log")
        yield host
    shutil.rmtree(folder / "data", ignore_errors=True)  # pytest keeps the folders of three sessions


@contextmanager
def _server(argv: tuple[str, ...], log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _forget(address: str) -> None:
    """podman's storage is the machine's own: what was pulled from a registry that is gone goes with it."""
    env = {**os.environ, **images.configuration()}
    listed = subprocess.run(("podman", "images", "--format", "json"), env=env, capture_output=True, check=False)
    for each in json.loads(listed.stdout or b"[]") or ():
        names = [name for name in each.get("Names") or () if name.startswith(f"{address}/")]
        if names:  # untag, since rmi of the last of several names takes the image with it
            subprocess.run(("podman", "untag", each["Id"], *names), env=env, capture_output=True, check=False)


def wait_for(holds: Callable[[], bool], what: str, log: Path) -> None:
    """Up to five minutes; then the test cannot run here, and the end of the log says why."""
    for _ in range(1500):
        if holds():
            return
        time.sleep(0.2)
    unavailable(f"{what} does not come up: {log.read_text()[-800:]}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True  # 401 is an answer
    except OSError:
        return False


def _succeeds(argv: tuple[str, ...], env: dict[str, str]) -> bool:
    return subprocess.run(argv, env=env, capture_output=True, check=False).returncode == 0


def _engine(env: dict[str, str], *argv: str) -> None:
    done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr}")
