"""Why a container that had started gave no environment: how it ended, or what its `import torch` said. Pure."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import PurePosixPath

import msgspec

from ci_gpu.errors import CiGpuError, ImageError, RunnerError

SECONDS = 900
"""How long a start may take, up to the end of `import torch`: a cold disk needs minutes for it."""

MESSAGE_CHARACTERS = 4000
"""What the payload sends of an exception at most; what is longer is not its own."""

_PYTHON = "the start of Python"
_LAST_SIGNAL = 64
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n((?:[ \t].*\n)+)(.*)", re.MULTILINE)
"""One that ended a program: that of a .pth file is indented, and Python goes on."""

_FILE = re.compile(r'File "([^"\n]{1,4000})", line')


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a container ended. ``out_of_memory`` and ``started`` are what the engine says of it, if it knows."""

    code: int
    out_of_memory: bool = False
    started: bool | None = None
    timed_out: bool = False
    removed: bool = False
    contained: bool = True  # False: it is a process of ours, and a code above 128 is one that it chose itself

    @property
    def signal(self) -> int:
        """The signal that ended it: an engine tells 128 + number, a process of the host's -number. 0 if none did."""
        number = -self.code if self.code < 0 else self.code - 128 if self.contained else 0
        return number if 0 < number <= _LAST_SIGNAL else 0

    @property
    def signal_name(self) -> str:
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"

    @property
    def killed_from_outside(self) -> bool:
        """By a SIGKILL that neither we nor the container's own memory limit sent: nothing is known of the image.

        Or with the container, whatever code the engine's client ends with then. Below an init, and by an exit code of
        137, an image can do the same to itself; no engine tells them apart.
        """
        killed = self.removed or self.signal == signal.SIGKILL
        return killed and not self.out_of_memory and not self.timed_out


def failure(ending: Ending, during: str, kind: str) -> CiGpuError | None:
    """The error for an end that says by itself what it came from; None for an ordinary exit code.

    ``during`` is what the container did then, such as "`import torch`", ``kind`` that of an error of the image's.
    """
    if ending.timed_out:
        return _too_slow(during)
    if ending.out_of_memory:
        return _out_of_memory(during)
    if ending.killed_from_outside:
        return _removed(during) if ending.removed else _killed(during)
    return _crashed(ending, during, kind) if ending.signal in _CRASHES else None


def python_failure(ending: Ending, log: str) -> CiGpuError | None:
    """The error for a container that ended before the payload said hello, where its end or Python's words tell more."""
    tracebacks = _TRACEBACK.findall(log) if ending.code == 1 else []
    for frames, said in reversed(tracebacks):
        file = _broken_file(_FILE.findall(frames))
        if file:
            return _python_broken(file, said)
    return failure(ending, _PYTHON, "no-answer")


def _broken_file(files: list[str]) -> str:
    """The file that broke Python's start; empty where the traceback may be that of another program, or of our own.

    A program of the image's, such as an entrypoint, has modules in its packages that are named as Python's are.
    """
    first = files[0] if files else ""
    if first != "<string>" and not _is_site(first):
        return ""
    shadows = [file for file in files[1:] if _is_shadow(file)]
    if shadows:
        return shadows[-1]
    ours = first == "<string>" and "payload.zip" not in files[-1]
    return files[-1] if ours and not files[-1].startswith("<") else ""


def _is_site(file: str) -> bool:
    """Whether it is what Python imports before any program."""
    path = PurePosixPath(file)
    return file == "<frozen site>" or (path.name == "site.py" and not _is_shadow(file))


def _is_shadow(file: str) -> bool:
    """Whether it has the name of one of Python's modules and is not in the folder of Python's own."""
    path = PurePosixPath(file)
    module = path.parent if path.name == "__init__.py" else path
    return module.stem in sys.stdlib_module_names and not re.fullmatch(r"python3\.\d{1,2}", module.parent.name)


def _python_broken(file: str, said: str) -> CiGpuError:
    return ImageError(
        f"Python in the image cannot import its own modules: {said[:300]}",
        why=f"{file[:300]} is imported in the place of one of Python's own modules, or Python is damaged",
        remedy="rename that file, or take its folder out of PYTHONPATH; if it is Python's own, reinstall Python",
        kind="python-broken",
    )


def import_failure(ending: Ending, log: str = "") -> CiGpuError:
    """The error for a container that ended during `import torch` without a word of ours.

    ``log`` is the image's own: it can tell of the image, and of nothing else.
    """
    if ending.code and not ending.timed_out and re.search(_NO_ROOM, log[-MESSAGE_CHARACTERS:]):
        return _no_room("`import torch`")
    return failure(ending, "`import torch`", "torch-broken") or ImageError(
        f"`import torch` ended the process (exit code {ending.code})",
        why="something that is loaded with torch ends the interpreter",
        remedy="see what it printed in the log; by hand: docker run --rm IMAGE python3 -X importtime -c 'import torch'",
        kind="torch-broken",
    )


def torch_broken(message: str) -> tuple[str, str]:
    """Why `import torch` raised this, and what to try."""
    for pattern, why, remedy in _IMPORT_CAUSES:
        match = re.search(pattern, message[:MESSAGE_CHARACTERS])
        if match:
            found = {name: (text or "torch")[:1000] for name, text in match.groupdict().items()}
            return why.format(**found), remedy.format(**found)
    return _UNKNOWN


_NO_ROOM = r"[Rr]esource temporarily unavailable|can't start new thread|fork: retry|EAGAIN"
"""What libgomp, OpenBLAS, a shell, libuv and Python say where no process or thread can be started."""


def _no_room(during: str) -> CiGpuError:
    return ImageError(
        f"{during} ended because no further process or thread could be started",
        why="the image starts processes without end, or more threads than --pids-limit allows (one for each processor)",
        remedy="look for what starts them; raise --pids-limit if they are meant, or set OMP_NUM_THREADS in the image",
        kind="pids-limit",
    )


def _too_slow(during: str) -> CiGpuError:
    limit = f"did not end within {SECONDS // 60} minutes of the container's start, which is all that it may take"
    if during == _PYTHON:
        why = "the image's ENTRYPOINT waits for something, or starts another program than the one that it is given"
        return ImageError(f"{during} {limit}", why=why, remedy="--entrypoint none goes past it", kind="start-timeout")
    return ImageError(
        f"{during} {limit}",
        why="a deadlock while it is loaded, or a disk or network file system that is very slow",
        remedy="run it once more, now that the image is pulled; then by hand, to see where it waits (py-spy dump)",
        kind="start-timeout",
    )


def _out_of_memory(during: str) -> CiGpuError:
    return RunnerError(
        f"{during} was killed: out of memory",
        why="the container's memory limit, or the memory of the runner, is too small to load the image's libraries",
        remedy="raise --memory (torch with CUDA needs some gigabytes), or use a runner with more memory",
        kind="out-of-memory",
    )


def _removed(during: str) -> CiGpuError:
    return RunnerError(
        f"{during} ended because somebody else removed the container, in two of them one after the other",
        why="a clean-up on this runner removes what it has not made (docker system prune, a script, a sweep)",
        remedy="let it spare what has the label io.ci-gpu; the engine's events show when it comes (docker events)",
        kind="removed",
    )


def _killed(during: str) -> CiGpuError:
    return RunnerError(
        f"{during} was killed (SIGKILL), in two containers one after the other",
        why="from outside: the runner was short of memory, --memory is too small (podman may not say so), or a clean-"
        "up ended it; or from inside, which looks the same: a process of the image's sent it, or ended with 137",
        remedy="journalctl -k shows what the kernel killed; raise --memory if one is set, else see the engine's events",
        kind="killed",
    )


def _crashed(ending: Ending, during: str, kind: str) -> CiGpuError:
    why, remedy = _CRASHES[ending.signal]
    return ImageError(
        f"{during} crashed with {ending.signal_name} (exit code {ending.code})", why=why, remedy=remedy, kind=kind
    )


_CRASHES: dict[int, tuple[str, str]] = {
    signal.SIGILL: (
        "a library in the image was built for another processor than this runner's",
        "choose a build for this CPU (lscpu shows its flags), or a runner whose CPU has the instructions",
    ),
    signal.SIGSEGV: (
        "a library in the image crashes when it is loaded: often one that was built for another torch or another libc",
        "python3 -X faulthandler -c 'import torch' in the image shows where; reinstall the package that it names; "
        "where a thread's stack is full, --stack 64m",
    ),
    signal.SIGABRT: (
        "a library in the image gives up when it is loaded; what it prints before is in the log",
        "the log names it; two copies of one runtime (OpenMP, protobuf, libstdc++) in one process are the usual reason",
    ),
    signal.SIGBUS: (
        "a library file in the image is cut off, or shared memory is too small",
        "build or pull the image anew; raise --shm-size",
    ),
    signal.SIGFPE: (
        "a library in the image divides by zero when it is loaded, often on a processor that it does not know",
        "python3 -X faulthandler -c 'import torch' in the image shows where; choose a newer build of that package",
    ),
}

_IMPORT_CAUSES = (
    (
        _NO_ROOM,
        "no further process or thread could be started: the image starts them without end, or more than --pids-limit",
        "look for what starts them; raise --pids-limit if they are meant, or set OMP_NUM_THREADS in the image",
    ),
    (
        r"(?P<file>\S{1,300}): version [`'](?P<version>(GLIBCXX|CXXABI)_[\w.]{1,40})' not found"
        r"(?:.{0,40}required by (?P<by>[^)]{1,300}))?",
        "{file} is older than what {by} was built with: it lacks {version}",
        "another libstdc++ is found first: see LD_LIBRARY_PATH and LD_PRELOAD, or install a newer libstdc++6 (conda: "
        "libstdcxx-ng) in the image",
    ),
    (
        r"(?P<file>\S{1,300}): version [`'](?P<version>GLIBC_[\w.]{1,40})' not found"
        r"(?:.{0,40}required by (?P<by>[^)]{1,300}))?",
        "the C library of the image is older than what {by} was built with: it lacks {version}",
        "choose a newer base image; glibc cannot be upgraded by a package of Python's",
    ),
    (
        r"(?P<file>[^\s:]{1,300}): undefined symbol: (?P<symbol>\S{1,300})",
        "{file} wants the symbol {symbol}, which no library that is loaded has: one of them is of another version",
        "LD_DEBUG=libs python3 -c 'import torch' shows them; clear LD_LIBRARY_PATH, and reinstall torch with "
        "its nvidia-* packages",
    ),
    (
        r"(?P<file>[^\s:]{1,300}): (?P<what>file too short|invalid ELF header|wrong ELF class)",
        "the library {file} is damaged or is for another platform ({what})",
        "reinstall the package that owns {file}; a Git LFS pointer or a broken layer looks the same",
    ),
    (
        r"(?P<file>lib(?:cuda|cudadebugger|nvcuvid|nvidia-[\w-]{1,40})\.so[\d.]{0,20}): cannot open shared object file",
        "{file} is a part of NVIDIA's driver, which is handed in with the GPUs and is not torch's",
        "choose a runner with a GPU (--device cuda), or a build that is not linked to {file}",
    ),
    (
        r"(?P<file>lib(?:cu|nv|nccl)[\w.+-]{0,100}): cannot open shared object file",
        "the CUDA library {file} is not in the image, or not where torch looks for it",
        "reinstall torch with its dependencies (its nvidia-* packages); do not mix wheels of different CUDA versions",
    ),
    (
        r"(?P<file>[^\s:]{1,300}): cannot open shared object file",
        "the library {file}, which torch needs, is not in the image",
        "install the package of the distribution that has {file} (apt-file search {file})",
    ),
    (
        r"cannot allocate memory in static TLS block",
        "a library with much thread-local storage was loaded too late",
        "load it first: LD_PRELOAD with the library that the message names",
    ),
    (  # last: a file that shadows may be harmless, and the reason another
        r'standard library module (?P<name>\w{1,100}) is shadowed by "(?P<file>[^"]{1,1000})"',
        "the file {file} has the name of Python's own module {name}, and is found first",
        "rename {file}, or take its folder out of PYTHONPATH",
    ),
)

_UNKNOWN = (
    "torch is there, and a library that it needs is missing or does not fit",
    "reinstall torch with its dependencies; do not mix wheels of different CUDA versions",
)
