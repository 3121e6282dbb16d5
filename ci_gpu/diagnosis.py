"""Why a container did not start, from what the engine said. Pure; the texts are those of docker, podman and NVIDIA."""

from __future__ import annotations

import re

from ci_gpu.errors import CiGpuError, ImageError, IncompatibleError, RunnerError

NO_PROGRAM = (126, 127)
"""Exit codes of an engine whose container has no such program (or a file that is none)."""

_CAUSES: tuple[tuple[str, type[CiGpuError], str, str, str, str], ...] = (
    (
        r"unsatisfied condition: ([^\n,\"]{1,300})",
        IncompatibleError,
        "driver-too-old",
        "the image refuses this runner's driver: it asks for {0}",
        "the image carries NVIDIA_REQUIRE_CUDA, and the NVIDIA container toolkit compared it with the host's driver",
        "update the driver on the runners, or choose an image built for an older CUDA",
    ),
    (
        r"could not select device driver|unknown runtime specified nvidia|unknown or invalid runtime name: nvidia",
        RunnerError,
        "gpu-runtime-missing",
        "the engine cannot hand a GPU to a container",
        "the NVIDIA container toolkit is not installed, or the engine was not told about it",
        "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
    ),
    (
        r"unresolvable CDI devices ([^\s\"]{1,300})|CDI device injection failed",
        RunnerError,
        "cdi-unresolved",
        "the engine knows no CDI device {0}",
        "the CDI description is missing, or older than the driver or the MIG layout",
        "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml, then nvidia-ctk cdi list shows the names",
    ),
    (
        r"nvidia-container-cli: ([^\n]{1,300})|NVML: [^\n]",
        RunnerError,
        "gpu-hook-failed",
        "the NVIDIA container toolkit could not prepare the GPU: {0}",
        "the driver on the host is not loaded, or does not answer",
        "run nvidia-smi on the host; after a driver upgrade, reboot it",
    ),
    (
        r"cannot connect to the docker daemon|permission denied.{0,300}docker\.sock|connect: no such file",
        RunnerError,
        "engine-down",
        "the engine does not answer",
        "its service is not running, or this user may not talk to it",
        "start it (sudo systemctl start docker), or add the user to its group; --engine podman needs no service",
    ),
    (
        r"no space left on device",
        RunnerError,
        "no-space",
        "the runner's disk is full",
        "images of several gigabytes pile up on a runner",
        "docker system df shows what takes the room",
    ),
    (
        r"exec format error",
        RunnerError,
        "wrong-platform",
        "the image is for another processor",
        "it was built for another architecture than this runner's",
        "choose an image for this architecture, or a runner for the image",
    ),
)


def start_failure(returncode: int, stderr: str, *, entrypoint: tuple[str, ...]) -> CiGpuError:
    """The error for a container that ended before the payload said hello."""
    for pattern, error, kind, what, why, remedy in _CAUSES:
        match = re.search(pattern, stderr, re.IGNORECASE)
        if match:
            detail = next((group for group in match.groups() if group), "of that name")
            return error(what.format(detail.strip()[:300]), why=why, remedy=remedy, kind=kind)
    if returncode == 125 or _is_engine_s_own(returncode, stderr):
        return _refused(stderr)
    if returncode in NO_PROGRAM:
        return _no_python(stderr, entrypoint)
    return _silent(returncode, stderr, entrypoint)


def lacks_program(returncode: int, stderr: str) -> bool:
    """Whether another interpreter may be tried: nothing but the program was missing."""
    if returncode not in NO_PROGRAM or _is_engine_s_own(returncode, stderr):
        return False
    return not any(re.search(cause[0], stderr, re.IGNORECASE) for cause in _CAUSES)


def _is_engine_s_own(returncode: int, stderr: str) -> bool:
    """podman ends with 126 as well where the container could not be made at all: limits, cgroups, mounts."""
    made = re.search(r"create failed|error during container init", stderr)
    return returncode in NO_PROGRAM and bool(made) and not re.search(r"executable file|no such file", stderr)


def _no_python(stderr: str, entrypoint: tuple[str, ...]) -> CiGpuError:
    through = f" (its ENTRYPOINT is {' '.join(entrypoint)!r})" if entrypoint else ""
    return ImageError(
        f"no Python could be started in the image{through}: {_last(stderr)}",
        why="it has none on its PATH, or its ENTRYPOINT does not run the command that it is given",
        remedy="name the interpreter with --python, or step past the entrypoint with --entrypoint none",
        kind="no-python",
    )


def _refused(stderr: str) -> CiGpuError:
    return RunnerError(
        f"the engine refused to start the container: {_last(stderr)}",
        why="usually an option that this version of the engine, or its configuration, does not allow",
        remedy="the log has the command; run it by hand to see more",
        kind="engine-refused",
    )


def _silent(returncode: int, stderr: str, entrypoint: tuple[str, ...]) -> CiGpuError:
    through = f"its ENTRYPOINT {' '.join(entrypoint)!r} did not run our command, or " if entrypoint else ""
    said = f": {_last(stderr)}" if stderr.strip() else ""
    return ImageError(
        f"the image ended with exit code {returncode} before the checks could begin{said}",
        why=f"{through}its Python does not start",
        remedy="try --entrypoint none, and look at the log for what the image printed",
        kind="no-answer",
    )


def _last(stderr: str) -> str:
    """The engine's own line, without what podman warns of beside it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "docker:"))]
    return (errors or lines or ["no reason given"])[-1][:500]
