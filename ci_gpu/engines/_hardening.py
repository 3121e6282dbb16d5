"""What docker and podman say alike: how a container is held, whatever runs it."""

from __future__ import annotations

from collections.abc import Iterable

from ci_gpu.job import Job

Argv = tuple[str, ...]

HOME = "/tmp/home"  # noqa: S108 - inside the container, where /tmp is ours alone

ENVIRONMENT = (
    ("HOME", HOME),
    ("USER", "ci"),  # getpass.getuser() raises for a uid without a name, and torch calls it (pytorch#140765)
    ("LOGNAME", "ci"),
    ("TMPDIR", "/tmp"),  # noqa: S108 - likewise
    ("XDG_CACHE_HOME", f"{HOME}/.cache"),
    ("TORCH_HOME", f"{HOME}/torch"),
    ("TORCHINDUCTOR_CACHE_DIR", f"{HOME}/inductor"),
    ("TRITON_CACHE_DIR", f"{HOME}/triton"),
    ("CUDA_CACHE_PATH", f"{HOME}/nv"),
    ("PYTORCH_KERNEL_CACHE_PATH", f"{HOME}/kernels"),
    ("HF_HOME", f"{HOME}/hf"),
    ("NUMBA_CACHE_DIR", f"{HOME}/numba"),
    ("MPLCONFIGDIR", f"{HOME}/mpl"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONUNBUFFERED", "1"),
)
"""Every cache that torch and its company write, moved to the one place that can be written."""


def identity(job: Job) -> Argv:
    """Name, labels and id file: how the container is found again, and ended."""
    labels = tuple(word for key, value in job.labels for word in ("--label", f"{key}={value}"))
    return ("--name", job.name, *labels, *(("--cidfile", job.cidfile) if job.cidfile else ()))


def confinement(job: Job) -> Argv:
    """No network, no capability, nothing to write but a /tmp that may execute: Triton and inductor load from there."""
    return (
        *("--network", job.network),
        *("--hostname", "ci-gpu"),
        *("--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges"),
        *(("--read-only",) if job.read_only else ()),
        *("--tmpfs", f"/tmp:rw,exec,nosuid,nodev,mode=1777,size={job.limits.tmp_size}"),  # noqa: S108 - in the container
        *(("--security-opt", "label=disable") if job.label_disabled else ()),
        *(("--user", job.user) if job.user else ()),
        *(word for group in job.groups for word in ("--group-add", group)),
    )


def limits(job: Job) -> Argv:
    """Bounds on processes, memory, shared memory, and what was named of the kernel's limits."""
    bounds = job.limits
    memory = ("--memory", bounds.memory, "--memory-swap", bounds.memory) if bounds.memory else ()
    return (
        *("--pids-limit", str(bounds.pids)),
        *("--shm-size", bounds.shm_size),
        *memory,
        *(("--cpus", bounds.cpus) if bounds.cpus else ()),
        *ulimits(
            (name, _octets(size)) for name, size in (("memlock", bounds.memlock), ("stack", bounds.stack)) if size
        ),
    )


def ulimits(values: Iterable[tuple[str, str]]) -> Argv:
    """Soft and hard, ``SOFT:HARD``."""
    return tuple(word for name, value in values for word in ("--ulimit", f"{name}={value}"))


def _octets(size: str) -> str:
    """``64k`` as ``65536:65536``: engines take no unit here."""
    if size == "unlimited":
        return "-1:-1"
    unit = size[-1] if size[-1] in _UNITS else "b"
    octets = int(size.rstrip(unit)) * _UNITS[unit]
    return f"{octets}:{octets}"


_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def environment(job: Job) -> Argv:
    """The variables, ours before the job's."""
    return tuple(word for key, value in (*ENVIRONMENT, *job.environment) for word in ("--env", f"{key}={value}"))


def entrypoint(job: Job, command: Argv) -> tuple[Argv, Argv]:
    """Options before the image, and what follows it."""
    if job.keep_entrypoint:
        return (), command
    return ("--entrypoint", command[0]), command[1:]


def cdi(job: Job) -> Argv:
    """GPUs by the Container Device Interface; `void` keeps an nvidia default runtime from adding all of them."""
    if not job.gpus:
        return ("--env", "NVIDIA_VISIBLE_DEVICES=void")
    devices = tuple(word for gpu in job.gpus for word in ("--device", f"nvidia.com/gpu={gpu}"))
    return (*devices, "--env", "NVIDIA_VISIBLE_DEVICES=void")
