"""What can run an image: one module a kind, argv tuples only, nothing is started here.

`names` and `load` find the modules; `Engine` is what each offers. A new engine is one new file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from typing import Any, Protocol, cast

import msgspec

from ci_gpu.job import Job

Argv = tuple[str, ...]


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """The OCI runtime by which an engine starts containers where no other is named.

    ``version`` begins as its own ``--version`` does, and is empty where the engine does not tell it. ``runc`` is what
    the engine calls runc, empty where it has none. ``host`` is the machine that it is on, empty for this one.
    """

    program: str = ""
    version: str = ""
    runc: str = ""
    host: str = ""


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

    def oci_runtime(self, info: Mapping[str, Any], runc: str) -> Runtime:
        """The runtime in that document; ``runc`` is the path of the one on this machine, empty if there is none."""

    def has_init(self, info: Mapping[str, Any]) -> bool:
        """Whether ``--init`` works: a container without it ignores the signals it has no handler for."""

    def pull(self, image: str, platform: str) -> Argv:
        """Pulls, with progress on stdout or stderr."""

    def inspect(self, image: str) -> Argv:
        """Prints a JSON array with one document about a local image; fails if it is not here."""

    def run(self, job: Job, command: Argv) -> Argv:
        """Starts a container under the full hardening, stdin and stdout attached, in the foreground."""

    def describe(self, containers: tuple[str, ...]) -> Argv:
        """Prints a JSON array with a document for each of them that is there: ``Name``, ``State``, ``Config.Labels``.

        Fails where one is not there.
        """

    def remove(self, containers: tuple[str, ...]) -> Argv:
        """Kills and removes containers, running or not."""

    def list_labelled(self, label: str) -> Argv:
        """Prints the names of all containers with that label, one a line."""


def names() -> tuple[str, ...]:
    """The engines there are, by the names of their files."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(name: str) -> Engine:
    """The engine of that name."""
    return cast("Engine", importlib.import_module(f"{__name__}.{name}"))
