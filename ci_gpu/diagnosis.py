"""Why a container told nothing, from what was said. Pure; the texts are those of docker, podman and NVIDIA.

Whose words they are is not read from them: the engine knows whether the container started (`containers.started`). What
is said without a start is the engine's, what is said after it the image's, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ci_gpu.errors import CiGpuError, ImageError, IncompatibleError, RunnerError

NO_PROGRAM = (126, 127)
"""Exit codes of an engine whose container has no such program (or a file that is none)."""

_CLIENT = (
    "docker: ",
    "error: ",
    "error response from daemon",
    "cannot connect to ",
    "permission denied while trying",
    "unknown flag: ",
    "unknown shorthand flag: ",
)
"""How an engine's lines begin: asked only where nobody knows whether the container started."""

_PROGRAM = r"exec: \\{0,9}\"|executable file|open executable|no such executable"
"""In an engine's words for a program that is not in the image, or cannot be executed there (runc, crun)."""

_NOT_EXECUTED = (
    r"exec [^\n]{1,4096}: exec format error"
    r"|standard_init_linux\.go:\d{1,5}: exec user process caused:? \"?exec format error\"?"
    r"|(?:\{\"msg\":\")?exec container process `[^`\n]{1,4096}`: exec format error(?:\"[^\n]{0,200}\})?"
    r"|\[FATAL tini(?: \(\d{1,9}\))?\] exec [^\n]{1,4096} failed: exec format error"
)
"""The last line of a container in which no program began: the runtime's process, or docker's init, became none.

An image can print it as well, and gains nothing: it is at fault either way.
"""

_GENERATE = "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml, then nvidia-ctk cdi list shows the names"
_GIDS = "podman before 5.1 needs --feature-flag no-additional-gids-for-device-nodes with a toolkit from 1.19 on"

_READ = 20_000
"""Characters of what was said that are read, from the end: the reason is there, and an image may print for ever."""


class _Cause(NamedTuple):
    """What an engine's words mean. The first group of the pattern that matched is put into ``what``."""

    pattern: str
    error: type[CiGpuError]
    kind: str
    what: str
    why: str
    remedy: str


_CAUSES = (
    _Cause(
        r"unsatisfied condition: ([^\n,\"]{1,300})",
        IncompatibleError,
        "driver-too-old",
        "the image refuses this runner's driver: it asks for {0}",
        "the image carries NVIDIA_REQUIRE_CUDA, and the NVIDIA container toolkit compared it with the host's driver",
        "update the driver on the runners, or choose an image built for an older CUDA",
    ),
    _Cause(
        r"nvidia-container-cli: device error: unknown device id: ([\w:./-]{1,100})"
        r"|nvidia-container-cli: device error: ([\w:./-]{1,100}): unknown device",
        RunnerError,
        "no-such-gpu",
        "there is no GPU {0} on this machine",
        "GPUs are counted from 0, and a UUID is that of one machine",
        "nvidia-smi -L lists the GPUs of the runner; name others with --gpus",
    ),
    _Cause(
        r"could not select device driver \"?cdi",
        RunnerError,
        "cdi-unsupported",
        "the docker daemon does not hand over devices by CDI",
        "docker does so from version 25 on, and before 28.3 only where its configuration says so",
        'set "features": {"cdi": true} in /etc/docker/daemon.json and restart docker, or try --gpu-mode gpus',
    ),
    _Cause(
        r"could not select device driver|unknown runtime specified nvidia|unknown or invalid runtime name: nvidia"
        r"|\"nvidia-container-runtime[\w-]{0,20}\": executable file not found",
        RunnerError,
        "gpu-runtime-missing",
        "the engine cannot hand a GPU to a container",
        "the NVIDIA container toolkit is not installed, or the engine was not told about it",
        "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
    ),
    _Cause(
        r"unresolvable CDI devices ([^\s\"]{1,300})|CDI device injection failed: ([^\n]{1,300})"
        r"|failed to discover GPU vendor from CDI: ([^\n]{1,300})",
        RunnerError,
        "cdi-unresolved",
        "the engine knows no CDI device {0}",
        "the CDI description is missing, older than the driver or the MIG layout, or newer than the engine can read",
        f"{_GENERATE}; {_GIDS}",
    ),
    _Cause(
        r"failed to parse CDI spec \"?([^\s\":]{1,300})",
        RunnerError,
        "cdi-unreadable",
        "the engine cannot read the CDI description {0}",
        "a newer NVIDIA container toolkit wrote it in a version of the format that this engine does not know",
        f"update the engine, or make the description anew: {_GENERATE}; {_GIDS}",
    ),
    _Cause(
        r"stat (nvidia\.com/gpu=[^\s:]{1,100}): no such file",
        RunnerError,
        "cdi-unsupported",
        "the engine takes the CDI device {0} for a path",
        "podman reads CDI descriptions from version 4.1 on",
        "update podman, or choose --engine docker",
    ),
    _Cause(
        r"CDI host device \"?([^\s\":]{1,300})"
        r"|(?:mounting|cannot stat|stat'ing file) [\"`]?(?=[^\s\"`:]{0,260}/lib[^\s\"`:/]{0,60}(?:cuda|nvidia))"
        r"(/[^\s\"`:]{1,300})(?=[\s\"`:])[^\n]{1,600}?no such file"
        r"|fork/exec (/[^\s:]{1,200}): no such file"
        r"|stat \"?(/dev/nvidia[^\s\":]{0,60})\"?: no such file",
        RunnerError,
        "cdi-stale",
        "the CDI description names {0}, which is not on this machine",
        "the driver was updated, or GPUs changed, after the description was made",
        _GENERATE,
    ),
    _Cause(
        r"runtime hook directly [^\n]{0,200}is not supported",
        RunnerError,
        "gpu-mode-unsupported",
        "this machine does not hand over GPUs by docker's --gpus",
        "a Jetson, or a container toolkit in csv mode, knows the runtime nvidia alone",
        "--gpu-mode runtime; where that is not known: sudo nvidia-ctk runtime configure --runtime=docker && sudo "
        "systemctl restart docker",
    ),
    _Cause(
        r"(nvml error: insufficient permissions)|(/dev/nvidia[\w/-]{0,40}[^\n]{0,100}permission denied)",
        RunnerError,
        "gpu-permission",
        "the device files of the GPU may not be used: {0}",
        "their owner or mode keeps out the user that starts the container, or SELinux does",
        "ls -lZ /dev/nvidia*; under SELinux --selinux-label disable; where they are for a group, --group-add with its "
        "gid, or --group-add keep-groups with a rootless podman over crun",
    ),
    _Cause(
        r"nvidia-container-cli: ((?:mount error: failed to add device rules|container error: cgroup)[^\n]{0,280})",
        RunnerError,
        "gpu-cgroups",
        "the NVIDIA container toolkit could not allow the GPU in the container's control group: {0}",
        "the engine runs rootless or in another container, or the toolkit does not know this kernel's control groups",
        "--gpu-mode cdi, which leaves that to the engine; or sudo nvidia-ctk config --in-place --set "
        "nvidia-container-cli.no-cgroups=true for a rootless engine; update the toolkit",
    ),
    _Cause(
        r"nvidia-container-cli: (ldcache error[^\n]{1,280})",
        RunnerError,
        "gpu-ldconfig",
        "the NVIDIA container toolkit could not make the loader's cache: {0}",
        "it calls the ldconfig of another distribution, or one that does not work in this container",
        'ldconfig = "@/sbin/ldconfig" in /etc/nvidia-container-runtime/config.toml (Ubuntu alone has ldconfig.real)',
    ),
    _Cause(
        r"nvidia-container-cli: ([^\n]{1,300})|(failed to initialize NVML[^\n]{1,300})"
        r"|(error executing hook [^\n]{0,200}nvidia[^\n]{1,200})|running createContainer hook #\d{1,3}: ([^\n]{1,300})",
        RunnerError,
        "gpu-hook-failed",
        "the NVIDIA container toolkit could not prepare the GPU: {0}",
        "the driver on the host is not loaded or does not answer, or a hook of the toolkit's could not write",
        "run nvidia-smi on the host; after a driver upgrade, reboot it; where podman runs containers by crun, try runc",
    ),
    _Cause(
        r"error setting (rlimit type \d{1,2}[^\n]{0,60})|setrlimit `(\w{1,40})",
        RunnerError,
        "limit-refused",
        "the engine may not set a limit of the kernel's: {0}",
        "--memlock, --stack or the engine's own configuration asks for more than the engine may have itself",
        "a smaller --memlock or --stack; or allow more: LimitMEMLOCK= of docker.service, /etc/security/limits.d for "
        "the user of a rootless podman; default_ulimits of containers.conf are podman's own wish",
    ),
    _Cause(
        r"cannot connect to the docker daemon|permission denied.{0,300}docker\.sock|connect: no such file",
        RunnerError,
        "engine-down",
        "the engine does not answer",
        "its service is not running, or this user may not talk to it",
        "start it (sudo systemctl start docker), or add the user to its group; --engine podman needs no service",
    ),
    _Cause(
        r"no space left on device",
        RunnerError,
        "no-space",
        "the runner's disk is full",
        "images of several gigabytes pile up on a runner",
        "docker system df shows what takes the room",
    ),
)

_FOREIGN = _Cause(
    r"exec format error",
    ImageError,
    "wrong-platform",
    "the image's program is not for this processor, although the image says so of itself",
    "it was built of files of another architecture, or its ENTRYPOINT is a script whose first line is no #!",
    "build the image anew for this architecture; --entrypoint none steps past its ENTRYPOINT",
)

_EMULATED = _Cause(
    r"exec format error",
    RunnerError,
    "wrong-platform",
    "the image is for another processor",
    "--platform names an architecture that is not this runner's, and nothing here runs its programs (binfmt_misc)",
    "choose an image for this architecture, or a runner for the image; qemu-user-static emulates, without GPUs",
)

_OF_GPUS = frozenset(cause.kind for cause in _CAUSES if cause.kind.startswith(("cdi-", "gpu-")))


def start_failure(
    returncode: int,
    said: str,
    *,
    entrypoint: tuple[str, ...],
    started: bool | None = None,
    emulated: bool = False,
) -> CiGpuError:
    """The error for a container that ended before the payload said hello.

    ``started`` is None where the engine does not know of the container; ``emulated`` where the image is meant for
    another processor, and was asked for all the same.
    """
    foreign = _EMULATED if emulated else _FOREIGN
    said = said[-_READ:]
    words = _engine_s_words(returncode, said, started)
    if words is None:
        return _of_the_image(returncode, said, entrypoint, foreign)
    if known := _known(words, (*_CAUSES, foreign)):
        return known
    return _no_python(words, entrypoint) if _names_program(returncode, words) else _refused(words)


def refuses_gpus(error: CiGpuError) -> bool:
    """Whether the engine refused to hand over the GPUs: another way may work."""
    return error.kind in _OF_GPUS


def lacks_program(returncode: int, said: str, started: bool | None = None) -> bool:
    """Whether another interpreter may be tried: nothing but the program was missing."""
    said = said[-_READ:]
    words = _engine_s_words(returncode, said, started)
    if words is None:
        return returncode in NO_PROGRAM
    return _known(words, _CAUSES) is None and _names_program(returncode, words)


def _engine_s_words(returncode: int, said: str, started: bool | None) -> str | None:
    """What the engine said of a container that did not start; None where it did, and the words are the image's."""
    if started:
        return None
    if started is False:
        return said
    lines = said.splitlines()
    spoken = [number for number, line in enumerate(lines) if line.lower().startswith(_CLIENT)]
    if returncode == 125 and spoken:  # the client's own code; an image can end with it, but not without its words
        return "\n".join(lines[spoken[0] :])
    return "\n".join(lines[number] for number in spoken) or None


def _known(words: str, causes: Iterable[_Cause]) -> CiGpuError | None:
    for cause in causes:
        match = re.search(cause.pattern, words, re.IGNORECASE)
        if match:
            return _error(cause, next((group for group in match.groups() if group), ""))
    return None


def _error(cause: _Cause, detail: str = "") -> CiGpuError:
    what = cause.what.format(detail.strip(" .\n")[:300])
    return cause.error(what, why=cause.why, remedy=cause.remedy, kind=cause.kind)


def _names_program(returncode: int, words: str) -> bool:
    """An engine ends with 126 and 127 for other reasons as well: limits, control groups, mounts, its own runtime."""
    ours = "unable to retrieve OCI runtime error" not in words
    return returncode in NO_PROGRAM and ours and bool(re.search(_PROGRAM, words))


def _of_the_image(returncode: int, said: str, entrypoint: tuple[str, ...], foreign: _Cause) -> CiGpuError:
    """It started: nothing that it says is the engine's."""
    if re.fullmatch(_NOT_EXECUTED, said.strip().rpartition("\n")[2].strip(), re.IGNORECASE):
        return _error(foreign)
    return _no_python(said, entrypoint) if returncode in NO_PROGRAM else _silent(returncode, said, entrypoint)


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
