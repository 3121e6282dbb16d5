"""ci_gpu.payload.cuda_errors: what an error means, and who is to blame."""

from __future__ import annotations

from typing import Any

import pytest

from ci_gpu.payload import cuda_errors
from ci_gpu.payload.cuda_errors import IMAGE, RUNNER, UNKNOWN
from ci_gpu.payload.wire import Environment, Gpu

COUNT = (
    "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that "
    "might have already set an error? Error "
)
"""torch's words around a code that it has none of its own for."""

START: dict[str, tuple[str, str, str]] = {
    "no libcuda": (
        "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from "
        "http://www.nvidia.com/Download/index.aspx",
        "no-driver",
        RUNNER,
    ),
    "3": ("CUDA driver initialization failed, you might not have a CUDA gpu.", "no-driver", RUNNER),
    "34": (f"{COUNT}34: CUDA driver is a stub library", "stub-libcuda", IMAGE),
    "35": (
        "The NVIDIA driver on your system is too old (found version 13000). Please update your GPU driver by "
        "downloading and installing a new version",
        "driver-too-old",
        IMAGE,
    ),
    "46": (f"{COUNT}46: CUDA-capable device(s) is/are busy or unavailable", "gpu-busy", RUNNER),
    "100": ("No CUDA GPUs are available", "no-gpu", RUNNER),
    "214": (f"{COUNT}214: uncorrectable ECC error encountered", "ecc-uncorrectable", RUNNER),
    "304": (f"{COUNT}304: OS call failed or operation not supported on this OS", "device-files", RUNNER),
    "802": (f"{COUNT}802: system not yet initialized", "fabric-manager", RUNNER),
    "803": (
        f"{COUNT}803: system has unsupported display driver / cuda driver combination",
        "driver-mismatch",
        RUNNER,
    ),
    "804": (f"{COUNT}804: forward compatibility was attempted on non supported HW", "compat-unsupported", IMAGE),
    "805": (
        f"{COUNT}805: MPS client failed to connect to the MPS control daemon or the MPS server",
        "mps",
        RUNNER,
    ),
    "999": (
        "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable "
        "CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero.",
        "device-files",
        RUNNER,
    ),
    "a CPU build": ("Torch not compiled with CUDA enabled", "cpu-build", IMAGE),
}
"""What `torch.cuda.init` of torch 2.14.1+cu130 really says where `cuInit` answers with that code."""

LATER: dict[str, tuple[str, str]] = {
    "out of memory": ("out-of-memory", UNKNOWN),
    "API call is not supported in the installed CUDA driver": ("driver-too-old", IMAGE),
    "CUDA driver version is insufficient for CUDA runtime version": ("driver-too-old", IMAGE),
    "invalid device function": ("no-kernel-image", IMAGE),
    "no CUDA-capable device is detected": ("no-gpu", RUNNER),
    "invalid device ordinal": ("invalid-ordinal", UNKNOWN),
    "device doesn't have valid Grid license": ("not-licensed", RUNNER),
    "device kernel image is invalid": ("no-kernel-image", IMAGE),
    "no kernel image is available for execution on the device": ("no-kernel-image", IMAGE),
    "exclusive-thread device already in use by a different thread": ("gpu-busy", RUNNER),
    "uncorrectable NVLink error detected during the execution": ("nvlink-error", RUNNER),
    "PTX JIT compiler library not found": ("ptx-compiler-missing", RUNNER),
    "the provided PTX was compiled with an unsupported toolchain.": ("ptx-toolchain", IMAGE),
    "PTX JIT compilation was disabled": ("ptx-disabled", IMAGE),
    "Invalid access of peer GPU memory over nvlink or a hardware error": ("nvlink-error", RUNNER),
    "an illegal memory access was encountered": ("illegal-access", UNKNOWN),
    "the launch timed out and was terminated": ("launch-timeout", UNKNOWN),
    "device-side assert triggered": ("device-assert", UNKNOWN),
    "hardware stack error": ("illegal-access", UNKNOWN),
    "an illegal instruction was encountered": ("illegal-access", UNKNOWN),
    "misaligned address": ("illegal-access", UNKNOWN),
    "unspecified launch failure": ("launch-failure", UNKNOWN),
    "operation not permitted": ("not-permitted", UNKNOWN),
    "MPS server is not ready to accept new MPS client requests": ("mps", RUNNER),
    "unknown error": ("device-files", RUNNER),
}
"""The words of `cudaGetErrorString` (CUDA 13.0), as torch has them behind ``CUDA error: ``."""

ELSEWHERE: dict[str, tuple[str, str]] = {
    # https://github.com/NVIDIA/nvidia-container-toolkit/issues/210
    "Failed to initialize NVML: Insufficient Permissions": ("gpu-permission", RUNNER),
    # https://github.com/NVIDIA/nccl-tests/issues/206
    "misc/ibvwrap.cc:278 NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory": (
        "memlock",
        RUNNER,
    ),
    # https://github.com/NVIDIA/cudf-spark/pull/7632
    "ERROR mlx5_0: ibv_create_cq() failed: Cannot allocate memory.": ("memlock", RUNNER),
    "AttributeError: module 'torch._C' has no attribute '_cuda_getAllocatorBackend'": ("cpu-build", IMAGE),
    "OSError: libcuda.so.1: cannot open shared object file: No such file or directory": ("no-driver", RUNNER),
    "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.": ("gpu-lost", RUNNER),
    "NVRM: Xid (PCI:0000:3b:00): 95, pid=1234, Uncontained ECC error": ("ecc-uncorrectable", RUNNER),
    "RM has detected an NVML/RM version mismatch.": ("driver-mismatch", RUNNER),
    "Failed to initialize NVML: Unknown Error": ("device-files", RUNNER),
    "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`": (
        "no-handle",
        UNKNOWN,
    ),
    "torch.AcceleratorError: CUDA error: x\nSearch for `cudaErrorECCUncorrectable' in https://docs.nvidia.com/": (
        "ecc-uncorrectable",
        RUNNER,
    ),
}


@pytest.mark.parametrize(("text", "cause", "party"), START.values(), ids=START)
def test_an_error_of_the_start_in_torch_s_own_words(text: str, cause: str, party: str) -> None:
    found = cuda_errors.classify(text)

    assert found is not None
    assert (found.id, found.party) == (cause, party)
    assert found.remedy


@pytest.mark.parametrize("text", LATER)
def test_an_error_of_a_call_in_cuda_s_own_words(text: str) -> None:
    found = cuda_errors.classify(
        f"torch.AcceleratorError: CUDA error: {text}\nCUDA kernel errors might be asynchronous"
    )

    assert found is not None
    assert (found.id, found.party) == LATER[text]
    assert found.remedy


@pytest.mark.parametrize("text", ELSEWHERE)
def test_an_error_of_nvml_the_kernel_or_the_linker(text: str) -> None:
    found = cuda_errors.classify(text)

    assert found is not None
    assert (found.id, found.party) == ELSEWHERE[text]


NAMED: dict[str, str] = {
    "stub-libcuda": "cudaErrorStubLibrary CUDA_ERROR_STUB_LIBRARY",
    "driver-too-old": "cudaErrorInsufficientDriver cudaErrorCallRequiresNewerDriver",
    "ptx-toolchain": "cudaErrorUnsupportedPtxVersion",
    "ptx-disabled": "cudaErrorJitCompilationDisabled",
    "no-kernel-image": "cudaErrorNoKernelImageForDevice CUDA_ERROR_NO_BINARY_FOR_GPU",
    "compat-unsupported": "cudaErrorCompatNotSupportedOnDevice",
    "driver-mismatch": "cudaErrorSystemDriverMismatch",
    "fabric-manager": "cudaErrorSystemNotReady CUDA_ERROR_SYSTEM_NOT_READY",
    "ecc-uncorrectable": "cudaErrorECCUncorrectable CUDA_ERROR_ECC_UNCORRECTABLE",
    "nvlink-error": "cudaErrorNvlinkUncorrectable cudaErrorContained",
    "gpu-busy": "cudaErrorDevicesUnavailable CUDA_ERROR_DEVICE_UNAVAILABLE",
    "mps": "cudaErrorMpsServerNotReady CUDA_ERROR_MPS_CONNECTION_FAILED cudaErrorMpsMaxClientsReached",
    "ptx-compiler-missing": "cudaErrorJitCompilerNotFound",
    "not-licensed": "cudaErrorDeviceNotLicensed cudaErrorSoftwareValidityNotEstablished",
    "device-files": "cudaErrorUnknown CUDA_ERROR_UNKNOWN",
    "no-gpu": "cudaErrorNoDevice CUDA_ERROR_NO_DEVICE",
    "out-of-memory": (
        "cudaErrorMemoryAllocation OutOfMemoryError CUDA_ERROR_OUT_OF_MEMORY CUBLAS_STATUS_ALLOC_FAILED"
        " CUDNN_STATUS_ALLOC_FAILED"
    ),
    "no-handle": "CUBLAS_STATUS_NOT_INITIALIZED CUDNN_STATUS_NOT_INITIALIZED",
    "invalid-ordinal": "cudaErrorInvalidDevice",
    "illegal-access": (
        "cudaErrorIllegalAddress cudaErrorMisalignedAddress cudaErrorIllegalInstruction cudaErrorHardwareStackError"
    ),
    "launch-failure": "cudaErrorLaunchFailure CUDA_ERROR_LAUNCH_FAILED",
    "launch-timeout": "cudaErrorLaunchTimeout CUDA_ERROR_LAUNCH_TIMEOUT",
    "device-assert": "cudaErrorAssert CUDA_ERROR_ASSERT",
    "not-permitted": "cudaErrorNotPermitted CUDA_ERROR_NOT_PERMITTED",
}
"""The names of the errors in `driver_types.h` and `cuda.h` (CUDA 13.0), which a log may have without the words."""


@pytest.mark.parametrize(
    ("cause", "options"),
    [
        ("gpu-permission", ("--selinux-label disable", "--group-add", "--group-add keep-groups", "/dev/nvidia0")),
        ("device-files", ("--selinux-label disable",)),
        ("memlock", ("--memlock unlimited",)),
    ],
)
def test_a_remedy_names_the_option_of_ours_that_helps(cause: str, options: tuple[str, ...]) -> None:
    assert [option for option in options if option not in cuda_errors.CAUSES[cause].remedy] == []


@pytest.mark.parametrize("cause", NAMED)
def test_an_error_that_is_only_named(cause: str) -> None:
    for name in NAMED[cause].split():
        found = cuda_errors.classify(name)
        assert (found and found.id) == cause, name


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        *[(f"NVRM: Xid (PCI:0000:3b:00): {xid}, pid=1", "ecc-uncorrectable") for xid in (48, 63, 64, 94, 95)],
        ("NVRM: Xid (PCI:0000:3b:00): 74, pid=1", "nvlink-error"),
        ("NVRM: Xid (PCI:0000:3b:00): 79, pid=1", "gpu-lost"),
        ("Unable to determine the device handle: GPU is lost.  Reboot the system", "gpu-lost"),
        ("NVML_ERROR: GPU_IS_LOST", "gpu-lost"),
        ("GPU requires reset", "gpu-lost"),
        ("Error 802", "fabric-manager"),
        ("Error 803", "driver-mismatch"),
        ("Error 804", "compat-unsupported"),
        ("Error 999", "device-files"),
        ("driver/library version mismatch", "driver-mismatch"),
        ("CUDA error: invalid program counter", "illegal-access"),
        ("CUDA error: operation not supported on global/shared address space", "illegal-access"),
        ("CUDA error: integrity checks failed", "not-licensed"),
        ("hardware resources required to support device connections have been exhausted", "mps"),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "out-of-memory"),
    ],
)
def test_an_error_by_its_number_or_by_words_without_a_name(text: str, cause: str) -> None:
    found = cuda_errors.classify(text)
    assert (found and found.id) == cause


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the cat sat on the GPU",
        "RuntimeError: unknown error",
        "PermissionError: [Errno 1] Operation not permitted",
        "CUDA error: operation not permitted when stream is capturing",
        "CUDA error: operation not permitted on an event last recorded in a capturing stream",
        "AttributeError: module 'torch' has no attribute 'float8'",
        "AttributeError: module 'my_ops' has no attribute '_cuda_kernel'",
        "ValueError: Error 8040 rows",
        "MemoryError: out of memory",
    ],
)
def test_what_is_not_known_is_not_explained(text: str) -> None:
    assert cuda_errors.classify(text) is None


ENGLISH = (
    "RuntimeError: integrity checks failed",
    "RuntimeError: distributed store at 10.0.0.1: system not yet initialized",
    "OSError: port 29500 is busy or unavailable",
    "HTTPError: Error 803",
    "RuntimeError: Error 802 from the store",
    "RuntimeError: Error 804",
    "RuntimeError: Error 999 from the service",
    "TimeoutError: MPS client did not answer",
    "AssertionError: expected driver/library version mismatch in fixtures",
    "AttributeError: module 'my_ops' has no attribute '_cuda_kernel'",
    "ImportError: cannot find libfoo, which is a stub library",
    "ValueError: GPU is lost in translation",
    "RuntimeError: the launch timed out and was terminated",
    "RuntimeError: misaligned address in the ELF header",
    "ValueError: invalid device function",
    "RuntimeError: integrity checks failed\nthis is not a CUDA error",
)
"""What any program may say: the words of CUDA's errors without CUDA."""


@pytest.mark.parametrize("text", ENGLISH)
def test_the_words_of_an_exception_are_cuda_s_only_behind_a_name_of_cuda_s(text: str) -> None:
    assert cuda_errors.of_exception(text) is None


@pytest.mark.parametrize("text", [text for text, _, _ in START.values()])
def test_an_exception_with_torch_s_own_sentence_is_explained(text: str) -> None:
    for said in (text, f"RuntimeError: {text}"):
        assert cuda_errors.of_exception(said) == cuda_errors.classify(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        *(f"torch.AcceleratorError: CUDA error: {text}\nCUDA kernel errors might be asynchronous" for text in LATER),
        *(f"RuntimeError: Triton Error [CUDA]: {text}" for text in LATER if cuda_errors.classify(text)),
        *(text for text in ELSEWHERE if "RM has" not in text),
        "NVMLError_GpuIsLost: GPU is lost",
        "RuntimeError: Error 802: system not yet initialized",
        "RuntimeError: Error 34: CUDA driver is a stub library",
        "RuntimeError: Error 803: system has unsupported display driver / cuda driver combination",
        "RuntimeError: Error 804: forward compatibility was attempted on non supported HW",
    ],
)
def test_an_exception_that_names_cuda_is_explained_as_its_words_are(text: str) -> None:
    assert cuda_errors.of_exception(text) == cuda_errors.classify(text) is not None


@pytest.mark.parametrize("name", [name for names in NAMED.values() for name in names.split()])
def test_an_exception_with_the_name_of_an_error_is_explained(name: str) -> None:
    assert cuda_errors.of_exception(f"RuntimeError: failed with {name}") == cuda_errors.classify(name) is not None


def environment(**fields: Any) -> Environment:
    return Environment("3.11", "x86_64", "2.9.0", **{"torch_cuda": "12.8", **fields})


ERROR_803 = START["803"][0]


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"gpus": (Gpu(0, "H100"),)}, None),
        ({"torch_cuda": "", "gpu_error": "Torch not compiled with CUDA enabled"}, "cpu-build"),
        ({"torch_cuda": "", "gpu_error": ""}, "cpu-build"),
        ({"torch_cuda": "", "gpu_error": "No HIP GPUs are available"}, "no-gpu"),
        ({"gpu_error": ""}, "silent-gpus"),
        ({"gpu_error": "the look at the GPUs did not end in 120 s and was killed"}, "silent-gpus"),
        ({"gpu_error": "No CUDA GPUs are available"}, "no-gpu"),
        ({"gpu_error": "No CUDA GPUs are available", "handed": ("GPU-1",)}, "no-gpu"),
        ({"gpu_error": "No CUDA GPUs are available", "variables": {"CUDA_VISIBLE_DEVICES": "3"}}, "no-gpu"),
        ({"gpu_error": "No CUDA GPUs are available", "variables": {"CUDA_VISIBLE_DEVICES": ""}}, "gpus-hidden"),
        ({"gpu_error": "No CUDA GPUs are available", "variables": {"CUDA_VISIBLE_DEVICES": "-1"}}, "gpus-hidden"),
        *[
            ({"gpu_error": "No CUDA GPUs are available", "variables": {"CUDA_VISIBLE_DEVICES": value}}, "gpus-hidden")
            for value in (" -1", "none", "void", "NoDevFiles", "-1,0")
        ],
        (
            {"gpu_error": "Error 802: system not yet initialized", "variables": {"CUDA_VISIBLE_DEVICES": ""}},
            "fabric-manager",
        ),
        ({"gpu_error": ERROR_803}, "driver-mismatch"),
        ({"gpu_error": ERROR_803, "libcuda": "/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05"}, "driver-mismatch"),
        ({"gpu_error": ERROR_803, "libcuda": "/usr/local/cuda-13.0/compat/libcuda.so.580.65.06"}, "compat-mismatch"),
    ],
)
def test_why_no_gpu_can_be_used(fields: dict[str, Any], cause: str | None) -> None:
    found = cuda_errors.fallen(environment(**fields))

    assert (found.id if found else None) == cause


TWO = ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-1e9d2a2f-0b4e-4a56-9d3f-0c5d8b8f1a11")


@pytest.mark.parametrize(
    ("value", "handed", "cause"),
    [
        ("1", TWO[:1], "gpus-hidden"),
        ("7", TWO, "gpus-hidden"),
        ("2,0", TWO, "gpus-hidden"),  # what follows the first invalid index is not seen
        (" 2 ", TWO, "gpus-hidden"),
        ("GPU-ffffffff-d72c-4106-c12f-20bd9faed9f6", TWO, "gpus-hidden"),
        ("GPU-ffffffff,0", TWO, "gpus-hidden"),
        ("9" * 5000, TWO, "gpus-hidden"),  # of a forged report: more digits than int() takes
        ("0", TWO[:1], "no-gpu"),
        ("1", TWO, "no-gpu"),
        ("0,5", TWO, "no-gpu"),
        ("GPU-8932f937", TWO, "no-gpu"),  # an abbreviation will do, by CUDA's programming guide
        ("gpu-8932F937-d72c", TWO, "no-gpu"),
        ("MIG-ffffffff-d72c-4106-c12f-20bd9faed9f6", TWO, "no-gpu"),  # NVML was not asked for instances
        ("1", (), "no-gpu"),  # no NVML: what was handed over is not known
        ("GPU-ffffffff", (), "no-gpu"),
        ("GPU-ffffffff", ("",), "no-gpu"),
    ],
)
def test_a_list_that_names_none_of_the_gpus_handed_over_hides_them(
    value: str, handed: tuple[str, ...], cause: str
) -> None:
    told = {"gpu_error": "No CUDA GPUs are available", "variables": {"CUDA_VISIBLE_DEVICES": value}, "handed": handed}
    found = cuda_errors.fallen(environment(**told))

    assert found is not None
    assert found.id == cause


ONE, LOST = Gpu(0, "H100"), Gpu(1, "H100", error="GPU is lost")
FIRST = {"CUDA_VISIBLE_DEVICES": "0"}


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"gpus": (ONE,), "handed": TWO, "variables": FIRST}, "gpus-hidden"),
        ({"gpus": (ONE,), "handed": TWO}, "fewer-gpus"),
        ({"gpus": (ONE,), "handed": TWO, "lost": (LOST,)}, "gpu-lost"),
        ({"gpus": (ONE,), "handed": TWO, "lost": (LOST,), "variables": FIRST}, "gpu-lost"),
        ({"gpus": (ONE, ONE), "handed": (*TWO, "GPU-3"), "lost": (LOST,), "variables": FIRST}, "gpu-lost"),
        ({"gpus": (ONE,), "handed": TWO[:1], "variables": FIRST}, "fewer-gpus"),
        ({"gpus": (), "handed": TWO, "variables": FIRST}, "fewer-gpus"),
        ({"gpus": (), "handed": (), "lost": (LOST,)}, "gpu-lost"),
    ],
)
def test_why_fewer_gpus_answer_than_were_asked_for(fields: dict[str, Any], cause: str) -> None:
    """A list of the image's hides what NVML shows beside those that answer and those that are lost."""
    assert cuda_errors.fewer(environment(**fields)).id == cause


def test_where_a_gpu_is_lost_no_list_hides_it() -> None:
    told = {"gpu_error": "No CUDA GPUs are available", "variables": {"CUDA_VISIBLE_DEVICES": "1"}, "handed": TWO[:1]}
    found = cuda_errors.fallen(environment(**told, lost=(Gpu(1, "", error="GPU is lost"),)))

    assert found is not None
    assert found.party == RUNNER


def test_every_cause_has_a_party_words_and_a_remedy() -> None:
    for name, cause in cuda_errors.CAUSES.items():
        assert name == cause.id
        assert cause.party in (IMAGE, RUNNER, UNKNOWN)
        assert len(cause.meaning) > 10
        assert len(cause.remedy) > 10


def test_the_words_of_a_report_for_a_party_and_for_a_check_that_was_not_made() -> None:
    assert (IMAGE, RUNNER, UNKNOWN, cuda_errors.NOT_MADE) == ("image", "runner", "unknown", "not-made")


def test_a_cause_without_a_text_of_its_own_is_found_by_none() -> None:
    silent = {name for name, cause in cuda_errors.CAUSES.items() if not cause.pattern}

    assert silent == {"compat-mismatch", "gpus-hidden", "gpu-computes-wrong", "silent-gpus", "fewer-gpus"}
    assert cuda_errors.classify("XX") is None


@pytest.mark.parametrize(
    ("cause", "meaning", "remedy"),
    [
        (
            "driver-mismatch",
            "the driver was upgraded and the module was not loaded anew",
            "run nvidia-ctk cdi generate",
        ),
        ("driver-mismatch", "the loaded kernel module do not belong together", "reboot the runner or reload"),
        ("driver-mismatch", "", "take /usr/local/cuda/compat out of the library path"),
        ("gpu-computes-wrong", "", "dcgmi diag -r 3"),
        ("device-files", "", "sudo nvidia-modprobe -u on the host"),
        ("device-assert", "a kernel's own assertion failed", "CUDA_LAUNCH_BLOCKING=1 "),
    ],
)
def test_a_command_that_is_told_is_one_that_works(cause: str, meaning: str, remedy: str) -> None:
    assert meaning in cuda_errors.CAUSES[cause].meaning
    assert remedy in cuda_errors.CAUSES[cause].remedy
