"""Stands in for torch inside the image: the answers of `STATE_TORCH`, and torch 2.14.1's words for a CUDA that fails.

`cuda.init` asks the libcuda that the loader finds, as torch does. The words for its codes are recorded from torch
2.14.1+cu130 on a machine whose libcuda answered so (`c10/cuda/CUDAFunctions.cpp` has them). What is here has the
signatures of torch's documentation; what the checks of these tests do not use is not here.
"""

import ctypes
import json
import os
import sys
from types import SimpleNamespace

STATE = json.loads(os.environ["STATE_TORCH"])

if STATE.get("broken"):
    raise ImportError(STATE["broken"])
if STATE.get("killed"):
    os.kill(os.getpid(), STATE["killed"])

__version__ = STATE["version"]
version = SimpleNamespace(cuda=STATE["cuda"], hip=None)
_C = SimpleNamespace(_cuda_getArchFlags=lambda: STATE["archs"])

NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver"
UNEXPECTED = (
    "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that "
    "might have already set an error? Error %d: %s"
)
WORDS = {
    3: "CUDA driver initialization failed, you might not have a CUDA gpu.",
    35: "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver",
    100: "No CUDA GPUs are available",
    999: "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable "
    "CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero.",
}
CODES = {
    34: "CUDA driver is a stub library",
    46: "CUDA-capable device(s) is/are busy or unavailable",
    214: "uncorrectable ECC error encountered",
    304: "OS call failed or operation not supported on this OS",
    802: "system not yet initialized",
    803: "system has unsupported display driver / cuda driver combination",
    804: "forward compatibility was attempted on non supported HW",
    805: "MPS client failed to connect to the MPS control daemon or the MPS server",
}


class _Cuda:
    nccl = SimpleNamespace(version=lambda: (2, 27, 5))

    def __init__(self):
        self._initialized = False

    def is_initialized(self):
        return self._initialized

    def device_count(self):
        return len(STATE["gpus"])

    def init(self):
        if not STATE["cuda"]:
            raise AssertionError("Torch not compiled with CUDA enabled")
        if STATE.get("aborts"):
            os.abort()
        code = _cu_init()
        if code:
            raise RuntimeError(WORDS.get(code) or UNEXPECTED % (code, CODES[code]))
        if not STATE["gpus"] or os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
            raise RuntimeError(WORDS[100])
        self._initialized = True

    def get_device_properties(self, index):
        name, capability = STATE["gpus"][index]
        major, _, minor = capability.partition(".")
        return SimpleNamespace(
            name=name,
            major=int(major),
            minor=int(minor),
            total_memory=80 << 30,
            multi_processor_count=132,
            uuid=f"{index}",
        )


def _cu_init():
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise RuntimeError(NO_DRIVER) from None
    return library.cuInit(0)


cuda = _Cuda()
backends = SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 91002))


def manual_seed(seed):
    return seed


sys.modules["torch.cuda"] = cuda
