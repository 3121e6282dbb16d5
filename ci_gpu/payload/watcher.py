"""A process beside the checks that watches the GPUs: what the supervisor loads, every check would inherit."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from dataclasses import asdict
from typing import List, Tuple

from . import processes, telemetry
from .isolation import die_with_parent
from .nvml import Nvml
from .wire import GpuState, Telemetry


class Watcher:
    """The GPUs with these UUIDs, from now to `stop`.

    NVML can show more of them than CUDA does, as with CUDA_VISIBLE_DEVICES, and a neighbour there disturbs none. Where
    NVML knows none of the UUIDs (MIG slices, a torch that does not tell them), all that it shows are watched.
    """

    def __init__(self, gpus: Tuple[str, ...]) -> None:
        stopped, self._stop = os.pipe()
        self._answer, answer = os.pipe()
        self.pid = processes.fork()
        if self.pid == 0:
            os.close(self._stop)
            os.close(self._answer)
            _be_the_watcher(gpus, stopped, answer)
        os.close(stopped)
        os.close(answer)

    def stop(self) -> Tuple[Telemetry, ...]:
        """What was seen; nothing where there is no NVML, or where it does not answer."""
        with contextlib.suppress(OSError):  # it may be gone
            os.write(self._stop, b".")
        data = self._hear()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, os.WNOHANG)  # inside of a driver that hangs it cannot be killed: the container's end does
        os.close(self._stop)
        os.close(self._answer)
        try:
            return tuple(_telemetry(one) for one in json.loads(data.decode()))
        except ValueError:
            return ()

    def _hear(self) -> bytes:
        data, deadline = bytearray(), time.monotonic() + telemetry.PATIENCE
        while select.select([self._answer], [], [], max(0.0, deadline - time.monotonic()))[0]:
            part = os.read(self._answer, 1 << 16)
            if not part:
                break
            data += part
        return bytes(data)


def _telemetry(fields: dict) -> Telemetry:  # type: ignore[type-arg]
    states = tuple(GpuState(**state) for state in fields.pop("states"))
    return Telemetry(states=states, **fields)


def _be_the_watcher(gpus: Tuple[str, ...], stopped: int, answer: int) -> None:
    """Never returns."""
    try:
        die_with_parent()
        with Nvml() as nvml:
            found = _watch(nvml, gpus, stopped) if nvml else []
        data = json.dumps([asdict(one) for one in found]).encode()
        while data:
            data = data[os.write(answer, data) :]
    finally:
        os._exit(0)


def _watch(nvml: Nvml, gpus: Tuple[str, ...], stopped: int) -> List[Telemetry]:
    shown = {device.uuid(): device for device in nvml.devices()}
    named = {uuid: shown[uuid] for uuid in gpus if uuid and uuid in shown} or shown
    watched = [telemetry.Observation(device, uuid, inside=True) for uuid, device in named.items() if uuid]
    while not select.select([stopped], [], [], telemetry.PERIOD)[0]:
        for one in watched:
            one.look()
    return [one.close() for one in watched]
