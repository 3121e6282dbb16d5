"""What is inside the image, and what it sees of the machine. Never raises: what cannot be known stays empty.

Called in a process of its own, because looking at the GPUs initialises CUDA.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
from typing import Any, Dict, Iterator, Set, Tuple

from .nvml import Device, Nvml, version
from .telemetry import conditions
from .wire import MOST_PACKAGES, Environment, Gpu

_VARIABLES = re.compile(
    r"(OMP|MKL|OPENBLAS)_NUM_THREADS|NVIDIA_\w+|CUDA_\w+|LD_LIBRARY_PATH|PYTORCH_(CUDA_)?ALLOC_CONF"
    r"|PYTORCH_NO_CUDA_MEMORY_CACHING|CUBLAS(LT)?_WORKSPACE_(CONFIG|SIZE)|CUBLAS(LT)?_\w*EMULAT\w*"
    r"|(TORCH|CUBLAS)\w*TF32\w*"
)
_MAX_VALUE = 300
_MAX_NAME = 100


def environment() -> Environment:
    """Everything there is to know."""
    import torch

    gpus, gpu_error = _gpus(torch)
    with Nvml() as nvml:
        driver, nvml_cuda, lost = (nvml.driver(), nvml.cuda(), tuple(nvml.lost())) if nvml else ("", "", ())
        handed = tuple(device.uuid() for device in nvml.devices()) if nvml else ()
    return Environment(
        python=platform.python_version(),
        machine=platform.machine(),
        torch=str(torch.__version__),
        torch_cuda=str(torch.version.cuda or ""),
        cuda_runtime=cuda_runtime(),
        cudnn=_cudnn(torch),
        nccl=_nccl(torch),
        triton=_module_version("triton"),
        arch_list=arch_list(),
        driver=driver,
        driver_cuda=driver_cuda(),
        nvml_cuda=nvml_cuda,
        gpu_error=gpu_error,
        gpus=gpus,
        cpu=_cpu(),
        cpus=len(os.sched_getaffinity(0)),
        variables=_variables(),
        packages=packages(),
        libcuda=next(iter(sorted(loaded_libraries("libcuda.so"))), ""),
        lost=lost,
        handed=handed,
    )


def arch_list() -> Tuple[str, ...]:
    """The architectures that torch was built for; known even where there is no GPU, unlike `get_arch_list`."""
    import torch

    try:
        return tuple((torch._C._cuda_getArchFlags() or "").split())
    except (AttributeError, RuntimeError):
        return ()


def driver_cuda() -> str:
    """The CUDA version of the libcuda that is loaded here: a compatibility package changes it."""
    number = ctypes.c_int()
    try:
        failed = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number))
    except (OSError, AttributeError):
        return ""
    return "" if failed else version(number.value)


def cuda_runtime() -> str:
    """The version of the libcudart that this process has really loaded."""
    for path in sorted(loaded_libraries("libcudart")):
        number = ctypes.c_int()
        try:
            failed = ctypes.CDLL(path).cudaRuntimeGetVersion(ctypes.byref(number))
        except (OSError, AttributeError):
            continue
        return "" if failed else version(number.value)
    return ""


def loaded_libraries(prefix: str) -> Set[str]:
    """Paths of the shared libraries of that name in this process, from its memory map."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        paths = {line.split(None, 5)[5].strip() for line in maps if line.count(" ") >= 5 and "/" in line}
    return {path for path in paths if os.path.basename(path).startswith(prefix)}


def files_beside(path: str) -> Tuple[str, ...]:
    """The names in the folder of a file; empty if there is none."""
    try:
        return tuple(sorted(os.listdir(os.path.dirname(path)))) if path else ()
    except OSError:
        return ()


def gpu_error(torch: Any) -> str:
    """Why there is no GPU, in the words of the driver or of torch; empty if there is one."""
    try:
        torch.cuda.init()
        torch.cuda.get_device_properties(0)
    except Exception as error:  # AssertionError for a CPU build, RuntimeError and its children else
        return " ".join(str(error).split())[:600] or type(error).__name__
    return ""


def _gpus(torch: Any) -> Tuple[Tuple[Gpu, ...], str]:
    error = gpu_error(torch)
    if error:
        return (), error
    with Nvml() as nvml:
        told = {device.uuid(): _told(device) for device in nvml.devices()} if nvml else {}
    return tuple(_gpu(torch, index, told) for index in range(torch.cuda.device_count())), ""


def _told(device: Device) -> Dict[str, Any]:
    """What torch does not know of a GPU and NVML does, as fields of `Gpu`."""
    return {"max_sm_mhz": device.max_sm_mhz() or 0, **conditions(device)}


def _gpu(torch: Any, index: int, told: Dict[str, Dict[str, Any]]) -> Gpu:
    """CUDA's order of devices is not NVML's: the UUID tells which is which, or that there is only one."""
    properties = torch.cuda.get_device_properties(index)
    name = uuid_of(torch, index)
    return Gpu(
        index,
        properties.name,
        name,
        f"{properties.major}.{properties.minor}",
        properties.total_memory,
        properties.multi_processor_count,
        **(told.get(name) or (next(iter(told.values())) if len(told) == 1 else {})),
    )


def uuid_of(torch: Any, index: int) -> str:
    """As in `nvidia-smi -L`; empty where nobody tells."""
    properties = torch.cuda.get_device_properties(index)
    return f"GPU-{properties.uuid}" if hasattr(properties, "uuid") else _uuid(index)  # torch >= 2.5


def _uuid(index: int) -> str:
    """Of a device by CUDA's order, from libcuda itself, which knows CUDA_VISIBLE_DEVICES, too; empty if it fails."""
    device, raw = ctypes.c_int(), (ctypes.c_ubyte * 16)()  # not by the module uuid, which starts uname in Python 3.8
    try:
        libcuda = ctypes.CDLL("libcuda.so.1")
        failed = libcuda.cuDeviceGet(ctypes.byref(device), index) or libcuda.cuDeviceGetUuid(raw, device)
    except (OSError, AttributeError):
        return ""
    return "" if failed else "GPU-" + re.sub(r"(.{8})(.{4})(.{4})(.{4})", r"\1-\2-\3-\4-", bytes(raw).hex())


def _cudnn(torch: Any) -> str:
    try:
        number = torch.backends.cudnn.version() or 0
    except Exception:  # raises where the library that is found is not the one that torch was built with
        return "does not load"
    major, rest = divmod(number, 10000) if number >= 90000 else divmod(number, 1000)
    return f"{major}.{rest // 100}.{rest % 100}" if number else ""


def _nccl(torch: Any) -> str:
    try:
        return ".".join(str(part) for part in torch.cuda.nccl.version())
    except Exception:  # a build without NCCL has no such function
        return ""


def _module_version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def packages() -> Dict[str, str]:
    """Name (normalised as PEP 503 has it) and version of every distribution; of several copies the one imported."""
    found: Dict[str, str] = {}
    for name, number in _distributions():
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower()[:_MAX_NAME], number[:_MAX_NAME])
    return dict(sorted(found.items())[:MOST_PACKAGES])


def _distributions() -> Iterator[Tuple[str, str]]:
    from importlib import metadata

    for distribution in metadata.distributions():
        name = number = None
        with contextlib.suppress(Exception):  # half removed: KeyError, UnicodeDecodeError, OSError, by Python's version
            described = distribution.metadata  # parsed anew each time it is asked for
            name, number = described["Name"], described["Version"]
        if name and number:
            yield str(name), str(number)


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
            return next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return ""


def _variables() -> Dict[str, str]:
    chosen = (name for name in sorted(os.environ) if _VARIABLES.fullmatch(name))
    return {name: os.environ[name][:_MAX_VALUE] for name in chosen}
