"""docker, with the NVIDIA container toolkit for GPUs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ci_gpu import untyped
from ci_gpu.engines import Argv, Runtime, _hardening
from ci_gpu.job import Job

CONTAINERS = True
GPU_MODES = ("cdi", "gpus", "runtime")

_FEATURES = "org.opencontainers.runtime-spec.features"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY")


def info() -> Argv:
    """Prints a JSON document about the daemon; fails where it cannot be reached."""
    return ("docker", "info", "--format", "{{json .}}")


def gpu_modes(info: Mapping[str, Any], signs: Collection[str]) -> Argv:
    """CDI where the daemon lists such devices, then the toolkit: on a Jetson by its runtime first, often the only way.

    `--gpus` needs the toolkit's hook alone, of which the daemon does not tell. A daemon of version 25 to 28.1 tells
    whether it reads CDI descriptions, and not what is in them.
    """
    listed = ("cdi",) if _lists_gpus(info) else ()
    runtime = ("runtime",) if _has_runtime(info) else ()
    toolkit = (*runtime, "gpus") if _is_tegra(info, signs) else ("gpus", *runtime)
    silent = info.get("CDISpecDirs") and "DiscoveredDevices" not in info
    return (*listed, *toolkit, *(("cdi",) if silent else ()))


def sees_gpus(info: Mapping[str, Any]) -> bool | None:
    """Whether the daemon was told of GPUs: on a remote one nobody else could know."""
    return _lists_gpus(info) or _has_runtime(info)


def _lists_gpus(info: Mapping[str, Any]) -> bool:
    devices = map(untyped.table, untyped.array(info.get("DiscoveredDevices")))
    return any(untyped.text(device.get("ID")).startswith("nvidia.com/gpu") for device in devices)


def _has_runtime(info: Mapping[str, Any]) -> bool:
    return "nvidia" in untyped.table(info.get("Runtimes"))


def _is_tegra(info: Mapping[str, Any], signs: Collection[str]) -> bool:
    """By the kernel's name, as the daemon tells it, or by the device nodes of Jetson's integrated GPU."""
    nodes = any(re.match(r"/dev/nv(gpu|host-)", sign) for sign in signs)
    return nodes or untyped.text(info.get("KernelVersion")).endswith("-tegra")


def oci_info() -> Argv:
    """Prints a JSON document about the daemon, which has its runtimes in it."""
    return info()


def oci_runtime(info: Mapping[str, Any], runc: str) -> Runtime:
    """The default of the daemon. Its version is among the features that it has told the daemon, if it has any."""
    known, name = untyped.table(info.get("Runtimes")), untyped.text(info.get("DefaultRuntime"))
    own = untyped.table(known.get(name))
    features = untyped.document(untyped.text(untyped.table(own.get("status")).get(_FEATURES)))
    version = untyped.text(untyped.table(untyped.table(features).get("annotations")).get("run.oci.crun.version"))
    return Runtime(
        program=untyped.text(own.get("path")) or name,
        version=f"crun version {version}" if version else "",
        runc="runc" if "runc" in known else "",
        host=untyped.text(info.get("Name")),
    )


def has_init(info: Mapping[str, Any]) -> bool:
    """Docker brings its own init since 1.13."""
    return bool(info.get("InitBinary", "docker-init"))


def pull(image: str, platform: str) -> Argv:
    """Pulls; the progress of the layers is on stdout."""
    return ("docker", "pull", *(("--platform", platform) if platform else ()), image)


def inspect(image: str) -> Argv:
    """Prints a JSON array with one document about a local image."""
    return ("docker", "image", "inspect", image)


def run(job: Job, command: Argv) -> Argv:
    """A container in the foreground, under the full hardening, stdin and stdout attached."""
    options, rest = _hardening.entrypoint(job, command)
    return (
        *("docker", "run", "--interactive", "--pull", "never", "--log-driver", "none", "--stop-timeout", "10"),
        *(("--init",) if job.init else ()),
        *_hardening.identity(job),
        *_hardening.confinement(job),
        *_hardening.limits(job),
        *_gpus(job),
        *_no_proxies(),
        *_hardening.environment(job),
        *options,
        job.image,
        *rest,
    )


def describe(containers: tuple[str, ...]) -> Argv:
    """Prints a JSON array with one document for each of the containers that is there."""
    return ("docker", "container", "inspect", *containers)


def remove(containers: tuple[str, ...]) -> Argv:
    """Kills and removes containers with their anonymous volumes."""
    return ("docker", "rm", "--force", "--volumes", *containers)


def list_labelled(label: str) -> Argv:
    """Prints a name a line. ``{{json .}}`` has labels, too: as one text, in which those of an image may have commas."""
    return ("docker", "ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}")


def _no_proxies() -> Argv:
    """The client's configuration may name proxies, with passwords, and would hand them to every container."""
    return tuple(word for name in _PROXIES for each in (name, name.lower()) for word in ("--env", f"{each}="))


def _gpus(job: Job) -> Argv:
    if not job.gpus or job.gpu_mode == "cdi":
        return (*_hardening.cdi(job), *(("--runtime", job.runtime) if job.runtime else ()))
    if job.gpu_mode == "runtime":
        return ("--runtime", "nvidia", "--env", f"NVIDIA_VISIBLE_DEVICES={','.join(job.gpus)}")
    # The value is read as CSV: without the quotes, 0,1 would be the device 0 and an option named 1.
    return ("--gpus", "all" if job.gpus == ("all",) else f'"device={",".join(job.gpus)}"')
