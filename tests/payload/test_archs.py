"""Which build runs on which GPU: the rules one by one, and the builds that there were (data/torch_arch_table.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ci_gpu.payload.archs import coverage

TABLE = json.loads(Path(__file__).with_name("data").joinpath("torch_arch_table.json").read_text())


@pytest.mark.parametrize(
    ("capability", "archs", "state"),
    [
        ("8.6", "sm_80", "sass"),  # a newer minor of the same major
        ("8.0", "sm_86", "none"),  # not an older one
        ("9.0", "sm_80", "none"),  # never another major
        ("9.0", "sm_90a", "sass"),
        ("9.0", "sm_100a", "none"),
        ("10.3", "sm_100", "sass"),
        ("10.3", "sm_100a", "none"),  # `a` is for exactly its own
        ("10.3", "sm_100f", "sass"),  # `f` is for its family
        ("12.0", "sm_90 compute_90", "ptx"),
        ("8.0", "compute_90", "none"),  # PTX only forwards
        ("12.0", "compute_90a", "none"),
        ("11.0", "sm_70 sm_120", "none"),  # in the range, and not covered
        ("12.0", "sm_120", "sass"),
        ("7.2", "sm_70", "none"),  # Jetson
        ("8.7", "sm_80 sm_87", "sass"),
        ("5.2", "", "none"),
        ("8.9", "sm_87", "none"),  # nor does Jetson's code run on others
        ("7.5", "sm_72", "none"),
        ("6.2", "sm_61", "none"),
        ("5.3", "sm_50", "none"),
        ("8.7", "sm_80 compute_80", "ptx"),
        ("10.1", "sm_110", "sass"),  # Thor, before and after it was renamed
        ("11.0", "sm_101", "sass"),
        ("11.0", "sm_101a", "sass"),
        ("10.1", "sm_100 sm_100f", "none"),
        ("12.1", "sm_120f", "sass"),
        ("12.0", "sm_121f", "none"),
        ("9.0", "compute_90a", "ptx"),
        ("9.0", "compute_90", "ptx"),
        ("8.9", "sm_89a", "sass"),
        ("8.9", "sm_86a", "none"),
        ("10.3", "compute_100a", "none"),
        ("10.3", "compute_100f", "ptx"),
        ("12.0", "compute_100f", "none"),
        ("3.7", "sm_37", "sass"),
        ("9.0", "rubbish sm_ compute_x", "none"),
    ],
)
def test_rule(capability: str, archs: str, state: str) -> None:
    assert coverage(capability, archs.split()) == state


@pytest.mark.parametrize("build", TABLE["builds"], ids=lambda build: f"{build['torch']}+{build['cuda']}")
def test_a_build_runs_on_each_architecture_that_it_was_built_for(build: dict[str, Any]) -> None:
    for name in build["sass"]:
        number = name.removeprefix("sm_")
        assert coverage(f"{number[:-1]}.{number[-1]}", build["sass"]) == "sass"


@pytest.mark.parametrize(
    ("torch", "cuda", "capability", "state"),
    [
        ("1.13", "11.7", "9.0", "none"),  # an H100 with the article's 1.13.1
        ("2.0", "11.8", "9.0", "sass"),
        ("2.9", "12.8", "8.6", "sass"),  # its RTX 3090 with its v2.9
        ("2.9", "12.8", "6.1", "none"),
        ("2.9", "13.0", "7.0", "none"),  # Volta is gone in CUDA 13
        ("2.6", "12.6", "12.0", "none"),  # an RTX 5090 needs 2.7 for 12.8
    ],
)
def test_builds_that_people_ask_about(torch: str, cuda: str, capability: str, state: str) -> None:
    build = next(each for each in TABLE["builds"] if (each["torch"], each["cuda"]) == (torch, cuda))

    assert coverage(capability, [*build["sass"], *build.get("ptx", ())]) == state


SINGLE = {53: [53], 62: [62], 72: [72], 87: [87], 101: [101, 110], 110: [101, 110]}
EXCLUDED = {50: 53, 52: 53, 60: 62, 61: 62, 70: 72, 80: 87, 86: 87, 100: 101}
FROM_MINOR = (50, 52, 60, 61, 70, 75, 80, 86, 89, 90, 100, 103, 120, 121)
DEVICES = (37, 50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 88, 89, 90, 100, 101, 103, 110, 120, 121)
"""DEVICE_REQUIREMENT of torch/cuda/__init__.py in the wheel of torch 2.14.1, as data."""


def runs(code: int, device: int, cuda: tuple[int, int]) -> bool:
    """The same rule as that table has it: which devices code for this architecture runs on."""
    if code in SINGLE:
        return device in SINGLE[code]
    excluded = EXCLUDED.get(code) if cuda < (13, 2) or code not in (70, 80, 86) else None
    return device // 10 == code // 10 and device >= code and device != excluded


@pytest.mark.parametrize("cuda", ["", "12.8", "13.1", "13.2", "13.4", "14.0"])
@pytest.mark.parametrize("device", DEVICES)
def test_each_pair_is_as_torch_s_own_table_has_it(device: int, cuda: str) -> None:
    version = tuple(int(part) for part in (cuda or "0.0").split("."))
    for code in (*SINGLE, *FROM_MINOR):
        expected = "sass" if runs(code, device, version) else "none"

        assert coverage(f"{device // 10}.{device % 10}", [f"sm_{code}"], cuda) == expected, (code, device, cuda)


@pytest.mark.parametrize("build", TABLE["builds"], ids=lambda build: f"{build['torch']}+{build['cuda']}")
def test_each_device_of_each_build_is_as_torch_s_own_table_has_it(build: dict[str, Any]) -> None:
    version = tuple(int(part) for part in build["cuda"].split("."))
    codes = [int(name.removeprefix("sm_")) for name in build["sass"]]
    for device in DEVICES:
        expected = any(runs(code, device, version) for code in codes)

        assert (coverage(f"{device // 10}.{device % 10}", build["sass"], build["cuda"]) == "sass") == expected, device
