"""The life of our containers: how they are labelled, ended, and swept up when an earlier run could not end them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ci_gpu import process, untyped
from ci_gpu.engines import Engine
from ci_gpu.errors import Interrupted, RunnerError

LABEL = "io.ci-gpu"
"""On every container of ours; its value is the run (`run_id`)."""

_NAME = re.compile(r"ci-gpu-[0-9a-f]{16}")
_PAUSES = (0.5, 2.0, 0.0)  # seconds after a try that failed
_GRACE = 3600  # seconds past its deadline after which a container of another place's is nobody's any more


def run_id(environment: Mapping[str, str]) -> str:
    """What ties containers to one run: the clean-up step finds them by it.

    The action names each of its uses (CI_GPU_RUN_ID), because the legs of a matrix share run, attempt and job, and
    may share a machine.
    """
    parts = (environment.get(name, "") for name in ("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB"))
    return (
        environment.get("CI_GPU_RUN_ID") or "-".join(filter(None, parts)) or f"pid-{os.getpid()}-{secrets.token_hex(4)}"
    )


def new_name() -> str:
    """A container name that nobody else has."""
    return f"ci-gpu-{secrets.token_hex(8)}"


def labels(run: str, deadline: float) -> tuple[tuple[str, str], ...]:
    """The labels that say whose a container is, and until when (Unix time) it may live."""
    return (
        (LABEL, run),
        (f"{LABEL}.place", _place()),
        (f"{LABEL}.process", _process(os.getpid())),
        (f"{LABEL}.deadline", str(int(deadline))),
    )


def _place() -> str:
    """Where this process can see whether another lives: one boot of one kernel, one namespace of processes.

    A host name is no place: jobs in containers often share one, and each sees its own processes alone. Empty where
    the kernel does not tell.
    """
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it is no path
    return ""


@contextlib.contextmanager
def removed_afterwards(engine: Engine, name: str, env: Mapping[str, str]) -> Iterator[None]:
    """Whatever happens inside, the container of that name is gone afterwards.

    Raises:
        RunnerError: the engine does not remove it (``not-removed``).
        Interrupted: what came from inside, with the name where it is there still.
    """
    left: tuple[str, ...] = ()
    try:
        try:
            yield
        finally:
            left = remove(engine, (name,), env)
    except KeyboardInterrupt as interruption:
        raise Interrupted(*interruption.args, left=left) from interruption
    if left:
        raise _not_removed(left)


def remove(engine: Engine, names: tuple[str, ...], env: Mapping[str, str]) -> tuple[str, ...]:
    """Kill and remove containers; returns those that are there still, or may be."""
    left = names if engine.CONTAINERS else ()
    for pause in _PAUSES if left else ():
        if process.run(engine.remove(left), env=env, timeout=60).returncode == 0:
            return ()
        listed = process.run(engine.list_labelled(LABEL), env=env)
        if listed.returncode == 0:
            left = tuple(name for name in left if name in listed.stdout.split())
        if not left:
            return ()
        time.sleep(pause)
    return left


def _not_removed(names: tuple[str, ...]) -> RunnerError:
    return RunnerError(
        f"the engine does not remove our container {', '.join(names)}",
        why="a process in it hangs in the kernel (a driver, a network file system), or the engine does not answer",
        remedy="see it with docker ps --all or podman ps --all; ci-gpu sweep tries again; else restart the engine",
        kind="not-removed",
    )


def state(engine: Engine, name: str, env: Mapping[str, str]) -> dict[str, Any]:
    """The engine's ``State`` of a container (``OOMKilled``, ``StartedAt``); empty if it does not know."""
    if not engine.CONTAINERS:
        return {}
    found = untyped.array(untyped.document(process.run(engine.describe((name,)), env=env).stdout))
    return untyped.table(untyped.table(found[0]).get("State")) if found else {}


def is_gone(engine: Engine, name: str, env: Mapping[str, str]) -> bool:
    """Whether the engine answers and has no container of that name: somebody else has removed it."""
    if not engine.CONTAINERS:
        return False
    listed = process.run(engine.list_labelled(LABEL), env=env)
    return listed.returncode == 0 and name not in listed.stdout.split()


def started(state: Mapping[str, Any]) -> bool | None:
    """Whether the container's own process ever ran, by the time in its `state`; None if the engine does not know.

    The engine alone writes it: where that time is the first second of the year 1, it could make the container and not
    start it, and nothing that was said is the image's.
    """
    at = untyped.text(state.get("StartedAt"))
    return not at.startswith("0001-01-01T") if at else None


def sweep(engine: Engine, env: Mapping[str, str], *, run: str = "") -> tuple[str, ...]:
    """Remove the containers of runs that are no more, and all of ``run``; returns their names.

    Raises:
        RunnerError: the engine does not list its containers, so nobody knows what is left.
    """
    if not engine.CONTAINERS:
        return ()
    documents = _described(engine, env)
    stale = tuple(name for text in documents for name, marks in _containers(text) if _is_stale(marks, run))
    left = remove(engine, stale, env)
    return tuple(name for name in stale if name not in left)


def _described(engine: Engine, env: Mapping[str, str]) -> tuple[str, ...]:
    """All that may be ours. Asked again where it fails: another process may remove one at that moment.

    The labels of their images are in it: where all together are too much, each is asked for alone, and one that is too
    much by itself stays.
    """
    for pause in _PAUSES:
        listed = process.run(engine.list_labelled(LABEL), env=env)
        names = tuple(filter(_NAME.fullmatch, listed.stdout.split()))
        if listed.returncode == 0 and not names:
            return ()
        found = process.run(engine.describe(names), env=env) if listed.returncode == 0 else listed
        if found.returncode == process.TOO_MUCH:
            return tuple(process.run(engine.describe((name,)), env=env).stdout for name in names)
        if found.returncode == 0:
            return (found.stdout,)
        time.sleep(pause)
    raise RunnerError(
        f"the engine does not list its containers: {(found.stderr or found.stdout).strip()[-300:]}",
        why="it is not running, or its storage is damaged",
        remedy="try it by hand: docker ps --all, or podman ps --all",
        kind="engine-refused",
    )


def _is_stale(marks: Mapping[str, str], run: str) -> bool:
    if run and marks.get(LABEL) == run:
        return True
    if _place() and marks.get(f"{LABEL}.place") == _place():
        return not _is_alive(marks.get(f"{LABEL}.process", ""))
    with contextlib.suppress(ValueError):
        return time.time() > float(marks.get(f"{LABEL}.deadline", "inf")) + _GRACE
    return True


def _process(pid: int) -> str:
    """``pid:start time``: a pid alone comes round again."""
    with contextlib.suppress(OSError, IndexError):
        return f"{pid}:{Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
    return f"{pid}:"


def _is_alive(owner: str) -> bool:
    pid = owner.partition(":")[0]
    return pid.isdecimal() and _process(int(pid)) == owner


def _containers(described: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Names and labels of ours. By our names alone: a label may be an image's, and then a stranger's container has it.

    From the documents of each: in a listing docker has the labels as one text, in which those of an image may have
    commas, and so name any label and value.
    """
    for document in map(untyped.table, untyped.array(untyped.document(described))):
        name = untyped.text(document.get("Name")).removeprefix("/")
        if _NAME.fullmatch(name):
            labels = untyped.table(untyped.table(document.get("Config")).get("Labels")).items()
            yield name, {key: value for key, value in labels if isinstance(value, str)}
