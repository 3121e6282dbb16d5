"""CDI on the real podman, with descriptions made up: there is no GPU here, and podman does not ask for one.

Each run has a mount namespace of its own, so that its descriptions are no other test's, and so that crun, which runs on
no machine with both versions of cgroups, sees the first alone.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.containers.ground import Ground
from tests.containers.test_run import Run
from tests.needs import program, unavailable

pytestmark = pytest.mark.engine

HOOK = Path(__file__).with_name("nvidia-cdi-hook")
FOLDER = "/var/run/cdi"
ROOT = '''
from ci_gpu.payload import Fact
from ci_gpu.payload.needs import without_gpu
@without_gpu
def check_root(device):
    """What the hook left, and whether the root can be written."""
    import os
    yield Fact("root", "read-only" if os.statvfs("/").f_flag & os.ST_RDONLY else "writable")
    if device == "cuda":
        with open("/etc/ld.so.conf.d/00-nvidia.conf") as file:
            yield Fact("hook", file.read().strip())
'''


def description(**edits: Any) -> str:
    """A CDI description of one device, ``all``, as `nvidia-ctk cdi generate` writes it."""
    devices = [{"name": "all", "containerEdits": {"env": ["CI_GPU_FAKE=1"]}}]
    return json.dumps({"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": devices, "containerEdits": edits})


def run(ground: Ground, folder: Path, spec: str, runtime: str, *commands: str, device: str = "cuda") -> Run:
    """ci-gpu with podman over this OCI runtime, where ``spec`` is the only description; ``commands`` prepare it."""
    (folder / "spec.json").write_text(spec)
    (folder / "own").mkdir()
    (folder / "own/own.py").write_text(ROOT)
    (folder / "containers.conf").write_text(
        f'[engine]\nruntime = "{runtime}"\n[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
    )
    image = ground.pushed("torch", "1", "ci-gpu-test/torch")
    argv = (sys.executable, "-m", "ci_gpu", "run", image, "--engine", "podman", "--device", device)
    argv += ("--checks-dir", "own", "--checks", "own", "--json", "run.json")
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    prepared = (
        "umount /sys/fs/cgroup/unified 2>/dev/null || true",
        f"mount -t tmpfs tmpfs {FOLDER}",
        f"cp spec.json {FOLDER}/nvidia.json",
        *commands,
        f"exec {shlex.join(argv)}",
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("CI_GPU_", "GITHUB_"))}
    env = {**clean, **ground.env, "CONTAINERS_CONF": str(folder / "containers.conf"), "CI_GPU_RUN_ID": _id()}
    done = subprocess.run(
        (program("unshare"), "--mount", "sh", "-ec", "\n".join(prepared)),
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    written = folder / "run.json"
    report = json.loads(written.read_text()) if written.exists() else {}
    return Run(code=done.returncode, stdout=done.stdout, stderr=done.stderr, report=report)


def _id() -> str:
    return f"test-{secrets.token_hex(4)}"


def hooked(folder: Path) -> str:
    """A description whose hook writes in the container's root."""
    hook = folder / "nvidia-cdi-hook"
    hook.write_text(HOOK.read_text())
    hook.chmod(0o755)
    hooks = [{"hookName": "createContainer", "path": str(hook), "args": ["nvidia-cdi-hook", "update-ldcache"]}]
    return description(hooks=hooks)


def old_crun() -> None:
    """A crun before 1.26, such as Debian 12's."""
    said = subprocess.run((program("crun"), "--version"), capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in said.split()[2].split(".")[:2])
    if version >= (1, 26):
        unavailable(f"this crun is mended: {said.splitlines()[0]}")


def facts(found: Run) -> dict[str, Any]:
    return {fact["name"]: fact["value"] for fact in found.image["results"][0]["facts"]}


def test_an_old_crun_is_gone_round_by_runc_and_the_root_stays_read_only(real_ground: Ground, tmp_path: Path) -> None:
    old_crun()
    found = run(real_ground, tmp_path, hooked(tmp_path), "crun")

    assert found.image["failure"] is None, found.stdout + found.stderr
    assert facts(found) == {"root": "read-only", "hook": "/usr/lib/nvidia"}
    assert found.image["gpu_mode"] == "cdi"
    for text in (found.report["detour"], found.stdout, found.stderr):
        assert "runc" in " ".join(text.split())
        assert "crun 1." in " ".join(text.split())


def test_where_there_is_no_runc_the_root_can_be_written_and_that_is_told(real_ground: Ground, tmp_path: Path) -> None:
    old_crun()
    hidden = f"mount --bind /dev/null {Path(program('runc')).resolve()}"
    found = run(real_ground, tmp_path, hooked(tmp_path), "crun", hidden)

    assert found.image["failure"] is None, found.stdout + found.stderr
    assert facts(found) == {"root": "writable", "hook": "/usr/lib/nvidia"}
    for text in (found.report["detour"], found.stdout, found.stderr):
        assert "without --read-only" in " ".join(text.split())


def test_runc_needs_no_way_round(real_ground: Ground, tmp_path: Path) -> None:
    found = run(real_ground, tmp_path, hooked(tmp_path), "runc")

    assert found.image["failure"] is None, found.stdout + found.stderr
    assert facts(found) == {"root": "read-only", "hook": "/usr/lib/nvidia"}
    assert found.report["detour"] == ""


def test_a_run_on_the_cpu_needs_no_way_round(real_ground: Ground, tmp_path: Path) -> None:
    old_crun()
    found = run(real_ground, tmp_path, hooked(tmp_path), "crun", device="cpu")

    assert found.report["detour"] == ""
    assert facts(found)["root"] == "read-only"


GONE = "/usr/lib/x86_64-linux-gnu/libcuda.so.535.54.03"
MOUNT = {"hostPath": GONE, "containerPath": GONE, "options": ["ro", "nosuid", "nodev", "bind"]}


@pytest.mark.parametrize("runtime", ["runc", "crun"])
@pytest.mark.parametrize(
    ("edits", "says"),
    [
        pytest.param({"deviceNodes": [{"path": "/dev/nvidia-gone"}]}, "/dev/nvidia-gone", id="device"),
        pytest.param({"mounts": [MOUNT]}, "libcuda.so.535.54.03", id="library"),
    ],
)
def test_a_description_from_before_a_driver_s_upgrade_is_the_runner_s_fault(
    real_ground: Ground, tmp_path: Path, runtime: str, edits: dict[str, Any], says: str
) -> None:
    program(runtime)
    found = run(real_ground, tmp_path, description(**edits), runtime)

    assert (found.code, found.kinds) == (3, ["cdi-stale"]), found.stdout + found.stderr
    assert says in found.stdout
    assert "nvidia-ctk cdi generate" in " ".join(found.stdout.split())


def test_a_description_that_is_not_there_is_the_runner_s_fault(real_ground: Ground, tmp_path: Path) -> None:
    other = description().replace("nvidia.com/gpu", "vendor.example/nic")
    found = run(real_ground, tmp_path, other, "runc")

    assert (found.code, found.kinds) == (3, ["cdi-unresolved"]), found.stdout + found.stderr
    assert "nvidia-ctk cdi generate" in " ".join(found.stdout.split())
