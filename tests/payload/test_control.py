"""The negative control: its PTX by NVIDIA's own assembler, its calls by a libcuda that checks every argument."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import sass
from ci_gpu import plan
from ci_gpu.payload import control
from ci_gpu.payload.wire import Skip
from tests.needs import program, unavailable

ARCHITECTURES = ("sm_50", "sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")

CALLS = """
from ci_gpu.payload import control
code, *notes, metric = control.check_kernel("cuda")
print(metric.unit, metric.better, sorted(set(metric.samples)), len(metric.samples), code.value, len(notes))
"""

FILE = json.loads(Path(control.__file__).with_name(control.SASS).read_text("ascii"))


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


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({}, "sm_90 0"),
        ({"STUB_CAPABILITY": "120"}, "sm_120 0"),
        ({"CUDA_FORCE_PTX_JIT": "1"}, "sm_90 0"),
        ({"STUB_CAPABILITY": "130"}, "PTX 1"),
        ({"STUB_OLD": "1"}, "PTX 1"),
    ],
    ids=["Hopper", "Blackwell", "an image that wants PTX compiled", "a GPU of the future", "a libcuda that refuses it"],
)
def test_the_driver_is_called_with_what_it_expects(variables: dict[str, str], code: str, tmp_path: Path) -> None:
    """As machine code wherever there is some, so that no compiler of the image's has a part in it."""
    stub = str(Path(__file__).with_name("cuda_stub.c"))
    argv = [program("cc"), "-shared", "-fPIC", "-o", str(tmp_path / "libcuda.so.1"), stub]
    subprocess.run(argv, check=True, capture_output=True)
    env = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), **variables}
    done = subprocess.run([sys.executable, "-c", CALLS], env=env, capture_output=True, text=True, check=False)

    assert done.stdout == f"ms lower [3.0] 20 {code}\n", done.stderr


def test_the_machine_code_is_of_this_ptx() -> None:
    """After a change of the PTX: `make control`."""
    assert FILE["ptx"] == hashlib.sha256(control.PTX).hexdigest()


@pytest.mark.parametrize("architecture", sorted(name for names in sass.ASSEMBLERS.values() for name in names))
def test_there_is_machine_code_of_every_architecture_with_both_kernels(architecture: str) -> None:
    cubin = control.machine_code(f"sm_{architecture}")
    abi, machine, flags = cubin[8], *struct.unpack_from("<H", cubin, 18), *struct.unpack_from("<I", cubin, 48)

    assert cubin.startswith(b"\x7fELF\x02\x01")
    assert machine == 190  # EM_CUDA
    assert (flags if abi < 8 else flags >> 8) & 0xFF == int(architecture)
    assert {name for name, binding, kind in symbols(cubin) if (binding, kind) == (1, 2)} == {"copy", "multiply_add"}


def symbols(elf: bytes) -> Iterator[tuple[str, int, int]]:
    """Name, binding and type of each symbol of a 64-bit ELF file."""
    start, size, count = (*struct.unpack_from("<Q", elf, 40), *struct.unpack_from("<HH", elf, 58))
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, start + size * index) for index in range(count)]
    for _, kind, _, _, offset, length, link, *_ in sections:
        for at in range(offset, offset + length, 24) if kind == 2 else ():  # SHT_SYMTAB
            name, info = struct.unpack_from("<IB", elf, at)
            text = sections[link][4] + name
            yield elf[text : elf.index(b"\0", text)].decode(), info >> 4, info & 15


@pytest.mark.parametrize("architecture", sass.CUDA_12)
def test_the_machine_code_is_what_the_assembler_makes(ptxas: Path, architecture: str, tmp_path: Path) -> None:
    """Of the one assembler that is installed with the tests; `python benchmarks/sass.py --check` asks all three."""
    assert control.machine_code(f"sm_{architecture}") == sass.assembled(ptxas, f"sm_{architecture}", tmp_path)


def test_it_travels_into_the_image_and_is_small() -> None:
    with zipfile.ZipFile(io.BytesIO(plan.archive({}))) as archive:
        assert archive.getinfo(f"ci_gpu/payload/{control.SASS}").compress_size < 50_000


def test_on_the_cpu_the_host_runs_a_control_of_its_own() -> None:
    with pytest.raises(Skip, match="on the host"):
        list(control.check_kernel("cpu"))
