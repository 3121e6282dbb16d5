"""The OCI runtime below the engine, and the way round what it cannot do with GPUs. Pure.

NVIDIA's CDI descriptions have hooks (`createContainer`) that write in the container's root: links to the driver's
libraries, and the cache in which the loader finds them. With a read-only root crun before 1.26 runs them too late, and
they fail; runc makes it read-only afterwards (containers/crun#1924, #1925). So runc is taken where it is installed: all
of the isolation is kept. Where it is not, the root can be written, which the container throws away when it ends.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import msgspec

from ci_gpu.engines import Runtime

MENDED = (1, 26)
UNKNOWN = "of a version that is not told"


class Detour(msgspec.Struct, frozen=True, kw_only=True):
    """What is done otherwise than by default, and why; empty where nothing is."""

    runtime: str = ""
    read_only: bool = True
    why: str = ""


def detour(runtime: Runtime, groups: tuple[str, ...]) -> Detour:
    """The way round an old crun; runc cannot keep the groups of a process."""
    version = _old_crun(runtime)
    runc = "" if "keep-groups" in groups else runtime.runc
    if not version or (version == UNKNOWN and not runc):
        return Detour()
    why = f"crun {version} runs the hooks that prepare GPUs when the root is read-only already (mended in 1.26)"
    if runc:
        return Detour(runtime=runc, why=f"{why}: the containers are run by {runc} instead")
    return Detour(
        read_only=False, why=f"{why}: the containers are run without --read-only; install runc, or update crun"
    )


def _old_crun(runtime: Runtime) -> str:
    """The version of a crun that is not mended; empty for any other runtime."""
    if PurePosixPath(runtime.program).name != "crun":
        return ""
    found = re.match(r"crun version (([0-9]{1,4})\.([0-9]{1,4})[\w.-]{0,40})", runtime.version)
    if not found:
        return UNKNOWN
    return found[1] if (int(found[2]), int(found[3])) < MENDED else ""
