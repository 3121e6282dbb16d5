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
