"""A torch whose GPU memory is a count: as much of torch as `ci_gpu.payload.checks.cache` uses. It computes nothing.

What is modelled, and where it is written down:

- native: a freed block stays reserved and is given to the next of its size; empty_cache gives back what is unused;
  set_per_process_memory_fraction limits what is reserved; beyond it OutOfMemoryError, a RuntimeError
  (https://pytorch.org/docs/stable/notes/cuda.html, docstrings of torch.cuda.memory)
- cudaMallocAsync: allocated and reserved bytes and their peaks as the driver counts them, every other count is zero
  (getDeviceStats in c10/cuda/CUDAMallocAsyncAllocator.cpp). A guess: memory that is freed counts until the stream has
  come to it, or until it is given to the next of its size
- uncached, by PYTORCH_NO_CUDA_MEMORY_CACHING: every block is the driver's, nothing is counted, no limit is kept
  (c10/cuda/CUDACachingAllocator.cpp). A guess: the words of its error, "CUDA error: out of memory"
- pluggable: getDeviceStats and setMemoryFraction raise (torch/csrc/cuda/CUDAPluggableAllocator.cpp)
- cuBLAS takes its workspace from the allocator at the first product, and keeps it: 8 or 32 MiB by torch and GPU
  (aten/src/ATen/cuda/CublasHandlePool.cpp)
- with gradients a product keeps its input and a relu its result
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

MIB = 1 << 20
TOTAL = 80 << 30


class OutOfMemoryError(RuntimeError):
    """As torch has it."""


class Memory:
    """One GPU's. ``faults`` are names of what is broken."""

    def __init__(self, kind: str = "native", workspace: int = 32 * MIB, faults: tuple[str, ...] = ()) -> None:
        self.kind, self.workspace, self.faults = kind, workspace, faults
        self.allocated = self.reserved = self.peak = self.segments = self.late = 0
        self.limit, self.free, self.next = TOTAL, {}, 0x1000
        self.gradients = True
        self.held: list[Tensor] = []

    @property
    def counted(self) -> bool:
        blind = "uncounted" in self.faults or ("no_grad uncounted" in self.faults and not self.gradients)
        return self.kind in ("native", "cudaMallocAsync") and not blind

    def take(self, size: int) -> int:
        self._require(size)
        cached = self.free.get(size, [])
        if cached and "no reuse" not in self.faults:
            address = cached.pop()
            reused = min(size, self.late)
            self.allocated, self.late = self.allocated - reused, self.late - reused
        else:
            self.reserved, self.segments, self.next = self.reserved + size, self.segments + 1, self.next + size
            address = self.next
        self.allocated += size
        self.peak = max(self.peak, self.allocated)
        return address

    def give(self, size: int, address: int) -> None:
        if "leak" in self.faults:
            return
        if self.kind == "cudaMallocAsync":
            self.late += size
        else:
            self.allocated -= size
        if self.kind in ("uncached", "pluggable") or "no cache" in self.faults:
            self.reserved -= size
        else:
            self.free.setdefault(size, []).append(address)

    def synchronize(self) -> None:
        self.allocated, self.late = self.allocated - self.late, 0

    def empty_cache(self) -> None:
        if "keeps" not in self.faults:
            self.reserved -= sum(size * len(blocks) for size, blocks in self.free.items())
            self.free = {}

    def product(self) -> None:
        if not any(held.size == self.workspace for held in self.held):
            self.held.append(Tensor(self, self.workspace))

    def _require(self, size: int) -> None:
        if self.kind == "uncached" and size > TOTAL:
            raise RuntimeError("CUDA error: out of memory")
        if self.kind != "uncached" and self.reserved + size > self.limit and "no limit" not in self.faults:
            raise OutOfMemoryError("CUDA out of memory.")


class Tensor:
    """So many bytes, and what they keep alive."""

    def __init__(self, memory: Memory, size: int, saved: tuple[Any, ...] = ()) -> None:
        self._memory, self.size, self._saved = memory, size, saved
        self._address = memory.take(size)

    def __del__(self) -> None:
        if hasattr(self, "_address"):
            self._memory.give(self.size, self._address)

    def data_ptr(self) -> int:
        return self._address

    def relu(self) -> Tensor:
        saved = (*self._saved, *([self] if "saves everything" in self._memory.faults else []))
        return Tensor(self._memory, self.size, saved)

    def sum(self) -> Any:
        return types.SimpleNamespace(item=lambda: 0 if "broken sums" in self._memory.faults else self.size // 4)


def torch(memory: Memory) -> Any:
    """The module."""

    def told(number: int) -> int:
        if memory.kind == "pluggable":
            raise RuntimeError("CUDAPluggableAllocator does not yet support getDeviceStats.")
        return number if memory.counted else 0

    def linear(rows: int, columns: int, device: str, bias: bool = True) -> Any:
        weight = Tensor(memory, 4 * rows * columns)

        def forward(data: Tensor) -> Tensor:
            memory.product()
            return Tensor(memory, data.size, (data, weight) if memory.gradients else ())

        return forward

    @contextlib.contextmanager
    def no_grad() -> Iterator[None]:
        memory.gradients = "no_grad ignored" in memory.faults
        yield
        memory.gradients = True

    def fraction(part: float) -> None:
        if memory.kind == "pluggable":
            raise RuntimeError("CUDAPluggableAllocator does not yet support setMemoryFraction.")
        memory.limit = int(part * TOTAL)

    cuda = types.SimpleNamespace(
        OutOfMemoryError=OutOfMemoryError,
        empty_cache=memory.empty_cache,
        get_allocator_backend=lambda: "native" if memory.kind == "uncached" else memory.kind,
        get_device_properties=lambda index: types.SimpleNamespace(total_memory=TOTAL),
        is_initialized=lambda: True,
        max_memory_allocated=lambda: told(memory.peak),
        mem_get_info=lambda: (TOTAL - memory.reserved, TOTAL),
        memory_allocated=lambda: told(memory.allocated),
        memory_reserved=lambda: told(memory.reserved),
        memory_stats=lambda: {"segment.all.allocated": memory.segments if memory.kind == "native" else 0},
        reset_peak_memory_stats=lambda: setattr(memory, "peak", memory.allocated),
        set_per_process_memory_fraction=fraction,
        synchronize=memory.synchronize,
    )
    return types.SimpleNamespace(
        cuda=cuda,
        empty=lambda size, **_: Tensor(memory, size),
        manual_seed=lambda seed: None,
        nn=types.SimpleNamespace(Linear=linear),
        no_grad=no_grad,
        ones=lambda count, device: Tensor(memory, 4 * count),
        randn=lambda rows, columns, device: Tensor(memory, 4 * rows * columns),
        uint8=None,
    )
