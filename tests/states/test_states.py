"""Host × engine × GPU × image: what comes of each state, by the true pipeline, payload and verdict.

A row is a state that somebody met, and says the exit code, who has to mend it, and the kind of the only reason that is
read out. The stand-ins are below all that is tested: the engine's client, torch, and the driver's libraries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.states.machine import CPU_BUILD, H100, State, driver, examined

__all__ = ["driver"]

IMAGE, RUNNER, NOBODY = "image", "runner", ""

HOOK = "docker: Error response from daemon: failed to create task for container: OCI runtime create failed: "
MIG = ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "9.0")
RTX5090 = ("NVIDIA GeForce RTX 5090", "12.0")
COMPAT, STUBS = "usr/local/cuda/compat", "usr/local/cuda/lib64/stubs"
ASYNC = "\nCUDA kernel errors might be asynchronously reported at some other API call"


def green(says: str = "", **fields: Any) -> State:
    return State(code=0, party=NOBODY, says=says, **fields)


def image(kind: str, says: str = "", *, code: int = 1, **fields: Any) -> State:
    return State(code=code, party=IMAGE, kind=kind, says=says, **fields)


def runner(kind: str, says: str = "", **fields: Any) -> State:
    return State(code=3, party=RUNNER, kind=kind, says=says, **fields)


def refused(code: int, stderr: str) -> dict[str, Any]:
    """docker whose container does not start."""
    return {"run": [code, stderr + "\n"]}


def ended(code: int, stderr: str) -> dict[str, Any]:
    """docker whose container started, and ended without a word of ours."""
    return {"run": [code, stderr + "\n"], "state": {"StartedAt": "2026-11-24T13:04:47.938874093Z"}}


def check(what: str) -> dict[str, Any]:
    """What happens in the first check of the user's."""
    return {"STATE_CHECK": what}


NO_GPUS: dict[str, Any] = {"Runtimes": {"runc": {}}}

ENGINE: dict[str, State] = {
    "no engine is installed": runner("engine-missing", "command not found", engine="auto"),
    "the daemon is down": runner(
        "engine-missing",
        "Is the docker daemon running?",
        docker={"info_fails": [1, "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n"]},
    ),
    "the daemon dies before the container": runner(
        "engine-down",
        docker=refused(1, "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"),
    ),
    "the engine was not told of GPUs": runner(
        "gpu-runtime-missing",
        docker={
            "info": NO_GPUS,
            **refused(
                125, 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].'
            ),
        },
    ),
    "the toolkit is not installed": runner(
        "gpu-runtime-missing",
        docker=refused(
            125, 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].'
        ),
    ),
    "the nvidia runtime is gone": runner(
        "gpu-runtime-missing",
        docker=refused(125, "docker: Error response from daemon: unknown or invalid runtime name: nvidia"),
    ),
    "a CDI device that is not known": runner(
        "cdi-unresolved",
        docker=refused(
            125,
            "docker: Error response from daemon: CDI device injection failed: unresolvable CDI devices "
            "nvidia.com/gpu=all",
        ),
    ),
    "the host's driver is not loaded": runner(
        "gpu-hook-failed",
        "driver not loaded",
        docker=refused(
            125, HOOK + "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown."
        ),
    ),
    "the image's NVIDIA_REQUIRE_CUDA is not met": image(
        "driver-too-old",
        "cuda>=12.8",
        docker=refused(
            125,
            HOOK + "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your "
            "driver to a newer version, or use an earlier cuda container: unknown.",
        ),
    ),
    "the disk is full": runner(
        "no-space", docker=refused(125, "docker: Error response from daemon: mkdir /x: no space left on device.")
    ),
    "an option that the engine refuses": runner(
        "engine-refused", "--frobnicate", docker=refused(125, "unknown flag: --frobnicate")
    ),
    "files for another processor in an image for this one": image(
        "wrong-platform", code=4, docker=ended(1, "exec /usr/bin/python3: exec format error")
    ),
    "another processor, and nothing that emulates it": runner(
        "wrong-platform",
        "for another processor",
        docker={**ended(1, "exec /usr/bin/python3: exec format error"), "architecture": "s390x"},
        platform="linux/s390x",
    ),
    "the registry's limit is reached": runner(
        "rate-limited",
        docker={
            "inspect": [1, "Error: No such image\n"],
            "pull": [1, "Error response from daemon: toomanyrequests: You have reached your pull rate limit.\n"],
        },
    ),
    "the image is not here": runner(
        "not-here", docker={"inspect": [1, "Error: No such image\n"]}, pull="never", device="cpu"
    ),
}

START: dict[str, State] = {
    "no Python in the image": image("no-python", code=4, docker={"python": "none"}),
    "an entrypoint of its own mind": image(
        "no-answer", "usage: serve", code=4, docker=ended(2, "usage: serve [--port]")
    ),
    "an entrypoint that ends as an engine does": image(
        "no-answer",
        "no space left",
        code=4,
        docker=ended(125, "docker: Error response from daemon: no space left on device"),
    ),
    "an entrypoint that fails to find a program, and speaks as an engine": image(
        "no-python",
        "select device driver",
        code=4,
        docker=ended(127, 'docker: Error response from daemon: could not select device driver "" with capabilities'),
    ),
    "a Python that is too old": image(
        "python-too-old",
        "3.7",
        code=4,
        docker={"says": '{"event": "unusable", "reason": "python-too-old", "message": "the image\'s Python is 3.7"}'},
    ),
    "events that are damaged": image("damaged-events", code=4, docker={"says": '{"event": "applause"}'}),
    "no torch": image("no-torch", code=4, docker={}, torch={"absent": True}),
    "a torch that cannot be imported": image(
        "torch-broken",
        "libcudart.so.12",
        code=4,
        docker={},
        torch={"broken": "libcudart.so.12: cannot open shared object file: No such file or directory"},
    ),
}

START |= {
    "killed from outside while it starts, twice": runner("killed", "SIGKILL", docker={}, torch={"killed": 9}),
    "a torch that crashes when it is imported": image(
        "torch-broken", "SIGSEGV", code=4, docker={}, torch={"killed": 11}
    ),
    "killed while it starts: out of memory": runner(
        "out-of-memory", docker={"state": {"OOMKilled": True}}, torch={"killed": 9}
    ),
}

LINKED = "libcuda.so.1: cannot open shared object file: No such file or directory"
START |= {
    "a torch that is linked to libcuda, and none is handed in": runner(
        "no-driver", "libcuda.so.1", docker={}, torch={"broken": LINKED}
    ),
    "the same, and the CPU is chosen": image(
        "torch-broken", "libcuda.so.1", code=4, docker={}, torch={"broken": LINKED}, device="cpu"
    ),
}

GPU: dict[str, State] = {
    "all is as it should be": green(),
    "all is as it should be, in docker": green(docker={}),
    "a driver of the image's age": green(env={"STATE_DRIVER": "570.124.06", "STATE_LIBCUDA": "12080"}),
    "a driver by minor-version compatibility": green(
        "by minor-version", env={"STATE_DRIVER": "535.104.05", "STATE_LIBCUDA": "12020"}
    ),
    "a driver that CUDA itself finds too old": image(
        "gpu-refused", "is too old (found version 11040)", cuinit=35, env={"STATE_DRIVER": "470.57.02"}
    ),
    "a driver that is too old although a GPU answers": image(
        "driver-too-old",
        "driver 470.57.02 is too old for CUDA 12.8",
        env={"STATE_DRIVER": "470.57.02", "STATE_LIBCUDA": "11040"},
    ),
    "no driver, or none handed in": runner("gpu-missing", "no usable libcuda", libcuda=""),
    "the driver was upgraded and not loaded anew": runner("gpu-missing", "do not belong together", cuinit=803),
    "a compatibility libcuda that does not fit": image("gpu-refused", COMPAT, cuinit=803, libcuda=COMPAT),
    "a compatibility libcuda over an older driver": green(
        "575.57.08 over the kernel driver 535.104.05",
        libcuda=COMPAT,
        file="libcuda.so.575.57.08",
        env={"STATE_DRIVER": "535.104.05", "STATE_LIBCUDA": "12090"},
    ),
    "a compatibility libcuda over a driver that NVIDIA has none for": green(
        "NVIDIA does not support this",
        libcuda=COMPAT,
        file="libcuda.so.575.57.08",
        env={"STATE_DRIVER": "550.54.14", "STATE_LIBCUDA": "12090"},
    ),
    "a compatibility libcuda on a GeForce": image("gpu-refused", "not a data-centre one", cuinit=804, libcuda=COMPAT),
    "a stub libcuda in LD_LIBRARY_PATH": image("gpu-refused", f"{STUBS}/libcuda.so.1", cuinit=34, libcuda=STUBS),
    "no device files": runner("gpu-missing", "device files", cuinit=999),
    "device files that may not be used": runner("gpu-missing", "device files", cuinit=304),
    "MIG is on without instances": runner("gpu-missing", "no GPU is visible", cuinit=100),
    "a MIG slice": green(torch={"gpus": [MIG]}),
    "two MIG slices by index, of which CUDA sees one": green(docker={}, gpus="0:0,0:1", torch={"gpus": [MIG]}),
    "a MIG slice that is not there": runner("no-such-gpu", "no MIG device 0:1", gpus="0:1"),
    "a GPU that is not there": runner("no-such-gpu", "no GPU 5 on this machine", gpus="0,5", host_gpus=2, cuinit=100),
    "the fabric manager is not ready": runner("gpu-missing", "fabric manager", cuinit=802),
    "a GPU in exclusive mode": runner("gpu-missing", "exclusive mode", cuinit=46),
    "MPS does not answer": runner("gpu-missing", "Multi-Process Service", cuinit=805),
    "damaged memory from the start": runner("gpu-missing", "damaged", cuinit=214),
    "CUDA cannot be initialised": runner("gpu-missing", "libcuda", cuinit=3),
    "the image hides its GPUs": image(
        "gpu-refused", "CUDA_VISIBLE_DEVICES", docker={}, env={"CUDA_VISIBLE_DEVICES": ""}
    ),
    "the job hides the GPUs from this interpreter": runner(
        "gpu-missing", "CUDA_VISIBLE_DEVICES", env={"CUDA_VISIBLE_DEVICES": "-1"}
    ),
    "the look at the GPUs crashes": runner("gpu-missing", "SIGABRT", torch={"aborts": True}),
    "two GPUs are wanted and one is seen": runner(
        "gpu-missing", "2 GPUs asked for, 1 seen", gpus="0,1", env={"CUDA_VISIBLE_DEVICES": "0"}
    ),
    "one of eight GPUs is not handed in": runner(
        "gpu-missing", "8 GPUs asked for, 7 seen", host_gpus=8, torch={"gpus": [H100] * 7}
    ),
    "one of eight GPUs is lost": runner(
        "gpu-lost", "GPU 3 (GPU-3) does not answer: GPU is lost", host_gpus=8, lost=3, torch={"gpus": [H100] * 7}
    ),
    "one of eight GPUs is lost, and CUDA starts for none": runner(
        "gpu-lost", "GPU 3 (GPU-3) does not answer", host_gpus=8, lost=3, cuinit=999
    ),
    "one of eight GPUs is lost, and the rest is left to us": runner(
        "gpu-lost", "GPU 3", host_gpus=8, lost=3, torch={"gpus": [H100] * 7}, device="auto"
    ),
    "one of eight GPUs is lost, and another is wanted": green(host_gpus=8, lost=3, gpus="0"),
    "left to us, with device nodes and no NVML": runner(
        "gpu-missing", "/dev/nvidia0", device="auto", signs=("/dev/nvidia0", "/dev/nvidiactl"), libcuda=""
    ),
    "left to us, with an NVML that does not start": runner(
        "gpu-missing", "mismatch", device="auto", signs=("NVML: RM has an NVML/RM version mismatch.",), cuinit=803
    ),
    "left to us, with an engine that is told of GPUs": runner(
        "gpu-missing", "no usable libcuda", device="auto", docker={}, libcuda=""
    ),
    "left to us, with an engine whose GPUs fail": runner(
        "gpu-hook-failed",
        device="auto",
        docker=refused(
            125, HOOK + "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown."
        ),
    ),
    "left to us, with signs of a GPU that the engine was not told of": runner(
        "gpu-runtime-missing",
        "by /dev/nvidia0",
        device="auto",
        signs=("/dev/nvidia0",),
        docker={
            "info": NO_GPUS,
            **refused(
                125, 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].'
            ),
        },
    ),
    "left to us, on a machine without any": green(device="auto", libcuda=""),
    "all of eight GPUs": green(host_gpus=8, torch={"gpus": [H100] * 8}),
}

BUILD: dict[str, State] = {
    "a CPU build where a GPU is wanted": image("cpu-build", "is a CPU build", torch=CPU_BUILD),
    "a CPU build on a machine without a driver": image("cpu-build", torch=CPU_BUILD, libcuda=""),
    "a CPU build, and the CPU is chosen": green(device="cpu", torch=CPU_BUILD, libcuda=""),
    "a CPU build, left to us, on a machine with a GPU": image("cpu-build", device="auto", torch=CPU_BUILD, host_gpus=1),
    "a CUDA build, and the CPU is chosen": green(device="cpu", libcuda=""),
    "no code for this GPU": image(
        "no-kernel-image",
        "no code for NVIDIA GeForce RTX 5090",
        torch={"gpus": [RTX5090]},
        env={
            "STATE_CHECK": f"raise:CUDA error: no kernel image is available for execution on the device{ASYNC}",
            "STATE_LATER": "CUDA error: no kernel image is available for execution on the device",
        },
    ),
    "only PTX for this GPU": green("PTX is compiled", torch={"gpus": [RTX5090], "archs": "sm_90 compute_90"}),
    "PTX that the driver cannot compile": image(
        "ptx-toolchain",
        torch={"gpus": [RTX5090], "archs": "sm_90 compute_90"},
        env=check("raise:CUDA error: the provided PTX was compiled with an unsupported toolchain."),
    ),
}

CHECK: dict[str, State] = {
    "uncorrectable ECC in a check": runner(
        "ecc-uncorrectable", env=check(f"raise:CUDA error: uncorrectable ECC error encountered{ASYNC}")
    ),
    "the GPU falls off the bus": runner(
        "device-files",
        "CUDA error: unknown error",
        env={**check(f"raise:CUDA error: unknown error{ASYNC}"), "STATE_LATER": "CUDA error: unknown error"},
    ),
    "the GPU is taken by another in between": runner(
        "gpu-busy", env=check("raise:CUDA error: CUDA-capable device(s) is/are busy or unavailable")
    ),
    "the GPU is gone when a check looks for it": runner(
        "no-gpu", "not there (and no GPU answers: No CUDA GPUs are available)", env=check("vanish")
    ),
    "a link between GPUs fails": runner(
        "nvlink-error", env=check("raise:CUDA error: uncorrectable NVLink error detected during the execution")
    ),
    "the GPU is lost, and a product is wrong": runner(
        "gpu-lost", env={"STATE_CHECK": "raise:NVMLError_GpuIsLost: GPU is lost"}
    ),
    "the GPU's memory is full": image("out-of-memory", env=check("raise:CUDA out of memory. Tried to allocate 2 GiB.")),
    "an illegal access": image("cuda-error", env=check("raise:CUDA error: an illegal memory access was encountered")),
    "an exception": image("exception", "the cat", env=check("raise:the cat sat on it")),
    "a wrong result": image("wrong", "it is wrong", env=check("wrong")),
    "a check that ends its process": image("exit", "exit code 3", env=check("exit")),
    "a crash": image("crash", "SIGSEGV", env=check("crash")),
    "a hang": image("timeout", "did not end in 2 s", env=check("hang")),
    "a check without evidence": image("no-evidence", checks=("planted.first", "planted.second"), env=check("empty")),
    "a number that cannot be": image("impossible-metric", "beyond the physical limit", env=check("impossible")),
    "every check is skipped": image("all-skipped", "not here", checks=("planted",), env=check("skip")),
    "nothing touches the GPU": image("gpu-untouched", checks=("planted",), env=check("untouched")),
    "the container is killed: out of memory": image(
        "out-of-memory", docker={"state": {"OOMKilled": True}}, env=check("kill")
    ),
    "the container is killed, again and again": runner("killed", "SIGKILL", docker={}, env=check("kill")),
    "a tag that lies": image(
        "wrong",
        "the tag says CUDA 12.6",
        docker={},
        image="docker.io/pytorch/pytorch:2.9.0-cuda12.6-cudnn9-runtime",
    ),
}

TABLE = {
    f"{group}: {name}": state
    for group, states in (("engine", ENGINE), ("start", START), ("GPU", GPU), ("build", BUILD), ("check", CHECK))
    for name, state in states.items()
}


def test_the_table_is_as_large_as_was_promised() -> None:
    assert len(TABLE) >= 40


@pytest.mark.parametrize("name", TABLE)
def test_the_exit_code_the_party_and_the_only_reason(
    name: str, tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = TABLE[name]
    summary = examined(state, tmp_path, driver, monkeypatch)
    reasons = summary.verdict.reasons
    told = [(reason.kind, reason.message) for reason in reasons]

    assert summary.verdict.exit_code == state.code, told
    assert _party(state.code) == state.party
    if not state.kind:
        notes = [note for result in summary.report.images[0].results for note in result.notes]
        assert not reasons
        assert state.says in " ".join(notes)
        return
    assert [kind for kind, _ in told] == [state.kind], told
    assert state.says in reasons[0].message
    assert ("--device cpu" in reasons[0].remedy) == (state.device == "auto" and state.code == 3)
    assert reasons[0].remedy or state.kind in NO_REMEDY


NO_REMEDY = ("wrong", "impossible-metric", "all-skipped", "gpu-untouched", "out-of-memory")
"""Reasons whose message is all that there is to say."""


def _party(code: int) -> str:
    return {0: NOBODY, 3: RUNNER}.get(code, IMAGE)
