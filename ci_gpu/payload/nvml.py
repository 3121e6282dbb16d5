"""The driver's own library, by ctypes: images have no pynvml. What cannot be known is None, empty or zero."""

from __future__ import annotations

import ctypes
from typing import Any, Iterator, List, Optional, Tuple

from .wire import Gpu

_SM, _MEMORY = 1, 2  # nvmlClockType_t
_UNCORRECTED, _VOLATILE = 1, 0  # nvmlMemoryErrorType_t, nvmlEccCounterType_t
_NO_PERMISSION, _INSUFFICIENT_SIZE, _FUNCTION_NOT_FOUND = 4, 7, 13  # nvmlReturn_t
_GONE = (15, 16)  # GPU_IS_LOST, RESET_REQUIRED
_UUID_SIZE = 96


class Nvml:
    """libnvidia-ml while the block lasts; `None` where there is none or it does not initialise."""

    def __enter__(self) -> Optional[Nvml]:
        try:
            self._library: Any = ctypes.CDLL("libnvidia-ml.so.1")
            return self if self._library.nvmlInit_v2() == 0 else None
        except (OSError, AttributeError):
            return None

    def __exit__(self, *_: object) -> None:
        library = getattr(self, "_library", None)
        if library is not None:
            library.nvmlShutdown()

    def driver(self) -> str:
        """The version of the kernel driver: ``580.65.06``."""
        text = ctypes.create_string_buffer(96)
        return text.value.decode() if _succeeds(self._library, "nvmlSystemGetDriverVersion", text, 96) else ""

    def cuda(self) -> str:
        """The CUDA version of the kernel driver, whatever libcuda is loaded here."""
        number = ctypes.c_int()
        known = _succeeds(self._library, "nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(number))
        return version(number.value) if known else ""

    def devices(self) -> List[Device]:
        """The GPUs that can be seen from here, in NVML's order, which is not CUDA's."""
        return [device for code, device in self._counted() if not code]

    def lost(self) -> List[Gpu]:
        """The GPUs that are counted and do not answer, with why; not those that this user may not use."""
        found = []
        for index, (code, device) in enumerate(self._counted()):
            name = "" if code else device.uuid()
            code = code or device.gone()
            if code not in (0, _NO_PERMISSION):
                found.append(Gpu(index, "", name, error=self._words(code)))
        return found

    def _counted(self) -> Iterator[Tuple[int, Device]]:
        count = ctypes.c_uint()
        _succeeds(self._library, "nvmlDeviceGetCount_v2", ctypes.byref(count))
        for index in range(count.value):
            handle = ctypes.c_void_p()
            code = _code(self._library, "nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle))
            yield code, Device(self._library, handle)

    def _words(self, code: int) -> str:
        self._library.nvmlErrorString.restype = ctypes.c_char_p
        return (self._library.nvmlErrorString(code) or b"").decode("ascii", "replace") or f"NVML error {code}"


class Device:
    """One GPU: what `ci_gpu.payload.telemetry` asks for, in NVML's own units."""

    def __init__(self, library: Any, handle: ctypes.c_void_p) -> None:
        self._library, self._handle = library, handle

    def gone(self) -> int:
        """The code with which it says that it is lost or must be reset; 0 if it does not."""
        memory, celsius = ctypes.create_string_buffer(64), ctypes.c_uint()
        codes = (
            _code(self._library, "nvmlDeviceGetMemoryInfo", self._handle, memory),
            _code(self._library, "nvmlDeviceGetTemperature", self._handle, 0, ctypes.byref(celsius)),
        )
        return next((code for code in codes if code in _GONE), 0)

    def uuid(self) -> str:
        """``GPU-…``, as in `nvidia-smi -L`."""
        text = ctypes.create_string_buffer(_UUID_SIZE)
        known = _succeeds(self._library, "nvmlDeviceGetUUID", self._handle, text, _UUID_SIZE)
        return text.value.decode("ascii", "replace") if known else ""

    def sm_mhz(self) -> Optional[int]:
        return self._number("nvmlDeviceGetClockInfo", _SM)

    def memory_mhz(self) -> Optional[int]:
        return self._number("nvmlDeviceGetClockInfo", _MEMORY)

    def max_sm_mhz(self) -> Optional[int]:
        return self._number("nvmlDeviceGetMaxClockInfo", _SM)

    def application_mhz(self) -> Optional[int]:
        return self._number("nvmlDeviceGetApplicationsClock", _SM)

    def default_application_mhz(self) -> Optional[int]:
        return self._number("nvmlDeviceGetDefaultApplicationsClock", _SM)

    def temperature(self) -> Optional[int]:
        return self._number("nvmlDeviceGetTemperature", 0)

    def milliwatts(self) -> Optional[int]:
        return self._number("nvmlDeviceGetPowerUsage")

    def milliwatts_allowed(self) -> Optional[int]:
        return self._number("nvmlDeviceGetPowerManagementLimit")

    def reasons(self) -> Optional[int]:
        for name in ("Event", "Throttle"):  # renamed between drivers 510 and 550
            found = self._number(f"nvmlDeviceGetCurrentClocks{name}Reasons", kind=ctypes.c_ulonglong)
            if found is not None:
                return found
        return None

    def utilization(self) -> Optional[int]:
        """Percent of the driver's last sample in which a kernel ran."""
        rates = _Utilization()
        known = _succeeds(self._library, "nvmlDeviceGetUtilizationRates", self._handle, ctypes.byref(rates))
        return int(rates.gpu) if known else None

    def uncorrected_errors(self) -> Optional[int]:
        return self._number("nvmlDeviceGetTotalEccErrors", _UNCORRECTED, _VOLATILE, kind=ctypes.c_ulonglong)

    def violation_ns(self, policy: int) -> Optional[int]:
        status = _ViolationTime()
        known = _succeeds(self._library, "nvmlDeviceGetViolationStatus", self._handle, policy, ctypes.byref(status))
        return int(status.violation) if known else None

    def ecc(self) -> Optional[int]:
        now, pending = ctypes.c_uint(), ctypes.c_uint()
        known = _succeeds(self._library, "nvmlDeviceGetEccMode", self._handle, ctypes.byref(now), ctypes.byref(pending))
        return now.value if known else None

    def processes(self) -> Optional[int]:
        """Compute processes. Inside a container those of other containers may not be shown."""
        for suffix in ("_v3", "_v2", ""):  # by the age of the driver
            function = getattr(self._library, f"nvmlDeviceGetComputeRunningProcesses{suffix}", None)
            if function:
                count = ctypes.c_uint(0)
                code = function(self._handle, ctypes.byref(count), None)  # room for none: it tells how many
                return count.value if code in (0, _INSUFFICIENT_SIZE) else None
        return None

    def _number(self, function: str, *arguments: int, kind: Any = ctypes.c_uint) -> Optional[int]:
        value = kind()
        known = _succeeds(self._library, function, self._handle, *arguments, ctypes.byref(value))
        return int(value.value) if known else None


class _Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class _ViolationTime(ctypes.Structure):
    _fields_ = [("reference", ctypes.c_ulonglong), ("violation", ctypes.c_ulonglong)]


def _succeeds(library: Any, function: str, *arguments: Any) -> bool:
    return _code(library, function, *arguments) == 0


def _code(library: Any, function: str, *arguments: Any) -> int:
    try:
        return int(getattr(library, function)(*arguments))
    except AttributeError:  # an older driver has not got it
        return _FUNCTION_NOT_FOUND


def version(number: int) -> str:
    """12080 as 12.8; empty for 0, which means that there is no driver."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""
