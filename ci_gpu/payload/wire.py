"""What crosses the border between the image and the host: the one definition, for both sides.

Standard library only and Python 3.8, because this file travels into the image.

On the wire an event is one line, ``<nonce><JSON object>``, with an empty line before it, so that half a line
which the image left open cannot swallow it. The object has the key ``event`` (`EVENTS`) and the fields of the
class. The version of the protocol is `PROTOCOL`; its history:

    1   hello, unusable, environment, started, finished, bye
    2   watched
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Optional, Tuple, Union

PROTOCOL = 2

PASSED, FAILED, ERROR, SKIPPED = "passed", "failed", "error", "skipped"
OUTCOMES = (PASSED, FAILED, ERROR, SKIPPED)

UNUSABLE = ("python-too-old", "no-tmp", "no-torch", "torch-broken")

MOST_PACKAGES = 2000

MAX_EVIDENCE = 200
"""Facts and notes of one check; it has no more metrics, either."""

MAX_SAMPLES = 20_000
"""Samples of one check, of all its metrics together."""

MAX_NAME = 200
"""Characters of a metric's name, and of its unit."""


class Fail(Exception):
    """Raised by a check: the image is wrong. ``hint`` says what to try; ``facts`` are shown beside the message.

    ``cause`` is an id of `cuda_errors.CAUSES`, where what is wrong is the cause of other checks' errors, too.
    """

    def __init__(self, message: str, hint: str = "", facts: Tuple[Fact, ...] = (), cause: str = "") -> None:
        super().__init__(message)
        self.message, self.hint, self.facts, self.cause = message, hint, tuple(facts), cause


class NotMade(Fail):
    """A check's precondition fell: it was not tried, and is an error that its cause explains."""


class Skip(Exception):
    """Raised by a check that does not apply here, with the reason. A skip is never counted as a pass."""

    kind = "not-applicable"


class NotHere(Skip):
    """The check is of something that this image does not have by its own wish, such as a cache that it turned off."""

    kind = "not-applicable-here"


class NeedsGpu(Skip):
    """The check means nothing on a CPU, and the run was told to use one."""

    kind = "needs-gpu"


@dataclass(frozen=True)
class Fact:
    """One thing that a check found out: ``Fact("dz/dy", 31.0, expected="31")``."""

    name: str
    value: Union[str, bool, int, float, None]
    expected: str = ""


@dataclass(frozen=True)
class Note:
    """Something the reader should know although the check passed."""

    text: str


@dataclass(frozen=True)
class Metric:
    """Raw samples of one quantity: never only a mean.

    ``better`` is ``"higher"`` or ``"lower"``. ``limit`` is the physical bound in the same unit (for a rate, the
    peak of the hardware); a sample beyond it is a broken measurement, not a fast image. A sample of None was not
    a finite number. ``version`` changes when the way of measuring changes: different versions are never compared.
    ``exact`` is a count that has no noise, such as bytes allocated: any change beyond its margin is real. Each metric
    of a check has a name of its own.
    """

    name: str
    unit: str
    better: str
    samples: Tuple[Optional[float], ...]
    limit: Optional[float] = None
    version: int = 1
    exact: bool = False


@dataclass(frozen=True)
class CheckResult:
    """How one check ended. ``check`` is ``family.name``; ``kind`` says why, for machines (``timeout``, ``crash``).

    ``cause`` is an id of `cuda_errors.CAUSES`: results with the same one are one fault. Empty: none that is known.
    """

    check: str
    outcome: str
    seconds: float = 0.0
    message: str = ""
    hint: str = ""
    kind: str = ""
    facts: Tuple[Fact, ...] = ()
    metrics: Tuple[Metric, ...] = ()
    notes: Tuple[str, ...] = ()
    used_gpu: bool = False
    log: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Gpu:
    """One GPU as the image, or the host, sees it. ``capability`` is ``"9.0"``; memory in bytes; clock in MHz.

    ``power_limit`` is the configured one in W; ``ecc`` is ``"on"`` or ``"off"``; ``clocks`` is ``"default"``, or
    ``"applications:1410"`` where somebody has set other application clocks. 0 and empty: not known.
    ``mig`` is ``"on"`` where it is cut by MIG. ``error``: it is there and does not answer, in the words of NVML.
    """

    index: int
    name: str
    uuid: str = ""
    capability: str = ""
    memory: int = 0
    multiprocessors: int = 0
    max_sm_mhz: int = 0
    power_limit: int = 0
    ecc: str = ""
    clocks: str = ""
    mig: str = ""
    error: str = ""


@dataclass(frozen=True)
class GpuState:
    """One look at one GPU. None: this GPU, or this driver, does not tell.

    ``seconds`` since the watching began; clocks in MHz, ``temperature`` in °C, ``power`` in W; ``throttle`` are NVML's
    clocks event reasons, as bits; ``utilization`` is the percentage of the driver's last sample (at most a second) in
    which a kernel ran.
    """

    seconds: float
    sm_mhz: Optional[int] = None
    memory_mhz: Optional[int] = None
    temperature: Optional[int] = None
    power: Optional[float] = None
    throttle: Optional[int] = None
    utilization: Optional[int] = None


@dataclass(frozen=True)
class Telemetry:
    """What one GPU (named by its UUID) did while it was watched.

    ``throttle`` are the names of all reasons seen, such as ``hw-thermal-slowdown``; ``violations`` nanoseconds spent
    below the asked clock, by cause; ``ecc_errors`` uncorrected ones that were new; ``foreign_processes`` the compute
    processes that were there before ours, or after. ``inside``: the image was asked, because the host has no NVML.
    """

    gpu: str
    states: Tuple[GpuState, ...] = ()
    throttle: Tuple[str, ...] = ()
    violations: Dict[str, int] = field(default_factory=dict)
    ecc_errors: Optional[int] = None
    foreign_processes: int = 0
    inside: bool = False


@dataclass(frozen=True)
class Environment:
    """What is inside the image, and what the image sees of the machine. Empty means absent or unknown.

    ``driver`` is the kernel driver (NVML); ``driver_cuda`` the CUDA version of the libcuda that is loaded here,
    ``nvml_cuda`` what NVML says, which asks the libcuda that it finds, a compatibility one too. ``packages`` are
    normalised names and versions of the distributions that Python finds, at most `MOST_PACKAGES`, the first by name.
    ``libcuda`` is the path of the libcuda that is loaded here. ``import_seconds`` is what `import torch` took.
    ``gpus`` are those that CUDA sees, in its order; ``lost`` those that NVML knows and that do not answer.
    ``handed`` are the UUIDs of those that NVML shows here, whatever CUDA_VISIBLE_DEVICES says.
    """

    python: str
    machine: str
    torch: str
    torch_cuda: str = ""
    cuda_runtime: str = ""
    cudnn: str = ""
    nccl: str = ""
    triton: str = ""
    arch_list: Tuple[str, ...] = ()
    driver: str = ""
    driver_cuda: str = ""
    nvml_cuda: str = ""
    gpu_error: str = ""
    gpus: Tuple[Gpu, ...] = ()
    cpu: str = ""
    cpus: int = 0
    variables: Dict[str, str] = field(default_factory=dict)
    packages: Dict[str, str] = field(default_factory=dict)
    import_seconds: float = 0.0
    libcuda: str = ""
    lost: Tuple[Gpu, ...] = ()
    handed: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Hello:
    """The payload runs. Sent before torch is imported."""

    protocol: int
    python: str
    executable: str


@dataclass(frozen=True)
class Unusable:
    """The image cannot be checked, for one of the reasons `UNUSABLE`."""

    reason: str
    message: str


@dataclass(frozen=True)
class Started:
    """A check begins."""

    check: str


@dataclass(frozen=True)
class Finished:
    """A check ended."""

    result: CheckResult


@dataclass(frozen=True)
class Watched:
    """What the GPUs did during the checks; only sent if it was asked for."""

    telemetry: Tuple[Telemetry, ...]


@dataclass(frozen=True)
class Bye:
    """Everything asked for was answered; what follows is not ours."""

    checks: int


EVENTS = {
    "hello": Hello,
    "unusable": Unusable,
    "environment": Environment,
    "started": Started,
    "finished": Finished,
    "watched": Watched,
    "bye": Bye,
}
Event = Union[Hello, Unusable, Environment, Started, Finished, Watched, Bye]
_NAMES = {kind: name for name, kind in EVENTS.items()}


def encode(event: Event) -> str:
    """The JSON text of an event, on one line and in ASCII, whatever its strings hold."""
    return json.dumps({"event": _NAMES[type(event)], **finite(asdict(event))}, allow_nan=False)


def frame(nonce: str, event: Event) -> str:
    """The event as it goes over the wire."""
    return f"\n{nonce}{encode(event)}\n"


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they cross the border as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value
