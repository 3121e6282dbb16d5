"""The host's driver by pynvml, with the questions of `ci_gpu.payload.nvml`: so both sides are read by the same code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_UNCORRECTED, _VOLATILE = 1, 0  # nvmlMemoryErrorType_t, nvmlEccCounterType_t


@contextlib.contextmanager
def opened() -> Iterator[Any]:
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


def refusal() -> str:
    """Why the NVML that is here does not start; empty if it does, and where there is none."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return "" if error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND else str(error)
    pynvml.nvmlShutdown()
    return ""


def system(nvml: Any, function: str) -> Any:
    """The answer of ``nvml<function>``; None where it is not told."""
    try:
        return getattr(nvml, f"nvml{function}")()
    except nvml.NVMLError:
        return None


def device(nvml: Any, uuid: str) -> Device | None:
    """The GPU with this UUID; None where there is none."""
    try:
        return Device(nvml, nvml.nvmlDeviceGetHandleByUUID(uuid))
    except nvml.NVMLError:
        return None


def parent(mig: str) -> str:
    """The UUID of the GPU that this MIG slice is cut from; empty where there is none."""
    with opened() as nvml:
        part = device(nvml, mig) if nvml else None
        whole = part.ask("DeviceHandleFromMigDeviceHandle") if part else None
        return Device(nvml, whole).uuid() if whole else ""


def mig_device(word: str) -> str:
    """The UUID of the MIG device ``0:1``, the second of GPU 0; empty where there is none."""
    gpu, _, slot = word.partition(":")
    with opened() as nvml:
        try:
            whole = Device(nvml, nvml.nvmlDeviceGetHandleByIndex(int(gpu))) if nvml else None
        except nvml.NVMLError:
            return ""
        part = whole.ask("MigDeviceHandleByIndex", int(slot)) if whole else None
        return Device(nvml, part).uuid() if part else ""


class Device:
    """One GPU. None: this GPU, or this driver, does not tell.

    ``error`` is set once it has said, whatever it was asked, that it is lost or must be reset.
    """

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle, self.error = nvml, handle, ""
        self._gone = (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED)

    def ask(self, function: str, *arguments: Any) -> Any:
        """The answer of ``nvmlDeviceGet<function>``."""
        try:
            return getattr(self._nvml, f"nvmlDeviceGet{function}")(self._handle, *arguments)
        except (self._nvml.NVMLError, self._nvml.NVMLLibraryMismatchError) as error:
            if getattr(error, "value", 0) in self._gone:
                self.error = str(error)
            return None

    def uuid(self) -> str:
        """``GPU-…``, as in `nvidia-smi -L`."""
        return str(self.ask("UUID") or "")

    def sm_mhz(self) -> int | None:
        return self._number("ClockInfo", self._nvml.NVML_CLOCK_SM)

    def memory_mhz(self) -> int | None:
        return self._number("ClockInfo", self._nvml.NVML_CLOCK_MEM)

    def max_sm_mhz(self) -> int | None:
        return self._number("MaxClockInfo", self._nvml.NVML_CLOCK_SM)

    def application_mhz(self) -> int | None:
        return self._number("ApplicationsClock", self._nvml.NVML_CLOCK_SM)

    def default_application_mhz(self) -> int | None:
        return self._number("DefaultApplicationsClock", self._nvml.NVML_CLOCK_SM)

    def temperature(self) -> int | None:
        return self._number("Temperature", self._nvml.NVML_TEMPERATURE_GPU)

    def milliwatts(self) -> int | None:
        return self._number("PowerUsage")

    def milliwatts_allowed(self) -> int | None:
        return self._number("PowerManagementLimit")

    def reasons(self) -> int | None:
        for name in ("Event", "Throttle"):  # renamed between drivers 510 and 550
            found = self._number(f"CurrentClocks{name}Reasons")
            if found is not None:
                return found
        return None

    def utilization(self) -> int | None:
        """Percent of the driver's last sample in which a kernel ran."""
        rates = self.ask("UtilizationRates")
        return None if rates is None else int(rates.gpu)

    def uncorrected_errors(self) -> int | None:
        return self._number("TotalEccErrors", _UNCORRECTED, _VOLATILE)

    def violation_ns(self, policy: int) -> int | None:
        status = self.ask("ViolationStatus", policy)
        return None if status is None else int(status.violationTime)

    def ecc(self) -> int | None:
        modes = self.ask("EccMode")  # now, and after the next restart
        return None if modes is None else int(modes[0])

    def processes(self) -> int | None:
        for version in ("_v3", "_v2"):  # drivers before 510 have not got the newer one
            found = self.ask(f"ComputeRunningProcesses{version}")
            if found is not None:
                return len(found)
        return None

    def is_cut(self) -> bool:
        """Whether MIG is on."""
        return bool((self.ask("MigMode") or [0])[0])

    def mig_devices(self) -> int:
        """Into how many parts it is cut."""
        if not self.is_cut():
            return 0
        slots = range(self.ask("MaxMigDeviceCount") or 0)
        return sum(self.ask("MigDeviceHandleByIndex", slot) is not None for slot in slots)

    def _number(self, function: str, *arguments: int) -> int | None:
        found = self.ask(function, *arguments)
        return None if found is None else int(found)
