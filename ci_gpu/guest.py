"""One image's visit: start a container, send the payload, hear it out, and start again where it died.

A container is never trusted to end: every wait has a deadline, and whatever happens it is removed.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Protocol

import msgspec

from ci_gpu import containers, diagnosis, handover, plan, startup
from ci_gpu.budget import LOOKS, Budget
from ci_gpu.catalogue import CheckInfo
from ci_gpu.engines import Engine
from ci_gpu.errors import CiGpuError, ImageError, RunnerError
from ci_gpu.job import Job
from ci_gpu.model import GpuRefusal
from ci_gpu.payload import cuda_errors
from ci_gpu.payload.wire import CheckResult, Environment, Event, Finished, Started, Telemetry, Unusable
from ci_gpu.process import Conversation
from ci_gpu.reports import printable
from ci_gpu.startup import Ending
from ci_gpu.transcript import Transcript

PYTHONS = ("python3", "/opt/conda/bin/python", "python")
"""Where an image keeps its interpreter, in the order in which they are tried."""

STARTUP_SECONDS = startup.SECONDS
"""From the start of the container to what it tells of its environment, whatever it says before."""

GRACE_SECONDS = 30
"""What the guest gets beyond a check's own time-out to report it, before the host steps in."""

MAX_DEATHS_IN_A_ROW = 2
"""Containers that died between two checks without any progress."""


class Watch(Protocol):
    """Told of everything while it happens."""

    def event(self, event: Event) -> None:
        """The image said something to us."""

    def log(self, line: str) -> None:
        """The image printed something of its own: hostile text."""

    def note(self, text: str) -> None:
        """Something is done in another way than was asked for."""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that starting a container for this image needs."""

    engine: Engine
    job: Job  # name, labels and cidfile are filled in per container; its gpu_mode is the first of gpu_modes
    run: str
    device: str
    checks: tuple[CheckInfo, ...]
    timeout: int | None
    pythons: tuple[str, ...] = PYTHONS
    user_sources: Mapping[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    emulated: bool = False  # the image is for another processor than this machine's
    env: Mapping[str, str] = {}
    gpu_modes: tuple[str, ...] = ()  # the ways of handing over its GPUs, in the order in which they are tried
    budget: Budget | None = None  # what the image may still say, in all of its visits; None: of a run of its own
    looks: int = LOOKS  # at its GPUs that are kept of one container
    watch: str = ""  # which GPUs the image is to watch, because the host cannot: "first", "all", or none of them


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the visit. ``failure`` is why it could not go on, if it could not."""

    environment: Environment | None
    results: tuple[CheckResult, ...]
    failure: CiGpuError | None
    log: str
    telemetry: tuple[Telemetry, ...] = ()
    gpu_mode: str = ""
    gpu_refusals: tuple[GpuRefusal, ...] = ()


def examine(visit: Visit, watch: Watch) -> Answers:
    """Run all checks of the visit, in as many containers as it takes."""
    visit = msgspec.structs.replace(visit, budget=visit.budget or Budget())
    results: dict[str, CheckResult] = {}
    environment, log, deaths = None, "", 0
    killed: set[str] = set()  # checks whose container something outside killed: each is tried once more
    seen: tuple[Telemetry, ...] = ()
    refusals: tuple[GpuRefusal, ...] = ()
    failure: CiGpuError | None = None
    while failure is None and len(results) < len(visit.checks) and deaths < MAX_DEATHS_IN_A_ROW:
        left = tuple(check for check in visit.checks if check.id not in results)
        transcript, ending, failure = _one_container(visit, left, watch)
        log = transcript.log or log
        if failure and visit.gpu_modes and diagnosis.refuses_gpus(failure):
            visit, refusals, failure = _by_the_next_way(visit, refusals, failure, watch)
            continue
        failure = failure or _killed_again(transcript.open_check, ending, killed)
        deaths = 0 if transcript.results else deaths + 1
        environment = environment or transcript.environment
        results |= transcript.results
        seen += transcript.telemetry
    if failure is None and len(results) < len(visit.checks):
        failure = _keeps_dying(ending)
    failure = _printable(failure) if failure else None
    ordered = tuple(_noted(results[check.id], killed) for check in visit.checks if check.id in results)
    return Answers(
        environment=environment,
        results=ordered,
        failure=failure,
        log=log,
        telemetry=seen,
        gpu_mode=visit.job.gpu_mode,
        gpu_refusals=refusals,
    )


def _by_the_next_way(
    visit: Visit, before: tuple[GpuRefusal, ...], error: CiGpuError, watch: Watch
) -> tuple[Visit, tuple[GpuRefusal, ...], CiGpuError | None]:
    """The visit by the next way of handing over GPUs; where there is none, what every way met with."""
    refusals = (*before, handover.refusal(visit.job.gpu_mode, _printable(error)))
    modes = visit.gpu_modes[1:]
    if modes:
        watch.note(handover.told(refusals[-1], modes[0]))
    elif len(refusals) > 1:
        error = handover.failure(refusals)
    job = msgspec.structs.replace(visit.job, gpu_mode=modes[0] if modes else "")
    return msgspec.structs.replace(visit, job=job, gpu_modes=modes), refusals, None if modes else error


def _printable(error: CiGpuError) -> CiGpuError:
    """The same error without what would steer a terminal: most of its words are the image's."""
    words = {name: printable(getattr(error, name)) for name in ("why", "remedy", "kind")}
    return type(error)(printable(error.what), **words)


def _one_container(
    visit: Visit, checks: tuple[CheckInfo, ...], watch: Watch
) -> tuple[Transcript, Ending, CiGpuError | None]:
    """Try the interpreters until one starts; then hear that container out."""
    for python in visit.pythons:
        transcript, ending, error = _heard(visit, checks, python, watch)
        if error:
            return transcript, ending, error
        if transcript.hello or transcript.unusable or not _lacks_program(transcript, ending):
            break
    return transcript, ending, _failure(visit, transcript, ending)


def _lacks_program(transcript: Transcript, ending: Ending) -> bool:
    return diagnosis.lacks_program(ending.code, transcript.log, ending.started)


def _heard(
    visit: Visit, checks: tuple[CheckInfo, ...], python: str, watch: Watch
) -> tuple[Transcript, Ending, CiGpuError | None]:
    """One container by one interpreter: what it said, how it ended, and what broke it off."""
    for _ in range(2):
        guest = plan.guest(
            checks,
            device=visit.device,
            timeout=visit.timeout,
            python=python,
            user_sources=visit.user_sources,
            watch=visit.watch,
        )
        promised = tuple(check.id for check in checks)
        transcript = Transcript(guest.nonce, promised, bool(visit.watch), visit.budget, visit.looks)
        try:
            ending = _converse(visit, guest, transcript, watch)
        except CiGpuError as error:
            return transcript, Ending(code=0), error
        if not _deserves_another_start(transcript, ending):
            break
    return transcript, ending, None


def _deserves_another_start(transcript: Transcript, ending: Ending) -> bool:
    """Whether nothing was learnt of the image, for a reason that is not the image's.

    Something outside killed it, or it said nothing at all: on a busy machine podman loses the words of a container that
    ends at once, and they are the reason.
    """
    if transcript.environment or transcript.unusable or ending.timed_out:
        return False
    return ending.killed_from_outside or not (transcript.hello or transcript.log)


def _converse(visit: Visit, guest: plan.Guest, transcript: Transcript, watch: Watch) -> Ending:
    """One container from start to removal."""
    name = containers.new_name()
    total = STARTUP_SECONDS + sum(check.seconds(guest.timeout) + GRACE_SECONDS for check in guest.checks)
    marks = containers.labels(visit.run, time.time() + total)
    job = msgspec.structs.replace(visit.job, name=name, labels=marks)
    with containers.removed_afterwards(visit.engine, name, visit.env):
        argv = visit.engine.run(job, guest.command)
        with Conversation(argv, stdin=guest.stdin, env=visit.env) as conversation:
            timed_out = _listen(conversation, guest, transcript, watch)
            if timed_out:
                conversation.kill()
            ending = Ending(code=conversation.wait(), timed_out=timed_out, contained=visit.engine.CONTAINERS)
        if not transcript.bye:
            ending = _as_the_engine_tells(visit, name, ending, transcript)
    if transcript.open_check and not ending.killed_from_outside:
        _blame(transcript, ending)
    return ending


def _as_the_engine_tells(visit: Visit, name: str, ending: Ending, transcript: Transcript) -> Ending:
    """What the container cannot forge. Without containers there is nothing but our own process, which ran.

    Out of memory counts where the container itself was killed, not one of its processes. A container that had spoken
    and is there no more was removed by somebody else: we remove it later, and no engine does it by itself.
    """
    if not visit.engine.CONTAINERS:
        return msgspec.structs.replace(ending, started=True)
    state = containers.state(visit.engine, name, visit.env)
    killed = bool(transcript.open_check) or ending.killed_from_outside
    return msgspec.structs.replace(
        ending,
        out_of_memory=killed and bool(state.get("OOMKilled")),
        started=containers.started(state),
        removed=bool(transcript.hello) and not state and containers.is_gone(visit.engine, name, visit.env),
    )


def _listen(conversation: Conversation, guest: plan.Guest, transcript: Transcript, watch: Watch) -> bool:
    """Hear the guest out; True if it had to be cut off. The first deadline is the start-up's, then the check's."""
    deadline = time.monotonic() + STARTUP_SECONDS
    try:
        while line := conversation.next_line(deadline):
            if time.monotonic() > deadline:  # there is always a next line where the image prints without end
                return True
            event = transcript.hear(line.source, line.text)
            if event is None:
                watch.log(line.text)
                continue
            watch.event(event)
            if isinstance(event, (Environment, Started, Finished)):  # each comes once, or once a check
                deadline = time.monotonic() + _patience(guest, transcript)
    except TimeoutError:
        return True
    return False


def _patience(guest: plan.Guest, transcript: Transcript) -> float:
    """Seconds until the next of these must have come, or the end."""
    return GRACE_SECONDS + (guest.seconds_for(transcript.open_check) if transcript.open_check else 0)


def _blame(transcript: Transcript, ending: Ending) -> None:
    """The container ended while a check was open."""
    if ending.timed_out:
        transcript.give_up_open_check("the container did not answer in time and was killed", "timeout")
    elif ending.out_of_memory:
        transcript.give_up_open_check("the container was killed: out of memory", "out-of-memory")
    else:
        how = f"exit code {ending.code}" + (f", {ending.signal_name}" if ending.signal else "")
        transcript.give_up_open_check(f"the container died while this check ran ({how})", "container-died")


def _failure(visit: Visit, transcript: Transcript, ending: Ending) -> CiGpuError | None:
    """Why nothing more can be learnt from this image; None if it is worth going on, or all is done."""
    if transcript.unusable:
        return _unusable(transcript.unusable, visit.device)
    if transcript.environment:
        return None
    if transcript.hello:
        return startup.import_failure(ending, transcript.log)
    return startup.python_failure(ending, transcript.log) or diagnosis.start_failure(
        ending.code,
        transcript.log,
        entrypoint=visit.entrypoint,
        started=ending.started,
        emulated=visit.emulated,
    )


def _unusable(event: Unusable, device: str) -> CiGpuError:
    """The image's fault, unless torch itself is linked to a driver that this runner should have handed in."""
    message = event.message[: startup.MESSAGE_CHARACTERS]
    cause = cuda_errors.of_exception(message) if event.reason == "torch-broken" and device == "cuda" else None
    if cause and cause.party == cuda_errors.RUNNER:
        return RunnerError(message[:1000], why=cause.meaning, remedy=cause.remedy, kind=cause.id)
    broken = event.reason == "torch-broken"
    why, remedy = startup.torch_broken(message) if broken else _UNUSABLE[event.reason]
    return ImageError(message[:1000], why=why, remedy=remedy, kind=event.reason)


_UNUSABLE = {
    "python-too-old": (
        "the checks need Python 3.8 or newer inside the image",
        "choose a newer image, or name a newer interpreter in it with --python",
    ),
    "no-torch": (
        "torch is not installed for the interpreter that was started",
        "install torch in the image, or name the interpreter that has it with --python",
    ),
    "no-tmp": (
        "neither TMPDIR nor /tmp can be written",
        "leave TMPDIR alone in the image: ci-gpu mounts a writable /tmp",
    ),
}


def _killed_again(check: str, ending: Ending, killed: set[str]) -> CiGpuError | None:
    """The runner's error where a check's container is killed from outside a second time, with nothing against it."""
    if not (check and ending.killed_from_outside):
        return None
    if check in killed:
        return startup.failure(ending, f"the container of the check {check}", "killed")
    killed.add(check)
    return None


def _noted(result: CheckResult, killed: set[str]) -> CheckResult:
    if result.check not in killed:
        return result
    return dataclasses.replace(result, notes=(*result.notes, TRIED_AGAIN))


TRIED_AGAIN = "its container was killed (SIGKILL) once, from outside as far as is known, and the check was made again"


def _keeps_dying(ending: Ending) -> CiGpuError:
    if ending.killed_from_outside or ending.out_of_memory:
        return startup.failure(ending, "the container, between two checks,", "container-died") or _ends_itself()
    return _ends_itself()


def _ends_itself() -> ImageError:
    return ImageError(
        "the container dies between two checks, again and again",
        why="a process of the image's ends it, or leaves no room for the next check to start",
        remedy="look at the log, and at the engine's own (docker events, journalctl)",
        kind="container-died",
    )
