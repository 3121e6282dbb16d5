"""Which GPUs a run asks for, which of them do not answer, and why."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from ci_gpu.model import Host, ImageReport, RunReport
from ci_gpu.payload import cuda_errors, drivers
from ci_gpu.payload.wire import Environment, Gpu


def asked_for(gpus: Iterable[Gpu], words: Collection[str]) -> tuple[Gpu, ...]:
    """The GPUs that are meant by ``all``, by indices or by UUIDs; by ``0:1`` the one with this MIG device."""
    meant = {word.partition(":")[0] for word in words}
    return tuple(gpu for gpu in gpus if "all" in meant or str(gpu.index) in meant or (gpu.uuid and gpu.uuid in meant))


def wanted_gpus(gpus: str, host: Host) -> int:
    """How many GPUs CUDA has to see at least inside an image in a run that asks for ``gpus``.

    Beside whole GPUs no MIG device is promised, and where there are none, one: a driver before 570 enumerates one MIG
    device and no whole GPU beside it, a newer one a MIG device of each GPU instance, which `--gpus` does not tell
    (https://docs.nvidia.com/datacenter/tesla/mig-user-guide/mig-device-names.html). Nor is a GPU that is known to be
    lost.
    """
    words = set(gpus.split(","))
    cut = {name for gpu in host.gpus if gpu.mig for name in (str(gpu.index), gpu.uuid)}
    named = {str(gpu.index) for gpu in host.gpus} if "all" in words else words
    whole = {word for word in named if word not in cut and ":" not in word and not word.startswith("MIG-")}
    if whole != named and _major(host.driver) < 570:
        return 1
    return max(1, len(whole) - sum(bool(gpu.error) for gpu in asked_for(host.gpus, words)))


def _major(version: str) -> int:
    found = re.match(r"[0-9]{1,6}", version)
    return int(found[0]) if found else 0


def wanted(report: RunReport, inside: Environment | None) -> int:
    """Where the host has no NVML, what was handed over is counted inside, beside a variable of the image's."""
    by_host = wanted_gpus(report.gpus, report.host)
    if report.engine == "local" or inside is None or not cuda_errors.hides_some(inside):
        return by_host  # without a container the variable may be ours: CUDA is told of --gpus by it
    return max(by_host, len(inside.handed))


def cause_of_missing(inside: Environment | None) -> cuda_errors.Cause:
    """Why fewer answer inside the image than were asked for."""
    if inside is None:
        return cuda_errors.CAUSES["silent-gpus"]
    return cuda_errors.fallen(inside) or cuda_errors.fewer(inside)


def lost(report: RunReport, image: ImageReport) -> tuple[Gpu, ...]:
    """Those of the GPUs asked for that do not answer: by the host, or by the image where the host has no NVML."""
    asked = asked_for(report.host.gpus, report.gpus.split(","))
    inside = image.environment.lost if image.environment and not report.host.gpus else ()
    return tuple(gpu for gpu in asked if gpu.error) or inside


def meaning(cause: cuda_errors.Cause, inside: Environment | None) -> str:
    """With the file and the variable that it came from, or the versions that do not go together."""
    if inside and cause.id in ("stub-libcuda", "compat-mismatch", "compat-unsupported"):
        path = inside.variables.get("LD_LIBRARY_PATH", "")
        named = f": {inside.libcuda}" if inside.libcuda else ""
        return f"{cause.meaning}{named}{f', by LD_LIBRARY_PATH={path}' if path else ''}"
    if inside and cause.id == "driver-too-old" and inside.driver:
        needed = drivers.needed(inside.torch_cuda)
        return f"{cause.meaning}: it is {inside.driver}, and CUDA {inside.torch_cuda} needs {needed or 'a newer one'}"
    return cause.meaning
