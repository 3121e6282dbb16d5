"""The life of our containers: how they are labelled, ended, and swept up when an earlier run could not end them."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ci_gpu import process, untyped
from ci_gpu.engines import Engine
from ci_gpu.errors import RunnerError

LABEL = "io.ci-gpu"
"""On every container of ours; its value is the run (`run_id`)."""

_GRACE = 3600  # seconds past its deadline after which a container of another host's is nobody's any more


def run_id(environment: Mapping[str, str]) -> str:
    """What ties containers to one run: the clean-up step finds them by it.

    The action names each of its uses (CI_GPU_RUN_ID), because the legs of a matrix share run, attempt and job, and
    may share a machine.
    """
    parts = (environment.get(name, "") for name in ("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB"))
    return environment.get("CI_GPU_RUN_ID") or "-".join(filter(None, parts)) or f"pid-{os.getpid()}"


def new_name() -> str:
    """A container name that nobody else has."""
    return f"ci-gpu-{secrets.token_hex(8)}"


def labels(run: str, deadline: float) -> tuple[tuple[str, str], ...]:
    """The labels that say whose a container is, and until when (Unix time) it may live."""
    return (
        (LABEL, run),
        (f"{LABEL}.host", socket.gethostname()),
        (f"{LABEL}.process", _process(os.getpid())),
        (f"{LABEL}.deadline", str(int(deadline))),
    )


@contextlib.contextmanager
def removed_afterwards(engine: Engine, name: str, env: Mapping[str, str]) -> Iterator[None]:
    """Whatever happens inside, the container of that name is gone afterwards."""
    try:
        yield
    finally:
        if engine.CONTAINERS:
            process.run(engine.remove((name,)), env=env, timeout=60)


def state(engine: Engine, name: str, env: Mapping[str, str]) -> dict[str, Any]:
    """The engine's ``State`` of a container (``OOMKilled``, ``StartedAt``); empty if it does not know."""
    if not engine.CONTAINERS:
        return {}
    found = untyped.array(untyped.document(process.run(engine.state(name), env=env).stdout))
    return untyped.table(untyped.table(found[0]).get("State")) if found else {}


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
    stale = tuple(name for name, marks in _containers(_listing(engine, env)) if _is_stale(marks, run))
    if stale:
        process.run(engine.remove(stale), env=env, timeout=60)
    return stale


def _listing(engine: Engine, env: Mapping[str, str]) -> str:
    """Asked again where it fails: podman stumbles over a container that another process removes at that moment."""
    for pause in (0.5, 2.0, 0.0):
        listed = process.run(engine.list_labelled(LABEL), env=env)
        if listed.returncode == 0:
            return listed.stdout
        time.sleep(pause)
    raise RunnerError(
        f"the engine does not list its containers: {(listed.stderr or listed.stdout).strip()[-300:]}",
        why="it is not running, or its storage is damaged",
        remedy="try it by hand: docker ps --all, or podman ps --all",
        kind="engine-refused",
    )


def _is_stale(marks: Mapping[str, str], run: str) -> bool:
    if run and marks.get(LABEL) == run:
        return True
    if marks.get(f"{LABEL}.host") == socket.gethostname():
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


def _containers(listing: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Names and labels from what the engine lists: podman an array, docker an object a line."""
    lines = listing.splitlines()
    documents = untyped.array(untyped.document(listing)) or map(untyped.document, lines)
    for document in map(untyped.table, documents):
        names = untyped.words(document.get("Names"))
        if names:
            yield names[0], _labels(document.get("Labels"))


def _labels(found: object) -> Mapping[str, str]:
    if isinstance(found, str):
        return dict(pair.partition("=")[::2] for pair in found.split(","))
    return {key: value for key, value in untyped.table(found).items() if isinstance(value, str)}
