"""The machine code of the negative control, made anew from its PTX: ``make control``; ``--check`` only compares.

Each architecture by the oldest assembler that knows it well, because a driver loads machine code of its own CUDA and of
older ones: what the assembler of CUDA 13 makes has another ELF ABI (8 instead of 7), which older drivers do not know.
Source: https://github.com/sync-dev-org/tensoracle/releases/tag/v1.2.0
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ci_gpu.payload import control

FILE = Path(control.__file__).with_name(control.SASS)

CUDA_11 = ("50", "52", "60", "61", "70", "72", "75", "80", "86", "87", "89", "90")
CUDA_12 = ("100", "101", "103", "120", "121")  # 101 is Thor under CUDA 12, which CUDA 13 calls 110
CUDA_13 = ("110",)

ASSEMBLERS = {
    "nvidia-cuda-nvcc-cu11==11.8.89": CUDA_11,
    "nvidia-cuda-nvcc-cu12==12.9.86": CUDA_12,
    "nvidia-cuda-nvcc==13.0.88": CUDA_13,
}


def main() -> int:
    """Install the assemblers beside one another, for they share a path, and let each make its part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file would change")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        made = document(dict(_made(Path(folder))))
    if check:
        return int(made != FILE.read_text("ascii"))
    FILE.write_text(made, "ascii")
    return 0


def document(cubins: dict[str, bytes]) -> str:
    """The file, from architecture to machine code."""
    packed = {name: base64.b64encode(zlib.compress(cubin, 9)).decode() for name, cubin in cubins.items()}
    return json.dumps({"ptx": hashlib.sha256(control.PTX).hexdigest(), "cubins": packed}, indent=1) + "\n"


def assembled(ptxas: Path, architecture: str, folder: Path) -> bytes:
    """The control's kernels as machine code of one architecture."""
    (folder / "control.ptx").write_bytes(control.PTX)
    argv = [ptxas, f"-arch={architecture}", "control.ptx", "-o", "control.cubin"]
    subprocess.run(argv, check=True, cwd=folder)
    return (folder / "control.cubin").read_bytes()


def _made(folder: Path) -> Iterator[tuple[str, bytes]]:
    for package, architectures in ASSEMBLERS.items():
        target = folder / package
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--target", target, package], check=True)
        ptxas = next(path for path in target.rglob("bin/ptxas"))
        ptxas.chmod(0o755)
        yield from ((f"sm_{number}", assembled(ptxas, f"sm_{number}", folder)) for number in architectures)


if __name__ == "__main__":
    sys.exit(main())
