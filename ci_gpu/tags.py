"""Which tags of an image there are, as far as we know, and which is nearest to a wrong one. Pure."""

from __future__ import annotations

import difflib
import heapq
import re
from typing import NamedTuple

from ci_gpu.model import ImageRef

KNOWN_TAGS = {
    "docker.io/pytorch/pytorch": {
        "1.13.1": ("11.6", "8"),
        "2.0.1": ("11.7", "8"),
        "2.1.2": ("11.8 12.1", "8"),
        "2.2.2": ("11.8 12.1", "8"),
        "2.3.1": ("11.8 12.1", "8"),
        "2.4.1": ("11.8 12.1 12.4", "9"),
        "2.5.1": ("11.8 12.1 12.4", "9"),
        "2.6.0": ("11.8 12.4 12.6", "9"),
        "2.7.1": ("11.8 12.6 12.8", "9"),
        "2.8.0": ("12.6 12.8 12.9", "9"),
        "2.9.0": ("12.6 12.8 13.0", "9"),
        "2.10.0": ("12.6 12.8 13.0", "9"),
        "2.11.0": ("12.6 12.8 13.0", "9"),
        "2.12.0": ("12.6 13.0 13.2", "9"),
        "2.13.0": ("12.6 13.0 13.2", "9"),
    }
}
"""torch: (CUDA versions, cuDNN), from PyTorch's release matrix as of November 2026: hints, never the truth."""

MAX_COMPARED = 200
"""Comparing two long texts takes a millisecond, and a registry may list any number of them."""


class Tag(NamedTuple):
    """A tag of the form that PyTorch's images have."""

    torch: tuple[int, ...]
    cuda: tuple[int, ...]
    flavour: str


def known_tags(ref: ImageRef) -> tuple[str, ...]:
    """Tags that we know of without asking anybody."""
    table = KNOWN_TAGS.get(ref.name, {})
    return tuple(
        f"{torch}-cuda{cuda}-cudnn{cudnn}-{flavour}"
        for torch, (cudas, cudnn) in table.items()
        for cuda in cudas.split()
        for flavour in ("runtime", "devel")
    )


def nearest(wanted: str, offered: tuple[str, ...], count: int = 3) -> tuple[str, ...]:
    """The offered tags nearest to a wrong one: first the same torch, then the same CUDA, then what looks alike."""
    aim = parse(wanted)
    if aim is None:
        return _alike(wanted, offered, count)
    parsed = [(tag, found) for tag in offered if (found := parse(tag))]
    flavoured = [(tag, found) for tag, found in parsed if not aim.flavour or found.flavour == aim.flavour] or parsed
    same_torch = sorted(
        (pair for pair in flavoured if pair[1].torch == aim.torch), key=lambda pair: _distance(pair[1].cuda, aim.cuda)
    )
    same_cuda = sorted(
        (pair for pair in flavoured if pair[1].cuda == aim.cuda), key=lambda pair: _distance(pair[1].torch, aim.torch)
    )
    mixed = [*same_torch[:2], *same_cuda[:1], *same_torch[2:], *same_cuda[1:]]
    names = dict.fromkeys(tag for tag, _ in mixed)
    return tuple(names)[:count] or _alike(wanted, offered, count)


def _alike(wanted: str, offered: tuple[str, ...], count: int) -> tuple[str, ...]:
    """What looks alike, among those with the longest common beginning and end: a typing error leaves most of both."""
    ends = wanted[::-1]
    few = heapq.nlargest(MAX_COMPARED, offered, lambda tag: _common(wanted, tag) + _common(ends, tag[::-1]))
    return tuple(difflib.get_close_matches(wanted, few, n=count, cutoff=0.5))


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def parse(tag: str) -> Tag | None:
    """``2.9.0-cuda12.8-cudnn9-devel`` as numbers; None for a tag of another form."""
    match = re.fullmatch(r"(\d+(?:\.\d+)+)-cuda(\d+(?:\.\d+)+)(?:-cudnn\d+)?(?:-(runtime|devel))?", tag)
    return Tag(_numbers(match[1]), _numbers(match[2]), match[3] or "") if match else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How far two versions are apart, majors first: 13.0 is nearer to 12.8 than 13.2 is."""
    return abs(_weight(one) - _weight(other))


def _weight(version: tuple[int, ...]) -> int:
    major, minor, patch = (*version, 0, 0, 0)[:3]
    return (major * 1000 + minor) * 1000 + patch
