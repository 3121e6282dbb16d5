"""One container to start, as an intent that names no engine. Frozen values."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a container may take. Sizes as the engines write them (``8g``); empty means the engine's own limit."""

    memory: str = ""
    cpus: str = ""
    pids: int = 4096
    shm_size: str = "2g"
    tmp_size: str = "16g"
    memlock: str = ""  # or "unlimited"
    stack: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One container to start, as an intent that names no engine.

    ``gpus`` is ``("all",)``, ``()`` for none, or indices and UUIDs. ``gpu_mode`` is how this engine hands GPUs
    over: ``cdi``, ``gpus``, ``runtime`` or empty. ``keep_entrypoint`` runs the command through the image's own
    ENTRYPOINT, as its users do.
    """

    image: str
    name: str
    labels: tuple[tuple[str, str], ...]
    gpus: tuple[str, ...] = ()
    gpu_mode: str = ""
    limits: Limits = Limits()
    user: str = ""  # "uid:gid"; empty: the image's own
    groups: tuple[str, ...] = ()  # gids that its processes have besides, or "keep-groups": those of this process
    label_disabled: bool = False  # not confined by SELinux
    own_limits: tuple[tuple[str, str], ...] = ()  # nofile and nproc of this process, for an engine that raises them
    network: str = "none"
    keep_entrypoint: bool = True
    cidfile: str = ""
    init: bool = False
    runtime: str = ""  # the OCI runtime, where it is not to be the engine's own choice
    read_only: bool = True
    environment: tuple[tuple[str, str], ...] = ()
