"""The negative control: its PTX by NVIDIA's own assembler, its calls by a libcuda that checks every argument."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ci_gpu.payload import control
from ci_gpu.payload.wire import Skip
from tests.needs import program, unavailable

ARCHITECTURES = ("sm_50", "sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")

CALLS = """
from ci_gpu.payload import control
(metric,) = control.check_kernel("cuda")
print(metric.unit, metric.better, sorted(set(metric.samples)), len(metric.samples))
"""


@pytest.fixture(scope="module")
def ptxas() -> Path:
    found = importlib.util.find_spec("nvidia.cuda_nvcc") if importlib.util.find_spec("nvidia") else None
    if found is None:
        unavailable("ptxas is in the package nvidia-cuda-nvcc-cu12")
    path = Path(next(iter(found.submodule_search_locations)), "bin", "ptxas")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_ptx_is_assembled_for_every_architecture(ptxas: Path, architecture: str, tmp_path: Path) -> None:
    (tmp_path / "control.ptx").write_bytes(control.PTX)
    argv = [str(ptxas), f"-arch={architecture}", str(tmp_path / "control.ptx"), "-o", str(tmp_path / "control.cubin")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "control.cubin").read_bytes().startswith(b"\x7fELF")


def test_the_driver_is_called_with_what_it_expects(tmp_path: Path) -> None:
    stub = str(Path(__file__).with_name("cuda_stub.c"))
    argv = [program("cc"), "-shared", "-fPIC", "-o", str(tmp_path / "libcuda.so.1"), stub]
    subprocess.run(argv, check=True, capture_output=True)
    env = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CALLS], env=env, capture_output=True, text=True, check=False)

    assert done.stdout == "ms lower [3.0] 20\n", done.stderr


def test_on_the_cpu_the_host_runs_a_control_of_its_own() -> None:
    with pytest.raises(Skip, match="on the host"):
        list(control.check_kernel("cpu"))
