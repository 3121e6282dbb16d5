"""Our list of the GPU code in the shared objects of real wheels, beside cuobjdump's.

    python benchmarks/fatbins.py [WHEEL …] [--output benchmarks/results/fatbins.json]

Each wheel (a requirement such as ``torch==2.9.1``; without any, `WHEELS`) is downloaded without its dependencies into a
temporary folder, looked at and deleted. Of each shared object with GPU code the record has how many entries there are
of each architecture, whether cuobjdump lists the same, and what reading took, in a process of its own: seconds of the
processor, and the most memory of that process, interpreter included. An object that only one of both finds code in is a
difference, too. Exit code: 0 all are the same, 1 some are not.

cuobjdump of CUDA 13 ends with an error at code for GPUs that CUDA 13 has dropped, and at some that nvcc 12.1 made. Such
an object is asked of the cuobjdump of CUDA 12.4, which the wheel of triton 3.1.0 carries. Its ``--list-elf`` gives five
entries of cuBLAS 11 a suffix that neither their headers nor its full dump have, and that no such GPU has (sm_50a).
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ci_gpu.payload import fatbin

ROOT = Path(__file__).resolve().parents[1]
WHEELS = (
    "torch==1.13.1",
    "torch==2.9.1",
    "torch==2.14.1",
    "torchaudio==2.11.0",
    "torchvision==0.29.1",
    "xformers==0.0.27",
    "xformers==0.0.35",
    "bitsandbytes==0.50.2",
    "triton==3.9.0",
    "vllm-flash-attn==2.6.2",
    "cupy-cuda12x==14.2.0",
    "nvidia-cublas-cu11==11.11.3.6",
    "nvidia-cublas==13.10.0.20",
    "nvidia-cudnn-cu13==9.28.1.4",
    "nvidia-cusparselt-cu13==0.10.0",
    "nvidia-nccl-cu13==2.32.3",
    "nvidia-nvshmem-cu13==3.8.0",
)
KINDS = {"elf": fatbin.SASS, "ptx": fatbin.PTX, "nvvm": fatbin.LTO}
PREFIXES = {"elf": "sm_", "ptx": "compute_", "nvvm": "lto_"}

MEASURED = """
import json, resource, sys, time
from ci_gpu.payload import fatbin
started = time.process_time()
found = fatbin.read(sys.argv[1])
seconds = time.process_time() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        kept = options.wheels_in or Path(folder)
        programs = (cuobjdump(), _older(kept, Path(folder)))
        wheels = [_of_wheel(wheel, kept, programs, bool(options.wheels_in)) for wheel in options.wheels or WHEELS]
    told = [(wheel["wheel"], one) for wheel in wheels for one in wheel["objects"]]
    for wheel, one in told:
        print(wheel, one["object"], one["entries"], one["cuobjdump"])
    if options.output:
        options.output.write_text(json.dumps({"environment": _environment(), "wheels": wheels}, indent=1) + "\n")
    return int(not all(one["cuobjdump"].startswith("the same") for _, one in told))


def compared(path: Path, *programs: str) -> dict[str, Any]:
    """What we and the first cuobjdump that reads the object to its end find in it."""
    ours = fatbin.read(str(path))
    for program in programs:
        theirs, stopped = told(program, path)
        if not stopped:
            break
    return {
        "bytes": path.stat().st_size,
        "entries": len(ours.code),
        "architectures": dict(sorted(Counter(code.arch for code in ours.code).items())),
        "compressions": dict(sorted(Counter(code.compression or "none" for code in ours.code).items())),
        "relocatable": sum(code.relocatable for code in ours.code),
        **({"error": ours.error} if ours.error else {}),
        "cuobjdump": f"stops: {stopped}" if stopped else _verdict(ours, theirs, listed(program, path)),
        "of": version(program),
    }


def told(program: str, path: Path) -> tuple[list[tuple[str, str, bool]], str]:
    """Kind, architecture and whether it is compressed, of each entry that cuobjdump tells; and why it told no more."""
    done = subprocess.run([program, "-all", str(path)], capture_output=True, text=True, check=False)
    blocks = re.split(r"^Fatbin (\w+) code:\n=+\n", done.stdout, flags=re.MULTILINE)[1:]
    found = []
    for kind, block in zip(blocks[::2], blocks[1::2], strict=True):
        number = re.search(r"^arch = sm_(\w+)$", block, re.MULTILINE)
        assert number, block
        name = PREFIXES.get(kind, f"{kind}_") + number.group(1)
        found.append((KINDS.get(kind, kind), name, bool(re.search(r"^compressed$", block, re.MULTILINE))))
    return found, done.stderr.strip().partition(" in '")[0] if "fatal" in done.stderr else ""


def listed(program: str, path: Path) -> list[str]:
    """What ``--list-elf`` and ``--list-ptx`` list. The suffix ``f`` of machine code is not in their names."""
    names = []
    for option, prefix in (("--list-elf", "sm_"), ("--list-ptx", "compute_")):
        done = subprocess.run([program, "-all", option, str(path)], capture_output=True, text=True, check=False)
        names += [prefix + name for name in re.findall(r"\.sm_(\d+[af]?)\.(?:cubin|ptx)$", done.stdout, re.MULTILINE)]
    return sorted(names)


def _verdict(ours: fatbin.Carried, theirs: list[tuple[str, str, bool]], names: list[str]) -> str:
    mine = [(code.kind, code.arch, bool(code.compression)) for code in ours.code]
    if Counter(theirs) != Counter(mine):
        more, less = Counter(mine) - Counter(theirs), Counter(theirs) - Counter(mine)
        return f"differs: only ours {dict(more)}, only its {dict(less)}"
    of_code = [code.arch.rstrip("f") if code.kind == fatbin.SASS else code.arch for code in ours.code]
    otherwise = Counter(names) - Counter(name for name in of_code if not name.startswith("lto_"))
    return f"the same, but by --list-elf or --list-ptx {dict(otherwise)}" if otherwise else "the same"


def _of_wheel(requirement: str, kept: Path, programs: tuple[str, ...], keep: bool) -> dict[str, Any]:
    wheel = _downloaded(requirement, kept)
    with tempfile.TemporaryDirectory() as folder:
        found = _objects(wheel, Path(folder))
        every = [{"object": name, **compared(path, *programs), **_cost(path)} for name, path in found]
    if not keep:
        wheel.unlink()
    with_code = [one for one in every if one["entries"] or one["cuobjdump"] != "the same" or "error" in one]
    return {"wheel": wheel.name, "without_code": len(every) - len(with_code), "objects": with_code}


def _downloaded(requirement: str, folder: Path) -> Path:
    name, _, version = requirement.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}*.whl"
    if not list(folder.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--only-binary", ":all:", "--dest", str(folder), requirement], check=True)
    return next(folder.glob(pattern))


def _objects(wheel: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """One after another: unpacked, yielded and deleted."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if re.search(r"\.so(\.\d+)*$", name):
                path = Path(archive.extract(name, folder))
                yield name, path
                path.unlink()


def _cost(path: Path) -> dict[str, Any]:
    argv = [sys.executable, "-c", MEASURED, str(path)]
    seconds, memory = json.loads(subprocess.run(argv, check=True, capture_output=True, cwd=ROOT).stdout)
    return {"seconds": round(seconds, 4), "peak_mib": memory // 1024}


def cuobjdump() -> str:
    """Of the package nvidia-cuda-cuobjdump, which has no entry point."""
    import nvidia.cu13

    path = Path(next(iter(nvidia.cu13.__path__)), "bin", "cuobjdump")
    path.chmod(0o755)
    return str(path)


def _older(kept: Path, folder: Path) -> str:
    with zipfile.ZipFile(_downloaded("triton==3.1.0", kept)) as archive:
        path = Path(archive.extract("triton/backends/nvidia/bin/cuobjdump", folder))
    path.chmod(0o755)
    return str(path)


def version(program: str) -> str:
    """``13.5.37``, or what else it says of itself."""
    done = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    number = re.search(r"\bV([\d.]+)$", done.stdout, re.MULTILINE)
    return number.group(1) if number else done.stdout.strip()


def _environment() -> dict[str, str]:
    return {"python": platform.python_version(), "system": platform.platform(), "machine": platform.machine()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheels", nargs="*", metavar="WHEEL")
    parser.add_argument(
        "--wheels-in", type=Path, help="a folder where wheels lie already; what is not there is put there"
    )
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
