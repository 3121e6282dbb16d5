"""The driver's own library, by ctypes: images have no pynvml. What cannot be known is empty or zero."""

from __future__ import annotations

import ctypes
from typing import Any, Dict, Optional

_SM_CLOCK = 1


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
        return text.value.decode() if self._call("nvmlSystemGetDriverVersion", text, 96) else ""

    def cuda(self) -> str:
        """The CUDA version of the kernel driver, whatever libcuda is loaded here."""
        number = ctypes.c_int()
        return version(number.value) if self._call("nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(number)) else ""

    def max_sm_clocks(self) -> Dict[str, int]:
        """UUID to MHz: CUDA's order of devices is not NVML's."""
        count, clocks = ctypes.c_uint(), {}
        self._call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        for index in range(count.value):
            handle, clock = ctypes.c_void_p(), ctypes.c_uint()
            uuid = ctypes.create_string_buffer(96)
            if (
                self._call("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle))
                and self._call("nvmlDeviceGetUUID", handle, uuid, 96)
                and self._call("nvmlDeviceGetMaxClockInfo", handle, _SM_CLOCK, ctypes.byref(clock))
            ):
                clocks[uuid.value.decode()] = clock.value
        return clocks

    def _call(self, function: str, *arguments: Any) -> bool:
        try:
            return int(getattr(self._library, function)(*arguments)) == 0
        except AttributeError:  # an older driver has not got it
            return False


def version(number: int) -> str:
    """12080 as 12.8; empty for 0, which means that there is no driver."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""
