"""Simulated measurements: what processes of two images answer, when we know the truth.

A process has an effect of its own (published for GPUs at locked clocks: 0.4 to 2.2 %), and each of its samples varies
about it by 0.5 % with the heavy tails of Student's t of 4 degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any  # of numpy, which is not typed here
PAIRS, SAMPLES, METRICS = 12, 30, 20
WITHIN = 0.005


class Suite(NamedTuple):
    """Times in ms of both images in one job: (metrics, pairs, samples). By order of the processes, as drift differs."""

    alternating: tuple[Array, Array]  # A B or B A, drawn for each pair
    always_alike: tuple[Array, Array]  # A B B A, every time
    in_blocks: tuple[Array, Array]  # A A A ... B B B ...


class World(NamedTuple):
    """How processes vary. ``drift`` is the share by which the machine slows down over the job, ``wave`` the one by
    which it is slower and faster in turn, two processes each: in step with B A A B, so that the head is always slow.
    """

    name: str
    effects: Callable[[Any, tuple[int, ...]], Array]
    drift: float = 0.0
    wave: float = 0.0

    def suite(self, rng: Any, worsening: Array) -> Suite:
        """One job; ``worsening`` is the true change of each metric, as a fraction."""
        shape = (len(worsening), PAIRS)
        base, head = (self._samples(rng, shape) for _ in range(2))
        head = head + np.log1p(worsening)[:, None, None]
        return Suite(*(self._drifting(base, head, order) for order in (drawn(rng), alternating(), in_blocks())))

    def _samples(self, rng: Any, shape: tuple[int, ...]) -> Array:
        within = rng.standard_t(4, (*shape, SAMPLES)) * (WITHIN / np.sqrt(2))
        return self.effects(rng, shape)[..., None] + within

    def _drifting(self, base: Array, head: Array, order: tuple[Array, Array]) -> tuple[Array, Array]:
        shifts = (self._shift(when)[None, :, None] for when in order)
        first, second = (np.exp(arm + shift) for arm, shift in zip((base, head), shifts, strict=True))
        return first, second

    def _shift(self, when: Array) -> Array:
        return self.drift * when / (2 * PAIRS - 1) + self.wave * np.array([-1, 1, 1, -1])[when % 4]


def drawn(rng: Any) -> tuple[Array, Array]:
    """When each pair's base and head ran, as `ci_gpu.trial.order` draws it: either first, pair by pair."""
    first, swapped = 2 * np.arange(PAIRS), rng.integers(0, 2, PAIRS)
    return first + swapped, first + 1 - swapped


def alternating() -> tuple[Array, Array]:
    """When each pair's base and head ran: 0 1, 3 2, 4 5, ..."""
    first = 2 * np.arange(PAIRS)
    swapped = np.arange(PAIRS) % 2
    return first + swapped, first + 1 - swapped


def in_blocks() -> tuple[Array, Array]:
    return np.arange(PAIRS), np.arange(PAIRS) + PAIRS


def gaussian(deviation: float) -> Callable[[Any, tuple[int, ...]], Array]:
    return lambda rng, shape: rng.normal(0.0, deviation, shape)


def heavy(deviation: float) -> Callable[[Any, tuple[int, ...]], Array]:
    """Student's t of 3 degrees of freedom: now and then a process far off."""
    return lambda rng, shape: rng.standard_t(3, shape) * (deviation / np.sqrt(3))


def two_modes(share: float, distance: float) -> Callable[[Any, tuple[int, ...]], Array]:
    """That share of the processes is slower by the distance, as where an allocator or an algorithm falls either way."""
    return lambda rng, shape: rng.normal(0.0, 0.002, shape) + distance * (rng.random(shape) < share)


def mixed(rng: Any, shape: tuple[int, ...]) -> Array:
    """A suite as published: 5 metrics of 0.2 %, 9 of 0.5 %, 4 of 1 % and 2 of 2.2 %."""
    deviations = np.repeat([0.002, 0.005, 0.01, 0.022], [5, 9, 4, 2])
    return rng.normal(0.0, 1.0, shape) * np.resize(deviations, shape[0])[:, None]


NOISES = (0.002, 0.005, 0.01, 0.022)
EFFECTS = (0.02, 0.03, 0.05, 0.10)
BY_NOISE = tuple(World(f"{100 * noise:g} %", gaussian(noise)) for noise in NOISES)
DRIFT = World("0.5 %, drift 1 %", gaussian(0.005), 0.01)
MODES = World("30 % of processes +3 %", two_modes(0.3, 0.03))
EVEN_MODES = World("half of processes +5 %", two_modes(0.5, 0.05))
NEAR_MODES = World("half of processes ±2 %", two_modes(0.5, 0.04))
HEAVY = World("2.2 %, heavy tails", heavy(0.022))
WAVES = (
    World("0.5 %, ±1 % in step", gaussian(0.005), wave=0.01),
    World("0.5 %, ±2 % in step", gaussian(0.005), wave=0.02),
)
WORLDS = (*BY_NOISE, World("mixed", mixed), DRIFT, MODES, EVEN_MODES, NEAR_MODES, HEAVY, *WAVES)
DETECTED_IN = (*BY_NOISE, DRIFT, MODES)
