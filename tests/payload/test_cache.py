"""The checks of the caching allocator over a model of it: right and wrong ones, of each kind that torch has."""

from __future__ import annotations

import sys

import pytest

from ci_gpu.payload import perform
from ci_gpu.payload.checks.cache import UNCACHED
from ci_gpu.payload.wire import CheckResult
from tests.payload.allocator_model import MIB, Memory, torch

CHECKS = ("reuse", "empty_cache", "no_grad_peak", "out_of_memory")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch):
    """The result of a check of this family on a GPU with this memory."""

    def made(check: str, memory: Memory) -> CheckResult:
        monkeypatch.setitem(sys.modules, "torch", torch(memory))
        if memory.kind == "uncached":
            monkeypatch.setenv(UNCACHED, "1")
        return perform.check(f"cache.{check}", "ci_gpu.payload.checks.cache", "cuda")

    return made


@pytest.mark.parametrize(
    ("kind", "skipped"),
    [
        ("native", set()),
        ("cudaMallocAsync", set()),
        ("uncached", {"reuse", "empty_cache"}),
        ("pluggable", {"reuse", "empty_cache", "out_of_memory"}),
    ],
)
def test_every_allocator_is_judged_by_what_it_promises(made, kind: str, skipped: set[str]) -> None:
    """So that no family is skipped as a whole, which would be red."""
    found = {check: made(check, Memory(kind)) for check in CHECKS}

    assert {check: result.outcome for check, result in found.items()} == {
        check: "skipped" if check in skipped else "passed" for check in CHECKS
    }, [result.message for result in found.values()]
    assert {result.kind for result in found.values() if result.outcome == "skipped"} <= {"not-applicable-here"}


@pytest.mark.parametrize(
    ("check", "fault", "says"),
    [
        ("reuse", "no reuse", "a freed block is not reused"),
        ("empty_cache", "leak", f"{64 * MIB} bytes stay allocated"),
        ("empty_cache", "no cache", "goes back to the driver at once"),
        ("empty_cache", "keeps", f"empty_cache leaves {64 * MIB} bytes"),
        ("no_grad_peak", "no_grad ignored", "no_grad saves nothing"),
        ("no_grad_peak", "no_grad uncounted", "no_grad takes nothing"),
        ("out_of_memory", "no limit", "the limit is not kept"),
        ("out_of_memory", "broken sums", "a sum of 1024 ones is 0"),
    ],
)
@pytest.mark.parametrize("kind", ["native", "cudaMallocAsync"])
def test_an_allocator_that_is_wrong_is_red(made, kind: str, check: str, fault: str, says: str) -> None:
    result = made(check, Memory(kind, faults=(fault,)))

    assert result.outcome == "failed", (result.message, result.log)
    assert says in result.message


@pytest.mark.parametrize("kind", ["uncached", "pluggable"])
def test_where_nothing_is_counted_the_driver_s_free_memory_shows_a_no_grad_that_does_nothing(made, kind: str) -> None:
    assert made("no_grad_peak", Memory(kind, faults=("no_grad ignored",))).message.startswith("no_grad saves nothing")


def test_a_native_allocator_that_does_not_count_is_wrong_and_another_one_is_skipped(made) -> None:
    """Two zeros that are the same are no proof that a block is reused."""
    assert made("reuse", Memory("native", faults=("uncounted",))).outcome == "failed"
    result = made("reuse", Memory("cudaMallocAsync", faults=("uncounted",)))

    assert (result.outcome, result.message) == ("skipped", "the allocator is cudaMallocAsync, and counts nothing")


@pytest.mark.parametrize("kind", ["native", "cudaMallocAsync"])
def test_peaks_do_not_hold_the_workspace_of_cublas(made, kind: str) -> None:
    """8 MiB or 32 MiB by torch and GPU: another peak would be told of the same work."""
    results = [made("no_grad_peak", Memory(kind, workspace=size * MIB)) for size in (1, 8, 32)]
    peaks = [tuple(metric.samples for metric in result.metrics) for result in results]

    assert peaks == [((96.0,), (288.0,))] * 3
    assert all(metric.version == 2 for result in results for metric in result.metrics)  # measured in another way before


@pytest.mark.parametrize("check", ["reuse", "empty_cache"])
def test_a_workspace_of_cublas_is_no_leak(made, check: str) -> None:
    memory = Memory(workspace=32 * MIB)
    memory.product()

    assert made(check, memory).outcome == "passed"
