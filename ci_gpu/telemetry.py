"""What the GPUs do while an image is measured, read by NVML on the host; and what of it spoils a measurement."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

from ci_gpu import nvml
from ci_gpu.compare.spoiling import others
from ci_gpu.gpus import asked_for
from ci_gpu.payload.telemetry import PATIENCE, PERIOD, Observation
from ci_gpu.payload.wire import Gpu, Telemetry


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
        return others(processes)
    parts = device.mig_devices()
    return f"it is cut into {parts} MIG devices" if parts > 1 else ""


def _observe(observations: Sequence[Observation], stop: threading.Event) -> None:
    while observations and not stop.wait(PERIOD):
        for observation in observations:
            observation.look()
