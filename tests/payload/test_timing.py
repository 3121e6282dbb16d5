"""Warmed up until it stands still, sampled until its median does, and slowed down only on purpose."""

from __future__ import annotations

import sys
import time

import pytest

from ci_gpu.payload import timing
from tests.payload.cuda_model import Gpu, work


class Clock:
    """A clock that goes on by what the timed function takes."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


def taking(clock: Clock, *seconds: float):
    """A function that takes these times, the last one for ever; and how often it was called."""
    calls: list[float] = []

    def function() -> None:
        calls.append(seconds[min(len(calls), len(seconds) - 1)])
        clock.now += calls[-1]

    return function, calls


def test_a_steady_time_needs_few_samples(clock: Clock) -> None:
    function, _ = taking(clock, 0.01)

    assert timing.samples(function, "cpu", 2.0) == pytest.approx((0.01,) * timing.MIN_SAMPLES)


def test_what_comes_before_it_is_warm_is_no_sample(clock: Clock) -> None:
    falling = [0.05 - 0.001 * number for number in range(30)]
    function, calls = taking(clock, *falling, 0.02)
    taken = timing.samples(function, "cpu", 4.0)

    assert max(taken) == pytest.approx(0.02)
    assert len(calls) > len(falling) + timing.MIN_SAMPLES


def test_a_noisy_time_is_sampled_up_to_the_limit_and_no_further(clock: Clock) -> None:
    function, _ = taking(clock, *(0.01 + 0.001 * (number * 7 % 11) for number in range(500)))

    assert len(timing.samples(function, "cpu", 2.0)) == timing.MAX_SAMPLES


def test_a_slow_call_is_sampled_three_times_whatever_the_budget(clock: Clock) -> None:
    function, _ = taking(clock, 5.0)

    assert timing.samples(function, "cpu", 2.0) == pytest.approx((5.0,) * 3)


@pytest.mark.parametrize(("values", "width"), [([1.0] * 30, 0.0), ([1.0, 1.1] * 15, 0.1 / 1.05)])
def test_the_interval_of_the_median_is_that_of_its_order_statistics(values: list[float], width: float) -> None:
    assert timing._interval_width(values) == pytest.approx(width)


def test_the_self_test_really_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time: the slowdown is work that is done, and no number that is multiplied."""
    monkeypatch.setenv(timing.SLOWDOWN, "1.0")
    started = time.monotonic()
    taken = timing.once(lambda: time.sleep(0.05), "cpu")

    assert taken >= 0.1
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize("launch", [2e-6, 20e-6], ids=["a quick host", "a slow host"])
@pytest.mark.parametrize("seconds", [5e-6, 1.4e-3, 30e-3])
def test_a_gpu_is_timed_without_the_launches_of_its_host(
    monkeypatch: pytest.MonkeyPatch, seconds: float, launch: float
) -> None:
    gpu = Gpu(hertz=1.98e9, launch=launch)
    gpu.install(monkeypatch)

    assert timing.samples(work(gpu, seconds), "cuda", 2.0) == pytest.approx((seconds,) * timing.MIN_SAMPLES, rel=1e-3)


def test_with_a_cold_cache_each_sample_is(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(hertz=1.98e9, launch=5e-6)
    gpu.install(monkeypatch)
    function = work(gpu, 100e-6, warm=60e-6)

    assert timing.samples(function, "cuda", 2.0, cold_l2=True) == pytest.approx((100e-6,) * timing.MIN_SAMPLES)
    assert timing.samples(function, "cuda", 2.0) == pytest.approx((60e-6,) * timing.MIN_SAMPLES, rel=1e-2)


@pytest.mark.parametrize("hertz", [0.9e9, 1.41e9, 1.98e9, 2.8e9])
@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize("seconds", [20e-6, 1.4e-3, 30e-3])
def test_a_gpu_is_slowed_by_what_was_asked_for_whatever_its_clock(
    monkeypatch: pytest.MonkeyPatch, hertz: float, cold: bool, seconds: float
) -> None:
    monkeypatch.setenv(timing.SLOWDOWN, "0.05")
    gpu = Gpu(hertz=hertz, launch=1e-6)
    gpu.install(monkeypatch)
    taken = timing.samples(work(gpu, seconds), "cuda", 2.0, cold_l2=cold)

    assert taken == pytest.approx((1.05 * seconds,) * len(taken), rel=0.005)


def test_where_a_capture_fails_the_calls_are_timed_in_a_loop_on_the_stream_they_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu, streams = Gpu(hertz=1.98e9, launch=1e-6), []
    gpu.install(monkeypatch)
    torch = sys.modules["torch"]
    torch.cuda.current_stream, torch.cuda.set_stream = (lambda: "theirs"), streams.append
    torch.cuda.graph = lambda graph: (_ for _ in ()).throw(RuntimeError("operation not permitted when capturing"))

    assert timing.samples(work(gpu, 20e-6), "cuda", 2.0) == pytest.approx((20e-6,) * timing.MIN_SAMPLES, rel=0.01)
    assert streams == ["theirs"]
