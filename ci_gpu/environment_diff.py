"""What differs between two images: the first thing to look at where a metric changed.

Whatever the images say of themselves stays data: texts are neither escaped nor shortened here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from ci_gpu.model import ImageReport, PulledImage
from ci_gpu.payload.wire import MOST_PACKAGES, Environment

IMAGE, SOFTWARE, PACKAGE, VARIABLE = "image", "software", "package", "variable"

SHOWN_AS_SOFTWARE = ("torch", "triton")
"""Packages whose versions are told as software, and not once more."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not the same. An empty ``base`` or ``head`` means that this side does not have it."""

    kind: str  # image, software, package or variable
    name: str
    base: str
    head: str


Rows = Iterator[tuple[str, str, str, str]]


def diff(base: ImageReport, head: ImageReport) -> tuple[Difference, ...]:
    """All differences: of the images, of their software, packages by name, variables by name.

    What one of the two does not tell (it did not start, or the report is of an older ci-gpu) is not compared.
    """
    rows = [*_changed(_images(base.image, head.image)), *_layers(base.image, head.image)]
    if base.environment is not None and head.environment is not None:
        rows += _changed(_environments(base.environment, head.environment))
    return tuple(Difference(kind=kind, name=name, base=left, head=right) for kind, name, left, right in rows)


def is_same(base: PulledImage, head: PulledImage) -> bool:
    """Whether both are one image, whatever they are called: by digest or id, for an interpreter by its path."""
    if base.digest or head.digest:
        return base.digest == head.digest
    if base.image_id or head.image_id:
        return base.image_id == head.image_id
    return base.reference == head.reference


def shared_layers(base: PulledImage, head: PulledImage) -> int:
    """How many layers of the one are layers of the other."""
    return (Counter(base.layers) & Counter(head.layers)).total()


def _changed(rows: Rows) -> Rows:
    return (row for row in rows if row[2] != row[3])


def _images(base: PulledImage, head: PulledImage) -> Rows:
    yield IMAGE, "reference", base.reference, head.reference
    if not (base.size and head.size):  # an image that could not be pulled has no properties, and lacks none
        return
    if base.digest and head.digest:  # an image that was built here may have none
        yield IMAGE, "digest", base.digest, head.digest
    yield IMAGE, "architecture", base.architecture, head.architecture
    yield IMAGE, "size in bytes", str(base.size), str(head.size)
    yield IMAGE, "entrypoint", _listed(base.entrypoint), _listed(head.entrypoint)


def _layers(base: PulledImage, head: PulledImage) -> Rows:
    """Two images may have as many layers, and still others."""
    if base.layers and head.layers and base.layers != head.layers:
        yield IMAGE, "layers", _counted(base, head), _counted(head, base)


def _counted(image: PulledImage, other: PulledImage) -> str:
    return f"{len(image.layers)}, {shared_layers(image, other)} of them shared"


def _listed(words: tuple[str, ...]) -> str:
    """As a Dockerfile has it: JSON, so that one word with a space and two words do not look the same."""
    return msgspec.json.encode(words).decode() if words else ""


def _environments(base: Environment, head: Environment) -> Rows:
    yield from ((SOFTWARE, name, *each) for name, each in zip(_SOFTWARE, _pairs(base, head), strict=True))
    if base.packages and head.packages:
        yield from _mapped(PACKAGE, *_comparable(base.packages, head.packages))
    yield from _mapped(VARIABLE, _quoted(base.variables), _quoted(head.variables))


_SOFTWARE = ("Python", "torch", "CUDA of torch", "CUDA runtime", "libcuda", "cuDNN", "NCCL", "triton", "architectures")


def _pairs(base: Environment, head: Environment) -> Iterator[tuple[str, str]]:
    return zip(_software(base), _software(head), strict=True)


def _software(environment: Environment) -> tuple[str, ...]:
    return (
        environment.python,
        environment.torch,
        environment.torch_cuda,
        environment.cuda_runtime,
        environment.driver_cuda,
        environment.cudnn,
        environment.nccl,
        environment.triton,
        " ".join(environment.arch_list),
    )


def _mapped(kind: str, base: Mapping[str, str], head: Mapping[str, str]) -> Rows:
    return ((kind, name, base.get(name, ""), head.get(name, "")) for name in sorted({*base, *head}))


def _quoted(variables: Mapping[str, str]) -> dict[str, str]:
    """One that is set to nothing is not one that is absent: ``CUDA_VISIBLE_DEVICES=""`` hides all GPUs."""
    return {name: value or '""' for name, value in variables.items()}


def _comparable(*sides: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A list that was cut off says nothing of the names after its end."""
    ends = [max(side) for side in sides if len(side) >= MOST_PACKAGES]
    for side in sides:
        yield {
            name: version
            for name, version in side.items()
            if name not in SHOWN_AS_SOFTWARE and all(name <= end for end in ends)
        }
