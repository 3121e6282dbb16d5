"""What a GPU does while an image is measured: clocks, power, temperature, and why it runs slower than it could.

The host reads it by pynvml (`ci_gpu.telemetry`). Where the host has no NVML, as with a remote daemon, the image does
(`.watcher`). A number that this GPU or this driver does not tell is None, never zero.

Source: NVML, https://docs.nvidia.com/deploy/nvml-api/
"""

from __future__ import annotations

import time
from typing import Any, Dict, List, Sequence, Tuple

from .wire import GpuState, Telemetry

PERIOD = 0.25
"""Seconds between two looks. A shorter throttling is still found: the driver's violation counters run on."""

PATIENCE = 10.0
"""Seconds for the last look: a driver that hangs must not keep the answers of the checks."""

IDLE = 0x1

IDLE_CLOCK = 1 / 3
"""GPUs idle at 0.1 to 0.2 of their highest clock (210 of 1410 MHz on an A100, 345 of 1980 on an H100)."""

REASONS = {
    IDLE: "idle",
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

MAX_STATES = 2000
"""Looks that are kept of one GPU: beyond, every second one is dropped, again and again."""

VIOLATIONS = {"power": 0, "thermal": 1, "board-limit": 3, "low-utilization": 4, "reliability": 5}
"""NVML's causes of time below the asked clock (nvmlPerfPolicyType_t)."""


class Observation:
    """One GPU from now to `close`. ``device`` answers as `.nvml.Device` does."""

    def __init__(self, device: Any, uuid: str, inside: bool = False) -> None:
        self._device, self._uuid, self._inside = device, uuid, inside
        self._started = time.monotonic()
        self._foreign = device.processes() or 0
        self._violations, self._errors = self._counters()
        self._states: List[GpuState] = []
        self._bits = 0
        self.look()

    def look(self) -> None:
        """Remember the state of this moment."""
        milliwatts, reasons = self._device.milliwatts(), self._device.reasons()
        self._bits |= reasons or 0
        if len(self._states) >= MAX_STATES:
            del self._states[1::2]
        self._states.append(
            GpuState(
                seconds=round(time.monotonic() - self._started, 3),
                sm_mhz=self._device.sm_mhz(),
                memory_mhz=self._device.memory_mhz(),
                temperature=self._device.temperature(),
                power=None if milliwatts is None else milliwatts / 1000,
                throttle=reasons,
                utilization=self._device.utilization(),
            )
        )

    def close(self) -> Telemetry:
        """The last look, and what came of all."""
        self.look()
        violations, errors = self._counters()
        return Telemetry(
            gpu=self._uuid,
            states=tuple(self._states),
            throttle=tuple(name for bit, name in REASONS.items() if self._bits & bit),
            violations={
                name: max(0, violations[name] - self._violations[name])  # somebody may reset the driver's counters
                for name in violations
                if name in self._violations
            },
            ecc_errors=None if errors is None or self._errors is None else max(0, errors - self._errors),
            foreign_processes=max(self._foreign, self._device.processes() or 0),
            inside=self._inside,
        )

    def _counters(self) -> Tuple[Dict[str, int], Any]:
        """Nanoseconds below the asked clock since the driver was loaded, by cause; and uncorrected memory errors."""
        found = {name: self._device.violation_ns(code) for name, code in VIOLATIONS.items()}
        return {name: value for name, value in found.items() if value is not None}, self._device.uncorrected_errors()


def conditions(device: Any) -> Dict[str, Any]:
    """Under which conditions the GPU runs, as fields of `wire.Gpu`: under others it is another machine.

    Locked clocks (`nvidia-smi --lock-gpu-clocks`) cannot be read from NVML; application clocks can.
    """
    ecc, wanted, usual = device.ecc(), device.application_mhz(), device.default_application_mhz()
    return {
        "power_limit": round((device.milliwatts_allowed() or 0) / 1000),
        "ecc": "" if ecc is None else "on" if ecc else "off",
        "clocks": f"applications:{wanted}" if wanted and wanted != usual else "default" if wanted else "",
    }


def busy(states: Sequence[GpuState]) -> List[GpuState]:
    """Without the looks at an idle GPU, whose clocks say nothing of the work.

    The driver says that it is idle by the reason for its clock, or by a utilization of 0 %. Where it tells neither, as
    on some vGPUs, a clock below `IDLE_CLOCK` of the highest one seen is taken for an idle one.
    """
    highest = max((state.sm_mhz or 0 for state in states), default=0)
    return [state for state in states if not _is_idle(state, highest)]


def _is_idle(state: GpuState, highest: int) -> bool:
    if state.throttle is None and state.utilization is None:
        return state.sm_mhz is not None and state.sm_mhz < IDLE_CLOCK * highest
    return bool((state.throttle or 0) & IDLE) or state.utilization == 0
