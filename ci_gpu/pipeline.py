"""The story of one run: images in, verdict out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import msgspec

from ci_gpu import (
    __version__,
    config,
    containers,
    files,
    guest,
    host,
    nvml,
    oci,
    origin,
    process,
    pull,
    reports,
    telemetry,
    trial,
    verdict,
)
from ci_gpu.budget import Budget
from ci_gpu.choice import Chosen, choose, oci_runtime
from ci_gpu.errors import CiGpuError, ConfigError, RunnerError
from ci_gpu.gpus import wanted_gpus
from ci_gpu.job import Job
from ci_gpu.model import (
    Failure,
    Host,
    ImageRef,
    ImageReport,
    PulledImage,
    RunReport,
    Summary,
    Trial,
)
from ci_gpu.payload import tf32
from ci_gpu.settings import Settings


class Watch(trial.Watch, Protocol):
    """What is told while a run goes on."""

    def image(self, target: config.Target) -> None:
        """An image is looked for."""

    def pulling(self, line: str) -> None:
        """The engine reports on a pull."""

    def examining(self, target: config.Target) -> None:
        """The checks of an image begin."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all images of a run."""

    chosen: Chosen
    device: str
    gpu_modes: tuple[str, ...] = ()
    id: str
    env: Mapping[str, str]
    machine: Host
    budgets: Mapping[str, Budget]  # by the image's name
    detour: oci.Detour = oci.Detour()


def run(
    targets: tuple[config.Target, ...],
    watch: Watch,
    env: Mapping[str, str],
    password: str = "",
    wish: config.Wish | None = None,
) -> Summary:
    """Examine the images one after the other, compare two if that was wished, and judge what came of it.

    Whatever goes wrong with an engine or an image is in the summary; only a user's mistake is raised.

    Raises:
        ConfigError: the targets do not agree on what one run has one of, or a variable of the runner is wrong.
    """
    targets += (wish.baseline,) if wish else ()
    settings, found, names = _common(targets), None, {target.name for target in targets}
    machine = host.look(env)
    try:
        chosen = choose(settings, machine)
        this = Run(
            chosen=chosen,
            device=_device(settings, chosen, machine),
            gpu_modes=chosen.gpu_modes,
            id=containers.run_id(env),
            env=env,
            machine=machine,
            budgets={name: Budget().share(len(names)) for name in names},
        )
        this = msgspec.structs.replace(this, detour=_detour(this, settings, watch))
        containers.sweep(chosen.engine, this.env)
        pulled = tuple(_fetched(this, target, watch, password) for target in targets)
        images = _examine_each(this, targets, pulled, watch)
        found = _compare(this, wish, targets, images, watch) if wish else None
        name, device, detour = chosen.name, this.device, this.detour.why
    except CiGpuError as error:
        images = tuple(_failed(target, error) for target in targets)
        name, device, detour = settings.engine, "cpu" if settings.device == "cpu" else "cuda", ""
    report = RunReport(
        version=__version__,
        created=_now(),
        device=device,
        asked_device=settings.device,
        gpus=settings.gpus,
        engine=name,
        host=machine,
        images=images,
        detour=detour,
        trial=found,
        policy=targets[0].policy,
        origin=origin.of(env),
        proposal=targets[0].proposal,
    )
    return Summary(report=report, verdict=verdict.judge(report))


def write(summary: Summary, paths: Mapping[str, Path]) -> tuple[ConfigError, ...]:
    """Write the reports, each whole or not at all, and return why some could not be written: the others are there.

    ``paths``: format name (`reports.names`) to file.
    """
    return tuple(filter(None, (_write(summary, name, path) for name, path in paths.items())))


def _write(summary: Summary, name: str, path: Path) -> ConfigError | None:
    try:
        files.write(path, reports.load(name).render(summary))
    except OSError as error:
        return ConfigError(
            f"the {name} report cannot be written to {path}: {error.strerror}",
            why="the folder cannot be made or written by this user, or its disk is full",
            remedy="name a path that this user can write",
        )
    return None


def _device(settings: Settings, chosen: Chosen, machine: Host) -> str:
    """Where the user leaves it to us: the GPU wherever anything shows that there is one, whether or not it can be used.

    A runner whose GPU or driver broke must not go on with the CPU and be green.
    """
    if settings.device != "auto":
        return settings.device
    wanted = settings.gpus not in ("all", "none")  # somebody who names GPUs means them
    there = bool(machine.gpus or machine.signs or chosen.sees_gpus)
    return "cuda" if settings.gpus != "none" and (wanted or there) else "cpu"


def _detour(this: Run, settings: Settings, watch: Watch) -> oci.Detour:
    """Asked only where GPUs are handed over by CDI: `podman info` takes a while, and nothing else depends on it."""
    if not (this.device == "cuda" and "cdi" in this.gpu_modes and this.chosen.engine.CONTAINERS):
        return oci.Detour()
    found = oci.detour(oci_runtime(this.chosen.engine, this.machine, this.env), _groups(settings))
    if found.why:
        watch.note(found.why)
    return found


def _groups(settings: Settings) -> tuple[str, ...]:
    return () if settings.group_add == "none" else tuple(settings.group_add.split(","))


def _fetched(this: Run, target: config.Target, watch: Watch, password: str) -> PulledImage | CiGpuError:
    """The image, here; or why it is not. All are fetched before the first is measured: a pull would disturb it."""
    watch.image(target)
    if target.ref and _is_elsewhere(target):
        watch.note(f"{target.ref.registry} is asked without the login, which is for {target.settings.registry}")
    try:
        with _logged_in(this, target, password) as env:
            return _pulled(this, target, watch, env)
    except CiGpuError as error:
        return error


def _examine_each(
    this: Run, targets: tuple[config.Target, ...], pulled: tuple[PulledImage | CiGpuError, ...], watch: Watch
) -> tuple[ImageReport, ...]:
    """One after the other. A way of handing over GPUs that was refused before another worked is not tried again."""
    images: tuple[ImageReport, ...] = ()
    for target, image in zip(targets, pulled, strict=True):
        images += (_examine(this, target, image, watch),)
        this = msgspec.structs.replace(this, gpu_modes=_left(this.gpu_modes, images[-1]))
    return images


def _left(modes: tuple[str, ...], image: ImageReport) -> tuple[str, ...]:
    return modes[modes.index(image.gpu_mode) :] if image.gpu_mode in modes else modes


def _examine(this: Run, target: config.Target, image: PulledImage | CiGpuError, watch: Watch) -> ImageReport:
    if isinstance(image, CiGpuError):
        return _failed(target, image)
    started, clock = _now(), time.monotonic()
    watch.examining(target)
    try:
        answers = guest.examine(_visit(this, target, image), watch)
    except CiGpuError as error:
        return msgspec.structs.replace(_failed(target, error, image), started=started)
    return ImageReport(
        name=target.name,
        planned=tuple(check.id for check in target.checks),
        image=image,
        environment=answers.environment,
        results=answers.results,
        failure=Failure.from_error(answers.failure) if answers.failure else None,
        started=started,
        seconds=time.monotonic() - clock,
        log=answers.log,
        gpu_mode=answers.gpu_mode,
        gpu_refusals=answers.gpu_refusals,
    )


def _compare(
    this: Run, wish: config.Wish, targets: tuple[config.Target, ...], images: tuple[ImageReport, ...], watch: Watch
) -> Trial:
    """Head and base in turn; where one of them could not be examined, there is nothing to measure."""
    head, base = images
    if head.failure or base.failure:
        why = "an image could not be examined"
        return Trial(base=base.name, head=head.name, policy=wish.policy, first=wish.pairs, refused=why)
    design = trial.Design(
        pairs=wish.pairs,
        most=2 * wish.pairs,
        policy=wish.policy,
        seed=this.id,
        slowdown=wish.slowdown,
        gpus=telemetry.chosen(this.machine.gpus, targets[0].settings.gpus) if this.device == "cuda" else (),
    )
    this = msgspec.structs.replace(this, gpu_modes=_left(this.gpu_modes, base))  # examined last: by what both had
    visits = [_visit(this, target, image.image) for target, image in zip(targets, images, strict=True)]
    arms = trial.Arms(head=visits[0], base=visits[1], head_report=head, base_report=base)
    return trial.conduct(arms, design, watch)


def _pulled(this: Run, target: config.Target, watch: Watch, env: Mapping[str, str]) -> PulledImage:
    if target.ref is None:
        return PulledImage(reference=target.settings.python or target.name, architecture=this.machine.machine)
    return pull.pull(
        this.chosen.name,
        target.ref,
        policy=target.settings.pull,
        platform=target.settings.platform,
        env=env,
        on_progress=watch.pulling,
    )


@contextlib.contextmanager
def _logged_in(this: Run, target: config.Target, password: str) -> Iterator[Mapping[str, str]]:
    username = target.settings.registry_username
    if target.ref is None or not username or _is_elsewhere(target):
        yield this.env
        return
    with pull.login(this.chosen.name, target.ref.registry, username, password, env=this.env) as env:
        yield env


def _is_elsewhere(target: config.Target) -> bool:
    """Whether user and password are for another registry than this image's."""
    settings = target.settings
    return bool(settings.registry_username) and target.ref is not None and target.ref.registry != settings.registry


def _visit(this: Run, target: config.Target, image: PulledImage) -> guest.Visit:
    settings = target.settings
    gpus = _gpus(this, settings)
    modes = this.gpu_modes if gpus else ()
    job = Job(
        image=_runnable(target.ref, image),
        name="",
        labels=(),
        gpus=gpus,
        gpu_mode=modes[0] if modes else "",
        limits=target.limits,
        user=settings.user,
        groups=_groups(settings),
        label_disabled=settings.selinux_label == "disable",
        own_limits=process.own_limits(),
        network=settings.network,
        keep_entrypoint=settings.entrypoint == "image",
        init=this.chosen.init,
        runtime=this.detour.runtime,
        read_only=this.detour.read_only,
        environment=(
            ("CI_GPU_IMAGE", image.reference),
            (tf32.POLICY, settings.tf32),
            ("CI_GPU_GPUS", str(wanted_gpus(settings.gpus, this.machine)) if gpus else ""),
        ),
    )
    return guest.Visit(
        engine=this.chosen.engine,
        job=job,
        gpu_modes=modes,
        run=this.id,
        device=this.device,
        checks=target.checks,
        timeout=settings.timeout,
        pythons=_pythons(target),
        user_sources=target.user_sources,
        entrypoint=image.entrypoint,
        emulated=pull.is_foreign(image),
        budget=this.budgets[target.name],
        env=this.env,
    )


def _gpus(this: Run, settings: Settings) -> tuple[str, ...]:
    """As the engine takes them. Without a container they are for CUDA, which knows a MIG device by its UUID alone."""
    words = tuple(settings.gpus.split(",")) if this.device == "cuda" else ()
    if this.chosen.name != config.LOCAL:
        return words
    _require_gpus(this.machine, words)
    return tuple(_mig_uuid(word) if ":" in word else word for word in words)


def _require_gpus(machine: Host, words: tuple[str, ...]) -> None:
    """An engine refuses an index that is not there; CUDA would see none of the GPUs that are named after it.

    Raises:
        RunnerError: there is no GPU of that index.
    """
    known = {str(gpu.index) for gpu in machine.gpus}
    missing = [word for word in words if word.isdecimal() and known and word not in known]
    if missing:
        raise RunnerError(
            f"there is no GPU {missing[0]} on this machine",
            why=f"--gpus counts them from 0, as nvidia-smi does, and there are {len(known)}",
            remedy="nvidia-smi -L lists the GPUs",
            kind="no-such-gpu",
        )


def _mig_uuid(word: str) -> str:
    """
    Raises:
        RunnerError: there is no such MIG device here.
    """
    found = nvml.mig_device(word)
    if not found:
        raise RunnerError(
            f"there is no MIG device {word} on this machine",
            why="MIG is off on that GPU, or it is cut into fewer parts: they are counted from 0",
            remedy="nvidia-smi -L lists the MIG devices, and their UUIDs, which --gpus takes as well",
            kind="no-such-gpu",
        )
    return found


def _pythons(target: config.Target) -> tuple[str, ...]:
    return (target.settings.python,) if target.settings.python else guest.PYTHONS


def _runnable(ref: ImageRef | None, image: PulledImage) -> str:
    """The image by digest, or by its id where it was built here and never saw a registry."""
    if ref is None:
        return ""
    return str(ref.pinned(image.digest)) if image.digest else image.image_id


def _failed(target: config.Target, error: CiGpuError, image: PulledImage | None = None) -> ImageReport:
    return ImageReport(
        name=target.name,
        planned=tuple(check.id for check in target.checks),
        image=image or PulledImage(reference=str(target.ref or target.name)),
        failure=Failure.from_error(error),
        started=_now(),
    )


def _common(targets: tuple[config.Target, ...]) -> Settings:
    first = targets[0].settings
    for target in targets:
        for key in ("engine", "device", "gpus", "gpu_mode"):
            if getattr(target.settings, key) != getattr(first, key):
                raise ConfigError(
                    f"{key} differs between the images {targets[0].name} and {target.name}",
                    why="one run uses one engine, one device and one set of GPUs for all its images",
                    remedy=f"put {key} under [run], or make it two runs",
                )
    return first


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
