"""A check of values that is made on each GPU of the run, one after the other: one sick GPU of eight must be found."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from typing import Any, Callable, Dict, Iterable, Iterator

from . import probe
from .cuda_errors import CAUSES
from .wire import MAX_EVIDENCE, Fact, Fail, Metric, Note, Skip

Check = Callable[[str], Iterable[Any]]


def on_every_gpu(check: Check) -> Check:
    """Mark a check that is made on every GPU that the image sees, under its name (``cuda:3``), with the same data.

    With one GPU nothing changes. With more, facts and failures say on which, each GPU has a metric of its own
    (``rate_gpu3``), and `TIMEOUT` is for all of them together.
    """

    @functools.wraps(check)
    def each(device: str) -> Iterable[Any]:
        import torch

        count = torch.cuda.device_count() if device == "cuda" else 1
        return check(device) if count < 2 else _each(check, torch, count)

    return each


def _each(check: Check, torch: Any, count: int) -> Iterator[Any]:
    wrong: Dict[int, Fail] = {}
    skipped: Dict[int, Skip] = {}
    random = torch.get_rng_state()
    for index in range(count):
        torch.set_rng_state(random)
        try:
            yield from _on(check, torch, index, MAX_EVIDENCE // count - 1)
        except Fail as fail:
            wrong[index] = fail
        except Skip as skip:
            skipped[index] = skip
    if wrong:
        raise _of_all(torch, wrong, count)
    if len(skipped) == count:
        raise skipped[0]
    yield from (Note(f"GPU {index}: {skip}") for index, skip in skipped.items())


def _on(check: Check, torch: Any, index: int, most: int) -> Iterator[Any]:
    """What the check finds on this GPU: all metrics, and the first ``most`` of the rest."""
    with torch.cuda.device(index), _told(_name(torch, index)):
        for item in check(f"cuda:{index}"):
            most -= not isinstance(item, Metric)
            if most >= 0 or isinstance(item, Metric):
                yield _of(index, item)


def _of(index: int, item: Any) -> Any:
    """With the GPU in its name: what is measured on two GPUs is no one metric."""
    if isinstance(item, Fact):
        return dataclasses.replace(item, name=f"GPU {index}: {item.name}")
    if isinstance(item, Metric):
        return dataclasses.replace(item, name=f"{item.name}_gpu{index}")
    return Note(f"GPU {index}: {item.text}") if isinstance(item, Note) else item


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """An error of CUDA ends the check, because it may stick to the process: it says on which GPU it was."""
    try:
        yield
    except (Fail, Skip):
        raise
    except Exception as error:
        error.args = (f"GPU {name}: {error}", *error.args[1:])
        raise


def _name(torch: Any, index: int) -> str:
    """Its number inside the image and its UUID: outside, the number is another one's."""
    uuid = probe.uuid_of(torch, index)
    return f"{index} ({uuid})" if uuid else str(index)


def _of_all(torch: Any, wrong: Dict[int, Fail], count: int) -> Fail:
    """The failures as one. A GPU that is wrong where as many of its model are right is not wrong by the image."""
    first = next(iter(wrong))
    fail, names = wrong[first], [torch.cuda.get_device_name(index) for index in range(count)]
    bad = [names[index] for index in wrong]
    sick = CAUSES["gpu-computes-wrong"] if all(2 * bad.count(name) <= names.count(name) for name in bad) else None
    which = f"GPU{'s' * (len(wrong) > 1)} {', '.join(_name(torch, index) for index in wrong)} of {count}"
    return Fail(
        f"{which}: {fail.message}" + (f" ({sick.meaning})" if sick else ""),
        sick.remedy if sick else fail.hint,
        tuple(_of(first, fact) for fact in fail.facts),
        cause=sick.id if sick else fail.cause,
    )
