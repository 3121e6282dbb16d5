"""What the tag of an image promises of its torch, CUDA and cuDNN, and whether the image keeps it. Pure.

A number in a tag counts only where its form says what it is a version of. A false alarm is worse than silence: the
number at the head of a tag is most often that of the application.
"""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional, Tuple

from .wire import Environment

Numbers = Tuple[int, ...]


class Promise(NamedTuple):
    """What a tag says. Empty: nothing. Where there are several versions, one that is kept is enough."""

    torch: Tuple[str, ...] = ()
    cuda: Tuple[Numbers, ...] = ()
    cudnn: Numbers = ()
    rocm: bool = False


def contradictions(reference: str, found: Environment) -> List[str]:
    """What the tag of ``reference`` says and the image does not keep, one line each."""
    promise = promises(reference)
    lines = (_wrong_cuda(promise, found, tag_of(reference)), _wrong_torch(promise, found), _wrong_cudnn(promise, found))
    return [line for line in lines if line]


def promises(reference: str) -> Promise:
    """What the tag of an image says about the torch inside; a reference without a tag says nothing."""
    repository, tag = _repository(reference), tag_of(reference)
    return Promise(_torch(repository, tag), _cuda(repository, tag), _cudnn(repository, tag), _is_rocm(tag))


def _wrong_cuda(promise: Promise, found: Environment, tag: str) -> str:
    inside = _numbers(found.torch_cuda)
    if promise.rocm and not promise.cuda:
        return _wrong_rocm(found, tag)
    if not promise.cuda or any(inside[: len(wanted)] == wanted for wanted in promise.cuda):
        return ""
    if not inside and "+rocm" not in found.torch:
        return "" if _says_cpu(tag) else f"torch {found.torch} is a CPU build under the tag {tag!r}"
    said = " or ".join(".".join(map(str, wanted)) for wanted in promise.cuda)
    return f"the tag says CUDA {said}, torch was built for {found.torch_cuda or 'ROCm'}"


def _wrong_rocm(found: Environment, tag: str) -> str:
    """AMD's own builds do not say in their version what they are for: only ``+cpu`` tells that it is the CPU."""
    if found.torch_cuda:
        return f"the tag says ROCm, torch was built for CUDA {found.torch_cuda}"
    lie = "+cpu" in found.torch and not _says_cpu(tag)
    return f"the tag says ROCm, torch {found.torch} was built for the CPU" if lie else ""


def _says_cpu(tag: str) -> bool:
    return re.search(r"(?<![a-z0-9])cpu(?![a-z0-9])", tag) is not None


def _wrong_torch(promise: Promise, found: Environment) -> str:
    if not promise.torch or any(_is_torch(wanted, found.torch) for wanted in promise.torch):
        return ""
    return f"the tag says torch {' or '.join(promise.torch)}, {found.torch} is inside"


def _wrong_cudnn(promise: Promise, found: Environment) -> str:
    inside = _cudnn_numbers(found.cudnn)
    if not inside or inside[: len(promise.cudnn)] == promise.cudnn:
        return ""
    return f"the tag says cuDNN {'.'.join(map(str, promise.cudnn))}, {found.cudnn} is inside"


def _is_torch(wanted: str, inside: str) -> bool:
    """Whether ``2.9.0+cu128`` is what ``2.9``, ``290`` (no dots) or ``2.9.0`` names; of a nightly also its day."""
    release = _release(inside)
    if "." not in wanted:
        return "".join(map(str, release)).startswith(wanted)
    if release[: len(_release(wanted))] != _release(wanted):
        return False
    day, day_inside = _day(wanted), _day(inside)
    return not day or day == day_inside or (not day_inside and re.match(r"[\d.]+a", inside) is not None)


def _release(version: str) -> Numbers:
    match = re.match(r"\d+(\.\d+)*", version)
    return _numbers(match.group()) if match else ()


def _day(version: str) -> str:
    match = re.search(r"\.dev(\d+)", version)
    return match.group(1) if match else ""


def _cudnn_numbers(version: str) -> Numbers:
    """``9.10.2``, or torch's own number for it: 91002 since cuDNN 9, 8902 before."""
    if not version.isdigit() or len(version) < 4:
        return _numbers(version)
    number = int(version)
    major, rest = divmod(number, 10000 if number >= 90000 else 1000)
    return major, rest // 100, rest % 100


_OFFICIAL = r"v?(\d+\.\d+(?:\.\d+)?(?:\.dev\d+)?)[-_]cuda\d[\d.]*[-_]cudnn\d"
"""The form of PyTorch's own images: all its numbers are those of the build."""

_PUBLISHERS = (
    (r"(^|/)pytorch(-nightly)?$", _OFFICIAL),
    (r"(^|/)(runpod|anibali|vastai)/pytorch$", r"([12]\.\d+(?:\.\d+)?)-(?:py3\.\d+-)?(?:cu\d+-)?(?:no)?cuda"),
    (r"(^|/)runpod/pytorch$", r"3\.\d+-([12]\.\d+\.\d+)-\d{3}$"),
    (r"(^|/)mosaicml/pytorch$", r"([12]\.\d+\.\d+)_(?:cu\d+|cpu)-python"),
    (r"(^|/)(huggingface-)?pytorch-(training|inference)$", r"([12]\.\d+(?:\.\d+)?)-(?:[\w.-]+-)?(?:gpu|cpu)-py3"),
)
"""Whose tags begin with the version of torch, and in which form: by runpod/containers, anibali/docker-pytorch,
vast-ai/base-image, mosaicml/composer and aws/deep-learning-containers, as of November 2026."""

_NAMED_TORCH = re.compile(
    r"(?<![a-z0-9])(?:(?:pytorch|torch|pth)(?:[-_]?(?:release[-_])?v?(?=\d\.))?|pt[-_]?(?=\d\.)|pt)"
    r"(?:(\d\.\d+(?:\.\d+)?(?:\.dev\d+)?)|([12]\d{1,2}))(?![\d]|\.\d)"
)
"""``torch2.9``, ``pytorch-2.9.0``, ``torch291``. A two-digit major is the date of an NGC release, not a torch."""


def _torch(repository: str, tag: str) -> Tuple[str, ...]:
    named = tuple(dotted or digits for dotted, digits in _NAMED_TORCH.findall(tag))
    return named or _leading_torch(repository, tag)


def _leading_torch(repository: str, tag: str) -> Tuple[str, ...]:
    forms = (re.match(form, tag) for publisher, form in _PUBLISHERS if re.search(publisher, repository))
    return next(((form.group(1),) for form in forms if form), ())


def _is_official(repository: str, tag: str) -> bool:
    return re.search(_PUBLISHERS[0][0], repository) is not None and re.match(_OFFICIAL, tag) is not None


class Named(NamedTuple):
    """A CUDA in a tag: ``cu128`` as it is for a wheel, or ``cuda12.8``; ``toolkit``: with a third number."""

    how: str
    numbers: Numbers
    toolkit: bool


_NAMED_CUDA = re.compile(r"(?<![a-z])(cuda|cu)[-_]?v?(\d+)(?:\.(\d+)(\.\d+)?|[-_](\d)(?![\w.]))?")

_BUILDS = {
    "1.13": "11.6 11.7",
    "2.0": "11.7 11.8",
    "2.1": "11.8 12.1",
    "2.2": "11.8 12.1",
    "2.3": "11.8 12.1",
    "2.4": "11.8 12.1 12.4",
    "2.5": "11.8 12.1 12.4",
    "2.6": "11.8 12.4 12.6",
    "2.7": "11.8 12.6 12.8",
    "2.8": "12.6 12.8 12.9",
    "2.9": "12.6 12.8 13.0",
    "2.10": "12.6 12.8 13.0",
    "2.11": "12.6 12.8 13.0",
    "2.12": "12.6 13.0 13.2",
    "2.13": "12.6 12.9 13.0 13.2",
    "2.14": "12.6 13.0 13.2 13.4",
    "2.15": "12.6 13.0 13.2 13.4",
}
"""What each torch was published for: PyTorch's release matrix, and since 2.13 the table in torch/cuda/__init__.py
(PYTORCH_RELEASES_CODE_CC), as of November 2026."""

_WHEELS = {"7.5", "8.0", "9.0", "9.1", "9.2", "10.0", "10.1", "10.2", "11.0", "11.1", "11.3", "11.5", "11.6", "11.7"}
_WHEELS |= {"11.8", "12.1", "12.4", "12.6", "12.8", "12.9", "13.0", "13.2", "13.4"}
"""CUDA versions that PyTorch published builds for (download.pytorch.org/whl/cu…)."""

_DISTRIBUTION = re.compile(r"ubuntu|debian|ubi\d|rocky|centos|jammy|focal|noble|bookworm|bullseye")

_NOT_OF_TORCH = re.compile(r"tensorflow|(?<![a-z])tf-?\d|tensorrt|trtllm|rapids|jax|xla|paddle|triton")
"""Software with a CUDA of its own: the CUDA of such a tag is not torch's."""


def _cuda(repository: str, tag: str) -> Tuple[Numbers, ...]:
    """Where a wheel's spelling stands beside ``cuda-12.9``, this is the base image's."""
    named = _named_cuda(tag)
    of_wheels = [one for one in named if one.how == "cu" and not one.toolkit]
    parts = (part for one in of_wheels or named for part in _torchs_part(repository, tag, one))
    return tuple(dict.fromkeys(parts))


def _named_cuda(tag: str) -> List[Named]:
    found = (_read_cuda(*match.groups()) for match in _NAMED_CUDA.finditer(tag))
    return [one for one in found if one.numbers and 7 <= one.numbers[0] < 20]


def _read_cuda(how: str, digits: str, minor: Optional[str], third: Optional[str], dashed: Optional[str]) -> Named:
    numbers = _cuda_numbers(digits, minor or dashed)
    return Named(how, numbers, bool(third) or (minor is None and len(digits) == 4))


def _cuda_numbers(digits: str, minor: Optional[str]) -> Numbers:
    """``12`` and ``8``; without dots ``128``, ``1281``, ``92``, or a major alone."""
    if minor is not None:
        return int(digits), int(minor)
    if len(digits) in (3, 4):
        return (int(digits[:2]), int(digits[2])) if re.match(_UNDOTTED, digits) else ()
    if len(digits) == 2 and digits[0] != "1":
        return int(digits[0]), int(digits[1])
    return (int(digits),) if len(digits) < 3 else ()


_UNDOTTED = r"1[0-4]\d$|1[1-4]\d\d$"
"""``128`` and ``1281``: a third number came with CUDA 11. Other numbers of that length are of something else."""


def _torchs_part(repository: str, tag: str, named: Named) -> Tuple[Numbers, ...]:
    """As much of it as is torch's. ``cuda12.5`` often is the toolkit of the base image, on which torch brings its own
    minor version along; and so is a CUDA that no torch, or not this one, was published for.
    """
    if _is_official(repository, tag):
        return (named.numbers,)
    text, builds = ".".join(map(str, named.numbers)), _builds(_torch(repository, tag))
    toolkit = named.toolkit or (named.how == "cuda" and text not in builds)
    if builds and toolkit and not _NOT_OF_TORCH.search(repository + ":" + tag):
        matched = named.how == "cu" and text in builds
        return (named.numbers,) if matched else _majors(named.numbers[0], builds)
    of_base = named.toolkit or text not in _WHEELS or _is_of_base(repository, tag, named.how)
    return (named.numbers[:1] if of_base else named.numbers,)


def _builds(wanted: Tuple[str, ...]) -> List[str]:
    """The CUDA versions that the torch of a tag was published for; none if it is not known."""
    matching = (cudas for torch, cudas in _BUILDS.items() if any(_is_of(one, torch) for one in wanted))
    return [cuda for cudas in matching for cuda in cudas.split()]


def _is_of(wanted: str, minor: str) -> bool:
    """Whether ``2.10.1``, ``2101`` (no dots) or ``210`` may be a torch ``2.10``."""
    if "." not in wanted:
        return wanted.startswith(minor.replace(".", ""))
    return _release(wanted)[:2] == _release(minor)


def _majors(toolkit: int, builds: List[str]) -> Tuple[Numbers, ...]:
    """The toolkit's major. A torch that was not published for it is taken for an older one, which runs there, too."""
    published = {int(cuda.partition(".")[0]) for cuda in builds}
    older = sorted((major for major in published if major < toolkit), reverse=True)
    return ((toolkit,), *((major,) for major in older if toolkit not in published))


def _is_of_base(repository: str, tag: str, how: str) -> bool:
    """Spelled ``cuda`` it is that of the base image, where another version or a distribution stands beside it, and
    nothing speaks of a torch.
    """
    if _NOT_OF_TORCH.search(repository + ":" + tag):
        return True
    beside = not tag.startswith("cuda") or _DISTRIBUTION.search(tag)
    return how == "cuda" and bool(beside) and not _is_about_torch(repository, tag)


def _is_about_torch(repository: str, tag: str) -> bool:
    """Whether the numbers of the tag are those of a torch: it names one, or the image is called pytorch."""
    return bool(_torch(repository, tag)) or re.search(r"(^|/)(py)?torch(-\w+)?$", repository) is not None


def _cudnn(repository: str, tag: str) -> Numbers:
    match = re.search(r"cudnn[-_]?v?(\d{1,2})(?![\d])((?:\.\d+)*)", tag)
    return () if not match or _has_cudnn_of_base(repository, tag) else _numbers(match.group(1) + match.group(2))


def _has_cudnn_of_base(repository: str, tag: str) -> bool:
    """Whether it comes from the base image, as its CUDA does: torch brings one of its own along."""
    if _is_official(repository, tag):
        return False
    of_base = _DISTRIBUTION.search(tag) is not None and not _is_about_torch(repository, tag)
    return of_base or any(one.toolkit or _is_of_base(repository, tag, one.how) for one in _named_cuda(tag))


def _is_rocm(tag: str) -> bool:
    return re.search(r"(?<![a-z])rocm", tag) is not None


def _repository(reference: str) -> str:
    path, slash, name = reference.partition("@")[0].rpartition("/")
    return (path + slash + name.partition(":")[0]).lower()


def tag_of(reference: str) -> str:
    """``cu128`` of ``registry:5000/name:cu128@sha256:…``."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[2].lower()


def _numbers(version: str) -> Numbers:
    return tuple(int(part) for part in re.findall(r"\d+", version))
