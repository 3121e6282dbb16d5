"""Peaks against NVIDIA's data sheets (data/gpu_catalogue.json names the source of each)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ci_gpu.payload import peaks, probe
from ci_gpu.payload.checks import matmul
from ci_gpu.payload.wire import Gpu

GPUS = json.loads(Path(__file__).with_name("data").joinpath("gpu_catalogue.json").read_text())["gpus"]
SPECS = {"float32": ("fp32",), "float64": ("fp64_tensor", "fp64"), "tf32": ("tf32",)}
SPECS.update({"float16": ("fp16",), "bfloat16": ("bf16",)})
DERIVABLE = [gpu for gpu in GPUS if gpu["sms"] and gpu["boost_mhz"]]


@pytest.mark.parametrize("gpu", DERIVABLE, ids=lambda gpu: gpu["name"])
@pytest.mark.parametrize("dtype", SPECS)
def test_a_limit_is_above_the_data_sheet_and_near_it(gpu: dict[str, Any], dtype: str) -> None:
    spec = next((gpu["peak_dense_tflops"][key] for key in SPECS[dtype] if key in gpu["peak_dense_tflops"]), None)
    for name in gpu["nvml_name_examples"]:
        limit = peaks.tflops(gpu["cc"], gpu["sms"], gpu["boost_mhz"], dtype, name)
        if spec:
            assert limit is not None
            assert spec <= limit <= 1.35 * spec


@pytest.mark.parametrize(
    ("name", "capability", "multiprocessors", "mhz", "dtype", "spec"),
    [
        ("Tesla P100-SXM2-16GB", "6.0", 56, 1480, "float64", 5.3),
        ("Tesla P100-SXM2-16GB", "6.0", 56, 1480, "float32", 10.6),
        ("Tesla P100-SXM2-16GB", "6.0", 56, 1480, "float16", 21.2),
        ("Tesla P40", "6.1", 30, 1531, "float32", 11.76),
        ("NVIDIA GeForce GTX 1080 Ti", "6.1", 28, 1582, "float32", 11.34),
        ("Tesla M40", "5.2", 24, 1114, "float32", 6.8),
        ("Xavier", "7.2", 8, 1377, "float16", 11.0),
        ("Orin", "8.7", 16, 1300, "float32", 5.32),
        ("Orin", "8.7", 16, 1300, "float16", 42.5),
        ("NVIDIA Thor", "11.0", 20, 1575, "float32", 8.06),
        ("NVIDIA Thor", "11.0", 20, 1575, "bfloat16", 258),
        ("NVIDIA B300", "10.3", 148, 1920, "bfloat16", 2250),
        ("NVIDIA GB10", "12.1", 48, 2550, "bfloat16", 125),
        ("NVIDIA H20", "9.0", 78, 1980, "bfloat16", 148),
        ("NVIDIA H20", "9.0", 78, 1980, "float32", 44),
        ("NVIDIA H20", "9.0", 78, 1980, "float64", 1),
        ("NVIDIA H20", "9.0", 78, 1980, "tf32", 74),
        ("NVIDIA H20-3e", "9.0", 78, 1980, "float16", 148),
        ("NVIDIA H800", "9.0", 132, 1980, "bfloat16", 989.4),
        ("NVIDIA H200", "9.0", 132, 1980, "bfloat16", 989),
        ("NVIDIA A10G", "8.6", 80, 1710, "float16", 70),
        ("NVIDIA L40", "8.9", 142, 2490, "bfloat16", 181),
        ("NVIDIA L20", "8.9", 92, 2520, "bfloat16", 119.5),
        ("NVIDIA GeForce RTX 2080 Ti", "7.5", 68, 1545, "float16", 53.8),
        ("NVIDIA TITAN RTX", "7.5", 72, 1770, "float16", 130.5),
    ],
)
def test_limits_of_products_that_the_catalogue_lacks(
    name: str, capability: str, multiprocessors: int, mhz: int, dtype: str, spec: float
) -> None:
    limit = peaks.tflops(capability, multiprocessors, mhz, dtype, name)

    assert limit is not None
    assert spec <= limit <= 1.35 * spec


@pytest.mark.parametrize("capability", peaks.FLOP_PER_CLOCK_AND_SM)
@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 9999", "NVIDIA L40", "NVIDIA H20"])
def test_a_name_only_lowers_the_bound_and_an_unknown_one_lowers_nothing(capability: str, name: str) -> None:
    for dtype, rate in peaks.FLOP_PER_CLOCK_AND_SM[capability].items():
        lax = peaks.tflops(capability, 10, 1000, dtype)

        assert lax == pytest.approx(rate * 10 * 1e9 * 1.05 / 1e12)
        assert peaks.tflops(capability, 10, 1000, dtype, "A Card of 2031") == lax
        if (name, capability) == ("NVIDIA H20", "9.0"):
            continue  # its float32 is above its architecture's at the clock that is known
        assert name == "NVIDIA H20" or peaks.tflops(capability, 10, 1000, dtype, name) in (lax, lax / 2)


@pytest.mark.parametrize(
    ("capability", "multiprocessors", "mhz", "dtype", "name"),
    [
        ("99.0", 10, 1000, "float32", ""),
        ("99.0", 10, 1000, "float32", "NVIDIA H20"),
        ("99.0", 10, 1000, "float32", "NVIDIA GeForce"),
        ("9.0", 0, 1000, "float32", ""),
        ("9.0", 10, 0, "float32", ""),
        ("9.0", 10, 1000, "int4", ""),
        ("7.0", 10, 1000, "tf32", ""),
        ("11.0", 10, 1000, "float64", ""),
    ],
)
def test_where_something_is_not_known_there_is_no_limit(
    capability: str, multiprocessors: int, mhz: int, dtype: str, name: str
) -> None:
    assert peaks.tflops(capability, multiprocessors, mhz, dtype, name) is None


@pytest.mark.parametrize(
    "name", ["NVIDIA H200", "NVIDIA H20X", "NVIDIA L40S", "NVIDIA A10", "NVIDIA RTX 6000 Ada Generation"]
)
def test_a_name_that_begins_alike_is_another_product(name: str) -> None:
    assert peaks.tflops("9.0", 10, 1000, "float16", name) == peaks.tflops("9.0", 10, 1000, "float16")


def test_every_architecture_that_torch_builds_for_has_rates_of_each_type() -> None:
    """tf32 came with 8.0; Thor's data sheet gives no float64."""
    plain, tf32 = {"float32", "float64", "float16", "bfloat16"}, {"tf32"}

    assert " ".join(peaks.FLOP_PER_CLOCK_AND_SM) == (
        "5.0 5.2 5.3 6.0 6.1 6.2 7.0 7.2 7.5 8.0 8.6 8.7 8.9 9.0 10.0 10.3 11.0 12.0 12.1"
    )
    for capability, rates in peaks.FLOP_PER_CLOCK_AND_SM.items():
        expected = plain | (tf32 if float(capability) >= 8 else set())
        assert set(rates) == expected - ({"float64"} if capability == "11.0" else set()), capability


def test_a_multiprocessor_s_rates_are_powers_of_two() -> None:
    """So are those in the programming guide (arithmetic throughput); a product of its own may have less."""
    for rates in peaks.FLOP_PER_CLOCK_AND_SM.values():
        assert [rate for rate in rates.values() if rate.bit_count() != 1] == []
    for rates in peaks.BY_PRODUCT.values():
        assert [rate for rate in rates.values() if rate % 8] == []


@pytest.mark.parametrize("name", ["NVIDIA H800", "NVIDIA H800 PCIe"])
def test_an_h800_has_hardly_any_float64(name: str) -> None:
    """1 TFLOP/s by its data sheet; its architecture gives 67."""
    limit = peaks.tflops("9.0", 132, 1980, "float64", name)

    assert limit is not None
    assert 1 <= limit < 3


@pytest.mark.parametrize("name", ["CUBLAS_EMULATE_SINGLE_PRECISION", "CUBLAS_EMULATE_DOUBLE_PRECISION"])
@pytest.mark.parametrize(("value", "limited"), [("1", False), ("2", False), ("0", True), ("", True)])
def test_where_cublas_may_emulate_a_type_there_is_no_limit_and_the_reason_is_told(
    name: str, value: str, limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of cuBLAS's documentation (Floating point emulation), which torch.mm obeys."""
    emulated = "float32" if "SINGLE" in name else "float64"
    gpu = Gpu(0, "NVIDIA B200", capability="10.0", multiprocessors=148, max_sm_mhz=1965)
    free = matmul._limit(gpu, emulated)
    monkeypatch.setenv(name, value)

    assert free is not None
    assert matmul._limit(gpu, emulated) == (free if limited else None)
    assert matmul._limit(gpu, "float16") is not None
    assert [name in text and "guess" in text for text in peaks.doubts(emulated, os.environ)] == [True] * (not limited)
    assert probe._variables()[name] == value


@pytest.mark.parametrize(
    "name", ["CUBLAS_EMULATION_STRATEGY", "CUBLAS_FIXEDPOINT_EMULATION_MANTISSA_BIT_COUNT", "CUBLAS_FP32_EMULATED_X"]
)
def test_how_cublas_emulates_is_shown_among_the_variables(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "performant")

    assert probe._variables()[name] == "performant"
