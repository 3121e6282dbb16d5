"""One cause is one reason, and the right one is blamed: the true payload and pipeline, with errors planted in checks.

The texts are what torch 2.14.1+cu130 says where its libcuda answers with that code, and what `cudaGetErrorString` says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu import config, pipeline
from ci_gpu.model import Reason, Summary
from ci_gpu.payload.wire import CheckResult
from ci_gpu.verdict import judge
from tests.needs import module
from tests.test_guest import Recorder

module("torch")


class Watch(Recorder):
    """Told of everything, and silent."""

    def image(self, target: config.Target) -> None:
        pass

    def pulling(self, line: str) -> None:
        pass

    def examining(self, target: config.Target) -> None:
        pass

    def block(self, pair: int, pairs: int, arm: str) -> None:
        pass


def examined(folder: Path, source: str = "", *, device: str, checks: tuple[str, ...] = ()) -> Summary:
    """This interpreter, examined as a user does it, with a file ``planted`` of his own where ``source`` is given."""
    given: dict[str, Any] = {"engine": "local", "device": device, "checks": checks}
    if source:
        (folder / "planted.py").write_text(source)
        given["checks_dir"] = str(folder)
    return pipeline.run(config.targets((), given, None), Watch(), {})


@pytest.fixture(scope="module")
def cpu_build(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """All of our checks on the GPU, of a torch that was built without CUDA."""
    import torch

    if torch.version.cuda:
        pytest.skip("this torch is a CUDA build")
    source = "from ci_gpu.payload import Fact\ndef check_module(device):\n    yield Fact('x', 1)\n"
    return examined(tmp_path_factory.mktemp("cpu"), source, device="cuda")


def results(summary: Summary) -> dict[str, CheckResult]:
    return {result.check: result for result in summary.report.images[0].results}


class TestTorchWithoutCuda:
    def test_is_one_reason_and_the_image_s_fault(self, cpu_build: Summary) -> None:
        (reason,) = cpu_build.verdict.reasons

        assert (reason.exit_code, reason.kind, reason.subject) == (1, "cpu-build", "compatibility.cuda_build")
        assert "is a CPU build" in reason.message
        assert "pin torch" in reason.remedy
        assert len(reason.dependents) == len(results(cpu_build)) - 1

    def test_shows_no_error_of_another_kind(self, cpu_build: Summary) -> None:
        said = " ".join(result.message for result in results(cpu_build).values())

        assert not [word for word in ("IndexError", "AttributeError", "AssertionError") if word in said]

    def test_makes_no_check_that_needs_a_gpu_and_says_so_with_the_cause(self, cpu_build: Summary) -> None:
        found = results(cpu_build)["matmul.float32"]

        assert (found.outcome, found.kind, found.cause) == ("error", "not-made", "cpu-build")
        assert found.message == "not made, because torch was built without CUDA"
        assert results(cpu_build)["planted.module"].kind == "not-made"

    def test_lets_nothing_pass(self, cpu_build: Summary) -> None:
        assert not [result.check for result in results(cpu_build).values() if result.outcome == "passed"]


@given(st.data())
def test_any_part_of_such_a_plan_is_one_reason_of_the_image_and_nothing_passes(cpu_build: Summary, data: Any) -> None:
    checks = data.draw(st.lists(st.sampled_from(sorted(results(cpu_build))), min_size=1, unique=True))
    kept = tuple(result for name, result in results(cpu_build).items() if name in checks)
    image = msgspec.structs.replace(cpu_build.report.images[0], results=kept, planned=tuple(checks))
    found = judge(msgspec.structs.replace(cpu_build.report, images=(image,)))
    (reason,) = found.reasons

    assert (found.exit_code, reason.cause) == (1, "cpu-build")
    assert {reason.subject, *reason.dependents} - {""} == set(checks)
    assert not [result.check for result in kept if result.outcome == "passed"]


def test_where_no_check_bears_the_cause_the_cause_speaks_itself(tmp_path: Path) -> None:
    summary = examined(tmp_path, device="cuda", checks=("matmul.float32", "autograd.polynomial"))
    (reason,) = summary.verdict.reasons

    assert (reason.exit_code, reason.kind, reason.subject) == (1, "cpu-build", "")
    assert reason.message == "torch was built without CUDA"
    assert reason.dependents == ("autograd.polynomial", "matmul.float32")


def test_a_check_that_needs_no_gpu_is_made_without_one(tmp_path: Path) -> None:
    source = """
from ci_gpu.payload import Fact, without_gpu
@without_gpu
def check_file(device):
    yield Fact("there", True)
def check_other(device):
    yield Fact("there", True)
"""
    found = results(examined(tmp_path, source, device="cuda", checks=("planted",)))

    assert (found["planted.file"].outcome, found["planted.other"].kind) == ("passed", "not-made")


ASYNC = (
    "\\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
    "incorrect.\\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1"
)
"""What torch says after it, for every error of a call."""

SAID: dict[str, tuple[str, int, str]] = {
    "uncorrectable ECC": ("CUDA error: uncorrectable ECC error encountered", 3, "ecc-uncorrectable"),
    "busy": ("CUDA error: CUDA-capable device(s) is/are busy or unavailable", 3, "gpu-busy"),
    "exclusive": ("CUDA error: exclusive-thread device already in use by a different thread", 3, "gpu-busy"),
    "fallen off the bus": ("CUDA error: unknown error", 3, "device-files"),
    "lost, as NVML says": ("NVMLError_GpuIsLost: GPU is lost", 3, "gpu-lost"),
    "fabric manager": ("Error 802: system not yet initialized", 3, "fabric-manager"),
    "NVML of another version": ("Failed to initialize NVML: Driver/library version mismatch", 3, "driver-mismatch"),
    "NVLink": ("CUDA error: uncorrectable NVLink error detected during the execution", 3, "nvlink-error"),
    "contained": ("CUDA error: Invalid access of peer GPU memory over nvlink or a hardware error", 3, "nvlink-error"),
    "MPS": ("CUDA error: MPS client failed to connect to the MPS control daemon or the MPS server", 3, "mps"),
    "no GPU any more": ("No CUDA GPUs are available", 3, "no-gpu"),
    "PTX compiler": ("CUDA error: PTX JIT compiler library not found", 3, "ptx-compiler-missing"),
    "no kernels": ("CUDA error: no kernel image is available for execution on the device", 1, "no-kernel-image"),
    "PTX too new": (
        "CUDA error: the provided PTX was compiled with an unsupported toolchain.",
        1,
        "ptx-toolchain",
    ),
    "stub": ("Error 34: CUDA driver is a stub library", 1, "stub-libcuda"),
    "illegal access": ("CUDA error: an illegal memory access was encountered", 1, "cuda-error"),
    "assertion": ("CUDA error: device-side assert triggered", 1, "cuda-error"),
    "launch failure": ("CUDA error: unspecified launch failure", 1, "cuda-error"),
    "out of memory": ("CUDA out of memory. Tried to allocate 2.00 GiB.", 1, "out-of-memory"),
    "no error of CUDA's": ("the cat sat on the GPU", 1, "exception"),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CheckResult]:
    """What became of checks that raised these in a run on the GPU; of the last, which is not CUDA's, on the CPU."""
    lines = ["from ci_gpu.payload import Fact, without_gpu", "def check_good(device):", "    yield Fact('x', 1)"]
    for number, (text, _, _) in enumerate(SAID.values()):
        lines += ["@without_gpu", f"def check_case_{number}(device):", f'    raise RuntimeError("{text}{ASYNC}")']
    source, last = "\n".join(lines), f"planted.case_{len(SAID) - 1}"
    of_cuda = examined(tmp_path_factory.mktemp("said"), source, device="cuda", checks=("planted",))
    of_the_cpu = examined(tmp_path_factory.mktemp("cpu"), source, device="cpu", checks=(last,))
    return {**results(of_cuda), last: results(of_the_cpu)[last]}


def judged(*found: CheckResult) -> tuple[int, tuple[Reason, ...]]:
    from tests import samples

    summary = samples.summary(images=(samples.image_report(results=(samples.check_result(), *found)),))
    return summary.verdict.exit_code, summary.verdict.reasons


@pytest.mark.parametrize("name", SAID)
def test_who_is_blamed_for_an_error_in_a_check(name: str, planted: dict[str, CheckResult]) -> None:
    found = planted[f"planted.case_{list(SAID).index(name)}"]
    text, code, kind = SAID[name]
    exit_code, (reason,) = judged(found)

    assert found.message.partition(": ")[2].startswith(f"RuntimeError: {text}")  # behind file and line
    assert (exit_code, reason.kind) == (code, kind)
    assert reason.remedy


def test_an_error_is_told_in_one_line_with_its_meaning(planted: dict[str, CheckResult]) -> None:
    found = planted["planted.case_0"]

    assert found.message == (
        "planted.py:6: RuntimeError: CUDA error: uncorrectable ECC error encountered "
        "(the memory of this GPU is damaged)"
    )
    assert "asynchronously" in found.log
    assert found.hint.startswith("take the runner out of service")


def test_an_error_that_no_table_knows_is_told_in_full(planted: dict[str, CheckResult]) -> None:
    found = planted[f"planted.case_{len(SAID) - 1}"]

    assert found.message.partition(": ")[2].startswith("RuntimeError: the cat sat on the GPU\nCUDA kernel errors")
    assert found.hint == "the log has the traceback"


def test_two_checks_with_one_cause_are_one_reason(planted: dict[str, CheckResult]) -> None:
    _, (reason,) = judged(planted["planted.case_1"], planted["planted.case_2"])

    assert (reason.kind, reason.subject, reason.dependents) == ("gpu-busy", "planted.case_1", ("planted.case_2",))


def test_two_checks_with_an_error_of_unknown_cause_are_two_reasons(planted: dict[str, CheckResult]) -> None:
    number = list(SAID).index("illegal access")
    again = CheckResult("planted.again", "error", kind="cuda-error", cause=planted[f"planted.case_{number}"].cause)
    _, reasons = judged(planted[f"planted.case_{number}"], again)

    assert [reason.subject for reason in reasons] == [f"planted.case_{number}", "planted.again"]
