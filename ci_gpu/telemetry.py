"""What the GPUs do while an image is measured: clocks, power, temperature, and why they run slower than they could.

Read by NVML on the host. A number that this GPU or this driver does not tell is None, never zero.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ci_gpu.model import GpuState, Telemetry
from ci_gpu.payload.wire import Gpu

PERIOD = 0.25
"""Seconds between two looks. A shorter throttling is still found: the driver's violation counters run on."""

REASONS = {
    0x1: "idle",
    0x2: "application-clocks",
    0x4: "power-cap",
    0x8: "hw-slowdown",
    0x10: "sync-boost",
    0x20: "sw-thermal-slowdown",
    0x40: "hw-thermal-slowdown",
    0x80: "hw-power-brake",
    0x100: "display-clocks",
}
"""NVML's clocks event reasons (nvmlClocksEventReasons)."""

_SPOILING = ("hw-slowdown", "sw-thermal-slowdown", "hw-thermal-slowdown", "hw-power-brake")
"""A block in which one of these was seen says nothing about the image. The power cap is normal on a busy GPU."""

_VIOLATIONS = {"power": 0, "thermal": 1, "board-limit": 3, "low-utilization": 4, "reliability": 5}
_SM, _MEMORY = 1, 2
_UNCORRECTED, _VOLATILE = 1, 0


class Recorder:
    """Filled while `recorded` lasts, complete after it."""

    def __init__(self) -> None:
        self.telemetry: tuple[Telemetry, ...] = ()


@contextlib.contextmanager
def recorded(gpus: Sequence[str]) -> Iterator[Recorder]:
    """Watch the GPUs with these UUIDs; without NVML, or without GPUs, nothing is recorded."""
    recorder = Recorder()
    with _nvml() as nvml:
        watches = [_Watch(nvml, uuid) for uuid in gpus] if nvml else []
        stop = threading.Event()
        thread = threading.Thread(target=_watch, args=(watches, stop), daemon=True)
        thread.start()
        try:
            yield recorder
        finally:
            stop.set()
            thread.join()
            recorder.telemetry = tuple(watch.close() for watch in watches)


def spoiled(telemetry: Sequence[Telemetry]) -> str:
    """Why what was measured meanwhile counts for nothing; empty if it counts."""
    for one in telemetry:
        found = [reason for reason in one.throttle if reason in _SPOILING]
        if found or one.violations.get("thermal"):
            return f"the GPU {one.gpu} throttled: {', '.join(found) or 'thermal'}"
        if one.ecc_errors:
            return f"the GPU {one.gpu} had {one.ecc_errors} uncorrected memory errors"
    return ""


def neighbours(gpus: Sequence[str]) -> str:
    """Who else uses these GPUs; empty if nobody does. On a shared GPU nothing can be compared."""
    with _nvml() as nvml:
        for uuid in gpus if nvml else ():
            with contextlib.suppress(nvml.NVMLError):
                found = _neighbours(nvml, nvml.nvmlDeviceGetHandleByUUID(uuid))
                if found:
                    return f"the GPU {uuid} is shared: {found}"
    return ""


def conditions(gpu: str) -> tuple[int, str]:
    """Power limit in W and ECC (``on``, ``off``) of a GPU: under others it is another machine. 0 and empty: unknown."""
    with _nvml() as nvml:
        handle = _ask(nvml, nvml.nvmlDeviceGetHandleByUUID, gpu) if nvml else None
        if handle is None:
            return 0, ""
        milliwatts = _ask(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle) or 0
        ecc = _ask(nvml, nvml.nvmlDeviceGetEccMode, handle)
        return round(milliwatts / 1000), "" if ecc is None else ("on" if ecc[0] else "off")


def chosen(gpus: Sequence[Gpu], wanted: str) -> tuple[str, ...]:
    """The UUIDs of the host's GPUs that a run was told to use: ``all``, indices or UUIDs."""
    words = wanted.split(",")
    if wanted == "all":
        return tuple(gpu.uuid for gpu in gpus)
    return tuple(gpu.uuid for gpu in gpus if str(gpu.index) in words or gpu.uuid in words)


def _neighbours(nvml: Any, handle: Any) -> str:
    processes = len(_ask(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, handle) or ())
    if processes:
        return f"{processes} other compute process{'es' * (processes > 1)}"
    if not (_ask(nvml, nvml.nvmlDeviceGetMigMode, handle) or [0])[0]:
        return ""
    slots = range(_ask(nvml, nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0)
    parts = [_ask(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, slot) for slot in slots]
    count = sum(part is not None for part in parts)
    return f"it is cut into {count} MIG devices" if count > 1 else ""


@contextlib.contextmanager
def _nvml() -> Iterator[Any]:
    """The module pynvml, initialised; None where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _watch(watches: Sequence[_Watch], stop: threading.Event) -> None:
    while watches and not stop.wait(PERIOD):
        for watch in watches:
            watch.look()


class _Watch:
    """One GPU, from the start of a block to its end."""

    def __init__(self, nvml: Any, uuid: str) -> None:
        self._nvml, self._uuid = nvml, uuid
        self._handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        self._started = time.monotonic()
        self._foreign = len(self._ask(nvml.nvmlDeviceGetComputeRunningProcesses) or ())
        self._before, self._ecc = self._violations(), self._errors()
        self._states: list[GpuState] = []
        self.look()

    def look(self) -> None:
        milliwatts = self._ask(self._nvml.nvmlDeviceGetPowerUsage)
        self._states.append(
            GpuState(
                seconds=round(time.monotonic() - self._started, 3),
                sm_mhz=self._ask(self._nvml.nvmlDeviceGetClockInfo, _SM),
                memory_mhz=self._ask(self._nvml.nvmlDeviceGetClockInfo, _MEMORY),
                temperature=self._ask(self._nvml.nvmlDeviceGetTemperature, 0),
                power=None if milliwatts is None else milliwatts / 1000,
                throttle=self._ask(self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons),
            )
        )

    def close(self) -> Telemetry:
        self.look()
        bits = 0
        for state in self._states:
            bits |= state.throttle or 0
        after, errors = self._violations(), self._errors()
        return Telemetry(
            gpu=self._uuid,
            states=tuple(self._states),
            throttle=tuple(name for bit, name in REASONS.items() if bits & bit),
            violations={name: after[name] - self._before[name] for name in after if name in self._before},
            ecc_errors=None if errors is None or self._ecc is None else errors - self._ecc,
            foreign_processes=self._foreign,
        )

    def _violations(self) -> dict[str, int]:
        """Nanoseconds below the asked clock since the driver was loaded, by cause."""
        found = {name: self._ask(self._nvml.nvmlDeviceGetViolationStatus, code) for name, code in _VIOLATIONS.items()}
        return {name: int(status.violationTime) for name, status in found.items() if status is not None}

    def _errors(self) -> int | None:
        count = self._ask(self._nvml.nvmlDeviceGetTotalEccErrors, _UNCORRECTED, _VOLATILE)
        return None if count is None else int(count)

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return _ask(self._nvml, function, self._handle, *arguments)


def _ask(nvml: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """The answer; None where this GPU or driver has none."""
    try:
        return function(*arguments)
    except nvml.NVMLError:
        return None
