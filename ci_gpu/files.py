"""Files that others may have made, read within a limit; files of ours, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from ci_gpu.errors import ConfigError


def read(path: Path, most: int, remedy: str) -> bytes:
    """The bytes of a file, a pipe or a device, if it has at most ``most`` of them.

    Raises:
        ConfigError: it cannot be read, or has more bytes (kind ``too-big``).
    """
    try:
        data = _first(path, most + 1)
    except (OSError, ValueError) as error:
        why = "it is not there, or is no file that this user can read"
        raise ConfigError(f"{path} cannot be read: {_said(error)}", why=why, remedy=remedy) from error
    if len(data) > most:
        raise ConfigError(
            f"{path} is too big: at most {most} bytes are read, and there are more",
            why="it is another file than was meant, or somebody filled it up",
            remedy=remedy,
            kind="too-big",
        )
    return data


def _first(path: Path, most: int) -> bytes:
    """Opened without waiting: a named pipe to which nobody writes is empty."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most)


def write(path: Path, text: str) -> None:
    """Write the text as UTF-8. A regular file is replaced as a whole; a device or a pipe is written into.

    A link is replaced and not followed, but for those in ``/dev``: a checkout can bring a link to anywhere.

    Raises:
        OSError: it cannot be written. What was there before is still there, and nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if _is_stream(path):
        _write(os.open(path, os.O_WRONLY | os.O_CLOEXEC), text)
        return
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        _write(descriptor, text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def probe(path: Path) -> None:
    """Make the folder of a file that is to be written, and see that it can be.

    Raises:
        OSError: `write` would fail.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not _is_stream(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        os.close(descriptor)
        Path(name).unlink()


def _is_stream(path: Path) -> bool:
    """
    Raises:
        OSError: what is there is neither a file that can be replaced nor a stream.
    """
    try:
        mode = path.stat().st_mode if path.parent == Path("/dev") else path.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode) or stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "there is a folder, a disk or a socket of that name")
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or path.parent == Path("/dev")


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write(text)


def _said(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or "that is no path"
