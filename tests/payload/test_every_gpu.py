"""Values and gradients on every GPU of a run. The GPUs are the CPU here, under eight names.

`Machine` stands between a check and torch's functions, as torch's documentation has it (torch.overrides,
TorchFunctionMode): it notes the device that a call names, and lets the call run on the CPU.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ci_gpu.payload import perform
from ci_gpu.payload.cuda_errors import CAUSES, RUNNER
from ci_gpu.payload.wire import MAX_EVIDENCE, CheckResult
from tests.needs import module

torch = module("torch")
from torch.overrides import TorchFunctionMode  # noqa: E402 - it needs torch

VALUES = ("matmul.float64", "matmul.float32", "matmul.float16", "matmul.bfloat16", "matmul.identity")
GRADIENTS = ("polynomial", "gradcheck", "double_backward", "accumulation", "matches_float64")
CHECKS = (*VALUES, *(f"autograd.{name}" for name in GRADIENTS), "compatibility.kernel")


class Machine(TorchFunctionMode):
    """GPUs of which one may compute wrong."""

    def __init__(self, models: list[str]) -> None:
        super().__init__()
        self.models, self.at, self.used = models, -1, set[int]()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {name: self._on_cpu(value) for name, value in (kwargs or {}).items()}
        return function(*(self._on_cpu(value) for value in args), **named)

    def _on_cpu(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith(("cuda", "cpu")):
            return value
        self.at = int(value.partition(":")[2] or 0) if value.startswith("cuda") else -1
        self.used |= {self.at}
        return "cpu"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Makes a machine of these GPUs, of which those of ``wrong`` compute ``faulty`` wrong."""

    @contextlib.contextmanager
    def machine(models: list[str], *wrong: int, faulty: str = "__matmul__"):
        made = Machine(models)
        with monkeypatch.context() as patch:
            patch.setattr(torch.cuda, "device_count", lambda: len(models))
            patch.setattr(torch.cuda, "device", contextlib.nullcontext)
            patch.setattr(torch.cuda, "get_device_name", lambda index: models[index])
            patch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"uuid-{index}"))
            patch.setattr(torch.cuda, "synchronize", lambda *_: None)
            patch.setattr(torch.Tensor, faulty, off(getattr(torch.Tensor, faulty), made, wrong))
            with made:
                yield made

    return machine


def off(exact: Any, machine: Machine, wrong: tuple[int, ...]) -> Any:
    """The function, whose result is too large on these GPUs."""

    def function(*args: Any, **kwargs: Any) -> Any:
        found = exact(*args, **kwargs)
        return found + 1 if machine.at in wrong else found

    return function


def made(check: str) -> CheckResult:
    return perform.check(check, f"ci_gpu.payload.checks.{check.partition('.')[0]}", "cuda")


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_of_values_is_made_on_every_gpu_and_says_on_which(machine, check: str) -> None:
    with machine(["H100"] * 2) as gpus:
        found = made(check)

    assert found.outcome == "passed", (found.message, found.log)
    assert {0, 1} <= gpus.used
    assert {fact.name.partition(":")[0] for fact in found.facts} == {"GPU 0", "GPU 1"}


@pytest.mark.parametrize("check", [*VALUES, "compatibility.kernel"])
def test_only_one_gpu_s_product_is_wrong_and_it_is_named(machine, check: str) -> None:
    with machine(["H100"] * 4, 3, faulty="sum" if check == "compatibility.kernel" else "__matmul__"):
        found = made(check)

    assert found.outcome == "failed"
    assert found.message.startswith("GPU 3 (GPU-uuid-3) of 4: ")
    assert CAUSES[found.cause].party == RUNNER
    assert {fact.name.partition(":")[0] for fact in found.facts} >= {"GPU 0", "GPU 1", "GPU 2"}


def test_a_product_that_is_wrong_on_all_gpus_of_a_model_is_the_image_s(machine) -> None:
    with machine(["H100", "H100", "L4"], 0, 1):
        found = made("matmul.float64")

    assert found.message.startswith("GPUs 0 (GPU-uuid-0), 1 (GPU-uuid-1) of 3: ")
    assert found.cause == ""


def test_with_one_gpu_the_names_are_those_of_ever(machine) -> None:
    with machine(["H100"]):
        found = made("autograd.polynomial")

    assert [fact.name for fact in found.facts][:3] == ["z", "dz/dx", "dz/dy"]


def test_on_many_gpus_there_is_an_end_to_the_facts_and_none_to_the_checking(machine) -> None:
    with machine(["H100"] * 40) as gpus:
        found = made("autograd.polynomial")

    assert found.outcome == "passed", found.message
    assert len(found.facts) <= MAX_EVIDENCE
    assert gpus.used >= set(range(40))


def test_an_error_of_cuda_names_its_gpu(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with machine(["H100"] * 2) as gpus:
        exact = torch.Tensor.__matmul__

        def matmul(left: Any, right: Any) -> Any:
            if gpus.at == 1:
                raise RuntimeError("CUDA error: uncorrectable ECC error encountered")
            return exact(left, right)

        monkeypatch.setattr(torch.Tensor, "__matmul__", matmul)
        found = made("matmul.float64")

    assert (found.outcome, found.cause) == ("error", "ecc-uncorrectable")
    assert "GPU 1 (GPU-uuid-1): CUDA error: uncorrectable ECC error" in found.message


@pytest.mark.parametrize("gpus", [1, 2])
@pytest.mark.parametrize("name", VALUES)
def test_a_product_that_has_no_kernel_on_a_gpu_is_wrong(
    machine, name: str, gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every build with CUDA has them (aten/src/ATen/native/cuda/Blas.cpp): one without is damaged, and no skip."""

    def matmul(left: Any, right: Any) -> Any:
        raise RuntimeError("\"addmm_cuda\" not implemented for 'Half'")

    with machine(["H100"] * gpus):
        monkeypatch.setattr(torch.Tensor, "__matmul__", matmul)
        found = made(name)

    assert (found.outcome, found.kind) == ("failed", "wrong")
    assert "has no kernel" in found.message
    assert "not implemented for 'Half'" in found.message


@pytest.mark.parametrize(("name", "outcome"), [("float16", "skipped"), ("float32", "failed"), ("float64", "failed")])
def test_on_the_cpu_old_versions_have_no_product_of_half_types_alone(
    name: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def matmul(left: Any, right: Any) -> Any:
        raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'")

    monkeypatch.setattr(torch.Tensor, "__matmul__", matmul)

    assert perform.check(f"matmul.{name}", "ci_gpu.payload.checks.matmul", "cpu").outcome == outcome


MEASURES = """
from ci_gpu.payload import Fact, Metric, on_every_gpu

@on_every_gpu
def check_speed(device):
    for number in range(30):
        yield Fact(f"step {number}", device)
    yield Metric("rate", "1/s", "higher", (1.0 + int(device.partition(":")[2] or 0),))
"""


@pytest.fixture
def measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "measures.py").write_text(MEASURES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "measures", raising=False)
    return "measures"


def test_what_is_measured_on_each_gpu_is_a_metric_of_its_own_and_none_is_left_out(machine, measures: str) -> None:
    """By one name they would be one metric to a comparison, which would see the last GPU alone."""
    with machine(["H100"] * 8):
        found = perform.check("measures.speed", measures, "cuda")

    assert (found.outcome, len(found.facts)) == ("passed", 8 * (MAX_EVIDENCE // 8 - 1)), found.message
    assert {metric.name: metric.samples for metric in found.metrics} == {
        f"rate_gpu{index}": (1.0 + index,) for index in range(8)
    }


def test_with_one_gpu_a_metric_has_its_own_name(machine, measures: str) -> None:
    with machine(["H100"]):
        found = perform.check("measures.speed", measures, "cuda")

    assert [metric.name for metric in found.metrics] == ["rate"]


@pytest.mark.parametrize(
    ("models", "wrong", "cause"),
    [
        (["H100"] * 2, (1,), "gpu-computes-wrong"),
        (["H100"] * 4, (0, 2), "gpu-computes-wrong"),
        (["H100"] * 8, tuple(range(1, 8)), ""),  # right on the first alone: as code that knows no other device
        (["H100"] * 3, (1, 2), ""),
        (["H100", "H100", "L4", "L4", "L4"], (1, 3, 4), ""),
    ],
)
def test_more_gpus_that_are_wrong_than_right_are_not_all_broken(
    machine, models: list[str], wrong: tuple[int, ...], cause: str
) -> None:
    with machine(models, *wrong):
        found = made("matmul.float64")

    assert (found.outcome, found.cause) == ("failed", cause)
