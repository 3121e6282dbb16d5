"""The image watches the GPUs where the host has no NVML: the true payload over the true wire, over a driver of ours."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ci_gpu import catalogue, engines, guest
from ci_gpu.compare import spoiling
from ci_gpu.job import Job
from ci_gpu.payload import supervisor, watcher
from ci_gpu.payload.telemetry import PERIOD
from ci_gpu.payload.wire import Environment, Event, Gpu
from tests.test_trial import TORCH

CHECKS = '''
import os, time
from ci_gpu.payload import Fact

def check_waits(device):
    """For the first look and two more, if there is somebody who counts them."""
    looks = os.environ.get("STUB_LOOKS")
    while looks and not (os.path.exists(looks) and os.path.getsize(looks) >= 3):
        time.sleep(0.01)
    yield Fact("waited", True)

def check_dies(device):
    """A crash is the check's alone."""
    import os
    os.abort()

def check_follows(device):
    """After a crash."""
    yield Fact("followed", True)
'''


class Silent:
    """Told of everything, says nothing."""

    def event(self, event: Event) -> None:
        pass

    def log(self, line: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass


@pytest.fixture
def examined(tmp_path: Path):
    """The answers of an image with these variables."""
    (tmp_path / "torch.py").write_text(TORCH)

    def examined(checks: str = CHECKS, watch: str = "all", **variables: str) -> guest.Answers:
        environment = (("PYTHONPATH", str(tmp_path)), *variables.items())
        visit = guest.Visit(
            engine=engines.load("local"),
            job=Job(image="", name="", labels=(), environment=environment),
            run="test",
            device="cpu",
            checks=catalogue.read({"faults": checks}),
            timeout=300,
            user_sources={"faults": checks},
            watch=watch,
        )
        return guest.examine(visit, Silent())

    return examined


def test_what_the_image_sees_is_what_the_host_would(examined, nvml_stub: Path, tmp_path: Path) -> None:
    looks = str(tmp_path / "looks")
    answers = examined(LD_LIBRARY_PATH=str(nvml_stub.parent), STUB_THROTTLE="4", STUB_LOOKS=looks)
    (seen,) = answers.telemetry

    assert [result.outcome for result in answers.results] == ["passed", "error", "passed"]
    assert len(seen.states) >= 3  # the first, what is in between, the last
    assert {(state.sm_mhz, state.memory_mhz, state.temperature, state.power) for state in seen.states} == {
        (1980, 2619, 40, 350.5)
    }
    assert seen.states[-1].seconds >= 2 * PERIOD
    assert (seen.gpu, seen.throttle, seen.inside) == ("GPU-1", ("power-cap",), True)
    assert seen.violations == {"power": 0, "thermal": 0}
    assert (seen.ecc_errors, seen.foreign_processes) == (0, 0)
    assert spoiling.spoiled(answers.telemetry) == ""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"STUB_THROTTLE": "64"}, "the GPU GPU-1 throttled: hw-thermal-slowdown (100% of the time)"),
        ({"STUB_PROCESSES": "2"}, "the GPU GPU-1 is shared: 2 other compute processes"),
    ],
)
def test_what_spoils_a_block_spoils_it_from_inside(examined, nvml_stub: Path, variables, said: str) -> None:
    answers = examined(LD_LIBRARY_PATH=str(nvml_stub.parent), **variables)

    assert spoiling.spoiled(answers.telemetry) == said


class Shown:
    """NVML in an image that was handed three GPUs."""

    def devices(self) -> list[SimpleNamespace]:
        silent = dict.fromkeys(("violation_ns", "uncorrected_errors"), lambda *_: None)
        states = ("milliwatts", "reasons", "sm_mhz", "memory_mhz", "temperature", "utilization", "processes")
        silent |= dict.fromkeys(states, lambda *_: None)
        return [SimpleNamespace(uuid=lambda number=number: f"GPU-{number}", **silent) for number in range(3)]


@pytest.mark.parametrize(
    ("measured", "watched"),
    [
        (("GPU-2",), ["GPU-2"]),
        (("GPU-2", "GPU-0"), ["GPU-2", "GPU-0"]),
        (("",), ["GPU-0", "GPU-1", "GPU-2"]),
        (("GPU-of-a-slice",), ["GPU-0", "GPU-1", "GPU-2"]),
        ((), ["GPU-0", "GPU-1", "GPU-2"]),
    ],
    ids=["the first of CUDA", "two", "an old torch", "MIG", "none known"],
)
def test_only_gpus_that_are_measured_are_watched_where_they_are_known(measured, watched: list[str]) -> None:
    stopped, stop = os.pipe()
    os.close(stop)

    assert [one.gpu for one in watcher._watch(Shown(), measured, stopped)] == watched
    os.close(stopped)


@pytest.mark.parametrize(("which", "gpus"), [("first", ("GPU-7",)), ("all", ("GPU-7", "GPU-3"))])
def test_the_image_watches_the_first_gpu_or_all_of_cuda_s(which: str, gpus: tuple[str, ...]) -> None:
    seen = Environment("3.11", "x86_64", "2.9.0", gpus=(Gpu(0, "H100", "GPU-7"), Gpu(1, "H100", "GPU-3")))

    assert supervisor._watched(seen, which) == gpus


def test_without_a_driver_in_the_image_nothing_is_told_and_nothing_breaks(examined) -> None:
    answers = examined()

    assert answers.telemetry == ()
    assert (len(answers.results), answers.failure) == (3, None)


def test_nobody_watches_who_was_not_asked(examined, nvml_stub: Path) -> None:
    assert examined(watch="", LD_LIBRARY_PATH=str(nvml_stub.parent)).telemetry == ()


def test_from_inside_an_old_driver_knows_of_other_processes_as_well(examined, old_nvml_stub: Path) -> None:
    answers = examined(LD_LIBRARY_PATH=str(old_nvml_stub.parent), STUB_PROCESSES="2")

    assert spoiling.spoiled(answers.telemetry) == "the GPU GPU-1 is shared: 2 other compute processes"
