"""How much an image may say, and how much is read of a file: bytes, objects and values of JSON. Pure.

Memory and time go with these three, whatever is said. What an image says is paid for while it is heard, by what it
takes in ``run.json``, so that what a run writes can always be read (`REPORT`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from ci_gpu import layout
from ci_gpu.errors import ImageError
from ci_gpu.payload.wire import MAX_EVIDENCE, MAX_NAME, MAX_SAMPLES, CheckResult, Metric, Telemetry

KIND = "over-budget"
"""Of an image, or of a check, that said more than it may: it is red, and not one word more is taken."""


class Weight(NamedTuple):
    """What takes memory and time in a piece of JSON. ``values`` are all there are, objects and lists among them."""

    octets: int
    objects: int
    values: int

    def exceeds(self, limit: Weight) -> bool:
        return any(mine > most for mine, most in zip(self, limit, strict=True))

    def __str__(self) -> str:
        return f"{self.octets} bytes, {self.objects} objects and {self.values} values"


EVENT = Weight(2 << 20, 20_000, 160_000)
"""One line of an image's; looked at before it is decoded."""

CHECK = Weight(1 << 20, 1_000, 25_000)
"""The result of one check."""

RUN = Weight(40 << 20, 120_000, 1_000_000)
"""All that the images of a run say: each gets the same share, for all of its containers."""

LOOKS = 40_000
"""At GPUs, in all blocks of a comparison together."""

REPORT = Weight(64 << 20, 200_000, 1_500_000)
"""A ``run.json``: what images may say, and room for what is ours."""

TEXTS = 3
"""How often a result's own words can stand in a report: in the result, and in what is concluded from it."""

PER_METRIC = 4_500
"""Bytes that what is concluded of one metric may take, beside its name and its unit: fewer than the 10,000 metrics that
a comparison is read with can be paid for."""

_STEP = 1 << 20


def weigh(data: bytes) -> Weight:
    """What a piece of JSON holds, without decoding it. Of what is no JSON it is some number."""
    objects = values = inside = start = 0
    while start < len(data):
        end = _end(data, start + _STEP)
        pieces = data[start:end].replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        bare = b"".join(pieces[inside::2])
        inside ^= (len(pieces) - 1) & 1
        objects += bare.count(b"{")
        values += bare.count(b",") + bare.count(b"[") + bare.count(b"{")
        start = end
    return Weight(len(data), objects, values)


def _end(data: bytes, end: int) -> int:
    """Behind no backslash, so that what it escapes is in the same piece."""
    while data[end - 1 : end] == b"\\":
        end += 1
    return end


class Budget:
    """What one image may still say, over all of its containers.

    Raises:
        ImageError: `spend` was asked for more than there is left (kind ``over-budget``).
    """

    def __init__(self, whole: Weight = RUN) -> None:
        self._whole = self._left = whole
        self._metrics: set[str] = set()

    def share(self, parts: int) -> Budget:
        """The budget of one of so many, who get the same."""
        octets, objects, values = (each // parts for each in self._left)
        return Budget(Weight(octets, objects, values))

    def spend(self, said: Any) -> None:
        """Pay for something that goes into the report: by what it takes there, and what is concluded from it."""
        self._pay(weigh(layout.text(said, 6).encode()), self._concluded(said) if isinstance(said, CheckResult) else 0)

    def _pay(self, weight: Weight, more: int) -> None:
        octets, objects, values = (have - cost for have, cost in zip(self._left, weight, strict=True))
        left = Weight(octets - more, objects, values)
        if min(left) < 0:
            raise over_budget(f"its share is {self._whole}")
        self._left = left

    def _concluded(self, result: CheckResult) -> int:
        """Bytes. A metric is concluded upon once, in however many containers it is measured."""
        texts = layout.text([result.message, result.hint, result.kind, result.check])
        new = [metric for metric in result.metrics if f"{result.check}/{metric.name}" not in self._metrics]
        self._metrics.update(f"{result.check}/{metric.name}" for metric in new)
        names = sum(len(layout.text([metric.name, metric.unit])) for metric in new)
        return (TEXTS - 1) * len(texts) + PER_METRIC * len(new) + 8 * names


def over_budget(said: str) -> ImageError:
    """The error of an image that said more than it may, with what the limit is."""
    return ImageError(
        f"the image said more than a run keeps of it: {said}",
        why="its checks yield very many samples, facts or long texts, or something in it speaks for them without end",
        remedy="yield fewer samples and shorter texts; compare with fewer --pairs, or examine fewer images in one run",
        kind=KIND,
    )


def excess(result: CheckResult) -> str:
    """What a check said too much of, in words; empty if it kept to its limits."""
    if len(result.facts) + len(result.notes) > 2 * MAX_EVIDENCE or len(result.metrics) > MAX_EVIDENCE:
        return f"more than {MAX_EVIDENCE} facts, notes or metrics"
    samples = sum(len(metric.samples) for metric in result.metrics)
    if samples > MAX_SAMPLES:
        return f"{samples} samples, and at most {MAX_SAMPLES} are taken of a check"
    if any(map(_is_long, result.metrics)):
        return f"a metric whose name or unit has more than {MAX_NAME} characters"
    weight = weigh(layout.text(result, 6).encode())
    return f"{weight}, and at most {CHECK} are taken of a check" if weight.exceeds(CHECK) else ""


def _is_long(metric: Metric) -> bool:
    return max(len(metric.name), len(metric.unit)) > MAX_NAME


def thinned(telemetry: tuple[Telemetry, ...], most: int) -> tuple[Telemetry, ...]:
    """The telemetry with at most so many looks at all GPUs together, evenly spread."""
    looks = sum(len(one.states) for one in telemetry)
    step = -(-looks // max(1, most - len(telemetry))) if looks > most else 1
    return tuple(replace(one, states=one.states[::step]) for one in telemetry)
