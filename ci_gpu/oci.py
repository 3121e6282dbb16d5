"""The OCI runtime below the engine, and the way round what it cannot do with GPUs. Pure but for `find`.

NVIDIA's CDI descriptions have hooks (`createContainer`) that write in the container's root: links to the driver's
libraries, and the cache in which the loader finds them. With a read-only root crun before 1.26 runs them too late, and
they fail; runc makes it read-only afterwards (containers/crun#1924, #1925). So runc is taken where it is installed: all
of the isolation is kept. Where it is not, the root can be written, which the container throws away when it ends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ci_gpu import untyped

MENDED = (1, 26)

_FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin", "/run/current-system/sw/bin")
"""Where podman looks (`engine.runtimes` of containers.conf): root's folders are often not on a job's PATH."""


class Detour(msgspec.Struct, frozen=True, kw_only=True):
    """What is done otherwise than by default, and why; empty where nothing is."""

    runtime: str = ""
    read_only: bool = True
    why: str = ""


def find(name: str) -> str:
    """The path of an OCI runtime on this machine; empty if there is none."""
    paths = (Path(folder, name) for folder in _FOLDERS)
    return next((str(path) for path in paths if path.is_file() and os.access(path, os.X_OK)), "")


def detour(info: object, runc: str, groups: tuple[str, ...]) -> Detour:
    """The way round, from what `podman info` tells and where ``runc`` is; runc cannot keep the groups of a process."""
    version = _old_crun(info)
    if not version:
        return Detour()
    why = f"crun {version} runs the hooks that prepare GPUs when the root is read-only already (mended in 1.26)"
    remote = _host(info).get("serviceIsRemote")
    if runc and not remote and "keep-groups" not in groups:
        return Detour(runtime=runc, why=f"{why}: the containers are run by {runc} instead")
    return Detour(
        read_only=False, why=f"{why}: the containers are run without --read-only; install runc, or update crun"
    )


def _old_crun(info: object) -> str:
    """The version of a crun that is not mended; empty for any other runtime."""
    runtime = untyped.table(_host(info).get("ociRuntime"))
    found = re.match(r"crun version (([0-9]{1,4})\.([0-9]{1,4})[\w.-]{0,40})", untyped.text(runtime.get("version")))
    return found[1] if found and (int(found[2]), int(found[3])) < MENDED else ""


def _host(info: object) -> Mapping[str, Any]:
    return untyped.table(untyped.table(info).get("host"))
