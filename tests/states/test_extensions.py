"""A real extension, compiled by nvcc, in a real run of the local engine: red where it has nothing for the run's GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_gpu.model import Summary
from tests.nvcc import gencode, shared
from tests.payload.test_extensions import package
from tests.states.machine import H100, State, driver, examined

__all__ = ["driver"]

T4 = ("Tesla T4", "7.5")
CHECK = "compatibility.extensions"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "image" / "site-packages"
    folder.mkdir(parents=True)
    return folder


def run(
    site: Path, tmp_path: Path, driver: Path, patch: pytest.MonkeyPatch, gpus: tuple[tuple[str, str], ...], *built: str
) -> Summary:
    """A run on these GPUs, with an extension for these architectures beside what the tests themselves have."""
    path = shared(tmp_path / "k.so", *gencode(*built))
    package(site, "our-kernels", {"our_kernels/_C.so": path.read_bytes()}, "1.2")
    torch = {"archs": "sm_75 sm_80 sm_90", "gpus": list(gpus)}
    env = {"PYTHONPATH": f"{tmp_path / 'torch'}:{site}", "CI_GPU_GPUS": str(len(gpus))}
    state = State(code=0, party="", torch=torch, env=env, checks=(CHECK, "planted"))
    return examined(state, tmp_path, driver, patch)


def test_an_extension_for_another_gpu_is_red(
    site: Path, tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = run(site, tmp_path, driver, monkeypatch, (T4,), "sm_90")
    (reason,) = summary.verdict.reasons

    assert (summary.verdict.exit_code, reason.kind, reason.subject) == (1, "no-kernel-image", CHECK)
    assert reason.message == "our-kernels 1.2: our_kernels/_C.so has sm_90, and nothing for Tesla T4 (7.5)"
    assert "TORCH_CUDA_ARCH_LIST='7.5'" in reason.remedy


def test_each_gpu_of_the_run_is_judged(
    site: Path, tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = run(site, tmp_path, driver, monkeypatch, (H100, T4), "sm_90a")

    assert "nothing for Tesla T4 (7.5)" in summary.verdict.reasons[0].message


@pytest.mark.parametrize("built", ["sm_75", "compute_75"])
def test_the_same_extension_for_this_gpu_is_green(
    built: str, site: Path, tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = run(site, tmp_path, driver, monkeypatch, (T4,), built)
    result = next(result for result in summary.report.images[0].results if result.check == CHECK)

    assert (summary.verdict.exit_code, result.outcome) == (0, "passed"), summary.verdict.reasons
    assert {fact.name: fact.value for fact in result.facts}["our-kernels 1.2"] == built
    assert any("only PTX" in note for note in result.notes) == built.startswith("compute")
