"""How long something takes on a device: warmed up, synchronised, and every sample kept. Seconds throughout."""

from __future__ import annotations

import time
from typing import Any, Callable, List, Tuple

MIN_SAMPLES = 10
MAX_SAMPLES = 60


def samples(function: Callable[[], Any], device: str, seconds: float) -> Tuple[float, ...]:
    """The time of each of many calls, within a budget of about ``seconds``, after a warm-up of a quarter of it.

    On a GPU each sample is between two events on the stream: what the host does beside it is not counted. Calls are
    asynchronous there, so the clock of the host would measure the launch alone.
    """
    _until(time.perf_counter() + seconds / 4, lambda: once(function, device), MIN_SAMPLES // 3)
    return tuple(_until(time.perf_counter() + seconds, lambda: once(function, device), MIN_SAMPLES))


def once(function: Callable[[], Any], device: str) -> float:
    """The time of one call, from an idle device to an idle device."""
    return _on_gpu(function) if device == "cuda" else _on_cpu(function)


def _on_gpu(function: Callable[[], Any]) -> float:
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    function()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000


def _on_cpu(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _until(deadline: float, sample: Callable[[], float], at_least: int) -> List[float]:
    taken: List[float] = []
    while len(taken) < at_least or (time.perf_counter() < deadline and len(taken) < MAX_SAMPLES):
        taken.append(sample())
    return taken
