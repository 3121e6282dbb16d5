"""Half types on the CPU: an old torch may sum in them, a new one may not, and a wrong product is red in both."""

from __future__ import annotations

from typing import Any

import pytest

from ci_gpu.payload import perform
from ci_gpu.payload.wire import CheckResult
from tests.needs import module

torch = module("torch")
from tests import planted  # noqa: E402 - it needs torch

OLD, NEW = "2.0.1+cu117", "2.1.0"


def summed_narrowly(a: Any, b: Any) -> Any:
    """As torch before 2.1 does it on a CPU without AVX-512: every partial sum is rounded to bfloat16."""
    if a.dtype != torch.bfloat16:
        return planted.EXACT(a, b)
    total = torch.zeros(a.shape[0], b.shape[1], dtype=a.dtype)
    for column, row in zip(a.unbind(1), b.unbind(0), strict=True):
        total = (total.float() + column.float().unsqueeze(1) * row.float().unsqueeze(0)).bfloat16()
    return total


def off_by_two_percent(a: Any, b: Any) -> Any:
    return summed_narrowly(a, b) * 1.02


def one_wrong_element(a: Any, b: Any) -> Any:
    """Within the bound of a long sum in bfloat16, which is why whole numbers are asked as well."""
    product = summed_narrowly(a, b)
    if a.shape[1] == 2048 and len(product) > 17:
        product[17, 31] += 1
    return product


def a_term_is_lost(a: Any, b: Any) -> Any:
    """The last of each sum, as a loop that ends too early does."""
    return summed_narrowly(a[:, :-1], b[:-1]) if a.shape[1] > 1 else summed_narrowly(a, b)


def bfloat16(monkeypatch: pytest.MonkeyPatch, version: str, product: Any) -> CheckResult:
    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr("ci_gpu.payload.checks.matmul.SHAPES", ((64, 64, 64), (257, 1, 129), (64, 2048, 48)))
    planted.product(product)(monkeypatch)
    return perform.check("matmul.bfloat16", "ci_gpu.payload.checks.matmul", "cpu")


def test_an_old_torch_may_sum_bfloat16_in_bfloat16_on_the_cpu_and_the_report_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = bfloat16(monkeypatch, OLD, summed_narrowly)

    assert result.outcome == "passed", result.message
    assert "summed in bfloat16" in result.notes[0]


def test_a_torch_that_sums_in_float32_is_held_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bfloat16(monkeypatch, NEW, summed_narrowly).outcome == "failed"


def test_an_old_torch_that_sums_in_float32_gets_no_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    result = bfloat16(monkeypatch, OLD, planted.EXACT)

    assert (result.outcome, result.notes) == ("passed", ())


@pytest.mark.parametrize("fault", [off_by_two_percent, one_wrong_element, a_term_is_lost])
def test_a_wrong_product_is_red_although_it_is_summed_in_bfloat16(monkeypatch: pytest.MonkeyPatch, fault: Any) -> None:
    assert bfloat16(monkeypatch, OLD, fault).outcome == "failed"


DOT = (1, 4096, 1)


def dots_only(a: Any, b: Any) -> Any:
    """A dot product is summed in bfloat16, any other product in float32."""
    return summed_narrowly(a, b) if a.shape[0] == b.shape[1] == 1 else planted.EXACT(a, b)


def a_wrong_dot(a: Any, b: Any) -> Any:
    """Off by less than the bound of a sum of this length in bfloat16."""
    product = dots_only(a, b)
    return product + 2 if a.dtype == torch.bfloat16 and product.numel() == 1 else product


def dot(monkeypatch: pytest.MonkeyPatch, version: str, product: Any, name: str = "bfloat16") -> CheckResult:
    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr("ci_gpu.payload.checks.matmul.SHAPES", ((64, 64, 64), DOT))
    planted.product(product)(monkeypatch)
    return perform.check(f"matmul.{name}", "ci_gpu.payload.checks.matmul", "cpu")


def test_a_new_torch_that_sums_a_dot_product_in_bfloat16_is_red_on_the_cpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    result = dot(monkeypatch, NEW, dots_only)

    assert result.outcome == "failed"
    assert "(1, 4096) × (4096, 1)" in result.message


def test_an_old_torch_may_sum_a_dot_product_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    result = dot(monkeypatch, OLD, dots_only)

    assert result.outcome == "passed", result.message
    assert "summed in bfloat16" in result.notes[0]


def short_only(a: Any, b: Any) -> Any:
    """As torch 1.13.1 with AVX-512: oneDNN takes the larger products, and sums them in float32."""
    return summed_narrowly(a, b) if a.shape[0] * a.shape[1] * b.shape[1] <= 4096 else planted.EXACT(a, b)


def in_lanes(a: Any, b: Any) -> Any:
    """As a loop with vectors of 32: each lane is a sum of its own."""
    if a.dtype != torch.bfloat16 or a.shape[1] % 32:
        return summed_narrowly(a, b)
    lanes = [summed_narrowly(a[:, lane::32], b[lane::32]) for lane in range(32)]
    return sum(each.float() for each in lanes).bfloat16()


@pytest.mark.parametrize("product", [short_only, in_lanes])
def test_the_probe_finds_what_is_summed_narrowly_in_this_size_and_in_lanes(
    monkeypatch: pytest.MonkeyPatch, product: Any
) -> None:
    result = dot(monkeypatch, OLD, product)

    assert result.outcome == "passed", result.message
    assert "summed in bfloat16" in result.notes[0]


def test_a_wrong_dot_product_is_red_with_an_old_torch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dot(monkeypatch, OLD, a_wrong_dot).outcome == "failed"


@pytest.mark.parametrize("seed", range(12, 17))
@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_dot_product_whose_exact_value_is_nearly_zero_is_no_false_red(
    monkeypatch: pytest.MonkeyPatch, name: str, seed: int
) -> None:
    """Its error is small against its terms, not against itself."""
    monkeypatch.setattr(perform, "SEED", seed)

    def all_but_orthogonal(torch: Any, dtype: Any, device: str) -> Any:
        left, right = torch.randn(1, 4096).to(dtype), torch.randn(4096, 1).to(dtype)
        exact = (left.double() @ right.double()).item()
        right[-1] = right[-1] - torch.tensor(exact / left[0, -1].item()).to(dtype)
        yield left, right

    monkeypatch.setattr("ci_gpu.payload.checks.matmul._inputs", all_but_orthogonal)
    result = perform.check(f"matmul.{name}", "ci_gpu.payload.checks.matmul", "cpu")

    assert result.outcome == "passed", result.message


REFUSED = "could not create a primitive descriptor iterator"


@pytest.mark.parametrize(("limit", "outcome"), [("AVX2", "skipped"), ("", "error")])
def test_a_variable_that_keeps_onednn_from_its_kernels_is_named_and_no_fault_of_torch_s(
    monkeypatch: pytest.MonkeyPatch, limit: str, outcome: str
) -> None:
    """What torch 1.13.1 and 2.0.1 say on a processor with AVX-512 under ONEDNN_MAX_CPU_ISA=AVX2."""

    def refuse(a: Any, b: Any) -> Any:
        raise RuntimeError(REFUSED)

    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    result = bfloat16(monkeypatch, OLD, refuse)

    assert result.outcome == outcome, result.message
    assert ("ONEDNN_MAX_CPU_ISA=AVX2" in result.message) is bool(limit)
