"""What can run an image: one module a kind, argv tuples only, nothing is started here.

`names` and `load` find the modules; `Engine` is what each offers. A new engine is one new file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from typing import Any, Protocol, cast

from ci_gpu.job import Job

Argv = tuple[str, ...]


class Engine(Protocol):
    """A module of this folder."""

    CONTAINERS: bool
    """False for `local`: there is no image, nothing to pull and nothing to clean up."""

    def info(self) -> Argv:
        """Prints a JSON document about the engine; fails where the engine cannot be used."""

    GPU_MODES: tuple[str, ...]
    """The ways in which it can be told to hand over GPUs (`Job.gpu_mode`); none where there is nothing to tell."""

    def gpu_modes(self, info: Mapping[str, Any], signs: Collection[str]) -> Argv:
        """Those of them that may work, the likeliest first; ``signs`` are the host's (`Host.signs`)."""

    def sees_gpus(self, info: Mapping[str, Any]) -> bool | None:
        """Whether the engine itself was told of GPUs; None if it cannot know."""

    def oci_info(self) -> Argv:
        """Prints a JSON document with the OCI runtime; empty where nothing depends on it."""

    def has_init(self, info: Mapping[str, Any]) -> bool:
        """Whether ``--init`` works: a container without it ignores the signals it has no handler for."""

    def pull(self, image: str, platform: str) -> Argv:
        """Pulls, with progress on stdout or stderr."""

    def inspect(self, image: str) -> Argv:
        """Prints a JSON array with one document about a local image; fails if it is not here."""

    def run(self, job: Job, command: Argv) -> Argv:
        """Starts a container under the full hardening, stdin and stdout attached, in the foreground."""

    def state(self, container: str) -> Argv:
        """Prints a JSON array with one document about a container (``State.OOMKilled``, ``State.StartedAt``)."""

    def remove(self, containers: tuple[str, ...]) -> Argv:
        """Kills and removes containers, running or not."""

    def list_labelled(self, label: str) -> Argv:
        """Prints one JSON document a line (docker) or an array (podman) of all containers with that label."""


def names() -> tuple[str, ...]:
    """The engines there are, by the names of their files."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(name: str) -> Engine:
    """The engine of that name."""
    return cast("Engine", importlib.import_module(f"{__name__}.{name}"))
