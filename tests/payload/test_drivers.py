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
        ("13.5", "580.65.06", "minor-version"),  # no driver is known to be native
        ("13.5", "700.10", "minor-version"),
        ("13.5", "575.57.08", "too-old"),
        ("13.0", "580.00", "native"),  # Jetson Thor
        ("13.2", "580.00", "minor-version"),
        ("12.6", "540.4.0", "native"),  # Jetson Orin, JetPack 6.2
        ("12.8", "540.4.0", "minor-version"),
        ("12.2", "540.3.0", "native"),
        ("12.6", "540.3.0", "minor-version"),
        ("13.0", "540.4.0", "too-old"),
        ("12.8", "unreadable", "unknown"),
        ("14.0", "700.0", "unknown"),
        ("12.8", "", "unknown"),
        ("", "570.26", "unknown"),
    ],
)
def test_three_states_and_an_honest_fourth(cuda: str, driver: str, state: str) -> None:
    assert drivers.judge(cuda, driver) == state


@pytest.mark.parametrize(
    ("cuda", "driver", "libcuda", "state"),
    [
        ("12.9", "535.104.05", "575.57.08", "forward-compatible"),
        ("13.0", "535.104.05", "580.65.06", "forward-compatible"),  # too old without the package
        ("13.0", "535.104.05", "575.57.08", "too-old"),  # and with one of another major
        ("13.2", "535.104.05", "580.65.06", "forward-compatible"),
        ("14.0", "535.104.05", "580.65.06", "unknown"),
        ("12.8", "570.26", "570.26", "native"),
        ("12.8", "580.65.06", "575.57.08", "native"),  # an older libcuda is no forward compatibility
        ("12.8", "580.65.06", "", "native"),
        ("12.8", "", "575.57.08", "unknown"),
        ("13.0", "580.00", "580.65.06", "native"),  # Thor's own number is no older driver
        ("13.4", "580.00", "615.10", "forward-compatible"),
        ("13.0", "580.00", "", "native"),
        ("12.8", "540.4.0", "535.10", "minor-version"),
        ("12.8", "540.4.0", "540.4.0", "minor-version"),
    ],
)
def test_a_newer_libcuda_than_the_kernel_driver_is_forward_compatibility(
    cuda: str, driver: str, libcuda: str, state: str
) -> None:
    assert drivers.judge(cuda, driver, libcuda) == state


@pytest.mark.parametrize(
    ("driver", "cuda"), [("540.2.0", "12.2"), ("540.3.0", "12.2"), ("540.4.0", "12.6"), ("580.00", "13.0")]
)
def test_a_driver_of_jetson_linux_is_that_of_the_cuda_of_its_jetpack(driver: str, cuda: str) -> None:
    assert drivers.JETSON[driver] == drivers.NATIVE[cuda]
    assert drivers.judge(cuda, driver) == "native"


MATRIX = TABLE["forward_compat"]["matrix"]
BRANCHES = MATRIX["cols_kernel_driver_branch"]


@pytest.mark.parametrize("cuda", [name for name in MATRIX if name[0] == "1" and name != "12.2"])
def test_the_pairs_that_nvidia_supports_are_not_doubted_and_the_others_are(cuda: str) -> None:
    libcuda = drivers.NATIVE[cuda]
    for branch, mark in zip(BRANCHES, MATRIX[cuda], strict=True):
        supported = drivers.compat_doubt(f"{branch}.10", libcuda, ["NVIDIA A100-SXM4-40GB"]) == ""

        assert supported == (mark == "C"), branch


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 4090", "NVIDIA TITAN V"])
def test_a_compatibility_package_is_for_no_consumer_gpu(name: str) -> None:
    assert (
        drivers.compat_doubt("535.104.05", "575.57.08", ["NVIDIA A10", name, "TITAN X"])
        == f"{name} is no data centre GPU"
    )


def test_pairs_that_nvidia_says_nothing_of_are_not_doubted() -> None:
    assert drivers.compat_doubt("540.4.0", "570.26") == ""  # Jetson has packages of its own
    assert drivers.compat_doubt("470.57.02", "525.60.13") == ""  # older than the table
    assert "535, 570" in drivers.compat_doubt("545.23.06", "580.65.06")
    assert "12.8" in drivers.compat_doubt("", "570.26")


@pytest.mark.parametrize(
    ("driver", "cuda"), [("575.57.08", "12.9"), ("570.26", "12.8"), ("615.1", "13.4"), ("440.1", ""), ("", "")]
)
def test_the_newest_cuda_that_a_driver_came_with(driver: str, cuda: str) -> None:
    assert drivers.cuda_of(driver) == cuda


@pytest.mark.parametrize(
    ("path", "beside", "version"),
    [
        ("/usr/local/cuda/compat/libcuda.so.575.57.08", (), "575.57.08"),
        ("/usr/lib/libcuda.so.580.65.06", ("libcuda.so.575.57.08",), "580.65.06"),
        ("/compat/libcuda.so.1", ("libcuda.so", "libnvidia-ptxjitcompiler.so.575.57.08"), "575.57.08"),
        ("/compat/libcuda.so.1", ("libcuda.so.575.57.08", "libnvidia-nvvm.so.580.65.06"), ""),
        ("/usr/lib/wsl/lib/libcuda.so.1", ("libcuda.so.1", "libcuda.so.1.1"), ""),
        ("/x/libcuda.so.1.1", (), ""),
        ("", (), ""),
    ],
)
def test_the_version_of_a_libcuda_is_that_of_its_file(path: str, beside: tuple[str, ...], version: str) -> None:
    assert drivers.libcuda_version(path, beside) == version
