"""What is kept of one job: enough for every series it belongs to, and nothing that names a machine.

The format's version is `FORMAT`; its history:

    1   the first

A store's content is hostile until `decode` has passed it: anybody who may push a branch can write it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import statistics
from collections.abc import Iterator
from typing import Any

import msgspec

from ci_gpu.gpus import asked_for
from ci_gpu.history import medians
from ci_gpu.model import ImageReport, Point, RunReport, SeriesKey, Summary, Trial
from ci_gpu.origin import Origin
from ci_gpu.payload.wire import PASSED, Gpu

FORMAT = 1
MAX_WORDS = 1000  # characters that are kept of any one text

_MIG = re.compile(r"MIG (\d+[gc](?:\.\d+[a-z]+)*(?:\+[a-z.]+)*)")
_UUID = re.compile(r"\b(GPU|MIG)-[0-9A-Za-z/-]+")
_MACHINE = re.compile(r"throttl|clock|control|shared|foreign|neighbou?r|power cap", re.IGNORECASE)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Software(msgspec.Struct, frozen=True, kw_only=True):
    """What was inside an image. Its environment variables stay out: they may hold secrets."""

    python: str = ""
    torch: str = ""
    cuda: str = ""
    cudnn: str = ""
    nccl: str = ""
    triton: str = ""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One image of the job: asked for as ``reference``, resolved to ``digest``. ``size`` is in bytes."""

    name: str
    reference: str = ""
    digest: str = ""
    size: int = 0
    software: Software = Software()
    failure: str = ""  # its kind, such as "tag-not-found"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What ran the job. ``id`` is a salted hash of its name."""

    id: str = ""
    machine: str = ""
    system: str = ""
    driver: str = ""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one image; the words are those of `ci_gpu.model.Point`. ``arm``: base, head or empty."""

    key: SeriesKey
    unit: str
    better: str
    image: str  # the name of one of the record's images
    arm: str = ""
    value: float
    deviation: float = 0.0
    processes: int = 1
    change: float | None = None
    change_error: float | None = None
    verdict: str = ""
    reason: str = ""
    masked: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One job. ``run`` is unique: the same job written twice is one record."""

    format: int = FORMAT
    run: str
    created: str  # RFC 3339, UTC
    version: str = ""  # of what wrote it
    repository: str = ""
    branch: str = ""
    commit: str = ""
    pull: int = 0  # the number of the pull request that it belongs to, or 0
    apart: str = ""  # the event by which it was made, where that is none of the main line
    device: str = ""
    engine: str = ""
    machine: Machine = Machine()
    images: tuple[Image, ...] = ()
    conclusion: str = ""
    order: str = ""
    refused: str = ""
    measurements: tuple[Measurement, ...] = ()


def record(summary: Summary, made: Origin, *, salt: str, run: str = "") -> Record:
    """The record of a run that was made there. ``run`` defaults to `run_name`; ``salt`` keeps the hashes of GPUs from
    being compared between organisations."""
    report = summary.report
    kept = Record(
        run=run or run_name(report, made),
        created=report.created.replace("+00:00", "Z"),
        version=report.version,
        repository=made.repository,
        branch=made.branch,
        commit=made.commit,
        pull=made.pull,
        apart="" if made.pull else made.apart,
        device=report.device,
        engine=report.engine,
        machine=Machine(
            id=hashed(report.host.name, salt),
            machine=report.host.machine,
            system=report.host.system,
            driver=report.host.driver,
        ),
        images=tuple(_image(image) for image in report.images),
        conclusion=summary.verdict.conclusion,
        order=report.trial.order if report.trial else "",
        refused=nameless(report.trial.refused) if report.trial else "",
        measurements=tuple(_measurements(report, salt)),
    )
    return msgspec.convert(_clean(msgspec.to_builtins(kept)), Record)


def run_name(report: RunReport, made: Origin) -> str:
    """A name that is the same each time for one report, read back or not, and another for each leg of a matrix.

    In a workflow it starts with run, attempt and job; elsewhere with the time.
    """
    images = [(image.name, image.started, image.seconds, image.planned) for image in report.images]
    told = (report.created, report.device, report.gpus, report.engine, report.host.name, images, made)
    digest = hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()[:12]
    job = (made.run, made.attempt or "1", made.job or "job")
    name = "-".join(job) if job[0] else re.sub(r"[-:]", "", report.created)
    return f"{_UNSAFE.sub('_', name).strip('._-')[:120]}-{digest}"


def place(kept: Record) -> str:
    """Where its points belong: empty for the main line, else ``pull request 7`` or the event."""
    return f"pull request {kept.pull}" if kept.pull else kept.apart


def hashed(identity: str, salt: str) -> str:
    """HMAC-SHA-256 of a machine's or a GPU's identity, 16 hexadecimal digits; empty stays empty."""
    return hmac.new(salt.encode(), identity.encode(), hashlib.sha256).hexdigest()[:16] if identity else ""


def nameless(reason: str) -> str:
    """Why nothing was concluded, without the UUID of the GPU."""
    return _UUID.sub(r"\1", reason)


def points(kept: Record) -> Iterator[tuple[Measurement, Point]]:
    """Every measurement, its key that of its series, with the point that it is there."""
    images = {image.name: image for image in kept.images}
    apart = place(kept)
    for said in kept.measurements:
        measured = msgspec.structs.replace(said, key=msgspec.structs.replace(said.key, apart=apart))
        image = images.get(measured.image, Image(name=measured.image))
        yield (
            measured,
            Point(
                run=kept.run,
                created=kept.created,
                image=image.reference or image.name,
                digest=image.digest,
                branch=kept.branch,
                commit=kept.commit,
                value=measured.value,
                deviation=measured.deviation,
                processes=measured.processes,
                change=measured.change,
                change_error=measured.change_error,
                verdict=measured.verdict,
                masked=measured.masked,
            ),
        )


def _clean(value: Any) -> Any:
    """An image says what it likes of itself: what is kept of that is short and printable."""
    if isinstance(value, str):
        return "".join(character if ord(character) >= 32 else " " for character in value[:MAX_WORDS])
    if isinstance(value, dict):
        return {name: _clean(each) for name, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, (list, tuple)) else value


def _image(report: ImageReport) -> Image:
    found, inside = report.image, report.environment
    software = Software()
    if inside:
        software = Software(
            python=inside.python,
            torch=inside.torch,
            cuda=inside.torch_cuda,
            cudnn=inside.cudnn,
            nccl=inside.nccl,
            triton=inside.triton,
        )
    return Image(
        name=report.name,
        reference=found.reference,
        digest=found.digest,
        size=found.size,
        software=software,
        failure=report.failure.kind if report.failure else "",
    )


def _measurements(report: RunReport, salt: str) -> Iterator[Measurement]:
    trial = report.trial
    key = _key(report, salt)
    if trial:
        yield from _of_trial(trial, "base", trial.base, key)
        yield from _of_trial(trial, "head", trial.head, key)
    for image in report.images:
        if trial is None or image.name not in (trial.base, trial.head):
            yield from _of_image(image, key)


def _key(report: RunReport, salt: str) -> SeriesKey:
    """The series of this run's metrics, but for the metric: all of its images use the same GPU."""
    inside = [image.environment for image in report.images if image.environment]
    gpu = _gpu(report, [one.gpus[0] for one in inside if one.gpus]) if report.device == "cuda" else None
    if gpu is None:
        cpu = next((one.cpu for one in inside if one.cpu), report.host.machine)
        return SeriesKey(metric="", device=report.device, gpu=cpu, uuid=hashed(report.host.name, salt))
    mig = _MIG.search(gpu.name)
    return SeriesKey(
        metric="",
        device=report.device,
        gpu=gpu.name,
        uuid=hashed(gpu.uuid or report.host.name, salt),
        mig=mig[1] if mig else "mig" if gpu.uuid.startswith("MIG-") else "",
        power_limit=gpu.power_limit,
        ecc=gpu.ecc,
        clocks=report.host.clocks or gpu.clocks,
    )


def _gpu(report: RunReport, inside: list[Gpu]) -> Gpu | None:
    """The GPU that the checks use, the first: as the host sees it, because images differ in what they can see.

    An image with torch before 2.5 does not know its UUID: if none knows it, it is the first that was asked for. Where
    the host sees no such GPU (it has no NVML, or the GPU is a MIG slice), the image that knows most is believed.
    """
    asked = asked_for(report.host.gpus, report.gpus.split(","))
    uuid = next((gpu.uuid for gpu in inside if gpu.uuid), "")
    names = {gpu.name for gpu in inside}
    fitting = (gpu for gpu in asked if (gpu.uuid == uuid if uuid else not names or gpu.name in names))
    return next(fitting, None) or max(inside, key=_knowledge, default=None)


def _knowledge(gpu: Gpu) -> int:
    return sum(map(bool, (gpu.uuid, gpu.power_limit, gpu.ecc, gpu.clocks)))


def _of_image(image: ImageReport, key: SeriesKey) -> Iterator[Measurement]:
    """The metrics of an image that was examined alone: one process each."""
    for result, metric in image.metrics():
        value = medians.median(metric.samples)
        if result.outcome != PASSED or value is None:
            continue
        series = msgspec.structs.replace(key, metric=f"{result.check}/{metric.name}", version=metric.version)
        yield Measurement(key=series, unit=metric.unit, better=metric.better, image=image.name, value=value)


def _of_trial(trial: Trial, arm: str, image: str, key: SeriesKey) -> Iterator[Measurement]:
    """The metrics of one arm; the head's carry the link to the base's."""
    judged = {comparison.metric: comparison for comparison in trial.metrics}
    measured = medians.of_arm(trial.blocks, arm)
    links = medians.links(medians.of_arm(trial.blocks, "base"), measured) if arm == "head" else {}
    for name, arm_medians in measured.items():
        found = judged.get(name) if arm == "head" else None
        change, error = links.get(name, (None, None))
        verdict, reason = (found.verdict, found.reason) if found else ("", "")
        values = tuple(arm_medians.values.values())
        yield Measurement(
            key=msgspec.structs.replace(key, metric=name, version=arm_medians.metric.version),
            unit=arm_medians.metric.unit,
            better=arm_medians.metric.better,
            image=image,
            arm=arm,
            value=statistics.median(values),
            deviation=_deviation(values),
            processes=len(values),
            change=change,
            change_error=error,
            verdict=verdict,
            reason=nameless(reason),
            masked=nameless(trial.refused or (reason if verdict == "inconclusive" and _MACHINE.search(reason) else "")),
        )


def _deviation(values: tuple[float, ...]) -> float:
    if len(values) < 2 or min(values) <= 0:
        return 0.0
    return statistics.stdev(math.log(value) for value in values)
