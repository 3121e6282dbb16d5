"""The negative control: work that no image can make faster or slower, because nothing of the image is in it.

One kernel that multiplies and adds, and one that copies. They are sent as machine code (`SASS`, made from `PTX` by
`benchmarks/sass.py`), because a compiler would be the image's: with a compatibility libcuda its own
libnvidia-ptxjitcompiler compiles PTX. Only for a GPU whose code is not in the file is the PTX compiled, and the result
says so. libcuda launches them. Where their time differs between two images, it is the machine that changed, and nothing
can be said of the images. On the CPU the control runs on the host (`ci_gpu.trial.on_the_host`).

Sources: CUDA Driver API, https://docs.nvidia.com/cuda/cuda-driver-api/; its environment variables,
https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import pkgutil
import time
import zlib
from typing import Any, Iterable, List, Tuple

from .wire import Fact, Metric, Note, Skip

SASS = "control_sass.json"
"""Architecture to machine code: an ELF file, deflated, in base64."""

PTX = b"""
.version 6.0
.target sm_50
.address_size 64

.visible .entry multiply_add(.param .u64 out, .param .u32 rounds)
{
    .reg .pred %more;
    .reg .b32 %i, %n, %me, %block, %width;
    .reg .f32 %x;
    .reg .b64 %p, %offset;
    ld.param.u64 %p, [out];
    ld.param.u32 %n, [rounds];
    cvta.to.global.u64 %p, %p;
    mov.u32 %me, %tid.x;
    mov.u32 %block, %ctaid.x;
    mov.u32 %width, %ntid.x;
    mad.lo.s32 %me, %block, %width, %me;
    cvt.rn.f32.u32 %x, %me;
    mov.u32 %i, 0;
again:
    fma.rn.f32 %x, %x, 0f3F7FFFEF, 0f3F000000;
    add.u32 %i, %i, 1;
    setp.lt.u32 %more, %i, %n;
    @%more bra again;
    mul.wide.u32 %offset, %me, 4;
    add.s64 %p, %p, %offset;
    st.global.f32 [%p], %x;
    ret;
}

.visible .entry copy(.param .u64 to, .param .u64 from, .param .u32 words)
{
    .reg .pred %more;
    .reg .b32 %i, %n, %step, %me, %block, %width, %value;
    .reg .b64 %t, %f, %offset, %address;
    ld.param.u64 %t, [to];
    ld.param.u64 %f, [from];
    ld.param.u32 %n, [words];
    cvta.to.global.u64 %t, %t;
    cvta.to.global.u64 %f, %f;
    mov.u32 %me, %tid.x;
    mov.u32 %block, %ctaid.x;
    mov.u32 %width, %ntid.x;
    mov.u32 %step, %nctaid.x;
    mul.lo.u32 %step, %step, %width;
    mad.lo.s32 %i, %block, %width, %me;
again:
    setp.ge.u32 %more, %i, %n;
    @%more bra done;
    mul.wide.u32 %offset, %i, 4;
    add.s64 %address, %f, %offset;
    ld.global.u32 %value, [%address];
    add.s64 %address, %t, %offset;
    st.global.u32 [%address], %value;
    add.u32 %i, %i, %step;
    bra again;
done:
    ret;
}
"""

THREADS, BLOCKS = 256, 1024
ROUNDS = 200_000
COPY_BYTES = 256 << 20
SAMPLES, WARM_SECONDS = 20, 0.5

CODE, COMPILED = "code", "PTX"
"""The fact that says which code ran, and its value where libcuda compiled it in the image."""

_SWITCHES = (
    "CUDA_FORCE_PTX_JIT",
    "CUDA_FORCE_JIT",
    "CUDA_DISABLE_PTX_JIT",
    "CUDA_DISABLE_JIT",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_MODULE_LOADING",
)
"""Variables by which an image could change how libcuda loads and launches the control."""


def check_kernel(device: str) -> Iterable[Any]:
    """Two kernels that have nothing of the image in them always take the same time."""
    if device != "cuda":
        raise Skip("on the CPU the control runs on the host")
    for name in _SWITCHES:
        os.environ.pop(name, None)
    driver = _Driver()
    try:
        yield Fact(CODE, driver.code)
        if driver.code == COMPILED:
            yield Note(
                f"no machine code for {driver.architecture} that this libcuda loads: it compiled the control's PTX"
            )
        work = driver.work()
        until = time.perf_counter() + WARM_SECONDS
        while time.perf_counter() < until:
            work()
        yield Metric("kernel", "ms", "lower", tuple(work() for _ in range(SAMPLES)))
    finally:
        driver.close()


def machine_code(architecture: str) -> bytes:
    """The kernels for ``sm_90``; empty where they were not made for this architecture."""
    cubins = json.loads((pkgutil.get_data(__package__, SASS) or b"").decode())["cubins"]
    return zlib.decompress(base64.b64decode(cubins[architecture])) if architecture in cubins else b""


_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR


class _Driver:
    """As much of the driver API as the two kernels need, on the first GPU that the container has."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        self._device, context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(self._device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device)
        self._call("cuCtxSetCurrent", context)
        self.architecture = f"sm_{self._attribute(_MAJOR)}{self._attribute(_MINOR)}"
        self.code, self._module = self._loaded()
        self._memory = [self._allocated(COPY_BYTES) for _ in range(2)]
        self._events = [self._event() for _ in range(2)]

    def work(self) -> Any:
        """A function that runs both kernels once and returns the milliseconds between two events."""
        to, source = self._memory
        kernels = (
            (self._function(b"multiply_add"), (to, ctypes.c_uint(ROUNDS))),
            (self._function(b"copy"), (to, source, ctypes.c_uint(COPY_BYTES // 4))),
        )
        return lambda: self._timed(kernels)

    def close(self) -> None:
        """Give back what was taken; the process ends soon after."""
        for pointer in self._memory:
            self._call("cuMemFree_v2", pointer)
        self._call("cuModuleUnload", self._module)
        self._call("cuDevicePrimaryCtxRelease_v2", self._device)

    def _loaded(self) -> Tuple[str, Any]:
        """The kernels as machine code; as PTX where there is none for this GPU, or where the driver refuses it."""
        module, cubin = ctypes.c_void_p(), machine_code(self.architecture)
        if cubin and self._library.cuModuleLoadData(ctypes.byref(module), cubin) == 0:
            return self.architecture, module
        self._call("cuModuleLoadData", ctypes.byref(module), PTX)
        return COMPILED, module

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), number, self._device)
        return value.value

    def _timed(self, kernels: Tuple[Any, ...]) -> float:
        start, end = self._events
        elapsed = ctypes.c_float()
        self._launch(*kernels[-1])  # a head start: the GPU is busy while the host queues the rest
        self._call("cuEventRecord", start, None)
        for function, arguments in kernels:
            self._launch(function, arguments)
        self._call("cuEventRecord", end, None)
        self._call("cuEventSynchronize", end)
        self._call("cuEventElapsedTime", ctypes.byref(elapsed), start, end)
        return elapsed.value

    def _launch(self, function: Any, arguments: Tuple[Any, ...]) -> None:
        pointers: List[Any] = [ctypes.cast(ctypes.pointer(each), ctypes.c_void_p) for each in arguments]
        packed = (ctypes.c_void_p * len(pointers))(*pointers)
        self._call("cuLaunchKernel", function, BLOCKS, 1, 1, THREADS, 1, 1, 0, None, packed, None)

    def _allocated(self, size: int) -> Any:
        pointer = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
        self._call("cuMemsetD32_v2", pointer, 0x3F800000, ctypes.c_size_t(size // 4))
        return pointer

    def _event(self) -> Any:
        event = ctypes.c_void_p()
        self._call("cuEventCreate", ctypes.byref(event), 0)
        return event

    def _function(self, name: bytes) -> Any:
        function = ctypes.c_void_p()
        self._call("cuModuleGetFunction", ctypes.byref(function), self._module, name)
        return function

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise RuntimeError(f"{name} returned CUDA error {code}")
