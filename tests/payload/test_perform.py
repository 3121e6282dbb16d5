"""ci_gpu.payload.perform: a check's own error is told, whatever else is wrong."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.payload import cuda_errors, perform
from ci_gpu.payload.wire import CheckResult, Fail, Metric, NotMade
from tests.needs import module

module("torch")


def raised(error: BaseException, device: str = "cpu") -> CheckResult:
    """What becomes of a check of the user's that raises this."""

    def check_it(device: str) -> None:
        raise error

    planted = types.ModuleType("planted_by_a_test")
    planted.check_it = check_it  # type: ignore[attr-defined]
    sys.modules["planted_by_a_test"] = planted
    try:
        return perform.check("planted.it", "planted_by_a_test", device)
    finally:
        del sys.modules["planted_by_a_test"]


@pytest.mark.parametrize("kind", [Fail, NotMade])
@given(cause=st.one_of(st.sampled_from(sorted(cuda_errors.CAUSES)), st.text(max_size=20)))
def test_a_cause_that_is_no_id_of_ours_does_not_leave_the_image(kind: type[Fail], cause: str) -> None:
    found = raised(kind("x", cause=cause))

    assert found.message == "x"
    assert found.cause == (cause if cause in cuda_errors.CAUSES else "")


@pytest.mark.parametrize("text", ["CUDA error: uncorrectable ECC error encountered", "CUDA out of memory."])
def test_on_the_cpu_no_error_is_cuda_s(text: str) -> None:
    found = raised(RuntimeError(text))

    assert (found.outcome, found.kind, found.cause) == ("error", "exception", "")
    assert found.message == f"RuntimeError: {text}"


NO_GPU = "No CUDA GPUs are available"


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch says where the GPU went away: as `probe.gpu_error` finds it (torch/cuda/__init__.py, `_lazy_init`)."""
    monkeypatch.setattr(perform.probe, "gpu_error", lambda torch: NO_GPU)


@pytest.mark.usefixtures("gone")
def test_an_error_of_a_check_is_told_beside_why_no_gpu_answers() -> None:
    found = raised(RuntimeError("the stream broke off"), "cuda")

    assert found.message.startswith(f"RuntimeError: the stream broke off (and no GPU answers: {NO_GPU})")
    assert found.cause == "no-gpu"


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("error", [AssertionError("3 is not 4"), KeyError("rows"), FileNotFoundError("model.bin")])
def test_an_error_that_no_gpu_can_cause_stays_the_check_s_own(error: Exception) -> None:
    found = raised(error, "cuda")

    assert str(error) in found.message
    assert f"(and no GPU answers: {NO_GPU})" in found.message
    assert (found.kind, found.cause) == ("exception", "")


@pytest.mark.usefixtures("gone")
def test_an_error_from_within_torch_or_our_own_code_may_be_of_the_gpu_and_torch_s_assert_close_is_not() -> None:
    import torch

    def of(function: Callable[[], Any]) -> str:
        try:
            function()
        except Exception as error:
            return raised(error, "cuda").cause
        raise AssertionError("it raised nothing")

    assert of(lambda: torch.nn.functional.interpolate(torch.ones(1, 1, 1))) == "no-gpu"
    assert of(lambda: torch.testing.assert_close(torch.ones(1), torch.zeros(1))) == ""


def test_two_metrics_of_one_name_are_an_error() -> None:
    """A comparison would keep the last, a bound would judge both."""
    planted = types.ModuleType("planted_by_a_test")
    rate = Metric("rate", "1/s", "higher", (1.0,))
    planted.check_it = lambda device: (rate, rate)  # type: ignore[attr-defined]
    sys.modules["planted_by_a_test"] = planted
    try:
        found = perform.check("planted.it", "planted_by_a_test", "cpu")
    finally:
        del sys.modules["planted_by_a_test"]

    assert (found.outcome, found.kind) == ("error", "bad-check")
    assert found.message.startswith("test_perform.py:")
    assert found.message.endswith(": the metric 'rate' was yielded twice")
    assert len(found.metrics) == 1
