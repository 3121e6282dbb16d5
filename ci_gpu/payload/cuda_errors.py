"""What the errors of CUDA, NVML and torch's start mean, who is to blame, and what to try. Pure.

The texts are those of `cudaGetErrorString` (CUDA 13.0, whose codes are those of the driver's `CUresult`), of NVML's
`nvmlErrorString`, and of torch (`c10/cuda/CUDAFunctions.cpp`, `torch/cuda/__init__.py`); the meanings are from NVIDIA's
CUDA Runtime API (Error handling) and its Xid and container toolkit documentation, read in November 2026.
"""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional

from .wire import Environment

IMAGE, RUNNER, UNKNOWN = "image", "runner", "unknown"


class Cause(NamedTuple):
    """One cause: its id for machines, the party that has to mend it, what it means, and what to try.

    Where the party is ``unknown``, the error explains one check and nothing else: two checks that end with it may have
    two causes.
    """

    id: str
    party: str
    pattern: str
    meaning: str
    remedy: str


NOT_MADE = "not-made"
"""The kind of a check whose precondition fell: it was not tried."""


def classify(error: str) -> Optional[Cause]:
    """The cause of an error text of the driver, NVML or torch's start; None for one that is not known."""
    return next((cause for cause in CAUSES.values() if cause.pattern and re.search(cause.pattern, error, re.I)), None)


def of_exception(text: str) -> Optional[Cause]:
    """The cause of an exception that any code may have raised: only what stands behind a name of CUDA's counts."""
    named = _NAMES_CUDA.search(text)
    return classify(text[named.start() :]) if named else None


_NAMES_CUDA = re.compile(
    r"CUDA (driver |runtime )?(error|failure):|\bError \[CUDA\]:|CUDA_ERROR_\w|cudaError[A-Z]|\bCU(BLAS|DNN)_STATUS_"
    r"|(Failed to initialize )?NVML|NVRM: Xid|\b(torch|cuda)\.(AcceleratorError|OutOfMemoryError)|\bOutOfMemoryError\b"
    # sentences of torch's own (c10/cuda/CUDAFunctions.cpp, c10/cuda/CUDACachingAllocator.cpp, torch/cuda/__init__.py)
    r"|cudaGetDeviceCount\(\)|CUDA out of memory|CUDA unknown error|CUDA driver initialization failed"
    r"|No (CUDA|HIP) GPUs are available|Found no NVIDIA driver|NVIDIA driver on your system is too old"
    r"|not compiled with CUDA|module 'torch\._C' has no attribute '_cuda_"
    # the loader's, and a code of CUDA's with the words that belong to it
    r"|\bibv_[a-z]{2,20}_|libcuda\.so\.1: cannot open|\bError 34: CUDA driver is a stub|\bError 802: system not yet"
    r"|\bError 803: system has unsupported|\bError 804: forward compat"
)


def fallen(environment: Environment) -> Optional[Cause]:
    """Why no check of this image can use a GPU; None if one answers."""
    if environment.gpus:
        return None
    cause = classify(environment.gpu_error) or CAUSES["silent-gpus" if environment.torch_cuda else "cpu-build"]
    if cause.id == "no-gpu" and _is_hidden(environment):
        return CAUSES["gpus-hidden"]
    if cause.id == "driver-mismatch" and "compat" in environment.libcuda:
        return CAUSES["compat-mismatch"]
    return cause


def _is_hidden(environment: Environment) -> bool:
    """Whether CUDA_VISIBLE_DEVICES names none of the GPUs: what follows its first invalid entry is not seen."""
    first = environment.variables.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0].strip()
    if re.match(_HIDDEN, first):
        return True
    if environment.lost or not environment.handed:
        return False  # the entry may be that of a GPU which does not answer, or nobody knows what was handed over
    if first.isdecimal():
        return int(first[:18]) >= len(environment.handed)
    return first.upper().startswith("GPU-") and not any(_is_of(first, uuid) for uuid in environment.handed)


def hides_some(environment: Environment) -> bool:
    """Whether CUDA sees fewer GPUs than NVML shows here, and CUDA_VISIBLE_DEVICES says which."""
    answered = len(environment.gpus) + len(environment.lost)
    return "CUDA_VISIBLE_DEVICES" in environment.variables and 0 < answered < len(environment.handed)


def fewer(environment: Environment) -> Cause:
    """Why some of the GPUs that were asked for answer and others do not."""
    if hides_some(environment):
        return CAUSES["gpus-hidden"]
    return CAUSES["gpu-lost" if environment.lost else "fewer-gpus"]


def _is_of(entry: str, uuid: str) -> bool:
    """An entry may abbreviate a UUID (CUDA programming guide, environment variables); one that is not known may be."""
    return not uuid or uuid.lower().startswith(entry.lower())


_HIDDEN = r"-|$|none|void|NoDevFiles"
"""Beginnings of the first entry that hide every GPU."""


def _table(*causes: Cause) -> Dict[str, Cause]:
    return {cause.id: cause for cause in causes}


CAUSES = _table(
    Cause(
        "cpu-build",
        IMAGE,
        r"not compiled with CUDA|module 'torch\._C' has no attribute '_cuda_",
        "torch was built without CUDA",
        "install the CUDA build of torch, and pin it: a later install from an index without CUDA replaces it",
    ),
    Cause(
        "stub-libcuda",
        IMAGE,
        r"is a stub library|cudaErrorStubLibrary|CUDA_ERROR_STUB_LIBRARY",
        "the loaded libcuda is the toolkit's stub for linking, not the driver's",
        "take .../stubs out of LD_LIBRARY_PATH and out of /etc/ld.so.conf.d in the image; the linker alone needs it",
    ),
    Cause(
        "no-driver",
        RUNNER,
        r"Found no NVIDIA driver|libcuda\.so\.1: cannot open|CUDA driver initialization failed",
        "there is no usable libcuda in the container: no driver on the host, or it was not handed in",
        "start the container with its GPUs (docker: --gpus all; podman: CDI), and install the host's driver",
    ),
    Cause(
        "driver-too-old",
        IMAGE,
        r"driver on your system is too old|driver version is insufficient|API call is not supported in the installed"
        r"|cudaErrorInsufficientDriver|cudaErrorCallRequiresNewerDriver",
        "the host's driver is older than this CUDA can run on",
        "update the driver on the runners, or choose an image of an older CUDA",
    ),
    Cause(
        "ptx-toolchain",
        IMAGE,
        r"PTX was compiled with an unsupported toolchain|cudaErrorUnsupportedPtxVersion",
        "PTX of a newer CUDA than the driver knows had to be compiled",
        "update the driver to that of the image's CUDA, or use a build that has SASS for this GPU",
    ),
    Cause(
        "ptx-disabled",
        IMAGE,
        r"PTX JIT compilation was disabled|cudaErrorJitCompilationDisabled",
        "CUDA_DISABLE_PTX_JIT or CUDA_DISABLE_JIT is set, and this build has only PTX for this GPU",
        "unset the variable, or use a build that has SASS for this GPU",
    ),
    Cause(
        "no-kernel-image",
        IMAGE,
        r"no kernel image is available|device kernel image is invalid|invalid device function"
        r"|cudaErrorNoKernelImageForDevice|CUDA_ERROR_NO_BINARY_FOR_GPU",
        "the build has no kernels for this GPU's architecture",
        "choose another CUDA build of the same torch",
    ),
    Cause(
        "compat-unsupported",
        IMAGE,
        r"forward compatibility was attempted on non supported HW|\bError 804\b|cudaErrorCompatNotSupportedOnDevice",
        "the image brings a compatibility libcuda, and this GPU is not a data-centre one",
        "set cuda-compat-mode=disabled in the container toolkit, or take /usr/local/cuda/compat out of the path",
    ),
    Cause(
        "compat-mismatch",
        IMAGE,
        "",
        "the image's compatibility libcuda was loaded, and it does not go with the host's driver",
        "take /usr/local/cuda/compat out of LD_LIBRARY_PATH and out of /etc/ld.so.conf.d in the image",
    ),
    Cause(
        "gpus-hidden",
        IMAGE,
        "",
        "CUDA_VISIBLE_DEVICES hides GPUs from the image",
        "unset CUDA_VISIBLE_DEVICES: in the image where its ENV has it, else in the job that starts ci-gpu",
    ),
    Cause(
        "driver-mismatch",
        RUNNER,
        r"unsupported display driver / cuda driver combination|\bError 803\b|cudaErrorSystemDriverMismatch"
        r"|driver/library version mismatch|NVML/RM version mismatch",
        "the driver's libraries and the loaded kernel module do not belong together: usually the driver was upgraded"
        " and the module was not loaded anew",
        "reboot the runner or reload its NVIDIA modules, then start new containers; with CDI, run nvidia-ctk cdi"
        " generate; take /usr/local/cuda/compat out of the library path",
    ),
    Cause(
        "fabric-manager",
        RUNNER,
        r"system not yet initialized|\bError 802\b|cudaErrorSystemNotReady|CUDA_ERROR_SYSTEM_NOT_READY",
        "the fabric manager of an NVSwitch machine is not ready",
        "sudo systemctl start nvidia-fabricmanager, of the same version as the driver",
    ),
    Cause(
        "ecc-uncorrectable",
        RUNNER,
        r"uncorrectable ECC error|cudaErrorECCUncorrectable|CUDA_ERROR_ECC_UNCORRECTABLE"
        r"|NVRM: Xid.{0,80}: (48|63|64|94|95),",
        "the memory of this GPU is damaged",
        "take the runner out of service; nvidia-smi -q -d ECC,ROW_REMAPPER, then reset the GPU or replace it",
    ),
    Cause(
        "nvlink-error",
        RUNNER,
        r"uncorrectable NVLink error|over nvlink or a hardware error|cudaErrorNvlinkUncorrectable|cudaErrorContained"
        r"|NVRM: Xid.{0,80}: 74,",
        "a link between GPUs, or a GPU on it, is defective",
        "take the runner out of service; nvidia-smi nvlink -e, and the kernel's log for Xid",
    ),
    Cause(
        "gpu-lost",
        RUNNER,
        r"GPU is lost|fallen off the bus|\bGPU_IS_LOST\b|CUDA_ERROR_DEVICE_UNAVAILABLE.{0,200}lost"
        r"|NVRM: Xid.{0,80}: 79,|GPU requires reset|the GPU .{0,80}needs to be reset",
        "the GPU has fallen off the bus, or must be reset",
        "take the runner out of service; dmesg has the Xid; reset the GPU (nvidia-smi -r) or reboot",
    ),
    Cause(
        "gpu-computes-wrong",
        RUNNER,
        "",
        "another GPU of this model computes the same right, with the same image",
        "take this GPU out of service; dcgmi diag -r 3, and nvidia-smi -q -d ECC,ROW_REMAPPER, may show what is wrong",
    ),
    Cause(
        "gpu-busy",
        RUNNER,
        r"busy or unavailable|cudaErrorDevicesUnavailable|CUDA_ERROR_DEVICE_UNAVAILABLE|exclusive-thread device",
        "the GPU is in exclusive mode, or held by another process",
        "nvidia-smi shows who holds it; nvidia-smi -c DEFAULT ends the exclusive mode",
    ),
    Cause(
        "mps",
        RUNNER,
        r"\bMPS (client|server)\b|cudaErrorMps\w+|CUDA_ERROR_MPS_\w+"
        r"|hardware resources required to support device connections have been exhausted",
        "CUDA's Multi-Process Service on the runner does not serve this process",
        "look at nvidia-cuda-mps-control on the runner, and unset CUDA_MPS_PIPE_DIRECTORY where it is not wanted",
    ),
    Cause(
        "ptx-compiler-missing",
        RUNNER,
        r"PTX JIT compiler library not found|cudaErrorJitCompilerNotFound",
        "libnvidia-ptxjitcompiler is missing in the container",
        "NVIDIA_DRIVER_CAPABILITIES must include compute; reinstall the driver",
    ),
    Cause(
        "not-licensed",
        RUNNER,
        r"doesn't have valid Grid license|integrity checks failed|cudaErrorDeviceNotLicensed"
        r"|cudaErrorSoftwareValidityNotEstablished",
        "the virtual GPU has no licence, or the driver is not intact",
        "nvidia-smi -q shows the licence state; look at nvidia-gridd on the runner",
    ),
    Cause(
        "device-files",
        RUNNER,
        r"CUDA unknown error|CUDA error: unknown error|\bError 999\b|cudaErrorUnknown\b|CUDA_ERROR_UNKNOWN\b"
        r"|OS call failed or operation not supported on this OS|Failed to initialize NVML: Unknown Error",
        "usually the device files of nvidia-uvm are missing, the container lost its access to them, or the GPU is gone",
        "sudo nvidia-modprobe -u on the host, then a new container; dmesg shows whether the GPU is still there; where"
        " SELinux is enforcing, try --selinux-label disable",
    ),
    Cause(
        "gpu-permission",
        RUNNER,
        r"Insufficient Permissions|NVML_ERROR_NO_PERMISSION|/dev/nvidia[\w-]{0,40}.{0,80}permission denied",
        "the container may not use the device files of the GPU",
        "where SELinux is enforcing, --selinux-label disable; where /dev/nvidia* are for a group, --group-add with its"
        " gid (stat -c %g /dev/nvidia0), or --group-add keep-groups with a rootless podman over crun",
    ),
    Cause(
        "memlock",
        RUNNER,
        r"ibv_(reg_mr|create_cq|create_qp|alloc_pd)[\w()]{0,20} failed.{0,80}Cannot allocate memory",
        "the container may not lock the memory that RDMA needs",
        "--memlock unlimited; the daemon or the user that starts the container must be allowed as much",
    ),
    Cause(
        "no-gpu",
        RUNNER,
        r"No (CUDA|HIP) GPUs are available|no CUDA-capable device|cudaErrorNoDevice|CUDA_ERROR_NO_DEVICE",
        "CUDA works and no GPU is visible",
        "look at CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES, and whether MIG is on without instances",
    ),
    Cause(
        "silent-gpus",
        RUNNER,
        "",
        "no GPU answers",
        "run nvidia-smi on the runner, and check how its engine hands GPUs to containers",
    ),
    Cause(
        "fewer-gpus",
        RUNNER,
        "",
        "fewer GPUs answer than were asked for",
        "run nvidia-smi on the runner, and check how its engine hands GPUs to containers",
    ),
    Cause(
        "out-of-memory",
        UNKNOWN,
        r"CUDA out of memory|CUDA error: out of memory|cudaErrorMemoryAllocation|OutOfMemoryError"
        r"|CUDA_ERROR_OUT_OF_MEMORY|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED",
        "the memory of the GPU is full",
        "nvidia-smi shows whether another process holds it; a smaller MIG slice has less",
    ),
    Cause(
        "no-handle",
        UNKNOWN,
        r"CUBLAS_STATUS_NOT_INITIALIZED|CUDNN_STATUS_NOT_INITIALIZED",
        "cuBLAS or cuDNN could not start: little memory was left, or its library does not fit the driver",
        "look at what else holds GPU memory, and at the versions of the CUDA libraries in the image",
    ),
    Cause(
        "invalid-ordinal",
        UNKNOWN,
        r"invalid device ordinal|cudaErrorInvalidDevice\b",
        "a GPU was named that is not there",
        "look at the index that the code names, and at CUDA_VISIBLE_DEVICES",
    ),
    Cause(
        "illegal-access",
        UNKNOWN,
        r"illegal memory access|misaligned address|illegal instruction was encountered|invalid program counter"
        r"|hardware stack error|operation not supported on global/shared address space"
        r"|cudaErrorIllegalAddress|cudaErrorMisalignedAddress|cudaErrorIllegalInstruction|cudaErrorHardwareStackError",
        "a kernel did what it must not: usually a fault in the library that it is from, rarely a sick GPU",
        "try another GPU of this model; if it stays, run the check alone under compute-sanitizer",
    ),
    Cause(
        "launch-failure",
        UNKNOWN,
        r"unspecified launch failure|cudaErrorLaunchFailure|CUDA_ERROR_LAUNCH_FAILED",
        "a kernel died: a fault in the library that it is from, or a sick GPU",
        "dmesg on the runner has the Xid; try another GPU of this model",
    ),
    Cause(
        "launch-timeout",
        UNKNOWN,
        r"the launch timed out and was terminated|cudaErrorLaunchTimeout|CUDA_ERROR_LAUNCH_TIMEOUT",
        "a kernel ran longer than the watchdog of a GPU with a display allows, or it hangs",
        "use a GPU without a display, or look for the hang",
    ),
    Cause(
        "device-assert",
        UNKNOWN,
        r"device-side assert triggered|cudaErrorAssert\b|CUDA_ERROR_ASSERT",
        "a kernel's own assertion failed: usually an index out of range",
        "CUDA_LAUNCH_BLOCKING=1 shows which call it was",
    ),
    Cause(
        "not-permitted",
        UNKNOWN,
        r"CUDA error: operation not permitted(?! (when|on))|cudaErrorNotPermitted|CUDA_ERROR_NOT_PERMITTED",
        "the driver, or the container's restrictions, do not allow this operation",
        "try the same image by docker run without our hardening; look at MIG, MPS and the toolkit's configuration",
    ),
)
"""By id. The order is that in which the patterns are tried: the more special ones first."""
