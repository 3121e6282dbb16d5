"""Faults to plant in torch, each the way a broken build has it: used by `tests.test_planted_faults`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

Plant = Callable[[pytest.MonkeyPatch], None]
Product = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

EXACT: Product = torch.Tensor.__matmul__


def gradients_scaled(patch: pytest.MonkeyPatch) -> None:
    """Every gradient is off by 1 %."""
    exact = torch.autograd.grad
    patch.setattr(torch.autograd, "grad", lambda *a, **k: tuple(g if g is None else g * 1.01 for g in exact(*a, **k)))


class LeakySoftmax(torch.autograd.Function):
    """A softmax whose backward is off by 1 %."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        y = x.softmax(-1)
        context.save_for_backward(y)
        return y

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (y,) = context.saved_tensors
        return 1.01 * y * (gradient - (gradient * y).sum(-1, keepdim=True))


def softmax_backward(patch: pytest.MonkeyPatch) -> None:
    """One layer's backward is wrong, its forward right."""
    patch.setattr(torch.nn.functional, "softmax", lambda x, dim: LeakySoftmax.apply(x))


class ConstantTanh(torch.autograd.Function):
    """A tanh whose first derivative is right and whose second is zero."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        result = torch.special.expit(2 * x) * 2 - 1
        context.save_for_backward(result)
        return result

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (y,) = context.saved_tensors
        return gradient * (1 - y.detach() ** 2).detach()


def second_derivative(patch: pytest.MonkeyPatch) -> None:
    """A saved result is treated as a constant: wrong only in the second derivative."""
    patch.setattr(torch.Tensor, "tanh", lambda x: ConstantTanh.apply(x))


def accumulation(patch: pytest.MonkeyPatch) -> None:
    """A second backward replaces the gradient instead of adding to it."""
    exact = torch.Tensor.backward

    def backward(loss: torch.Tensor) -> None:
        nodes = [loss.grad_fn]
        while nodes:
            node: Any = nodes.pop()
            if hasattr(node, "variable"):
                node.variable.grad = None
            nodes += [following for following, _ in getattr(node, "next_functions", ()) if following]
        exact(loss)

    patch.setattr(torch.Tensor, "backward", backward)


def no_grad_ignored(patch: pytest.MonkeyPatch) -> None:
    """no_grad does nothing."""
    patch.setattr(torch, "no_grad", contextlib.nullcontext)


def graph_lost(patch: pytest.MonkeyPatch) -> None:
    """A product forgets where it came from."""
    product(lambda a, b: EXACT(a, b).detach())(patch)


def product(wrong: Product) -> Plant:
    """A matrix product by another function."""
    return lambda patch: patch.setattr(torch.Tensor, "__matmul__", wrong)


def one_element(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """One wrong element among a million, by far less than the norm could show."""
    out = EXACT(a, b)
    if out.numel() > 1_000_000:
        out[517, 311] += 0.05
    return out


def nan_element(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """One NaN."""
    out = EXACT(a, b)
    out[-1, -1] = float("nan")
    return out


def like_tf32(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """float32 with the ten bits of mantissa that TF32 has."""
    return EXACT(_ten_bits(a), _ten_bits(b)) if a.dtype == torch.float32 else EXACT(a, b)


def summed_in_half(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """float16 summed in float16."""
    if a.dtype != torch.float16 or a.shape[1] < 2:
        return EXACT(a, b)
    total = torch.zeros(a.shape[0], b.shape[1], dtype=torch.float16)
    for column, row in zip(a.unbind(1), b.unbind(0), strict=True):
        total = (total.float() + column.float().unsqueeze(1) * row.float().unsqueeze(0)).half()
    return total


def scaled(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Everything 2 % too large."""
    return EXACT(a, b) * 1.02


def transposed_wrong(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The strides of a transposed factor are taken for its shape."""
    return EXACT(a, b) if a.is_contiguous() else EXACT(a, b).roll(1, 0)


def one_element_of_tf32(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """TF32, and one element that is off by more than TF32 explains."""
    out = like_tf32(a, b)
    if out.numel() > 1_000_000:
        out[517, 311] += 1.0
    return out


def in_bfloat16(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """float32 with factors in bfloat16, as set_float32_matmul_precision("medium") has it."""
    return EXACT(a.bfloat16().float(), b.bfloat16().float()) if a.dtype == torch.float32 else EXACT(a, b)


def large(wrong: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None]) -> Plant:
    """torch.mm is wrong from a size of 1024 on, right below."""
    exact = torch.mm

    def mm(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        exact(a, b, out=out)
        if len(a) >= 1024:
            wrong(a, b, out)
        return out

    return lambda patch: patch.setattr(torch, "mm", mm)


def a_tile(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
    """A tile of 64 × 64 lacks the last 64 terms of its sums."""
    out[128:192, 640:704] = EXACT(a[128:192, :-64], b[:-64, 640:704])


def an_element(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
    """One element among a million is off, by too little for the norm to show it."""
    out[700, 3] += 2.0


def a_nan(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
    """One NaN, as V100 had it at large sizes."""
    out[1, 1] = float("nan")


def large_tf32(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
    """TF32 at large sizes alone."""
    out.copy_(EXACT(_ten_bits(a), _ten_bits(b)))


def _ten_bits(x: torch.Tensor) -> torch.Tensor:
    rounded = ((x.detach().contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)
    return x + (rounded - x).detach()
