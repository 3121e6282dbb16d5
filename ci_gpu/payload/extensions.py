"""The native code that is installed: which object of which distribution carries GPU code for what.

Objects are found by the RECORD of each distribution, and in the folders of `sys.path`, where some lie without a record:
a copy by hand, or what ``python setup.py build_ext --inplace`` has left in a project.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import sysconfig
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from . import archs, fatbin

MOST_NAMES = 400_000
"""Names of files and folders that are looked at."""

_OBJECT = re.compile(r"\.so(\.\d+)*$")
_LINKED = re.compile(r"lib(torch|c10)(_\w+)?\.so|lib(cudart|cuda)(-\w+)?(\.\w+)?\.so[\d.]*")  # auditwheel adds a hash
_RUNTIME = re.compile(r"lib(?:cudart|cublas)\.so\.(\d+)")
_OF_TORCH = re.compile(r"libtorch_cuda(_cpp|_cu)?\.so")
_OF_NVIDIA = re.compile(
    r"lib(cudart|cublas(Lt)?|cudnn(_\w+)?|cufftw?|curand|cusolver(Mg)?|cusparse(Lt)?|cutensor(Mg)?|nccl|npp\w+|nvJitLink"
    r"|nvcomp|nvjpeg|nvrtc(-builtins)?|nvshmem_\w+|nvtiff)\b.*"
)
_NO_ELF = "is no ELF file"  # a linker's script, say: what the loader cannot load carries nothing
_PACKAGES = ("site-packages", "dist-packages")
_SHALLOW = 2
"""Folders down from a project's, where its extensions lie."""
_MOST_NAME = 100


@dataclass(frozen=True)
class Native:
    """One object of the distribution ``name`` (``xformers 0.0.35``), or of none. ``archs``: of all its GPU code."""

    name: str
    path: str
    archs: Tuple[str, ...] = ()
    needed: Tuple[str, ...] = ()
    error: str = ""

    @property
    def package(self) -> str:
        """The distribution; of what has none the top folder: torch from its sources is judged as torch."""
        return self.name or self.path.partition("/")[0]

    @property
    def linked(self) -> bool:
        """Whether it is made for torch or CUDA."""
        return any(_LINKED.fullmatch(library) for library in self.needed)

    @property
    def cuda(self) -> str:
        """The major of the CUDA that the loader has to find for it; empty if it brings its own, or needs none."""
        return next((match.group(1) for match in map(_RUNTIME.match, self.needed) if match), "")

    @property
    def library(self) -> bool:
        """Whether it is a library of NVIDIA's, of its own package or carried along in another."""
        of_nvidia = re.match(r"nvidia[-_]", self.name, re.IGNORECASE)
        return bool(of_nvidia or _OF_NVIDIA.fullmatch(os.path.basename(self.path)))


@dataclass(frozen=True)
class Judged:
    """A distribution on one GPU: ``state`` is that of `archs`, ``without`` those of its objects that have nothing.

    ``library``: it is nothing but libraries of NVIDIA's. Not all of one need run on each GPU: cuSPARSELt's code began
    with 8.0, and torch, which is linked to it, runs on a T4 all the same.
    """

    name: str
    state: str
    without: Tuple[Native, ...]
    library: bool


def installed(path: Sequence[str]) -> Tuple[Tuple[Native, ...], bool]:
    """What has GPU code, is made for torch or CUDA, or cannot be read; and whether there is more than was looked at."""
    owners = dict(_recorded(path))
    beside, more = _beside(path)
    found: Dict[str, Native] = {}
    for file, (name, shown) in (*owners.items(), *((file, ("", shown)) for file, shown in beside)):
        real = os.path.realpath(file)
        if real not in found:
            found[real] = _native(real, name, shown)
    kept = (native for native in found.values() if native.archs or native.linked or native.error)
    return tuple(sorted(kept, key=lambda native: (native.name, native.path))), more


def judged(natives: Iterable[Native], capability: str, cuda: str) -> Tuple[Judged, ...]:
    """Each distribution that has GPU code on a GPU of this compute capability, beside a torch of this CUDA."""
    groups: Dict[str, List[Native]] = {}
    for native in natives:
        if native.archs:
            groups.setdefault(native.package, []).append(native)
    return tuple(_judged(name, group, capability, cuda) for name, group in groups.items())


def is_torch(name: str) -> bool:
    """Whether the distribution is torch itself, by whatever name it is built."""
    return name.partition(" ")[0].lower() in ("torch", "pytorch")


def carried(natives: Iterable[Native]) -> Tuple[str, ...]:
    """The architectures of these objects together, the oldest first."""
    every = {arch for native in natives for arch in native.archs}
    return tuple(sorted(every, key=lambda arch: (arch.partition("_")[0] != "sm", len(arch.rstrip("af")), arch)))


def _judged(name: str, group: List[Native], capability: str, cuda: str) -> Judged:
    """By the best object of those that this torch's CUDA can load: some distributions bring one for each CUDA."""
    own = [native for native in group if not native.library] or group
    fitting = [native for native in own if native.cuda in ("", cuda.partition(".")[0])] or own
    states = {native: archs.coverage(capability, native.archs, cuda) for native in fitting}
    deciding = {states[native] for native in fitting if _OF_TORCH.fullmatch(os.path.basename(native.path))}
    best = deciding or set(states.values())  # torch's linear algebra is MAGMA's, with architectures of its own
    state = next((state for state in (archs.SASS, archs.PTX) if state in best), archs.NONE)
    without = tuple(native for native in fitting if states[native] == archs.NONE)
    return Judged(name, state, without, own[0].library)


def _native(file: str, name: str, shown: str) -> Native:
    found = fatbin.read(file)
    runs = sorted({code.arch for code in found.code if code.kind in (fatbin.SASS, fatbin.PTX)})
    error = "" if found.error == _NO_ELF else found.error
    return Native(name, _plain(shown), tuple(runs), found.needed, error)


def _recorded(path: Sequence[str]) -> Iterator[Tuple[str, Tuple[str, str]]]:
    """Each object of each distribution: its file, the distribution, and its path in the record."""
    from importlib import metadata

    for distribution in metadata.distributions(path=list(path)):
        with contextlib.suppress(Exception):  # half removed, or not in UTF-8: what it has is found beside
            record = distribution.read_text("RECORD") or ""
            rows = csv.reader(line for line in record.replace("\0", "").splitlines() if ".so" in line)
            objects = [row[0] for row in rows if row and _OBJECT.search(row[0])]
            name = _name(distribution) if objects else ""
            yield from ((str(distribution.locate_file(shown)), (name, shown)) for shown in objects)


def _name(distribution: Any) -> str:
    described = distribution.metadata
    return _plain(f"{described['Name']} {described['Version']}")[:_MOST_NAME]


def _beside(path: Sequence[str]) -> Tuple[List[Tuple[str, str]], bool]:
    """All objects in these folders, with their paths in them; and whether there are more names than are looked at."""
    found: List[Tuple[str, str]] = []
    seen = 0
    for top in (folder for folder in path if _is_of_packages(folder) or _is_a_projects(folder)):
        for folder, names in _walked(top, None if _is_of_packages(top) else _SHALLOW):
            seen += len(names)
            if seen > MOST_NAMES:
                return found, True
            files = (os.path.join(folder, name) for name in names if _OBJECT.search(name))
            found.extend((file, os.path.relpath(file, top)) for file in files)
    return found, False


def _walked(top: str, depth: Optional[int]) -> Iterator[Tuple[str, List[str]]]:
    """Each folder with the names in it; of a project's only those that are not far down, where its data may lie."""
    for folder, folders, files in os.walk(top):
        yield folder, files + folders
        if depth is not None and os.path.relpath(folder, top).count(os.sep) + (folder != top) >= depth:
            folders.clear()


def _is_of_packages(folder: str) -> bool:
    return os.path.basename(os.path.normpath(folder)) in _PACKAGES


def _is_a_projects(folder: str) -> bool:
    """Neither Python's own library nor the folder where this process happens to be."""
    own = (os.path.realpath(sysconfig.get_paths()[key]) + os.sep for key in ("stdlib", "platstdlib"))
    return bool(folder) and os.path.isdir(folder) and not (os.path.realpath(folder) + os.sep).startswith(tuple(own))


def _plain(text: str) -> str:
    """A file's name may hold anything, bytes that are no text among it."""
    return text.encode("ascii", "backslashreplace").decode("ascii")
