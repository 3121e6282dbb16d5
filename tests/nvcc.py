"""NVIDIA's compiler, of the package nvidia-cuda-nvcc: it needs no GPU."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from tests.needs import module

KERNEL = """
__global__ void twice(int *data) { data[threadIdx.x] *= 2; }
extern "C" void launch(int *data) { twice<<<1, 32>>>(data); }
"""


@functools.cache
def toolkit() -> Path:
    """The folder that the packages of CUDA 13 share."""
    found = Path(next(iter(module("nvidia.cu13", "nvidia-cuda-nvcc").__path__)))
    if not (found / "bin" / "nvcc").exists():
        module("nvcc", "nvidia-cuda-nvcc")
    return found


def shared(path: Path, *options: str, source: str = KERNEL) -> Path:
    """A shared object with the code for these ``-gencode``, linked as an extension is: to libcudart."""
    library = next((toolkit() / "lib").glob("libcudart.so.*"))
    link = ("-cudart", "none", "-L", str(library.parent), "-Xlinker", f"-l:{library.name}")
    return made(path, "-shared", "-Xcompiler", "-fPIC", *link, *options, source=source)


def made(path: Path, *options: str, source: str = KERNEL) -> Path:
    """What nvcc makes of the source with these options."""
    text = path.with_suffix(".cu")
    text.write_text(source)
    return run(path, *options, str(text))


def run(path: Path, *arguments: str) -> Path:
    """nvcc with these arguments, for one file."""
    done = subprocess.run(
        [str(toolkit() / "bin" / "nvcc"), *arguments, "-o", str(path)],
        check=False,
        capture_output=True,
        text=True,
        cwd=path.parent,
    )
    assert done.returncode == 0, done.stderr
    return path


def gencode(*architectures: str) -> tuple[str, ...]:
    """``sm_100f`` as machine code, ``compute_90`` as PTX, ``lto_90`` for a later link."""
    numbers = [name.partition("_")[2] for name in architectures]
    pairs = zip(architectures, numbers, strict=True)
    return tuple(word for name, number in pairs for word in ("-gencode", f"arch=compute_{number},code={name}"))
