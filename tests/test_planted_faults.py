"""Every check has been seen red: a fault is planted, and outcome, words and exit code are the right ones.

The allocator's faults are planted in a model of it (`tests.payload.test_cache`). What the guest makes of a
crash, a hang and their kind is in `test_guest`, what the gate makes of missing things in `test_verdict`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ci_gpu.model import Host, ImageReport, PulledImage, RunReport
from ci_gpu.payload import perform, probe
from ci_gpu.payload.wire import CheckResult, Environment, Gpu
from ci_gpu.verdict import judge
from tests.needs import module, program

torch = module("torch")
from tests import planted  # noqa: E402 - it needs torch

H100 = Gpu(0, "NVIDIA H100 80GB HBM3", "GPU-1", "9.0", 80 << 30, 132, 1980)
RTX5090 = Gpu(0, "NVIDIA GeForce RTX 5090", "GPU-2", "12.0")
TAG = "docker.io/pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime"
ERROR_803 = "Error 803: system has unsupported display driver / cuda driver combination"


def perform_check(check: str, device: str = "cpu") -> CheckResult:
    return perform.check(check, f"ci_gpu.payload.checks.{check.partition('.')[0]}", device)


def exit_code(result: CheckResult) -> int:
    """What the gate says of an image with this result and one good one."""
    good = CheckResult("good.one", "passed", used_gpu=True)
    image = ImageReport(
        name="image",
        planned=(result.check, good.check),
        image=PulledImage(reference=TAG),
        environment=Environment("3.11", "x86_64", "2.9.0+cu128", torch_cuda="12.8", gpus=(H100,)),
        results=(result, good),
    )
    return judge(
        RunReport(version="1", created="", device="cuda", gpus="all", engine="docker", host=Host(), images=(image,))
    ).exit_code


TF32 = planted.product(planted.like_tf32)
IN_TORCH: dict[str, tuple[str, planted.Plant, str]] = {
    "a gradient off by 1 %": ("autograd.polynomial", planted.gradients_scaled, "dz/dx = 10.1, not 10"),
    "a backward off by 1 %": (
        "autograd.gradcheck",
        planted.softmax_backward,
        "gradient of softmax is wrong",
    ),
    "a second derivative": (
        "autograd.double_backward",
        planted.second_derivative,
        "a second derivative is wrong",
    ),
    "gradients that do not accumulate": ("autograd.accumulation", planted.accumulation, "from twice the first"),
    "no_grad that does nothing": ("autograd.no_grad", planted.no_grad_ignored, "a graph is kept under no_grad"),
    "a graph that is lost": ("autograd.no_grad", planted.graph_lost, "no graph is kept outside of no_grad"),
    "gradients through TF32": (
        "autograd.matches_float64",
        planted.product(planted.like_tf32),
        "float32 gradients are off",
    ),
    "one wrong element": ("matmul.float32", planted.product(planted.one_element), "1 of 1048575 elements"),
    "a NaN": ("matmul.float64", planted.product(planted.nan_element), "NaN or infinite"),
    "silent TF32": ("matmul.float32", TF32, "only the precision of TF32"),
    "float16 summed in float16": ("matmul.float16", planted.product(planted.summed_in_half), "float16 product"),
    "bfloat16 off by 2 %": ("matmul.bfloat16", planted.product(planted.scaled), "of a bfloat16 product"),
    "a tile that is wrong at large sizes": (
        "matmul.throughput",
        planted.large(planted.a_tile),
        "64 of 1024 rows of a float32 product of 1024 × 1024 are wrong",
    ),
    "an element that is wrong at large sizes": (
        "matmul.throughput",
        planted.large(planted.an_element),
        "1 of 1024 rows of a float32 product of 1024 × 1024 are wrong, the worst is row 700",
    ),
    "a NaN at large sizes": ("matmul.throughput", planted.large(planted.a_nan), "1 of 1048576 elements of a float32"),
    "TF32 at large sizes": (
        "matmul.throughput",
        planted.large(planted.large_tf32),
        "a float32 product of 1024 × 1024 is off by 0.0002",
    ),
    "a factor misread": (
        "matmul.float64",
        planted.product(planted.transposed_wrong),
        "are wrong, the worst at",
    ),
    "a NaN in an identity": ("matmul.identity", planted.product(planted.nan_element), "changes 1 of 65025 elements"),
    "a changed identity": (
        "matmul.identity",
        planted.product(planted.like_tf32),
        "with the identity changes",
    ),
}


@pytest.mark.parametrize(("check", "plant", "says"), IN_TORCH.values(), ids=IN_TORCH)
def test_a_fault_in_torch_is_red_and_without_it_the_check_is_green(
    check: str, plant: planted.Plant, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        result = perform_check(check)

    assert result.outcome == "failed", (result.message, result.log)
    assert says in result.message
    assert exit_code(result) == 1
    assert perform_check(check).outcome == "passed"


OVERRIDE = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({OVERRIDE: "1"}, f"{OVERRIDE}=1"),
        ({OVERRIDE: "1", "CI_GPU_TF32": "declared"}, f"{OVERRIDE}=1"),
        ({"CI_GPU_TF32": "allow"}, 'tf32 = "allow"'),
    ],
)
def test_tf32_that_is_declared_or_allowed_is_green_with_a_note_and_a_fact(
    env: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    TF32(monkeypatch)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    result = perform_check("matmul.float32")

    assert result.outcome == "passed", result.message
    assert result.notes == (f"float32 products are in TF32, which keeps 10 bits of 23; {why} permits it",)
    assert [(fact.value, why in fact.expected) for fact in result.facts if "precision" in fact.name] == [("TF32", True)]


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "relative error"),
        ({OVERRIDE: "0"}, "relative error"),
        ({OVERRIDE: "1", "CI_GPU_TF32": "forbid"}, f"{OVERRIDE}=1 is set in the image"),
    ],
    ids=["silent", "turned off", "forbidden"],
)
def test_tf32_that_is_silent_or_forbidden_is_red_and_the_remedy_names_variable_and_policy(
    env: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    TF32(monkeypatch)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    result = perform_check("matmul.float32")

    assert (result.outcome, exit_code(result)) == ("failed", 1)
    assert says in result.message
    assert ("is set in the image" in result.message) == (env.get(OVERRIDE) == "1")
    assert OVERRIDE in result.hint
    assert "--tf32 allow" in result.hint


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (planted.in_bfloat16, "less than the precision of TF32"),
        (planted.one_element_of_tf32, "1 of 1048575 elements of a TF32 product"),
    ],
)
def test_where_tf32_is_allowed_what_is_worse_is_red(
    wrong: planted.Product, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.product(wrong)(monkeypatch)
    monkeypatch.setenv("CI_GPU_TF32", "allow")
    result = perform_check("matmul.float32")

    assert result.outcome == "failed"
    assert says in result.message


def test_a_large_product_in_tf32_that_is_allowed_is_another_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.large(planted.large_tf32)(monkeypatch)
    monkeypatch.setenv("CI_GPU_TF32", "allow")
    result = perform_check("matmul.throughput")

    assert (result.outcome, [metric.name for metric in result.metrics]) == ("passed", ["throughput_tf32_1024"])


@pytest.fixture
def default_tf32(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Products in TF32 unless float32_matmul_precision is "highest", as torch has it on a GPU (Context.h)."""

    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        exact = torch.get_float32_matmul_precision() == "highest"
        return planted.EXACT(a, b) if exact else planted.like_tf32(a, b)

    torch.set_float32_matmul_precision("high")
    planted.product(product)(monkeypatch)
    yield
    torch.set_float32_matmul_precision("highest")


def test_tf32_that_cannot_be_turned_off_is_told_once_and_is_in_no_other_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with NGC's variable in torch 1.13: allow_tf32 stays True whatever is set."""
    monkeypatch.setattr(torch.backends.cuda, "matmul", SimpleNamespace(allow_tf32=True))
    monkeypatch.setenv(OVERRIDE, "1")
    planted.product(planted.like_tf32)(monkeypatch)
    checks = ("matmul.identity", "autograd.matches_float64", "matmul.float32")
    found = [perform_check(check) for check in checks]

    assert [(result.outcome, len(result.notes)) for result in found] == [("passed", 0), ("passed", 0), ("passed", 1)]
    planted.product(planted.in_bfloat16)(monkeypatch)
    assert {perform_check(check).outcome for check in checks} == {"failed"}


@pytest.mark.usefixtures("default_tf32")
def test_tf32_by_default_is_told_once_and_is_in_no_other_check() -> None:
    """As with NGC's variable: a default that torch's switch turns off again."""
    found = {check: perform_check(check) for check in ("matmul.identity", "autograd.matches_float64", "matmul.float32")}

    assert {check: result.outcome for check, result in found.items()} == {
        "matmul.identity": "passed",
        "autograd.matches_float64": "passed",
        "matmul.float32": "failed",
    }
    assert torch.get_float32_matmul_precision() == "high"


def environment(**changes: Any) -> Environment:
    """What an image with torch 2.9.0 for CUDA 12.8 sees on an H100 with a driver of its age."""
    facts: dict[str, Any] = {
        "torch_cuda": "12.8",
        "cuda_runtime": "12.8",
        "cudnn": "9.10.2",
        "arch_list": ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
        "driver": "570.124.06",
        "driver_cuda": "12.8",
        "nvml_cuda": "12.8",
        "gpus": (H100,),
    }
    return Environment("3.11.7", "x86_64", "2.9.0+cu128", **{**facts, **changes})


IN_THE_IMAGE: dict[str, tuple[str, dict[str, Any], dict[str, str], str]] = {
    "CPU torch under a CUDA tag": ("compatibility.cuda_build", {"torch_cuda": ""}, {}, "is a CPU build under the tag"),
    "another CUDA than the tag's": (
        "compatibility.cuda_build",
        {"torch_cuda": "12.6"},
        {},
        "the tag says CUDA 12.8, torch was built for 12.6",
    ),
    "another torch than the tag's": (
        "compatibility.cuda_build",
        {},
        {"CI_GPU_IMAGE": TAG.replace("2.9.0", "2.8.0")},
        "the tag says torch 2.8.0, 2.9.0+cu128 is inside",
    ),
    "another cuDNN than the tag's": (
        "compatibility.cuda_build",
        {"cudnn": "8.9.2"},
        {},
        "the tag says cuDNN 9, 8.9.2 is inside",
    ),
    "no code for the GPU": (
        "compatibility.architectures",
        {"gpus": (RTX5090,), "arch_list": ("sm_80", "sm_90")},
        {},
        "no code for NVIDIA GeForce RTX 5090 (12.0)",
    ),
    "a hole in the architectures": (
        "compatibility.architectures",
        {"gpus": (Gpu(0, "Thor", "", "11.0"),)},
        {},
        "no code for Thor (11.0)",
    ),
    "a driver that is too old": (
        "compatibility.driver",
        {"driver": "470.57.02"},
        {},
        "driver 470.57.02 is too old for CUDA 12.8: it needs 525.60.13",
    ),
    "no GPU": ("compatibility.gpus", {"gpus": (), "gpu_error": ERROR_803}, {}, "do not belong together"),
    "fewer GPUs than asked for": ("compatibility.gpus", {}, {"CI_GPU_GPUS": "2"}, "1 of 2 GPUs answer"),
    "a GPU that is lost": (
        "compatibility.gpus",
        {"lost": (Gpu(1, "", error="GPU is lost"),)},
        {"CI_GPU_GPUS": "2"},
        "1 of 2 GPUs answer (the GPU has fallen off the bus, or must be reset)",
    ),
}


def look(check: str, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], env: dict[str, str]) -> CheckResult:
    monkeypatch.setattr(probe, "environment", lambda: environment(**facts))
    for name, value in {"CI_GPU_IMAGE": TAG, **env}.items():
        monkeypatch.setenv(name, value)
    return perform_check(check, "cuda")


@pytest.mark.parametrize(("check", "facts", "env", "says"), IN_THE_IMAGE.values(), ids=IN_THE_IMAGE)
def test_a_fault_in_what_the_image_is_or_sees_is_red(
    check: str, facts: dict[str, Any], env: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = look(check, monkeypatch, facts, env)

    assert result.outcome == "failed", result.message
    assert says in result.message
    assert exit_code(result) == (3 if check == "compatibility.gpus" else 1)


@pytest.mark.parametrize("check", ["cuda_build", "architectures", "driver", "gpus"])
def test_without_a_fault_the_same_checks_are_green(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = look(f"compatibility.{check}", monkeypatch, {}, {})

    assert (result.outcome, result.notes) == ("passed", ())


@pytest.mark.parametrize(
    ("check", "facts", "note"),
    [
        ("driver", {"driver": "535.104.05"}, "minor-version compatibility; PTX"),
        (
            "driver",
            {"driver": "535.104.05", "libcuda": "/c/libcuda.so.570.26"},
            "570.26 over the kernel driver 535.104.05",
        ),
        ("architectures", {"gpus": (RTX5090,), "arch_list": ("sm_90", "compute_90")}, "PTX is compiled"),
    ],
)
def test_what_works_with_a_catch_is_green_with_a_note(
    check: str, facts: dict[str, Any], note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = look(f"compatibility.{check}", monkeypatch, facts, {})

    assert result.outcome == "passed"
    assert note in result.notes[0]


@pytest.mark.parametrize("driver", ["640.10", "580.65.06"])
def test_of_a_cuda_that_is_newer_than_the_table_no_more_is_said_than_is_known(
    driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"driver": driver, "torch_cuda": "13.5", "cuda_runtime": "13.5"}
    result = look("compatibility.driver", monkeypatch, facts, {})
    (note,) = result.notes

    assert result.outcome == "passed"
    assert note.startswith(f"CUDA 13.5 is not in the table here: driver {driver} runs it at least by minor-version")
    assert "older than" not in note


def test_a_driver_of_which_nothing_is_known_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    result = look("compatibility.driver", monkeypatch, {"driver": "", "nvml_cuda": ""}, {})

    assert (result.outcome, result.kind) == ("skipped", "not-applicable")
    assert "the kernel decides" in result.message


STUB = """
#include <string.h>
int cuDriverGetVersion(int *version) { *version = 12080; return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { strncpy(text, "470.57.02", size); return 0; }
/* "by calling cuDriverGetVersion()" of the libcuda that is found: NVML's reference */
int nvmlSystemGetCudaDriverVersion_v2(int *version) { return cuDriverGetVersion(version); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 0; return 0; }
"""

SEES = """
import json, sys, torch
torch.version.cuda = "12.8"
from ci_gpu.payload import probe, perform
found = probe.environment()
print(json.dumps([found.driver, found.nvml_cuda, found.driver_cuda]))
print(perform.check("compatibility.driver", "ci_gpu.payload.checks.compatibility", "cuda").notes)
"""


def test_the_driver_s_own_libraries_are_really_asked(tmp_path: Path) -> None:
    """Two libraries under the driver's names, of an old driver with a newer compatibility libcuda over it."""
    (tmp_path / "stub.c").write_text(STUB)
    for name in ("libnvidia-ml.so.1", "libcuda.so.570.26"):
        argv = [program("cc"), "-shared", "-fPIC", "-o", str(tmp_path / name), str(tmp_path / "stub.c")]
        subprocess.run(argv, check=True, capture_output=True)
    (tmp_path / "libcuda.so.1").symlink_to("libcuda.so.570.26")
    env = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SEES], env=env, capture_output=True, text=True, check=True)
    facts, notes = done.stdout.splitlines()

    assert facts == '["470.57.02", "12.8", "12.8"]'
    assert "570.26 over the kernel driver 470.57.02" in notes
