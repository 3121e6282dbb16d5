"""How long something takes on a device: warmed up, synchronised, and every sample kept. Seconds throughout.

The rules and their numbers are argued in docs/measurement.md. One process is one draw of everything that differs
between processes, so more samples than a stable median needs are a waste of time.
"""

from __future__ import annotations

import math
import os
import time
from typing import Any, Callable, List, Sequence, Tuple

MIN_SAMPLES, MAX_SAMPLES = 20, 60
INTERVAL_WIDTH = 0.005
"""Sampling ends where the 95 % interval of the median is no wider than this part of it."""

WARM_WINDOW, WARM_CHANGE = 5, 0.01
"""Warm is where the median of this many samples differs by less than this part from that of as many before."""

WARM_SECONDS = 1.0
"""Before the self-test measures by how much it is to slow something down."""

SHORT = 2e-3
"""Seconds. Shorter calls are timed several in a row on a GPU: an event costs some microseconds of its own."""

HEAD_START = 50e-6
"""Seconds that a GPU is kept busy before each sample: meanwhile the host queues what is timed, and its launches, which
take longer on a busy host, are not in it."""

SLOWDOWN = "CI_GPU_SELFTEST_SLOWDOWN"
"""The variable by which ci-gpu makes an image slower than it is, to see whether it notices."""


def samples(function: Callable[[], Any], device: str, seconds: float, cold_l2: bool = False) -> Tuple[float, ...]:
    """The time of each of many calls, within about twice ``seconds``, after a warm-up to convergence.

    ``cold_l2`` empties the GPU's L2 cache before each sample, outside of what is timed.
    """
    sample = _gpu_sampler(function, cold_l2) if device == "cuda" else lambda: once(function, device)
    _warm_up(sample, seconds)
    return tuple(_until_stable(sample, time.perf_counter() + seconds))


def once(function: Callable[[], Any], device: str) -> float:
    """The time of one call, from an idle device to an idle device."""
    return _between_events(function, 1) if device == "cuda" else _on_cpu(function)


def _on_cpu(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    until = started + (time.perf_counter() - started) * (1 + _slowdown())
    while _slowdown() and time.perf_counter() < until:
        pass
    return time.perf_counter() - started


def _gpu_sampler(function: Callable[[], Any], cold_l2: bool) -> Callable[[], float]:
    estimate = _median([_between_events(function, 1) for _ in range(3)])
    launches = 1 if cold_l2 else max(1, math.ceil(SHORT / max(estimate, 1e-7)))
    before = (*((_l2_flush(),) if cold_l2 else ()), _busy(HEAD_START))
    burst = _slowed(function if launches == 1 else _graph(function, launches), before)
    return lambda: _between_events(burst, launches, before)


def _between_events(function: Callable[[], Any], calls: int, before: Sequence[Callable[[], Any]] = ()) -> float:
    """Between two events on the stream: calls are asynchronous, and the host's clock would time the launch alone."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    for each in before:
        each()
    start.record()
    function()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000 / calls


def _graph(function: Callable[[], Any], launches: int) -> Callable[[], Any]:
    """Many calls as one CUDA graph, so that the host's launches are not what is timed; a loop where it cannot be."""
    import torch

    def loop() -> None:
        for _ in range(launches):
            function()

    stream = torch.cuda.current_stream()
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loop()
        replay: Callable[[], Any] = graph.replay
        return replay
    except RuntimeError:
        torch.cuda.set_stream(stream)  # a capture that fails leaves its own behind
        torch.cuda.synchronize()
        return loop


def _l2_flush() -> Callable[[], Any]:
    """Writes twice the size of the L2 cache."""
    import torch

    size = int(getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 0)) or 128 << 20
    buffer = torch.empty(2 * size, dtype=torch.int8, device="cuda")
    return lambda: buffer.zero_()


def _slowed(function: Callable[[], Any], before: Sequence[Callable[[], Any]]) -> Callable[[], Any]:
    """The function, and a kernel that waits for the part of its time that the self-test asks for."""
    if not _slowdown():
        return function
    _warm_up(lambda: _between_events(function, 1, before), WARM_SECONDS)  # at the clocks that the samples will have
    wait = _busy(_slowdown() * _median([_between_events(function, 1, before) for _ in range(9)]))
    return lambda: (function(), wait())


def _busy(seconds: float) -> Callable[[], Any]:
    """A kernel that spins for so long. It counts cycles, and how many a second has depends on the GPU."""
    import torch

    probe = 2_000_000
    taken = _median([_between_events(lambda: torch.cuda._sleep(probe), 1) for _ in range(5)])
    cycles = round(probe * seconds / taken)
    return lambda: torch.cuda._sleep(cycles)


def _slowdown() -> float:
    return float(os.environ.get(SLOWDOWN) or 0)


def _warm_up(sample: Callable[[], float], seconds: float) -> None:
    """At least a quarter of the time, then until the samples stand still; never more than all of it."""
    started, taken = time.perf_counter(), [sample()]
    while time.perf_counter() - started < seconds:
        taken.append(sample())
        if time.perf_counter() - started >= seconds / 4 and _stands_still(taken):
            return


def _stands_still(taken: Sequence[float]) -> bool:
    if len(taken) < 2 * WARM_WINDOW:
        return False
    late, early = _median(taken[-WARM_WINDOW:]), _median(taken[-2 * WARM_WINDOW : -WARM_WINDOW])
    return abs(late - early) <= WARM_CHANGE * early


def _until_stable(sample: Callable[[], float], deadline: float) -> List[float]:
    taken = [sample() for _ in range(3)]
    while time.perf_counter() < deadline and len(taken) < MAX_SAMPLES:
        taken.append(sample())
        if len(taken) >= MIN_SAMPLES and _interval_width(taken) <= INTERVAL_WIDTH:
            break
    return taken


def _interval_width(taken: Sequence[float]) -> float:
    """Relative width of the 95 % interval of the median by order statistics (normal approximation of the ranks)."""
    ordered, half = sorted(taken), 0.98 * math.sqrt(len(taken))
    low = max(0, math.floor(len(taken) / 2 - half))
    high = min(len(taken) - 1, math.ceil(len(taken) / 2 + half))
    return (ordered[high] - ordered[low]) / _median(ordered)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
