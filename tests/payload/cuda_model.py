"""A torch whose GPU is a line in time: launches cost the host, kernels queue on the device, events stand in the queue.

For the arithmetic of `ci_gpu.payload.timing` alone. That a real GPU behaves so is what docs/evidence.md asks for.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest


class Gpu:
    """One stream. Times in seconds; ``launch`` is what a launch costs the host."""

    def __init__(self, hertz: float, launch: float, l2: int = 50 << 20) -> None:
        self.hertz, self.launch, self.l2 = hertz, launch, l2
        self.host = self.device = 0.0
        self.flushed = True
        self._captured: list[float] | None = None

    def kernel(self, seconds: float) -> None:
        """Queued; while a graph is captured only noted."""
        if self._captured is not None:
            self._captured.append(seconds)
            return
        self.host += self.launch
        self.device = max(self.device, self.host) + seconds

    def torch(self) -> Any:
        """As much of torch as the timing uses."""
        cuda = types.SimpleNamespace(
            Event=lambda enable_timing: _Event(self),
            synchronize=self._synchronize,
            _sleep=lambda cycles: self.kernel(cycles / self.hertz),
            CUDAGraph=lambda: _Graph(self),
            graph=lambda graph: graph,
            current_stream=lambda: None,
            set_stream=lambda stream: None,
            get_device_properties=lambda _: types.SimpleNamespace(L2_cache_size=self.l2),
        )
        return types.SimpleNamespace(cuda=cuda, int8=None, empty=lambda size, **_: _Buffer(self, size))

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The payload imports this one, and its clock is the host's."""
        monkeypatch.setitem(sys.modules, "torch", self.torch())
        monkeypatch.setattr("time.perf_counter", lambda: self.host)

    def _synchronize(self) -> None:
        self.host = max(self.host, self.device)


class _Event:
    def __init__(self, gpu: Gpu) -> None:
        self._gpu, self._at = gpu, 0.0

    def record(self) -> None:
        self._gpu.host += self._gpu.launch / 5
        self._at = max(self._gpu.host, self._gpu.device)

    def elapsed_time(self, end: _Event) -> float:
        return (end._at - self._at) * 1000


class _Graph:
    def __init__(self, gpu: Gpu) -> None:
        self._gpu, self._kernels = gpu, 0.0

    def __enter__(self) -> None:
        self._gpu._captured = []

    def __exit__(self, *_: object) -> None:
        self._kernels, self._gpu._captured = sum(self._gpu._captured or ()), None

    def replay(self) -> None:
        self._gpu.kernel(self._kernels)


class _Buffer:
    def __init__(self, gpu: Gpu, size: int) -> None:
        self._gpu, self.size = gpu, size

    def zero_(self) -> None:
        self._gpu.flushed = self.size >= 2 * self._gpu.l2
        self._gpu.kernel(self.size / 3e12)


def work(gpu: Gpu, seconds: float, warm: float | None = None) -> Callable[[], None]:
    """A kernel that takes ``warm`` seconds instead, if the L2 cache was not emptied since its last call."""

    def call() -> None:
        gpu.kernel(seconds if gpu.flushed or warm is None else warm)
        gpu.flushed = False

    return call
