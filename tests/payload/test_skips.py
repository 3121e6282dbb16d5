"""Why a check is skipped is true whatever was asked for: with ``auto`` nobody said cpu, and not all is an image."""

from __future__ import annotations

import pytest

from ci_gpu.payload import perform
from tests.needs import module

module("torch")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("kernel", "needs a GPU; this run uses the CPU"),
        ("cuda_build", "there is no tag that names a version of torch, CUDA or cuDNN"),
    ],
)
def test_the_reason_says_what_is_known_inside(name: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_GPU_IMAGE", "")
    found = perform.check(f"compatibility.{name}", "ci_gpu.payload.checks.compatibility", "cpu")

    assert (found.outcome, found.message) == ("skipped", why)
