"""What is sent into the image, and what is promised for it. Pure: bytes and values, nothing is started."""

from __future__ import annotations

import io
import json
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import msgspec

from ci_gpu.catalogue import CONTROL, CheckInfo

USER_PACKAGE = "ci_gpu_user_checks"
"""The package that a user's checks form inside the image."""

BOOT = """\
import sys
nonce = sys.argv[1]
def unusable(reason, message):
    sys.stdout.write('\\n%s{"event": "unusable", "reason": "%s", "message": "%s"}\\n' % (nonce, reason, message))
    sys.stdout.flush()
    sys.exit(79)
if sys.version_info < (3, 8):
    unusable("python-too-old", "the image's Python is %d.%d" % sys.version_info[:2])
sys.path[:] = [entry for entry in sys.path if entry]
import os, shutil, tempfile
try:
    folder = tempfile.mkdtemp(prefix="ci-gpu-")
except OSError:
    unusable("no-tmp", "no folder for temporary files can be written")
try:
    size, rest = map(int, sys.stdin.buffer.readline().split())
    with open(os.path.join(folder, "payload.zip"), "wb") as file:
        file.write(sys.stdin.buffer.read(size))
    sys.path.insert(0, file.name)
    from ci_gpu.payload import supervisor
    supervisor.main(nonce, sys.stdin.buffer.read(rest).decode())
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.stdout.flush()
sys.stderr.flush()
import ctypes
ctypes.CDLL(None).fflush(None)
os._exit(0)
"""
"""The first thing that runs in the image. It must parse on any Python, so that an old one can say that it is old.

It leaves at once: torch takes 0.3 s to tidy up, in each of the many containers of a comparison.
"""


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """One start of the payload: the command inside the image, what goes down its stdin, and what it promised."""

    nonce: str
    command: tuple[str, ...]
    stdin: bytes
    checks: tuple[CheckInfo, ...]
    timeout: int | None

    def seconds_for(self, check_id: str) -> int:
        """The time-out of one check."""
        return next(check.seconds(self.timeout) for check in self.checks if check.id == check_id)


def guest(
    checks: tuple[CheckInfo, ...],
    *,
    device: str,
    timeout: int | None,
    python: str,
    user_sources: Mapping[str, str],
    watch: str = "",
) -> Guest:
    """The start of the payload for these checks, by the interpreter ``python`` of the image.

    ``watch``: which GPUs the image is to watch, because the host cannot: ``first``, ``all``, or none of them.
    """
    nonce = f"ci-gpu-{secrets.token_hex(16)} "
    payload = archive(user_sources)
    wanted = _wanted(checks, timeout, user_sources)
    request = json.dumps({"device": device, "checks": wanted, "watch": watch}).encode()
    return Guest(
        nonce=nonce,
        command=(python, "-c", BOOT, nonce),
        stdin=b"%d %d\n" % (len(payload), len(request)) + payload + request,
        checks=checks,
        timeout=timeout,
    )


def _wanted(
    checks: tuple[CheckInfo, ...], timeout: int | None, user_sources: Mapping[str, str]
) -> list[dict[str, object]]:
    return [
        {
            "id": check.id,
            "module": _module(check.family, user_sources),
            "timeout": check.seconds(timeout),
        }
        for check in checks
    ]


def _module(family: str, user_sources: Mapping[str, str]) -> str:
    if family == CONTROL:  # of what it says the machine is judged: nobody's file takes its place
        return "ci_gpu.payload.control"
    return f"{USER_PACKAGE}.{family}" if family in user_sources else f"ci_gpu.payload.checks.{family}"


def archive(user_sources: Mapping[str, str]) -> bytes:
    """The payload, and the user's checks beside it, as a zip that Python imports from."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("ci_gpu/__init__.py", "")
        for path, data in _files(resources.files("ci_gpu.payload"), "ci_gpu/payload"):
            file.writestr(path, data)
        if user_sources:
            file.writestr(f"{USER_PACKAGE}/__init__.py", "")
        for name, text in user_sources.items():
            file.writestr(f"{USER_PACKAGE}/{name}.py", text)
    return buffer.getvalue()


def _files(folder: Any, path: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir() and item.name != "__pycache__":
            yield from _files(item, f"{path}/{item.name}")
        elif item.name.endswith((".py", ".json")):
            yield f"{path}/{item.name}", item.read_bytes()
