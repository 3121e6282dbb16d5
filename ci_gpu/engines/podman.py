"""podman, rootless or not. GPUs by CDI only: `podman run --gpus` was silently ignored before version 5."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ci_gpu import untyped
from ci_gpu.engines import Argv, Runtime, _hardening
from ci_gpu.job import Job

CONTAINERS = True
GPU_MODES = ("cdi",)


def info() -> Argv:
    """Prints a JSON document: the version, in a tenth of the time of `podman info`, which knows nothing more for us."""
    return ("podman", "version", "--format", "json")


def gpu_modes(info: Mapping[str, Any], signs: Collection[str]) -> Argv:
    """Always CDI: podman cannot list its devices, so a missing one is found when the container starts."""
    return GPU_MODES


def sees_gpus(info: Mapping[str, Any]) -> bool | None:
    """It cannot know."""
    return None


def oci_info() -> Argv:
    """Prints a JSON document with the OCI runtime and its version."""
    return ("podman", "info", "--format", "json")


def oci_runtime(info: Mapping[str, Any], runc: str) -> Runtime:
    """The runtime in that document. A podman elsewhere does not have our runc."""
    host = untyped.table(info.get("host"))
    own = untyped.table(host.get("ociRuntime"))
    program = untyped.text(own.get("path")) or untyped.text(own.get("name"))
    return Runtime(
        program=program, version=untyped.text(own.get("version")), runc="" if host.get("serviceIsRemote") else runc
    )


def has_init(info: Mapping[str, Any]) -> bool:
    """`--init` needs catatonit, which distributions leave out; the payload reaps for itself where it is missing."""
    return False


def pull(image: str, platform: str) -> Argv:
    """Pulls; the progress is on stderr."""
    return ("podman", "pull", *(("--platform", platform) if platform else ()), image)


def inspect(image: str) -> Argv:
    """Prints a JSON array with one document about a local image."""
    return ("podman", "image", "inspect", image)


def run(job: Job, command: Argv) -> Argv:
    """A container in the foreground, under the full hardening, stdin and stdout attached."""
    options, rest = _hardening.entrypoint(job, command)
    return (
        *("podman", *(("--runtime", job.runtime) if job.runtime else ()), "run"),
        *("--interactive", "--pull", "never", "--log-driver", "none", "--stop-timeout", "10"),
        *("--read-only-tmpfs=false", "--http-proxy=false"),
        *(("--init",) if job.init else ()),
        *_hardening.identity(job),
        *_hardening.confinement(job),
        *_hardening.limits(job),
        *_kept(job),
        *_hardening.cdi(job),
        *_hardening.environment(job),
        *options,
        job.image,
        *rest,
    )


def _kept(job: Job) -> Argv:
    """Where one limit is named, podman forgets its defaults and raises nofile and nproc (seen with 4.3.1)."""
    named = job.limits.memlock or job.limits.stack
    return _hardening.ulimits(job.own_limits) if named else ()


def describe(containers: tuple[str, ...]) -> Argv:
    """Prints a JSON array with one document for each of the containers that is there."""
    return ("podman", "container", "inspect", *containers)


def remove(containers: tuple[str, ...]) -> Argv:
    """Kills and removes containers with their anonymous volumes."""
    return ("podman", "rm", "--force", "--volumes", "--time", "0", *containers)


def list_labelled(label: str) -> Argv:
    """Prints a name a line."""
    return ("podman", "ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}")
