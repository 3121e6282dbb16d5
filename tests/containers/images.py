"""Real images to be tested on, built once and kept in podman's storage.

    python -m tests.containers.images torch    # prints the name of the image

`base` is Debian 12 with its Python 3.11. The others add one layer each. The cache folder is $CI_GPU_TEST_CACHE, by
default ~/.cache/ci-gpu-tests. Change `VERSION` when a recipe changes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import program, unavailable

VERSION = "3"
CACHE = Path(os.environ.get("CI_GPU_TEST_CACHE") or Path.home() / ".cache/ci-gpu-tests")
TORCH = "torch==2.13.0"

LOUD = """#!/bin/sh
printf '::error::smuggled by the entrypoint\\n##[error]smuggled too\\n::set-output name=conclusion::success\\n'
printf '::add-mask::a\\n{"event": "bye", "checks": 0}\\n'
printf '\\377\\376\\033[31mhalf a line {"event": '
exec "$@"
"""

LIAR = """#!/bin/sh
echo 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]' >&2
echo 'Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all' >&2
exit "$LIE"
"""
"""An entrypoint that ends as an engine does that hands over no GPUs."""

FORKER = """#!/bin/sh
setsid sh -c 'while :; do sleep 1000; done' &
exec "$@"
"""


ILLEGAL = """\
import ctypes, mmap, os
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write({"x86_64": b"\\x0f\\x0b"}.get(os.uname().machine, bytes(4)))
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""
"""ud2, or udf: an instruction that no processor has. A signal that it only sends itself is lost on process 1."""


def configuration() -> dict[str, str]:
    """The environment under which podman works on small machines: runc, and limits that are allowed everywhere."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / "containers.conf"
    limits = 'default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]'
    path.write_text(f'[engine]\nruntime = "runc"\n[containers]\n{limits}\n')
    return {"CONTAINERS_CONF": str(path)}


def image(name: str) -> str:
    """The full name of an image, built if it is not there yet."""
    full = f"localhost/ci-gpu-test/{name}:{VERSION}"
    program("podman")
    with _alone():
        if _podman("image", "exists", full, check=False).returncode != 0:
            RECIPES[name](full)
    return full


def _base(full: str) -> None:
    """Debian 12, minimal, with its Python."""
    program("debootstrap")
    with tempfile.TemporaryDirectory() as folder:
        include = "python3-minimal,libpython3-stdlib,libgomp1"
        _run("debootstrap", "--variant=minbase", f"--include={include}", "bookworm", f"{folder}/root")
        shutil.rmtree(f"{folder}/root/var/cache/apt", ignore_errors=True)
        _run("tar", "-C", f"{folder}/root", "-cf", f"{folder}/root.tar", ".")
        _podman("import", "--change", 'CMD ["/bin/bash"]', f"{folder}/root.tar", full)


def _torch(full: str) -> None:
    """The base with torch; only the CPU build is at hand where no index has another."""
    with tempfile.TemporaryDirectory() as folder:
        _python311("-m", "pip", "install", "-q", "--target", f"{folder}/site", TORCH)
        shutil.rmtree(f"{folder}/site/torch/test", ignore_errors=True)
        _build(full, folder, f"FROM {_name('base')}\nCOPY site /opt/site\nENV PYTHONPATH=/opt/site\n")


def _no_torch(full: str) -> None:
    """A Python without torch."""
    with tempfile.TemporaryDirectory() as folder:
        _build(full, folder, f"FROM {_name('base')}\nENV NO_TORCH=1\n")


def _no_python(full: str) -> None:
    """A shell and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        for program in ("/bin/true", "/bin/sleep"):
            shutil.copy(program, folder)
        _build(full, folder, "FROM scratch\nCOPY true sleep /bin/\n")


def _python38(full: str) -> None:
    """pyenv's Python 3.8, relocated, with the oldest torch that ci-gpu supports: the CUDA 11.7 build of 1.13.1."""
    home = _pyenv("3.8")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(home, f"{folder}/python", symlinks=True, ignore=shutil.ignore_patterns("test", "__pycache__"))
        _run(str(home / "bin/python3.8"), "-m", "pip", "install", "-q", "--target", f"{folder}/site", "torch==1.13.1")
        lines = (
            f"FROM {_name('base')}",
            f"COPY python {home}",  # its own libraries are looked for at the path that it was built for
            "COPY site /opt/site38",
            f"ENV PATH={home}/bin:/usr/bin:/bin PYTHONPATH=/opt/site38",
        )
        _build(full, folder, "\n".join(lines) + "\n")


def _python37(full: str) -> None:
    """pyenv's Python 3.7, which is too old."""
    home = _pyenv("3.7")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(home, f"{folder}/python", symlinks=True, ignore=shutil.ignore_patterns("test", "__pycache__"))
        lines = (f"FROM {_name('base')}", f"COPY python {home}", f"ENV PATH={home}/bin:/usr/bin:/bin")
        _build(full, folder, "\n".join(lines) + "\n")


def _with_entrypoint(script: str, base: str = "torch", *, mode: int = 0o755) -> Callable[[str], None]:
    def build(full: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "entrypoint.sh")
            path.write_text(script)
            path.chmod(mode)
            _build(full, folder, f'FROM {_name(base)}\nCOPY entrypoint.sh /\nENTRYPOINT ["/entrypoint.sh"]\n')

    return build


def _with_torch(source: str) -> Callable[[str], None]:
    """The base with this in the place of torch."""

    def build(full: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "torch.py").write_text(source)
            _build(full, folder, f"FROM {_name('base')}\nCOPY torch.py /opt/site/\nENV PYTHONPATH=/opt/site\n")

    return build


def _with_variables(**variables: str) -> Callable[[str], None]:
    """The torch image, and what is said in its environment."""

    def build(full: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            words = " ".join(f"{name}={value}" for name, value in variables.items())
            _build(full, folder, f"FROM {_name('torch')}\nENV {words}\n")

    return build


def _foreign(full: str) -> None:
    """An image that claims to be for another processor."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy("/bin/true", folder)
        _build(full, folder, "FROM scratch\nCOPY true /bin/\n", "--platform", "linux/s390x")


def _misbuilt(full: str) -> None:
    """An image that says it is for this processor, with programs that are not."""
    with tempfile.TemporaryDirectory() as folder:
        program = bytearray(Path("/bin/true").read_bytes())
        program[18:20] = (22).to_bytes(2, sys.byteorder)  # e_machine, as of s390
        for name in ("sh", "serve"):
            Path(folder, name).write_bytes(program)
            Path(folder, name).chmod(0o755)
        _build(full, folder, 'FROM scratch\nCOPY sh serve /bin/\nENTRYPOINT ["/bin/serve"]\n')


RECIPES: dict[str, Callable[[str], None]] = {
    "base": _base,
    "torch": _torch,
    "no-torch": _no_torch,
    "no-python": _no_python,
    "python38": _python38,
    "python37": _python37,
    "loud": _with_entrypoint(LOUD),
    "forker": _with_entrypoint(FORKER),
    "stubborn": _with_entrypoint("#!/bin/sh\necho 'usage: serve [--port N]' >&2\nexit 2\n"),
    **{f"liar{code}": _with_entrypoint(LIAR.replace("$LIE", code), "base") for code in ("1", "125", "126", "127")},
    "misbuilt": _misbuilt,
    "no-permission": _with_entrypoint("#!/bin/true\n", "no-python", mode=0o644),
    "foreign": _foreign,
    "steady": _with_variables(RATE="100"),
    "slower": _with_variables(RATE="90", OMP_NUM_THREADS="1"),
    "waiting": _with_torch("import sys\nsys.stderr.write('the import waits\\n')\nsys.stdin.buffer.read()\n"),
    "hungry": _with_torch("taken = b'x' * (1 << 30)\n"),
    "illegal": _with_torch(ILLEGAL),
}


def _name(name: str) -> str:
    """The name of an image that another recipe builds on. The lock is held already."""
    full = f"localhost/ci-gpu-test/{name}:{VERSION}"
    if _podman("image", "exists", full, check=False).returncode != 0:
        RECIPES[name](full)
    return full


def _build(full: str, folder: str, containerfile: str, *options: str) -> None:
    Path(folder, "Containerfile").write_text(containerfile)
    _podman("build", "-q", "-t", full, *options, "-f", f"{folder}/Containerfile", folder)


def _pyenv(version: str) -> Path:
    """An old Python that pyenv has built; no distribution offers it any more."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(root.glob(f"versions/{version}.*"))
    return found[-1] if found else unavailable(f"pyenv has no Python {version}: pyenv install {version}")


def _python311(*arguments: str) -> None:
    """The base image has Debian's Python 3.11: what goes into it must be for that one."""
    if sys.version_info[:2] == (3, 11):
        _run(sys.executable, *arguments)
        return
    _run(shutil.which("python3.11") or str(_pyenv("3.11") / "bin/python3.11"), *arguments)


def _podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return _run("podman", *arguments, check=check)


def _run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **configuration()}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv[:6])} … ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


@contextmanager
def _alone() -> Iterator[None]:
    """Two builders at once would do everything twice, and run into each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    for wanted in sys.argv[1:] or RECIPES:
        print(image(wanted))
