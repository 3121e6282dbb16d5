"""The guest: imports torch once, then forks one process a check and reports how each ended.

Started by `ci_gpu.plan.BOOT` inside the image. stdin carries the payload and the request, and then stays open:
its end means that the host is gone, and so must we be. stdout belongs to the events (`wire.frame`); whatever else
wants to print there is sent to stderr. The request is a JSON object:

    device    "cuda" or "cpu"
    checks    [{"id": "matmul.float32", "module": "ci_gpu.payload.checks.matmul", "timeout": 300}, …]
    watch     which of the GPUs that CUDA shows to watch, because the host cannot: "first", "all", or "" for none
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import replace
from typing import Any, Dict, Optional, Tuple

from . import cuda_errors, perform, probe, processes, shadows
from .isolation import Ended, HostGone, adopt_orphans, in_child
from .watcher import Watcher
from .wire import (
    ERROR,
    PROTOCOL,
    Bye,
    CheckResult,
    Environment,
    Event,
    Finished,
    Gpu,
    Hello,
    Started,
    Unusable,
    Watched,
    frame,
)

PROBE_TIMEOUT = 120
"""Seconds for the first look at the machine; the first touch of a large multi-GPU host is slow."""


def main(nonce: str, request: str) -> None:
    """Do what the request says; the events tell everything, so there is no exit code."""
    channel = Channel(nonce)
    channel.send(Hello(PROTOCOL, platform.python_version(), sys.executable or ""))
    started = time.monotonic()
    unusable = _import_torch()
    if unusable:
        channel.send(unusable)
        return
    import_seconds = time.monotonic() - started
    adopt_orphans()
    try:
        _answer(channel, json.loads(request), import_seconds)
    except HostGone:
        sys.exit(75)


class Channel:
    """The only way to stdout: a duplicate that no program started by a check inherits. Descriptor 1 becomes stderr."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        sys.stdout.flush()
        self._descriptor = os.dup(1)
        os.dup2(2, 1)

    def send(self, event: Event) -> None:
        """Write the event, whole, at once."""
        data = frame(self._nonce, event).encode("ascii")
        while data:
            data = data[os.write(self._descriptor, data) :]


def _answer(channel: Channel, request: Dict[str, Any], import_seconds: float) -> None:
    environment = replace(_environment(), import_seconds=import_seconds)
    channel.send(environment)
    fallen = cuda_errors.fallen(environment) if request["device"] == "cuda" else None
    watcher = _watcher(environment, request["watch"]) if request["watch"] else None
    spared = (watcher.pid,) if watcher else ()
    for check in request["checks"]:
        channel.send(Started(check["id"]))
        channel.send(Finished(_result(check, request["device"], fallen, spared)))
    if watcher:
        channel.send(Watched(watcher.stop()))
    channel.send(Bye(len(request["checks"])))


def _watcher(environment: Environment, which: str) -> Optional[Watcher]:
    """None where there is no room for its process: then nothing was seen of the GPUs."""
    try:
        return Watcher(_watched(environment, which))
    except processes.NoProcess:
        return None


def _watched(environment: Environment, which: str) -> Tuple[str, ...]:
    """UUIDs, in CUDA's order; empty where this torch does not tell them."""
    gpus = environment.gpus[:1] if which == "first" else environment.gpus
    return tuple(gpu.uuid for gpu in gpus)


def _import_torch() -> Optional[Unusable]:
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name == "torch":
            return Unusable("no-torch", f"{sys.executable} (Python {platform.python_version()}) has no torch")
        return Unusable("torch-broken", shadows.told(error))
    except Exception as error:  # whatever a broken build raises: a missing library, a wrong numpy, …
        return Unusable("torch-broken", shadows.told(error))
    return None


def _environment() -> Environment:
    """Looked up in a child: to touch CUDA in this process would break it in every fork."""
    try:
        ended = in_child(lambda: perform.to_json(probe.environment()), PROBE_TIMEOUT)
    except processes.NoProcess as error:
        return _unseen(str(error))
    if ended.data:
        try:
            fields = json.loads(ended.data.decode())
            for name in ("gpus", "lost"):
                fields[name] = tuple(Gpu(**gpu) for gpu in fields[name])
            return Environment(**{**fields, "handed": tuple(fields["handed"])})
        except (TypeError, ValueError):
            pass
    return _unseen(f"the look at the GPUs {_how(ended)}")


def _unseen(why: str) -> Environment:
    torch = sys.modules["torch"]
    return Environment(
        platform.python_version(),
        platform.machine(),
        str(torch.__version__),
        torch_cuda=str(getattr(torch.version, "cuda", "") or ""),
        gpu_error=why,
    )


def _result(
    check: Dict[str, Any], device: str, fallen: Optional[cuda_errors.Cause], spared: Tuple[int, ...]
) -> CheckResult:
    try:
        ended = in_child(
            lambda: perform.to_json(perform.check(check["id"], check["module"], device, fallen)),
            check["timeout"],
            spared,
        )
    except processes.NoProcess as error:
        return CheckResult(check["id"], ERROR, message=str(error), hint=processes.HINT, kind=processes.KIND)
    kind, message = _death(ended)
    if kind:
        cause = fallen.id if fallen and fallen.id == "silent-gpus" else ""  # the look at the GPUs may have died so, too
        return CheckResult(check["id"], ERROR, ended.seconds, message, _HINTS[kind], kind, log=ended.log, cause=cause)
    fields = json.loads(ended.data.decode())
    fields.update(seconds=ended.seconds, log=ended.log)
    return CheckResult(**fields)


_HINTS = {
    "timeout": "give it more time with --timeout, or look for a hang: a lost GPU, a deadlock, a first compilation",
    "killed": "usually out of memory: look at the kernel's log, or raise the container's --memory",
    "crash": "a crash in native code; the log above it usually names the library",
    "exit": "the check, or something it called, ended the process",
}


def _death(ended: Ended) -> Tuple[str, str]:
    """Why there is no answer; two empty strings if there is one."""
    how = _how(ended)
    if ended.timed_out:
        return "timeout", how
    if ended.signal:
        return ("killed" if ended.signal == 9 else "crash"), how
    if ended.exit_code or not ended.data:
        return "exit", how
    return "", ""


def _how(ended: Ended) -> str:
    if ended.timed_out:
        return f"did not end in {ended.timeout:g} s and was killed"
    if ended.signal:
        return f"died from signal {ended.signal} ({ended.signal_name})"
    return f"ended with exit code {ended.exit_code} and without an answer"
