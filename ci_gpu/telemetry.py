"""What the GPUs do while an image is measured, read by NVML on the host; and what of it spoils a measurement."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from statistics import fmean

from ci_gpu import nvml
from ci_gpu.gpus import asked_for
from ci_gpu.payload.telemetry import PATIENCE, PERIOD, REASONS, Observation
from ci_gpu.payload.wire import Gpu, Telemetry

_SPOILING = ("hw-slowdown", "sw-thermal-slowdown", "hw-thermal-slowdown", "hw-power-brake")
"""A block in which the GPU was slowed by one of these says nothing about the image.

The power cap, the board limit and the voltage limit (``reliability``) are where a busy GPU normally stands: they are
recorded, and weighed by the clocks that they lead to (`ci_gpu.compare.clocks`).
"""

SPOILING_SHARE = 0.01
"""Of the time of a block. A metric counts by the median of its samples, which are taken for some seconds in a block of
about half a minute: what slows fewer than half of them does not move it, and 1 % of the block is a tenth of them."""


class Recorder:
    """Filled while `recorded` lasts, complete after it."""

    def __init__(self) -> None:
        self.telemetry: tuple[Telemetry, ...] = ()


@contextlib.contextmanager
def recorded(gpus: Sequence[str]) -> Iterator[Recorder]:
    """Watch the GPUs with these UUIDs; without NVML, or without GPUs, nothing is recorded."""
    recorder = Recorder()
    with nvml.opened() as opened:
        devices = {uuid: nvml.device(opened, uuid) for uuid in gpus} if opened else {}
        observations = [Observation(device, uuid) for uuid, device in devices.items() if device]
        stop = threading.Event()
        thread = threading.Thread(target=_observe, args=(observations, stop), daemon=True)
        thread.start()
        try:
            yield recorder
        finally:
            stop.set()
            thread.join(PATIENCE)
            if not thread.is_alive():  # else the driver hangs, and would hang this thread as well
                recorder.telemetry = tuple(observation.close() for observation in observations)


def spoiled(telemetry: Sequence[Telemetry]) -> str:
    """Why what was measured meanwhile counts for nothing; empty if it counts."""
    for one in telemetry:
        slowed = {name: share for name, share in _slowed(one).items() if share > SPOILING_SHARE}
        if slowed:
            share = f"{max(slowed.values()):.0%} of the time"
            return f"the GPU {one.gpu} throttled: {', '.join(slowed)} ({share})"
        if one.ecc_errors:
            return f"the GPU {one.gpu} had {one.ecc_errors} uncorrected memory errors"
        if one.foreign_processes:
            return f"the GPU {one.gpu} is shared: {_others(one.foreign_processes)}"
    return ""


def _slowed(one: Telemetry) -> dict[str, float]:
    """The part of the time in which each reason of `_SPOILING` held: by the looks, and by the driver's counter."""
    if not one.states:
        return {}
    seen = {name: bit for bit, name in REASONS.items() if name in _SPOILING}
    looks = {name: fmean(bool((state.throttle or 0) & bit) for state in one.states) for name, bit in seen.items()}
    if looks["hw-slowdown"] * len(one.states) < 2:  # NVML: it may also be reported while a clock changes
        del looks["hw-slowdown"]
    seconds = max(state.seconds for state in one.states)
    counted = one.violations.get("thermal", 0) / 1e9
    return {**looks, "thermal": min(1.0, counted / seconds) if seconds else 0.0}


def neighbours(gpus: Sequence[str]) -> str:
    """Who else uses these GPUs; empty if nobody does. On a shared GPU nothing can be compared."""
    with nvml.opened() as opened:
        for uuid in gpus if opened else ():
            device = nvml.device(opened, uuid)
            found = _neighbours(device) if device else ""
            if found:
                return f"the GPU {uuid} is shared: {found}"
    return ""


def chosen(gpus: Sequence[Gpu], wanted: str) -> tuple[str, ...]:
    """The UUIDs of the host's GPUs that a run was told to use: ``all``, indices, UUIDs, or those of MIG slices."""
    words = [nvml.parent(word) if word.startswith("MIG-") else word for word in wanted.split(",")]
    return tuple(gpu.uuid for gpu in asked_for(gpus, words) if gpu.uuid)


def _neighbours(device: nvml.Device) -> str:
    processes = device.processes()
    if processes:
        return _others(processes)
    parts = device.mig_devices()
    return f"it is cut into {parts} MIG devices" if parts > 1 else ""


def _others(processes: int) -> str:
    return f"{processes} other compute process{'es' * (processes > 1)}"


def _observe(observations: Sequence[Observation], stop: threading.Event) -> None:
    while observations and not stop.wait(PERIOD):
        for observation in observations:
            observation.look()
