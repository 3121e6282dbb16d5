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
