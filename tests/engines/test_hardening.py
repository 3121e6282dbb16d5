"""The hardening as the image itself finds it: looked at from inside, and attacked from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ci_gpu import containers, engines, process, pull
from ci_gpu.job import Job, Limits
from ci_gpu.model import ImageRef
from tests.containers.ground import Ground

pytestmark = pytest.mark.engine

LOOK = r"""
import getpass, json, os, shutil, socket, subprocess

def refused(action):
    try:
        action()
    except OSError as error:
        return error.strerror
    return ""

status = dict(line.split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
shutil.copy("/bin/true", "/tmp/true")
children = []

def fork_until_refused():
    while len(children) < 300:
        children.append(subprocess.Popen(["sleep", "30"]))

print(json.dumps({
    "capabilities": status["CapEff"].strip(),
    "bounding": status["CapBnd"].strip(),
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "root": refused(lambda: open("/marker", "w")),
    "usr": refused(lambda: open("/usr/bin/marker", "w")),
    "chown": refused(lambda: os.chown("/tmp/true", 1, 1)),
    "run_from_tmp": subprocess.run(["/tmp/true"]).returncode,
    "tmp_bytes": os.statvfs("/tmp").f_frsize * os.statvfs("/tmp").f_blocks,
    "shm_bytes": os.statvfs("/dev/shm").f_frsize * os.statvfs("/dev/shm").f_blocks,
    "interfaces": sorted(name for _, name in socket.if_nameindex()),
    "network": refused(lambda: socket.create_connection(("1.1.1.1", 53), 2)),
    "uid": os.getuid(),
    "user": getpass.getuser(),
    "home": os.environ["HOME"],
    "visible": os.environ.get("NVIDIA_VISIBLE_DEVICES"),
    "proxies": sorted(name for name in os.environ if name.lower().endswith("_proxy") and os.environ[name]),
    "forks": refused(fork_until_refused),
    "children": len(children),
    "stdin": input(),
}))
for child in children:
    child.kill()
"""


@pytest.fixture(params=["", "4321:4321"], ids=["image-user", "unknown-uid"])
def seen(request: pytest.FixtureRequest, real_ground: Ground, engine_name: str, tmp_path: Path) -> dict[str, Any]:
    """What one container found, as its image's user or as a uid that has no name there."""
    proxy = "http://user:secret@proxy.example"
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": {"httpProxy": proxy, "allProxy": proxy}}}))
    ref = ImageRef.parse(real_ground.pushed("no-torch", "1", "ci-gpu-test/held"))
    pull.pull(engine_name, ref, policy="missing", platform="", env=real_ground.env, on_progress=str)
    job = Job(
        image=str(ref),
        name=containers.new_name(),
        labels=((containers.LABEL, "hardening"),),
        limits=Limits(pids=64, shm_size="128m", tmp_size="256m"),
        user=request.param,
    )
    argv = engines.load(engine_name).run(job, ("python3", "-c", LOOK))
    with containers.removed_afterwards(engines.load(engine_name), job.name, real_ground.env):
        done = real_ground.run(*argv, stdin="through stdin\n", HTTPS_PROXY=proxy, DOCKER_CONFIG=str(tmp_path))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.attack
def test_a_container_has_no_power_and_no_way_out(seen: dict[str, Any], request: pytest.FixtureRequest) -> None:
    """An image looks for a way out: capabilities, the network, the host's files, its own root, forks and memory without
    end. It has no capability, no network, a root that is read-only, and limits on the rest.
    """
    uid = 4321 if "unknown-uid" in request.node.name else 0
    children = seen.pop("children")

    assert seen == {
        "capabilities": "0" * 16,
        "bounding": "0" * 16,
        "no_new_privileges": "1",
        "seccomp": "2",
        "root": "Read-only file system",
        "usr": "Read-only file system" if uid == 0 else seen["usr"],
        "chown": "Operation not permitted",
        "run_from_tmp": 0,
        "tmp_bytes": 256 << 20,
        "shm_bytes": 128 << 20,
        "interfaces": ["lo"],
        "network": "Network is unreachable",
        "uid": uid,
        "user": "ci",
        "home": "/tmp/home",
        "visible": "void",
        "proxies": [],
        "forks": "Resource temporarily unavailable",
        "stdin": "through stdin",
    }
    assert seen["usr"]
    assert 30 < children < 64


LIMITS = r"""
import json, os, resource
names = ("MEMLOCK", "STACK", "NOFILE", "NPROC")
print(json.dumps([os.getgroups(), *(resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in names)]))
"""


def test_limits_and_groups_are_those_that_were_named_and_podman_raises_no_other(
    real_ground: Ground, engine_name: str
) -> None:
    """podman 4.3 forgets its `default_ulimits` as soon as one limit is named, and raises nofile and nproc."""
    ref = ImageRef.parse(real_ground.pushed("no-torch", "1", "ci-gpu-test/held"))
    pull.pull(engine_name, ref, policy="missing", platform="", env=real_ground.env, on_progress=str)
    job = Job(
        image=str(ref),
        name=containers.new_name(),
        labels=((containers.LABEL, "limits"),),
        limits=Limits(memlock="64k", stack="4m"),
        groups=("4711",),
        label_disabled=True,
        own_limits=process.own_limits(),
    )
    with containers.removed_afterwards(engines.load(engine_name), job.name, real_ground.env):
        done = real_ground.run(*engines.load(engine_name).run(job, ("python3", "-c", LIMITS)))
    assert done.returncode == 0, done.stderr
    groups, memlock, stack, *others = json.loads(done.stdout)

    assert 4711 in groups
    assert (memlock, stack) == ([64 << 10] * 2, [4 << 20] * 2)
    if engine_name == "podman":
        assert [f"{name}={soft}:{hard}" for name, (soft, hard) in zip(("nofile", "nproc"), others, strict=True)] == [
            f"{name}={value}" for name, value in process.own_limits()
        ]


def test_a_container_is_found_by_its_label_and_its_id_file_and_ended(
    real_ground: Ground, engine_name: str, tmp_path: Path
) -> None:
    engine = engines.load(engine_name)
    ref = ImageRef.parse(real_ground.pushed("no-torch", "1", "ci-gpu-test/held"))
    pull.pull(engine_name, ref, policy="missing", platform="", env=real_ground.env, on_progress=str)
    job = Job(
        image=str(ref),
        name=containers.new_name(),
        labels=((containers.LABEL, "found"),),
        cidfile=str(tmp_path / "cid"),
    )
    done = real_ground.run(*engine.run(job, ("python3", "-c", "raise SystemExit(7)")))
    identity = Path(job.cidfile).read_text()
    state = containers.state(engine, job.name, real_ground.env)
    removed = containers.sweep(engine, real_ground.env, run="found")

    assert (done.returncode, state["ExitCode"], state["OOMKilled"]) == (7, 7, False)
    assert len(identity) == 64
    assert removed == (job.name,)
    assert real_ground.run(*engine.describe((identity,))).returncode != 0
