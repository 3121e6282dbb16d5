"""The nouns of a run. Frozen values; `RunReport` is also the file format of ``run.json``.

The format's version is `SCHEMA`; its history:

    1   the first

What is measured and said inside the image is defined in `ci_gpu.payload.wire` and used here as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ci_gpu.errors import CiGpuError, ConfigError
from ci_gpu.origin import Origin
from ci_gpu.payload.wire import PASSED, CheckResult, Environment, Gpu, Metric, Telemetry

SCHEMA = 1

HUB = "docker.io"
REGISTRY = r"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?)"
"""The host of a registry, with its port."""

_PATH = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<registry>{REGISTRY})/)?(?P<repository>{_PATH}(?:/{_PATH})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def registry_host(text: str) -> str:
    """The host that docker means by a name or an address of a registry; what is neither stays as it is.

    Docker Hub is one registry under each of its names, and other hosts are what they are, port and case included.
    """
    match = re.fullmatch(rf"(?:https://)?({REGISTRY})(?:/v[12])?/?", text)
    host = match[1] if match else text
    return HUB if host == "index.docker.io" else host


class ImageRef(msgspec.Struct, frozen=True):
    """A full image reference: ``docker.io/pytorch/pytorch:2.9.0-cuda12.8-cudnn9-devel``."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """Read a reference as docker does: no registry means docker.io, no tag and no digest means ``latest``.

        Raises:
            ConfigError: the text is no image reference.
        """
        first, slash, _ = text.partition("/")
        named = bool(slash) and (first == "localhost" or any(mark in first for mark in ".:["))
        match = _REFERENCE.fullmatch(text if named else f"{HUB}/{text}")
        if match is None or not match["repository"]:
            raise ConfigError(
                f"{text!r} is not an image reference",
                why="the repository must be lower case, and neither spaces nor a leading dash can be part of it",
                remedy="write it as registry/repository:tag, for example pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime",
                kind="bad-reference",
            )
        registry, repository = registry_host(match["registry"]), match["repository"]
        if registry == HUB and "/" not in repository:
            repository = f"library/{repository}"
        tag = match["tag"] or ("" if match["digest"] else "latest")
        return cls(registry, repository, tag, match["digest"] or "")

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """The reference without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def pinned(self, digest: str) -> ImageRef:
        """The same image by digest alone, so that nothing can move under us."""
        return ImageRef(self.registry, self.repository, "", digest)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an image could not be checked (to the end): a `CiGpuError` as a value."""

    kind: str
    exit_code: int
    what: str
    why: str = ""
    remedy: str = ""

    @classmethod
    def from_error(cls, error: CiGpuError) -> Failure:
        return cls(kind=error.kind, exit_code=error.exit_code, what=error.what, why=error.why, remedy=error.remedy)


class GpuRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A way of handing over GPUs (`Job.gpu_mode`) that the engine refused, and why."""

    mode: str
    failure: Failure


class PulledImage(msgspec.Struct, frozen=True, kw_only=True):
    """The image that ran: what was asked for, and what it was resolved to."""

    reference: str
    digest: str = ""
    image_id: str = ""
    size: int = 0  # bytes, unpacked
    architecture: str = ""
    entrypoint: tuple[str, ...] = ()
    pulled: bool = False  # False: it was here already
    layers: tuple[str, ...] = ()  # digests of the unpacked layers, the lowest first


class ImageReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything learnt of one image. ``planned`` are the ids of the checks that were promised."""

    name: str
    planned: tuple[str, ...]
    image: PulledImage
    environment: Environment | None = None
    results: tuple[CheckResult, ...] = ()
    failure: Failure | None = None
    started: str = ""  # RFC 3339, UTC
    seconds: float = 0.0
    log: str = ""  # the tail of what the image itself printed
    gpu_mode: str = ""  # the way of handing over GPUs that was used (`Job.gpu_mode`); empty without
    gpu_refusals: tuple[GpuRefusal, ...] = ()  # what it refused before

    def metrics(self) -> Iterator[tuple[CheckResult, Metric]]:
        """Every metric with the result it belongs to."""
        return ((result, metric) for result in self.results for metric in result.metrics)


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine that ran the checks, as it sees itself (the image's view is in `Environment`)."""

    name: str = ""
    machine: str = ""  # x86_64, aarch64
    system: str = ""
    driver: str = ""
    gpus: tuple[Gpu, ...] = ()  # those that do not answer, too, with their error
    clocks: str = ""  # what the runner says of them, such as "locked:1980"
    signs: tuple[str, ...] = ()  # of a GPU of NVIDIA's: device nodes, the driver, an NVML that does not start


class MetricRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a user says about one metric (or all that a pattern covers). None and empty leave the default."""

    min_effect: float | None = None  # fraction: 0.02 is 2 %
    floor: float | None = None  # in the metric's own unit: a median below it is red, baseline or not
    ceiling: float | None = None
    unit: str = ""  # of floor and ceiling; it must be the metric's
    gate: bool = True  # False: measured and shown, and never blocks


MAX_SECONDS, MAX_CLOCK = 1e6, 1e6
"""Of a call of the control, and MHz of a clock: what is more was not measured."""

MAX_RULES, MAX_PATTERN, MAX_SEARCHED = 250, 200, 2_500
"""Rules of a policy, characters of one's pattern, and of all behind first stars: those are looked for everywhere."""

MAX_CHECKS = 5_000  # of one image


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a comparison is judged. ``rules``: pattern of metric ids (``matmul.*``) to rule; the first that fits wins.

    ``tightened`` are a pull request's: the first that fits holds beside that of ``rules``, as far as it is stricter.
    """

    min_effect: float | None = None
    inconclusive: str = "warn"  # pass, warn or fail
    rules: tuple[tuple[str, MetricRule], ...] = ()
    tightened: tuple[tuple[str, MetricRule], ...] = ()


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull request's ci-gpu.toml does not get before it is merged, and why the base branch's is not known."""

    pending: tuple[str, ...] = ()
    unread: str = ""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One fresh container of one arm of a comparison: one draw of everything that varies between processes.

    An ``invalid`` block says why it counts for nothing (the GPU throttled, or the other block of its pair is invalid).
    It is kept, and was repeated. ``spoiled``: the machine did that to this very block, so that what failed in it is not
    held against its image. ``failure``: why the image gave no answer.
    """

    pair: int  # from 1; both arms of a pair ran one after the other
    arm: str  # "base" or "head"
    started: str = ""  # RFC 3339, UTC
    seconds: float = 0.0
    results: tuple[CheckResult, ...] = ()
    control: tuple[float, ...] = ()  # seconds of each call of the negative control, which no image can change
    control_compiled: bool = False  # its kernels were compiled in the image, which leaves the image a part in it
    telemetry: tuple[Telemetry, ...] = ()
    invalid: str = ""
    spoiled: bool = False
    failure: Failure | None = None

    def metrics(self) -> Iterator[tuple[str, Metric]]:
        """Metric ids (``check/name``) and metrics of the checks that passed."""
        return (
            (f"{result.check}/{metric.name}", metric)
            for result in self.results
            if result.outcome == PASSED
            for metric in result.metrics
        )


REGRESSED, IMPROVED, UNCHANGED = "regressed", "improved", "unchanged"
INCONCLUSIVE, NEW, MISSING, NOT_COMPARABLE = "inconclusive", "new", "missing", "not-comparable"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of two images. Changes are fractions of the base's value: +0.03 is three per cent *larger*.

    ``base`` and ``head`` are medians over processes of the medians within each. ``p`` is the one-sided probability of
    such a worsening by chance, adjusted for the number of gated metrics. ``reason`` and ``pairs_needed`` go with
    ``inconclusive``.
    """

    metric: str
    version: int = 1
    unit: str
    better: str
    exact: bool = False
    gated: bool = True
    margin: float = 0.0
    pairs: int = 0
    base: float | None = None
    head: float | None = None
    change: float | None = None
    low: float | None = None  # 95 % interval of the change
    high: float | None = None
    hodges_lehmann: float | None = None  # the same change by another estimator
    p: float | None = None
    verdict: str
    reason: str = ""
    pairs_needed: int = 0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """Two images measured in turn on one machine. ``base`` and ``head`` are names of the report's images.

    ``refused`` says why nothing was concluded at all: a shared GPU, no block without throttling, a control that drifts.
    ``order``, ``metrics``, ``control`` and ``refused`` follow from the rest (`compare.judged`), and of a file are not
    believed.
    """

    base: str
    head: str
    order: str = ""  # of the blocks: "ABBABABA", A the base
    policy: Policy = Policy()
    first: int = 6  # pairs before the first look
    machines: tuple[str, ...] = ()  # of base and head, where they were not measured in turn but compared afterwards
    blocks: tuple[Block, ...] = ()
    metrics: tuple[Comparison, ...] = ()
    control: Comparison | None = None
    refused: str = ""


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run of ci-gpu: the content of ``run.json``, and the baseline of the next run."""

    schema: int = SCHEMA
    version: str  # of ci-gpu
    created: str  # RFC 3339, UTC
    device: str  # "cuda" or "cpu": what was really used
    asked_device: str = ""  # "auto", "cuda" or "cpu": what was asked for
    gpus: str  # what was asked for: "all", "none", "0,1", UUIDs
    engine: str
    host: Host
    images: tuple[ImageReport, ...]
    detour: str = ""  # what its containers were run with otherwise than by default, and why
    trial: Trial | None = None
    policy: Policy = Policy()  # what holds for the metrics of images that are not compared
    origin: Origin = Origin()  # the job that made it
    proposal: Proposal = Proposal()


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why the gate is not open. ``subject`` is a check id, a metric or empty.

    ``cause`` is an id of `cuda_errors.CAUSES`; ``dependents`` are the other checks that ended because of it.
    """

    exit_code: int
    kind: str
    image: str
    subject: str
    message: str
    remedy: str = ""
    cause: str = ""
    dependents: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """``conclusion`` is ``success``, ``failure`` (the image) or ``error`` (runner, or no valid answer).

    ``advice`` is said and shuts nothing (exit code 0): bounds that are broken and do not gate, or bind no metric; of a
    comparison what failed in containers of the base, or in such as the machine spoiled.
    """

    exit_code: int
    conclusion: str
    reasons: tuple[Reason, ...]
    advice: tuple[Reason, ...] = ()


class SeriesKey(msgspec.Struct, frozen=True, kw_only=True):
    """What may be drawn as one line: values of different keys are never mixed, not even on GPUs of one model.

    ``gpu`` is the GPU's model name, or the CPU's; ``uuid`` a salted hash of the GPU's UUID, or of the machine's name.
    ``apart`` is empty for the main line, else ``pull request 7`` or the event by which it was measured.
    """

    metric: str
    version: int = 1
    device: str = "cuda"
    gpu: str = ""
    uuid: str = ""
    mig: str = ""
    power_limit: int = 0  # W
    ecc: str = ""  # "on", "off" or unknown
    clocks: str = ""  # "default", "applications:1410" or "locked:1980"
    apart: str = ""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one image in one run. ``value`` is the median over processes of the medians within each.

    ``change`` is the natural logarithm of head over base where the run compared two images, with its standard error:
    the link by which runs of different machines are chained. A ``masked`` point says why it counts for nothing.
    """

    run: str
    created: str  # RFC 3339, UTC
    image: str
    digest: str = ""
    branch: str = ""
    commit: str = ""
    value: float
    deviation: float = 0.0  # standard deviation of the logarithms of the processes' medians
    processes: int = 1
    change: float | None = None
    change_error: float | None = None
    verdict: str = ""
    masked: str = ""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A metric on one GPU over time, oldest point first."""

    key: SeriesKey
    unit: str
    better: str
    points: tuple[Point, ...]


class ChangePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The level of a series changed between two neighbouring runs. Advice, never the gate.

    ``state`` is ``confirmed`` where both sides are levels that differ by more than chance, else ``suspicious``.
    """

    before: str  # the last run of the old level
    after: str  # the first run of the new one
    change: float  # fraction of the old level
    p: float
    state: str
    detectors: tuple[str, ...]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The one argument of every report. ``series`` is what the history knows of the metrics, for their trends.

    ``caveats`` stand before everything else: where the report is from, and what in its file was not believed. They are
    words of ours alone.
    """

    report: RunReport
    verdict: Verdict
    caveats: tuple[str, ...] = ()
    series: tuple[Series, ...] = ()
