"""The main job on real images, by podman and by docker, under the full hardening."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.containers.ground import Ground

pytestmark = pytest.mark.engine

QUICK = "autograd.polynomial,matmul.identity"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How a run of the program ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str
    report: dict[str, Any]

    @property
    def image(self) -> dict[str, Any]:
        return dict(self.report["images"][0])

    @property
    def outcomes(self) -> dict[str, str]:
        return {result["check"]: result["outcome"] for result in self.image["results"]}

    @property
    def kinds(self) -> list[str]:
        return [reason["kind"] for reason in self.report["verdict"]["reasons"]]


class Lab(msgspec.Struct, frozen=True, kw_only=True):
    """One engine, one folder, and the program."""

    ground: Ground
    engine: str
    folder: Path
    run_id: str  # of its containers: other runs on this machine are none of its business

    def start(self, image: str, *options: str, **env: str) -> subprocess.Popen[str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("CI_GPU_", "GITHUB_"))}
        argv = (sys.executable, "-m", "ci_gpu", "run", image, "--engine", self.engine, "--json", "run.json")
        argv += ("--device", "cpu", *options) if "--device" not in options else options
        return subprocess.Popen(
            argv,
            cwd=self.folder,
            env={**clean, **self.ground.env, "CI_GPU_RUN_ID": self.run_id, **env},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def finish(self, process: subprocess.Popen[str]) -> Run:
        stdout, stderr = process.communicate()  # pytest-timeout is the only clock
        written = self.folder / "run.json"
        report = json.loads(written.read_text()) if written.exists() else {}
        assert self.left_over() == [], "containers outlive the run"
        return Run(code=process.returncode, stdout=stdout, stderr=stderr, report=report)

    def run(self, name: str, *options: str, tag: str = "1", **env: str) -> Run:
        image = self.ground.pushed(name, tag, f"ci-gpu-test/{name}")
        return self.finish(self.start(image, *options, **env))

    def left_over(self, *options: str) -> list[str]:
        return self.containers("--all", *options)

    def containers(self, *options: str) -> list[str]:
        mine = f"label=io.ci-gpu={self.run_id}"
        return self.ground.run(self.engine, "ps", *options, "--quiet", "--filter", mine).stdout.split()

    def checks(self, source: str) -> tuple[str, ...]:
        """Options that send a file of checks, `own`, into the image."""
        (self.folder / "own").mkdir(exist_ok=True)
        (self.folder / "own/own.py").write_text(source)
        return ("--checks-dir", "own", "--checks", "own")


@pytest.fixture
def lab(real_ground: Ground, engine_name: str, tmp_path: Path) -> Lab:
    return Lab(ground=real_ground, engine=engine_name, folder=tmp_path, run_id=f"test-{secrets.token_hex(4)}")


def test_a_torch_image_passes_all_checks_that_need_no_gpu(lab: Lab) -> None:
    run = lab.run("torch", "--report-dir", ".", "--pull", "always")

    assert run.code == 0, run.stdout + run.stderr
    assert run.image["image"]["digest"].startswith("sha256:")
    assert run.image["image"]["pulled"] is True
    assert run.image["environment"]["torch"].startswith("2.13.0")
    assert {check for check, outcome in run.outcomes.items() if outcome == "passed"} >= {
        "autograd.gradcheck",
        "matmul.float32",
        "matmul.throughput",
    }
    assert {outcome for check, outcome in run.outcomes.items() if check.startswith("cache.")} == {"skipped"}
    assert run.outcomes["compatibility.cuda_build"] == "skipped", "the tag promises nothing"
    assert "NO GPU" in run.stdout.splitlines()[0]
    assert sorted(path.name for path in lab.folder.iterdir()) == ["junit.xml", "report.html", "run.json", "summary.md"]


def test_an_image_without_python(lab: Lab) -> None:
    run = lab.run("no-python")

    assert (run.code, run.kinds) == (4, ["no-python"]), run.stdout + run.stderr


def test_an_image_without_torch(lab: Lab) -> None:
    run = lab.run("no-torch")

    assert (run.code, run.kinds) == (4, ["no-torch"]), run.stdout + run.stderr


AS_WITHOUT_AVX512 = '''
from ci_gpu.payload.checks import matmul
def check_bfloat16(device):
    """torch takes the path that it takes on a processor that oneDNN has no bfloat16 kernels for."""
    import torch
    torch._C._set_mkldnn_enabled(False)
    yield from matmul.check_bfloat16(device)
'''


def test_an_image_with_python_3_8_and_the_oldest_torch(lab: Lab) -> None:
    own = lab.checks(AS_WITHOUT_AVX512)[:2]
    run = lab.run("python38", *own, tag="1.13.1-cuda11.7")

    assert run.code == 0, run.stdout + run.stderr
    assert run.outcomes["matmul.bfloat16"] == run.outcomes["own.bfloat16"] == "passed"
    assert run.image["environment"]["python"].startswith("3.8.")
    assert run.image["environment"]["torch"].startswith("1.13.1")
    assert run.image["environment"]["torch_cuda"] == "11.7"
    assert "sm_86" in run.image["environment"]["arch_list"]


def test_an_image_whose_python_is_too_old(lab: Lab) -> None:
    run = lab.run("python37")

    assert (run.code, run.kinds) == (4, ["python-too-old"]), run.stdout + run.stderr
    assert "3.7" in run.stdout


def test_an_entrypoint_that_speaks_workflow_commands_and_half_events(lab: Lab) -> None:
    run = lab.run("loud", "--checks", QUICK, GITHUB_ACTIONS="true")
    lines = run.stderr.splitlines()
    fences = [index for index, line in enumerate(lines) if line.startswith("::stop-commands::")]
    token = lines[fences[0]].rpartition("::")[2]
    smuggled = [index for index, line in enumerate(lines) if "smuggled" in line]

    assert run.code == 0, run.stdout + run.stderr
    assert smuggled
    assert fences[0] < min(smuggled) < max(smuggled) < lines.index(f"::{token}::")
    assert "smuggled" in run.image["log"]
    assert "\x1b" not in run.stdout + run.stderr


def test_an_entrypoint_that_leaves_a_process_that_never_ends(lab: Lab) -> None:
    run = lab.run("forker", "--checks", QUICK)

    assert run.code == 0, run.stdout + run.stderr


def test_an_entrypoint_that_does_not_run_our_command(lab: Lab) -> None:
    run = lab.run("stubborn", "--checks", QUICK)
    past = lab.run("stubborn", "--checks", QUICK, "--entrypoint", "none")

    assert (run.code, run.kinds) == (4, ["no-answer"]), run.stdout + run.stderr
    assert "usage: serve" in run.stdout
    assert "--entrypoint none" in run.stdout
    assert past.code == 0


@pytest.mark.parametrize(
    ("code", "kind"), [("1", "no-answer"), ("125", "no-answer"), ("126", "no-python"), ("127", "no-python")]
)
def test_an_entrypoint_that_speaks_and_ends_as_an_engine_is_the_image_s_fault(lab: Lab, code: str, kind: str) -> None:
    """The engine knows that it started; no other way of handing over GPUs is tried, and the runner is not blamed."""
    run = lab.run(f"liar{code}", "--checks", QUICK)

    assert (run.code, run.kinds) == (4, [kind]), run.stdout + run.stderr
    assert "unresolvable CDI devices" in run.stdout


@pytest.mark.parametrize(("name", "kind"), [("misbuilt", "wrong-platform"), ("no-permission", "no-python")])
def test_an_entrypoint_that_cannot_be_executed_is_the_image_s_fault(lab: Lab, name: str, kind: str) -> None:
    run = lab.run(name, "--checks", QUICK)

    assert (run.code, run.kinds) == (4, [kind]), run.stdout + run.stderr
    assert "--entrypoint none" in run.stdout


def test_a_cpu_build_under_a_tag_that_names_cuda(lab: Lab) -> None:
    run = lab.run("torch", "--checks", "compatibility,autograd.polynomial", tag="2.13.0-cuda12.8-cudnn9-runtime")

    assert run.code == 1, run.stdout + run.stderr
    assert run.outcomes["compatibility.cuda_build"] == "failed"
    assert "is a CPU build under the tag '2.13.0-cuda12.8-cudnn9-runtime'" in run.image["results"][0]["message"]
    assert "compatibility.cuda_build" in run.stdout


def test_gpus_that_the_engine_cannot_hand_over_are_the_runner_s_fault(lab: Lab) -> None:
    run = lab.run("torch", "--device", "cuda", "--checks", QUICK)

    assert run.code == 3, run.stdout + run.stderr
    assert run.kinds[0] in ("gpu-runtime-missing", "cdi-unresolved", "engine-refused")
    assert "nvidia-ctk" in run.stdout


WAITS = '''
import os, time
TIMEOUT = {timeout}
def check_first(device):
    """It waits to be killed."""
    os.write(2, b"the check waits\\n")
    time.sleep(3600)
    yield ()
def check_second(device):
    """It comes after."""
    from ci_gpu.payload import Fact
    yield Fact("here", True)
'''


def wait_for_word(process: subprocess.Popen[str], word: str) -> None:
    """Until the container has said this, however long that takes; the run shows it under GITHUB_ACTIONS alone."""
    assert process.stderr is not None
    said = []
    while line := process.stderr.readline():
        said.append(line)
        if word in line:
            return
    raise AssertionError(f"the run ended without {word!r}: {''.join(said)}")


def wait_for_container(lab: Lab, process: subprocess.Popen[str], word: str = "the check waits") -> str:
    """The id of our container once its first check is under way."""
    wait_for_word(process, word)
    (container,) = lab.containers("--no-trunc")
    return container


def start_waiting(lab: Lab) -> subprocess.Popen[str]:
    image = lab.ground.pushed("torch", "1", "ci-gpu-test/torch")
    return lab.start(image, *lab.checks(WAITS.format(timeout=600)), GITHUB_ACTIONS="true")


def test_a_container_that_is_killed_from_outside_twice_is_the_runner_s_fault(lab: Lab) -> None:
    process = start_waiting(lab)
    for _ in range(2):
        lab.ground.run(lab.engine, "kill", "--signal", "KILL", wait_for_container(lab, process))
    run = lab.finish(process)

    assert (run.code, run.kinds) == (3, ["killed"]), run.stdout + run.stderr
    assert "own.first" in run.stdout


def test_a_container_that_is_killed_during_each_start_is_the_runner_s_fault(lab: Lab) -> None:
    image = lab.ground.pushed("waiting", "1", "ci-gpu-test/waiting")
    process = lab.start(image, "--checks", QUICK, GITHUB_ACTIONS="true")
    for _ in range(2):
        container = wait_for_container(lab, process, "the import waits")
        lab.ground.run(lab.engine, "kill", "--signal", "KILL", container)
    run = lab.finish(process)

    assert (run.code, run.kinds) == (3, ["killed"]), run.stdout + run.stderr
    assert "SIGKILL" in run.stdout


def test_a_memory_limit_that_the_import_breaks_is_out_of_memory(lab: Lab) -> None:
    run = lab.run("hungry", "--checks", QUICK, "--memory", "128m")

    # podman 4.3 on cgroup v1 has OOMKilled false here: then only the kill is known, and the remedy names both.
    assert run.code == 3, run.stdout + run.stderr
    assert run.kinds[0] in (("out-of-memory",) if lab.engine == "docker" else ("out-of-memory", "killed"))
    assert "--memory" in run.stdout


def test_an_import_that_crashes_is_the_image_s_fault_by_the_name_of_its_signal(lab: Lab) -> None:
    run = lab.run("illegal", "--checks", QUICK)

    assert (run.code, run.kinds) == (4, ["torch-broken"]), run.stdout + run.stderr
    assert "SIGILL" in run.stdout


def test_an_engine_client_that_is_killed_twice_leaves_no_container(lab: Lab) -> None:
    """To us it is a container that was killed from outside: tried once more, and then the runner's fault."""
    process = start_waiting(lab)
    for _ in range(2):
        wait_for_container(lab, process)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
        for child in children.stdout.split():
            os.kill(int(child), signal.SIGKILL)
    run = lab.finish(process)

    assert (run.code, run.kinds) == (3, ["killed"]), run.stdout + run.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_container(lab: Lab, number: signal.Signals) -> None:
    process = start_waiting(lab)
    wait_for_container(lab, process)
    process.send_signal(number)
    run = lab.finish(process)

    assert run.code == 130


def test_a_killed_run_s_container_ends_by_itself_and_is_swept_by_the_next(lab: Lab) -> None:
    process = start_waiting(lab)
    container = wait_for_container(lab, process)
    process.kill()
    process.communicate()
    lab.ground.run(lab.engine, "wait", container)  # the payload does not outlive its host

    assert lab.containers() == []
    assert lab.left_over("--no-trunc") == [container]
    image = lab.ground.pushed("torch", "1", "ci-gpu-test/torch")
    assert lab.finish(lab.start(image, "--checks", QUICK)).code == 0


def test_a_time_out_ends_a_check_that_hangs(lab: Lab) -> None:
    image = lab.ground.pushed("torch", "1", "ci-gpu-test/torch")
    run = lab.finish(lab.start(image, *lab.checks(WAITS.format(timeout=10))))

    assert run.outcomes == {"own.first": "error", "own.second": "passed"}
    assert "timeout" in run.kinds


INSIDE = '''
from ci_gpu.payload import Fact
def check_inside(device):
    """What a process in there may do."""
    import getpass, os, resource, subprocess
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
    for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
        yield Fact(name, status[name].strip())
    try:
        open("/here", "w")
        yield Fact("root", "writable")
    except OSError as error:
        yield Fact("root", error.strerror)
    with open("/tmp/program", "w") as file:
        file.write("#!/bin/sh\\nexit 42\\n")
    os.chmod("/tmp/program", 0o755)
    yield Fact("exec in /tmp", subprocess.call(["/tmp/program"]))
    yield Fact("interfaces", " ".join(sorted(os.listdir("/sys/class/net"))))
    yield Fact("user", getpass.getuser())
    yield Fact("home", os.path.expanduser("~"))
    shm = os.statvfs("/dev/shm")
    yield Fact("shm", shm.f_blocks * shm.f_frsize)
    yield Fact("core", resource.getrlimit(resource.RLIMIT_CORE)[0])
    yield Fact("secrets", sum("s3cret" in value for value in os.environ.values()))
'''


@pytest.mark.parametrize("user", ["", "12345:12345"])
def test_what_a_process_inside_may_do(lab: Lab, user: str) -> None:
    options = (*lab.checks(INSIDE), *(("--user", user) if user else ()))
    image = lab.ground.pushed("torch", "1", "ci-gpu-test/torch")
    secrets = {"GITHUB_TOKEN": "s3cret", "CI_GPU_REGISTRY_PASSWORD": "s3cret", "MY_TOKEN": "s3cret"}
    run = lab.finish(lab.start(image, *options, **secrets))
    facts = {fact["name"]: fact["value"] for fact in run.image["results"][0]["facts"]}

    assert run.code == 0, run.stdout + run.stderr
    assert facts == {
        "CapEff": "0" * 16,
        "CapBnd": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
        "root": "Read-only file system",
        "exec in /tmp": 42,
        "interfaces": "lo",
        "user": "ci",
        "home": "/tmp/home",
        "shm": 2 << 30,
        "core": 0,
        "secrets": 0,
    }
