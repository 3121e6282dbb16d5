"""The caching allocator: memory is reused, given back, saved by no_grad, and an overflow is survived.

Three allocators are met: torch's own (``native``), the driver's (``cudaMallocAsync``), and one that a program plugs in;
`UNCACHED` turns the cache of the first one off. What an allocator does not promise is skipped, with the reason.

Sources: https://pytorch.org/docs/stable/notes/cuda.html (memory management); c10/cuda/CUDAMallocAsyncAllocator.cpp of
torch: it tells allocated and reserved bytes and their peaks, as the driver counts them, and leaves all else zero.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Iterable, Optional, Tuple

from ..needs import needs_gpu
from ..wire import Fact, Fail, Metric, NotHere

BLOCK = 64 << 20
"""Bytes: far above the sizes that are carved out of shared segments."""

UNCACHED = "PYTORCH_NO_CUDA_MEMORY_CACHING"


@needs_gpu
def check_reuse(device: str) -> Iterable[Any]:
    """A freed block is given to the next tensor of its size, without asking the driver."""
    torch = _torch()
    _require_cache(torch)
    first = _counted_block(torch)
    address, (segments, reserved) = first.data_ptr(), _taken(torch)
    del first
    second = _block(torch)
    now_segments, now_reserved = _taken(torch)
    yield Fact("same address", second.data_ptr() == address, "True")
    yield Fact("new segments", now_segments - segments, "0")
    yield Fact("reserved in addition", now_reserved - reserved, "0 or less")
    if now_segments > segments or now_reserved > reserved:
        raise Fail("a freed block is not reused: the allocator asks the driver for more", "look at PYTORCH_ALLOC_CONF")


@needs_gpu
def check_empty_cache(device: str) -> Iterable[Any]:
    """A freed block stays reserved until empty_cache gives it back, and none is left behind."""
    torch = _torch()
    _require_cache(torch)
    allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    block = _counted_block(torch)
    del block
    torch.cuda.synchronize()  # cudaMallocAsync frees in the order of the stream
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
        raise Fail("a freed block goes back to the driver at once: the cache does not cache", "see PYTORCH_ALLOC_CONF")
    if left > 0:
        raise Fail(f"empty_cache leaves {left} bytes of nobody's reserved")


@needs_gpu
def check_no_grad_peak(device: str) -> Iterable[Any]:
    """Under no_grad the peak of a forward pass is lower, since no activations are kept."""
    torch = _torch()
    counted = _counts(torch)
    measured = _peak if counted else _kept
    layers = [torch.nn.Linear(2048, 2048, bias=False, device=device) for _ in range(8)]
    data = torch.randn(4096, 2048, device=device)
    _forward(layers, data)  # cuBLAS takes a workspace at the first product, 8 or 32 MiB, and keeps it
    with torch.no_grad():
        inference = measured(torch, layers, data)
    training = measured(torch, layers, data)
    yield from _memory(inference, training, counted)
    if not counted and training < BLOCK:
        raise NotHere("this allocator counts nothing, and what it takes does not show in the driver's free memory")
    if counted and inference <= 0:
        raise Fail(f"a forward pass under no_grad takes nothing at its peak, {training} bytes with gradients")
    if not inference < 0.7 * training:
        raise Fail(f"no_grad saves nothing: {inference} bytes at the peak, {training} with gradients")


@needs_gpu
def check_out_of_memory(device: str) -> Iterable[Any]:
    """Too much is refused with OutOfMemoryError, and the next allocation works."""
    torch = _torch()
    total = torch.cuda.get_device_properties(0).total_memory
    if _is_uncached():  # no limit is kept there: only what no GPU has is refused
        refused, asked = _refuses(torch, 2 * total, device), "twice the memory"
    else:
        refused, asked = _refuses_beyond_a_fifth(torch, total // 2, device), "half of the memory within a fifth"
    after = int(torch.ones(1024, device=device).sum().item())
    yield Fact(asked, "refused" if refused else "granted", "refused")
    yield Fact("a sum afterwards", after, "1024")
    if not refused:
        raise Fail(f"{asked} is granted: the limit is not kept")
    if after != 1024:
        raise Fail(f"after an OutOfMemoryError a sum of 1024 ones is {after}")


def _torch() -> Any:
    import torch

    _give_back(torch)
    return torch


def _give_back(torch: Any) -> None:
    with contextlib.suppress(RuntimeError):  # an allocator of the user's need not know how
        torch.cuda.empty_cache()


def _backend(torch: Any) -> str:
    return str(torch.cuda.get_allocator_backend()) if hasattr(torch.cuda, "get_allocator_backend") else "native"


def _is_uncached() -> bool:
    """Set to anything, even 0, it turns the cache off."""
    return UNCACHED in os.environ


def _require_cache(torch: Any) -> None:
    if _is_uncached():
        raise NotHere(f"{UNCACHED} is set: this image wants nothing to be cached")
    if _allocated(torch) is None:
        raise NotHere(f"the allocator is {_backend(torch)}, and counts nothing")


def _counted_block(torch: Any) -> Any:
    """A block that the allocator counts: two zeros that are the same would prove nothing."""
    before = torch.cuda.memory_allocated()
    block = _block(torch)
    if torch.cuda.memory_allocated() - before >= BLOCK:
        return block
    if _backend(torch) == "native":
        raise Fail("torch.cuda.memory_allocated does not count what is allocated")
    raise NotHere(f"the allocator is {_backend(torch)}, and counts nothing")


def _counts(torch: Any) -> bool:
    """Whether the allocator counts what it allocates: its name does not say it."""
    before = _allocated(torch)
    block = _block(torch)
    after = _allocated(torch)
    del block
    return before is not None and after is not None and after - before >= BLOCK


def _allocated(torch: Any) -> Optional[int]:
    try:
        return int(torch.cuda.memory_allocated())
    except RuntimeError:  # an allocator of the user's: "does not yet support getDeviceStats"
        return None


def _block(torch: Any) -> Any:
    return torch.empty(BLOCK, dtype=torch.uint8, device="cuda")


def _taken(torch: Any) -> Tuple[int, int]:
    """How often the driver was asked, which only the native allocator counts, and how much is reserved."""
    return int(torch.cuda.memory_stats().get("segment.all.allocated", 0)), int(torch.cuda.memory_reserved())


def _forward(layers: Any, data: Any) -> Any:
    for layer in layers:
        data = layer(data).relu()
    return data


def _peak(torch: Any, layers: Any, data: Any) -> int:
    """Beyond what was allocated before: weights, data and the workspace of cuBLAS."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _forward(layers, data)
    return int(torch.cuda.max_memory_allocated() - before)


def _kept(torch: Any, layers: Any, data: Any) -> int:
    """What the driver lacks while the result lives, where the allocator counts nothing."""
    _give_back(torch)
    torch.cuda.synchronize()
    before = torch.cuda.mem_get_info()[0]
    result = _forward(layers, data)
    torch.cuda.synchronize()
    kept = before - torch.cuda.mem_get_info()[0]
    del result
    return int(kept)


def _memory(inference: int, training: int, counted: bool) -> Iterable[Any]:
    """As metrics where they are exact; what the driver lacks depends on its other users."""
    for name, size in (("peak_no_grad", inference), ("peak_with_grad", training)):
        if counted:
            yield Metric(name, "MiB", "lower", (size / 2**20,), version=2, exact=True)
        else:
            yield Fact(f"{name}, by the driver's free memory", size)


def _refuses_beyond_a_fifth(torch: Any, size: int, device: str) -> bool:
    try:
        torch.cuda.set_per_process_memory_fraction(0.2)
    except RuntimeError as error:
        raise NotHere(f"the allocator {_backend(torch)} keeps no limit: {error}") from None
    try:
        return _refuses(torch, size, device)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _refuses(torch: Any, size: int, device: str) -> bool:
    try:
        torch.empty(size, dtype=torch.uint8, device=device)
    except torch.cuda.OutOfMemoryError:
        return True
    except RuntimeError as error:  # without a cache torch passes on the driver's own words
        if not (_is_uncached() and "out of memory" in str(error)):
            raise
        return True
    return False
