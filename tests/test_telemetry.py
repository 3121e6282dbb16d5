"""Telemetry by the true pynvml, over a driver's library of our own that does what it is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ci_gpu import host, telemetry
from ci_gpu.compare import spoiling
from ci_gpu.errors import ConfigError
from ci_gpu.payload.telemetry import MAX_STATES, Observation
from ci_gpu.payload.wire import Gpu, GpuState, Telemetry

SCRIPT = """
import ctypes, json, sys, threading
import msgspec
stub = ctypes.CDLL(sys.argv[1])  # loaded under the driver's soname: pynvml gets this one
def turn(**values):
    for name, value in values.items():
        (ctypes.c_ulonglong if name == "thermal_ns" else ctypes.c_int).in_dll(stub, name).value = value
from ci_gpu import host, telemetry
from ci_gpu.compare import spoiling
from ci_gpu.payload.telemetry import Observation
looked, look = threading.Semaphore(0), Observation.look
Observation.look = lambda self: (look(self), looked.release())
before, during = json.loads(sys.argv[2]), json.loads(sys.argv[3])
turn(**before)
with telemetry.recorded(["GPU-1"]) as recorder:
    looked.acquire()
    turn(**during)
    for _ in range(3):
        looked.acquire()
    turn(throttle=0)
print(json.dumps({
    "telemetry": msgspec.to_builtins(recorder.telemetry),
    "spoiled": spoiling.spoiled(recorder.telemetry),
    "neighbours": telemetry.neighbours(["GPU-1"]),
    "of slices": [telemetry.chosen(host.look({}).gpus, name) for name in ("MIG-1", "MIG-2", "GPU-1")],
    "host": msgspec.to_builtins(host.look({})),
}))
"""


@pytest.fixture
def watched(nvml_stub: Path):
    """What is recorded of a GPU with these values before and during a block."""

    def watched(before: dict[str, int] | None = None, library: Path = nvml_stub, **during: int) -> dict[str, Any]:
        argv = [sys.executable, "-c", SCRIPT, str(library), json.dumps(before or {}), json.dumps(during)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return watched


def test_a_calm_gpu_is_recorded_and_spoils_nothing(watched) -> None:
    found = watched()
    (one,) = found["telemetry"]

    assert one["gpu"] == "GPU-1"
    assert len(one["states"]) >= 3
    assert {
        (state["sm_mhz"], state["memory_mhz"], state["temperature"], state["power"], state["utilization"])
        for state in one["states"]
    } == {(1980, 2619, 40, 350.5, 97)}
    assert one["violations"] == {"power": 0, "thermal": 0}
    assert (found["spoiled"], found["neighbours"]) == ("", "")
    (gpu,) = found["host"]["gpus"]
    assert (gpu["uuid"], gpu["capability"], gpu["max_sm_mhz"]) == ("GPU-1", "9.0", 1980)
    assert (gpu["power_limit"], gpu["ecc"], gpu["clocks"]) == (700, "on", "default")
    assert found["host"]["driver"] == "580.65.06"


@pytest.mark.parametrize(
    ("fault", "fact", "empty"),
    [("no_memory", "memory", 0), ("no_capability", "capability", ""), ("no_name", "name", "")],
)
def test_a_fact_that_nvml_does_not_tell_hides_no_other(watched, fault: str, fact: str, empty: object) -> None:
    """GB10 shares its memory with the host, and NVML answers NOT_SUPPORTED (3) for it."""
    told, untold = watched()["host"], watched({fault: 3})["host"]

    assert untold["driver"] == told["driver"]
    assert untold["gpus"] == [{**told["gpus"][0], fact: empty}]


def test_other_application_clocks_are_another_policy(watched) -> None:
    assert watched({"application_mhz": 1410})["host"]["gpus"][0]["clocks"] == "applications:1410"


@pytest.mark.parametrize(
    ("bits", "name"),
    [(0x8, "hw-slowdown"), (0x20, "sw-thermal-slowdown"), (0x40, "hw-thermal-slowdown"), (0x80, "hw-power-brake")],
)
def test_a_throttling_between_two_calm_ends_spoils_the_block(watched, bits: int, name: str) -> None:
    found = watched(throttle=bits)

    assert found["telemetry"][0]["throttle"] == [name]
    assert re.fullmatch(rf"the GPU GPU-1 throttled: {name} \([0-9]+% of the time\)", found["spoiled"])


def test_a_power_cap_is_reported_and_spoils_nothing(watched) -> None:
    found = watched(throttle=0x4)

    assert found["telemetry"][0]["throttle"] == ["power-cap"]
    assert found["spoiled"] == ""


def test_a_throttling_shorter_than_the_looks_is_in_the_counters(watched) -> None:
    found = watched({"thermal_ns": 5}, thermal_ns=10**10 + 5)

    assert found["telemetry"][0]["violations"]["thermal"] == 10**10
    assert found["spoiled"] == "the GPU GPU-1 throttled: thermal (100% of the time)"


def seen(*throttle: int, **violations: int) -> Telemetry:
    """A block of half a minute with these looks."""
    states = tuple(GpuState(30.0 * index / (len(throttle) - 1), throttle=bits) for index, bits in enumerate(throttle))
    return Telemetry("GPU-1", states, violations=violations)


@pytest.mark.parametrize(
    ("thermal", "said"),
    [
        (1, ""),
        (300_000_000, ""),
        (301_000_000, "the GPU GPU-1 throttled: thermal (1% of the time)"),
        (15_000_000_000, "the GPU GPU-1 throttled: thermal (50% of the time)"),
    ],
)
def test_a_violation_spoils_a_block_by_its_part_of_the_time(thermal: int, said: str) -> None:
    assert spoiling.spoiled([seen(0, 0, thermal=thermal)]) == said


@pytest.mark.parametrize(("of", "spoils"), [(120, False), (100, False), (99, True), (4, True)])
def test_a_look_spoils_a_block_by_its_part_of_all_looks(of: int, spoils: bool) -> None:
    assert bool(spoiling.spoiled([seen(0x40, *[0] * (of - 1))])) is spoils


def test_a_single_look_at_a_hardware_slowdown_may_be_a_change_of_the_clock() -> None:
    """https://docs.nvidia.com/deploy/nvml-api/ says so of nvmlClocksThrottleReasonHwSlowdown."""
    assert spoiling.spoiled([seen(0x8, 0, 0, 0)]) == ""
    assert spoiling.spoiled([seen(0x8, 0x8, 0, 0)]) == "the GPU GPU-1 throttled: hw-slowdown (50% of the time)"


def test_power_board_and_voltage_limits_are_where_a_busy_gpu_stands() -> None:
    limits = dict.fromkeys(("power", "board-limit", "low-utilization", "reliability"), 29 * 10**9)

    assert spoiling.spoiled([seen(0x4, 0x4, **limits)]) == ""


def test_new_memory_errors_spoil_the_block_and_old_ones_do_not(watched) -> None:
    assert watched({"ecc": 3}, ecc=5)["spoiled"] == "the GPU GPU-1 had 2 uncorrected memory errors"
    assert watched({"ecc": 3})["spoiled"] == ""


def test_another_process_on_the_gpu_refuses_the_comparison(watched) -> None:
    found = watched({"processes": 2})

    assert found["telemetry"][0]["foreign_processes"] == 2
    assert found["spoiled"] == "the GPU GPU-1 is shared: 2 other compute processes"
    assert found["neighbours"] == "the GPU GPU-1 is shared: 2 other compute processes"


def test_an_old_driver_knows_of_other_processes_as_well(watched, old_nvml_stub: Path) -> None:
    found = watched({"processes": 2}, library=old_nvml_stub)

    assert found["neighbours"] == "the GPU GPU-1 is shared: 2 other compute processes"
    assert watched(library=old_nvml_stub)["neighbours"] == ""


COUNTERS = ("processes", "violation_ns", "uncorrected_errors")


def test_hours_of_looks_are_thinned_and_no_throttling_is_forgotten() -> None:
    device = SimpleNamespace(
        **dict.fromkeys(
            (*COUNTERS, "milliwatts", "sm_mhz", "memory_mhz", "temperature", "utilization"),
            lambda *_: 1,
        )
    )
    device.reasons = iter([0x0, 0x40, *[0x0] * 10_000]).__next__
    observation = Observation(device, "GPU-1")
    for _ in range(9_000):
        observation.look()
    found = observation.close()

    assert MAX_STATES / 2 <= len(found.states) <= MAX_STATES
    assert found.throttle == ("hw-thermal-slowdown",)


@pytest.mark.parametrize(("devices", "said"), [(1, ""), (3, "the GPU GPU-1 is shared: it is cut into 3 MIG devices")])
def test_mig_neighbours_refuse_the_comparison(watched, devices: int, said: str) -> None:
    assert watched({"mig_mode": 1, "mig_devices": devices})["neighbours"] == said


def test_a_mig_slice_is_watched_as_the_gpu_that_it_is_cut_from(watched) -> None:
    assert watched()["of slices"] == [["GPU-1"], [], ["GPU-1"]]


def test_without_a_driver_nothing_is_recorded() -> None:
    with telemetry.recorded(["GPU-1"]) as recorder:
        pass

    assert recorder.telemetry == ()
    assert spoiling.spoiled(recorder.telemetry) == telemetry.neighbours(["GPU-1"]) == ""
    assert host.look({}).gpus == ()
    assert telemetry.chosen((Gpu(0, "H100", "GPU-1"),), "MIG-1") == ()


def test_the_runner_says_how_its_clocks_are_locked() -> None:
    assert host.look({"CI_GPU_CLOCKS": "locked:1410-1980"}).clocks == "locked:1410-1980"
    with pytest.raises(ConfigError, match="CI_GPU_CLOCKS is 'fast'"):
        host.look({"CI_GPU_CLOCKS": "fast"})


def test_the_gpus_of_a_run_are_chosen_by_index_or_uuid() -> None:
    gpus = tuple(Gpu(index, "H100", f"GPU-{index}") for index in range(3))

    assert telemetry.chosen(gpus, "all") == ("GPU-0", "GPU-1", "GPU-2")
    assert telemetry.chosen(gpus, "2,0") == ("GPU-0", "GPU-2")
    assert telemetry.chosen(gpus, "GPU-1") == ("GPU-1",)


def test_a_gpu_that_tells_nothing_spoils_nothing() -> None:
    assert spoiling.spoiled([Telemetry(gpu="GPU-1")]) == ""
