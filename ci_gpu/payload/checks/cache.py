"""The caching allocator: memory is reused, given back, saved by no_grad, and an overflow is survived."""

from __future__ import annotations

from typing import Any, Iterable

from ..needs import needs_gpu
from ..wire import Fact, Fail, Metric, Skip

BLOCK = 64 << 20
"""Bytes: far above the sizes that are carved out of shared segments."""


@needs_gpu
def check_reuse(device: str) -> Iterable[Any]:
    """A freed block is given to the next tensor of its size, without asking the driver."""
    torch = _torch()
    first = _block(torch)
    address, segments = first.data_ptr(), _segments(torch)
    del first
    second = _block(torch)
    yield Fact("same address", second.data_ptr() == address, "True")
    yield Fact("new segments", _segments(torch) - segments, "0")
    if _segments(torch) != segments:
        raise Fail("a freed block is not reused: the allocator asks the driver for more", "look at PYTORCH_ALLOC_CONF")


@needs_gpu
def check_empty_cache(device: str) -> Iterable[Any]:
    """A freed block stays reserved until empty_cache gives it back, and none is left behind."""
    torch = _torch()
    allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    block = _block(torch)
    del block
    leaked = torch.cuda.memory_allocated() - allocated
    kept = torch.cuda.memory_reserved() - reserved
    torch.cuda.empty_cache()
    left = torch.cuda.memory_reserved() - reserved
    yield Fact("allocated after the tensor is gone", leaked, "0")
    yield Fact("reserved after it is gone", kept, f"at least {BLOCK}")
    yield Fact("reserved after empty_cache", left, "0 or less")
    if leaked:
        raise Fail(f"{leaked} bytes stay allocated after their tensor is gone", "something holds a reference")
    if kept < BLOCK:
        raise Fail(
            "a freed block goes back to the driver at once: the cache does not cache",
            "see PYTORCH_NO_CUDA_MEMORY_CACHING",
        )
    if left > 0:
        raise Fail(f"empty_cache leaves {left} bytes of nobody's reserved")


@needs_gpu
def check_no_grad_peak(device: str) -> Iterable[Any]:
    """Under no_grad the peak of a forward pass is lower, since no activations are kept."""
    torch = _torch()
    layers = [torch.nn.Linear(2048, 2048, device=device) for _ in range(8)]
    data = torch.randn(4096, 2048, device=device)
    with torch.no_grad():
        inference = _peak(torch, layers, data)
    training = _peak(torch, layers, data)
    yield Metric("peak_no_grad", "MiB", "lower", (inference / 2**20,), exact=True)
    yield Metric("peak_with_grad", "MiB", "lower", (training / 2**20,), exact=True)
    if not inference < 0.7 * training:
        raise Fail(f"no_grad saves nothing: {inference} bytes at the peak, {training} with gradients")


@needs_gpu
def check_out_of_memory(device: str) -> Iterable[Any]:
    """Too much is refused with OutOfMemoryError, and the next allocation works."""
    torch = _torch()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(0.2)
    refused = False
    try:
        torch.empty(int(total * 0.5), dtype=torch.uint8, device=device)
    except torch.cuda.OutOfMemoryError:
        refused = True
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    after = int(torch.ones(1024, device=device).sum().item())
    yield Fact("half of the memory within a fifth", "refused" if refused else "granted", "refused")
    yield Fact("a sum afterwards", after, "1024")
    if not refused:
        raise Fail("the limit of set_per_process_memory_fraction is not kept")
    if after != 1024:
        raise Fail(f"after an OutOfMemoryError a sum of 1024 ones is {after}")


def _torch() -> Any:
    import torch

    backend = torch.cuda.get_allocator_backend() if hasattr(torch.cuda, "get_allocator_backend") else "native"
    if backend != "native":
        raise Skip(f"the allocator is {backend}, which keeps no statistics")
    torch.cuda.empty_cache()
    return torch


def _block(torch: Any) -> Any:
    return torch.empty(BLOCK, dtype=torch.uint8, device="cuda")


def _segments(torch: Any) -> int:
    return int(torch.cuda.memory_stats()["segment.all.allocated"])


def _peak(torch: Any, layers: Any, data: Any) -> int:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    for layer in layers:
        data = layer(data).relu()
    return int(torch.cuda.max_memory_allocated() - before)
