"""Drivers and CUDA versions, against NVIDIA's tables row by row (data/driver_table.json names the source of each)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci_gpu.payload import drivers

TABLE = json.loads(Path(__file__).with_name("data").joinpath("driver_table.json").read_text())
ROWS = [row for row in TABLE["toolkits"] if row["toolkit_driver_linux"]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["label"])
def test_the_driver_of_a_toolkit_is_native_for_it(row: dict[str, str]) -> None:
    assert drivers.judge(row["cuda"], str(row["toolkit_driver_linux"])) == "native"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["label"])
def test_the_minimum_of_a_major_runs_each_of_its_versions_and_one_less_does_not(row: dict[str, str]) -> None:
    minimum = row["minor_compat_min_linux"]
    one_less = str(int(minimum.split(".")[0]) - 1) + ".99"

    assert drivers.judge(row["cuda"], minimum) in ("native", "minor-version")
    assert drivers.judge(row["cuda"], one_less) == "too-old"


@pytest.mark.parametrize(
    ("cuda", "driver", "state"),
    [
        ("12.8", "570.26", "native"),
        ("12.8", "570.25", "minor-version"),
        ("12.8", "550.127.08", "minor-version"),  # a real host that runs torch 2.7.1+cu128
        ("12.8", "525.60.13", "minor-version"),
        ("12.8", "525.60.12", "too-old"),
        ("12.8", "580.65.06", "native"),
        ("11.8", "450.80.02", "minor-version"),  # the article's claim for 11.8: the minimum, and no more
        ("11.8", "450.80.01", "too-old"),
        ("11.8", "520.61.05", "native"),
        ("12.0", "525.60.13", "native"),  # the article's claim for 12.x
        ("13.0", "575.57.08", "too-old"),
        ("13.5", "580.65.06", "unknown"),
        ("14.0", "700.0", "unknown"),
        ("12.8", "", "unknown"),
        ("", "570.26", "unknown"),
    ],
)
def test_three_states_and_an_honest_fourth(cuda: str, driver: str, state: str) -> None:
    assert drivers.judge(cuda, driver) == state


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU", "no libcuda"),
        ("The NVIDIA driver on your system is too old (found version 11040).", "older than this CUDA"),
        ("CUDA error: no kernel image is available for execution on the device", "no kernels for this GPU"),
        ("the provided PTX was compiled with an unsupported toolchain.", "PTX of a newer CUDA"),
        ("Error 803: system has unsupported display driver / cuda driver combination", "do not belong together"),
        ("Error 804: forward compatibility was attempted on non supported HW", "compatibility libcuda"),
        ("Error 802: system not yet initialized", "fabric manager"),
        ("No CUDA GPUs are available", "no GPU is visible"),
        ("CUDA-capable device(s) is/are busy or unavailable", "exclusive"),
        ("CUDA driver is a stub library", "stub"),
        ("CUDA unknown error - this may be due to an incorrectly set up environment", "nvidia-uvm"),
        ("Torch not compiled with CUDA enabled", "without CUDA"),
    ],
)
def test_an_error_is_explained_with_a_remedy(error: str, says: str) -> None:
    explained = drivers.explain(error)

    assert explained is not None
    assert says in explained[0]
    assert explained[1]


def test_what_is_not_known_is_not_explained() -> None:
    assert drivers.explain("the cat sat on the GPU") is None
