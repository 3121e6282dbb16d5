"""Whether the image belongs on this machine: the build, the driver, the architecture, and a kernel that really runs."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Dict, Iterable, List, Tuple

from .. import archs, cuda_errors, drivers, extensions, probe, tags
from ..every_gpu import on_every_gpu
from ..needs import needs_gpu, without_gpu
from ..wire import Environment, Fact, Fail, NeedsGpu, Note, NotHere, Skip

_MOST_TOLD = 40
"""Packages, objects or lacks that are named one by one."""


@without_gpu
def check_cuda_build(device: str) -> Iterable[Any]:
    """torch is the CUDA build that the image's tag promises."""
    found = probe.environment()
    reference = os.environ.get("CI_GPU_IMAGE", "")
    yield Fact("torch", found.torch)
    yield Fact("CUDA of the build", found.torch_cuda or "none")
    yield Fact("tag", tags.tag_of(reference) or "none")
    wrong = tags.contradictions(reference, found)
    if not found.torch_cuda and (device == "cuda" or any("is a CPU build" in line for line in wrong)):
        raise Fail(
            "; ".join(wrong) or f"torch {found.torch} is a CPU build",
            "something installed torch from an index without CUDA over it: pin torch to its +cu… build",
            cause="cpu-build",
        )
    if wrong:
        raise Fail("; ".join(wrong), "the tag and its content disagree: rebuild the image, or correct the tag")
    if not any(tags.promises(reference)):
        raise NotHere("there is no tag that names a version of torch, CUDA or cuDNN")


def check_architectures(device: str) -> Iterable[Any]:
    """The build has machine code for every GPU it sees."""
    found = probe.environment()
    yield Fact("built for", " ".join(found.arch_list) or "no GPU at all")
    if not found.gpus:
        raise NeedsGpu("needs a GPU to compare the build with; none is visible")
    yield from _coverage(found)


def check_extensions(device: str) -> Iterable[Any]:
    """Each package with GPU code of its own has some that every GPU runs: machine code, or PTX to compile for it."""
    found = probe.environment()
    natives, more = extensions.installed(sys.path)
    yield from _carried(natives, found)
    if more:
        yield Note(f"only the first {extensions.MOST_NAMES} names in the folders of packages were looked at")
    with_code = [native for native in natives if native.archs]
    if not with_code:
        raise NotHere("no package that is installed has GPU code of its own")
    if not found.gpus:
        raise NeedsGpu("needs a GPU to compare the packages with; none is visible")
    yield from _runs(natives, found)
    if all(extensions.is_torch(native.package) or native.library for native in with_code):
        raise NotHere("no package but torch and NVIDIA's libraries has GPU code of its own")


@without_gpu
@needs_gpu
def check_gpus(device: str) -> Iterable[Any]:
    """The GPUs that were asked for are there and answer."""
    found = probe.environment()
    wanted = int(os.environ.get("CI_GPU_GPUS") or 1)
    yield Fact("GPUs", len(found.gpus), f"at least {wanted}")
    for gpu in found.gpus:
        yield Fact(f"GPU {gpu.index}", f"{gpu.name}, {gpu.capability}, {gpu.memory / 2**30:.0f} GiB")
    for gpu in found.lost:
        yield Fact(f"GPU {gpu.index} of NVML", f"{gpu.uuid} does not answer: {gpu.error}".lstrip())
    if len(found.gpus) < wanted:
        cause = cuda_errors.fallen(found) or cuda_errors.fewer(found)
        said = f": {found.gpu_error}" if found.gpu_error else ""
        raise Fail(f"{len(found.gpus)} of {wanted} GPUs answer{said} ({cause.meaning})", cause.remedy, cause=cause.id)


@needs_gpu
def check_driver(device: str) -> Iterable[Any]:
    """The driver runs the CUDA that is loaded: natively, by minor-version or forward compatibility, or not at all."""
    found = probe.environment()
    cuda = found.cuda_runtime or found.torch_cuda
    libcuda = drivers.libcuda_version(found.libcuda, probe.files_beside(found.libcuda))
    state = drivers.judge(cuda, found.driver, libcuda)
    yield Fact("driver", found.driver or "unknown", f"{drivers.NATIVE.get(cuda, '?')} or newer to be native")
    yield Fact("libcuda", libcuda or "unknown")
    yield Fact("CUDA that is loaded", cuda or "none")
    yield Fact("state", state)
    if not found.gpus and not found.driver:
        raise Fail("there is no driver: neither NVML nor a GPU answers", "run nvidia-smi on the host")
    if state == drivers.TOO_OLD:
        raise Fail(
            f"driver {found.driver} is too old for CUDA {cuda}: it needs {drivers.needed(cuda)}",
            "update the driver on the runners, or choose an image of an older CUDA",
            cause="driver-too-old",
        )
    if state == drivers.UNKNOWN:
        raise Skip(f"nothing is known here of CUDA {cuda or '?'} on driver {found.driver or '?'}: the kernel decides")
    yield from _caught(state, cuda, libcuda, found)


def _caught(state: str, cuda: str, libcuda: str, found: Environment) -> Iterable[Note]:
    """What runs with a catch."""
    if state == drivers.MINOR_VERSION and cuda not in drivers.NATIVE:
        yield Note(
            f"CUDA {cuda} is not in the table here: driver {found.driver} runs it at least by minor-version "
            "compatibility; whether it is new enough for PTX is not known"
        )
    elif state == drivers.MINOR_VERSION:
        yield Note(
            f"driver {found.driver} is older than CUDA {cuda}'s own: kernels in the image run by minor-version "
            "compatibility; PTX, and whatever compiles to it at run time, does not"
        )
    if state == drivers.FORWARD:
        doubt = drivers.compat_doubt(found.driver, libcuda, (gpu.name for gpu in found.gpus))
        yield Note(
            f"a compatibility libcuda is in use: {libcuda} over the kernel driver {found.driver}"
            + (f". NVIDIA does not support this: {doubt}" if doubt else "")
        )


@needs_gpu
@on_every_gpu
def check_kernel(device: str) -> Iterable[Any]:
    """A kernel really runs on every GPU, and its integers are right."""
    import torch

    numbers = torch.arange(1_000_003, device=device, dtype=torch.int64)
    total = int((numbers * 3 + 1).sum().item())
    torch.cuda.synchronize(device)
    expected = 3 * (1_000_002 * 1_000_003 // 2) + 1_000_003
    yield Fact("sum", total, str(expected))
    if total != expected:
        raise Fail(f"the sum is {total} where {expected} is right", "run the same image on another GPU")


@needs_gpu
def check_libraries(device: str) -> Iterable[Any]:
    """The CUDA libraries in use are of one major version, and cuDNN loads."""
    import torch

    data = torch.randn(8, 8, 8, 8, device=device)
    torch.nn.functional.conv2d(data, data).matmul(data[:1, :1, 1:2, :1])
    torch.cuda.synchronize()
    majors = {name: _majors(name) for name in ("libcudart", "libcublas", "libcublasLt", "libnvrtc", "libcudnn")}
    for name, found in majors.items():
        yield Fact(name, " and ".join(sorted(found)) or "not loaded")
    several = [name for name, found in majors.items() if len(found) > 1]
    if several:
        raise Fail(f"{', '.join(several)} is loaded in several major versions", "remove one CUDA from the image")
    version = probe.environment().cudnn
    yield Fact("cuDNN", version or "absent")
    if version == "does not load":
        raise Fail(
            "cuDNN does not load", "the library that is found is not the one torch was built with: LD_LIBRARY_PATH"
        )


def _coverage(found: Environment) -> Iterable[Any]:
    states = {gpu: archs.coverage(gpu.capability, found.arch_list, found.torch_cuda) for gpu in found.gpus}
    for gpu, state in states.items():
        yield Fact(
            f"{gpu.name} ({gpu.capability})", {"sass": "machine code", "ptx": "PTX only", "none": "nothing"}[state]
        )
    uncovered = [f"{gpu.name} ({gpu.capability})" for gpu, state in states.items() if state == archs.NONE]
    if uncovered:
        raise Fail(
            f"the build has no code for {', '.join(uncovered)}",
            "choose another CUDA build of the same torch: old GPUs are dropped by new CUDA versions, and the reverse",
            cause="no-kernel-image",
        )
    if archs.PTX in states.values():
        yield Note("PTX is compiled at the first call: a slow start, and a driver as new as the image's CUDA is needed")


def _carried(natives: Tuple[extensions.Native, ...], found: Environment) -> Iterable[Any]:
    """What there is, whatever the GPU is: architectures by package, and what could not be read."""
    groups: Dict[str, List[extensions.Native]] = {}
    for native in natives:
        groups.setdefault(native.package, []).append(native)
    built = {name: " ".join(extensions.carried(group)) for name, group in groups.items()}
    for name in [name for name in groups if built[name]][:_MOST_TOLD]:
        promised = " ".join(found.arch_list) if extensions.is_torch(name) else ""
        yield Fact(name, built[name], promised and f"{promised} by torch's own list")
    yield Fact("packages with GPU code", sum(map(bool, built.values())))
    yield Fact("made for torch or CUDA, without", ", ".join([name for name in groups if not built[name]][:_MOST_TOLD]))
    unread = [native for native in natives if native.error]
    yield from (Note(f"{one.path} could not be read to its end: it {one.error}") for one in unread[:_MOST_TOLD])


def _runs(natives: Tuple[extensions.Native, ...], found: Environment) -> Iterable[Any]:
    """What each model of the GPUs can run of each package."""
    wrong: Dict[str, str] = {}
    notes: List[Note] = []
    for gpu in {(gpu.name, gpu.capability): gpu for gpu in found.gpus}.values():
        model = f"{gpu.name} ({gpu.capability})"
        for package in extensions.judged(natives, gpu.capability, found.torch_cuda):
            if package.state == archs.NONE and not package.library:
                wrong[f"{_lacks(package)} {model}"] = gpu.capability
            elif package.without:
                notes.append(Note(f"{_lacks(package)} {model}: whatever calls it fails there"))
            elif package.state == archs.PTX:
                notes.append(
                    Note(f"{package.name} has only PTX for {model}: compiled at the first call, if the driver can")
                )
    yield from notes[:_MOST_TOLD]
    if wrong:
        rest = f"; and {len(wrong) - _MOST_TOLD} more" if len(wrong) > _MOST_TOLD else ""
        lacking = " ".join(sorted(set(wrong.values())))
        raise Fail(
            "; ".join(list(wrong)[:_MOST_TOLD]) + rest,
            f"build it with TORCH_CUDA_ARCH_LIST='{lacking}', install a wheel that has it, or remove it",
            cause="no-kernel-image",
        )


def _lacks(package: extensions.Judged) -> str:
    """The first of its objects that has nothing for a GPU, and what that has."""
    first, more = package.without[0], len(package.without) - 1
    also = f" and {more} more of its objects" if more else ""
    named = f"{package.name}: " if package.name != first.path else ""
    return f"{named}{first.path}{also} has {' '.join(extensions.carried(package.without))}, and nothing for"


def _majors(library: str) -> set[str]:
    names = (os.path.basename(path) for path in probe.loaded_libraries(library + ".so"))
    return {match.group(1) for match in (re.search(r"\.so\.(\d+)", name) for name in names) if match}
