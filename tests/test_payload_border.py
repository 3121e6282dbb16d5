"""The payload can be lifted out and carried away: the standard library alone, down to a real Python 3.8."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci_gpu import plan
from ci_gpu.catalogue import CheckInfo
from tests.needs import program, unavailable

IMPORT_ALL = """
import json, os, sys
HOME = os.path.dirname(os.__file__)  # an older Python has modules that this one has lost, such as _bootlocale
sys.path[:] = [sys.argv[1]] + [entry for entry in sys.path if "site-packages" not in entry]
before = set(sys.modules)
import importlib, pkgutil
import ci_gpu.payload, ci_gpu.payload.checks
for package in (ci_gpu.payload, ci_gpu.payload.checks):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(package.__name__ + "." + module.name)
foreign = [
    name for name in set(sys.modules) - before
    if not name.startswith(("ci_gpu.payload", "ci_gpu")) and name.partition(".")[0] not in STDLIB
    and os.path.dirname(getattr(sys.modules[name], "__file__", None) or "") != HOME
]
host = [name for name in sys.modules if name.startswith("ci_gpu.") and not name.startswith("ci_gpu.payload")]
print(json.dumps([sorted(foreign), sorted(host), len([n for n in sys.modules if n.startswith("ci_gpu.payload")])]))
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "payload.zip"
    path.write_bytes(plan.archive({}))
    return path


def old_python() -> str:
    """A real Python 3.8, wherever this machine keeps one."""
    candidates = [os.environ.get("CI_GPU_PYTHON38", ""), shutil.which("python3.8") or ""]
    candidates += map(str, sorted(Path.home().glob(".pyenv/versions/3.8*/bin/python3.8")))
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return unavailable("there is no Python 3.8 (set CI_GPU_PYTHON38)")


@pytest.mark.parametrize("which", ["this", "3.8"])
def test_every_module_of_it_imports_from_the_zip_with_the_standard_library_alone(archive: Path, which: str) -> None:
    python = sys.executable if which == "this" else old_python()
    code = f"STDLIB = {sorted(sys.stdlib_module_names)!r}\n{IMPORT_ALL}"
    done = subprocess.run([python, "-I", "-S", "-c", code, str(archive)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    foreign, host, modules = json.loads(done.stdout)
    assert foreign == []
    assert host == []
    assert modules > 8


def test_it_uses_nothing_that_came_after_python_3_8() -> None:
    vermin = program("vermin")
    folder = Path(plan.__file__).with_name("payload")
    done = subprocess.run(
        [vermin, "--no-tips", "-t=3.8-", "--violations", str(folder)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


def old_pythons() -> list[str]:
    return sorted(str(path) for path in Path.home().glob(".pyenv/versions/*/bin/python") if path.exists())


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_a_python_that_is_too_old_says_so_in_an_event(version: str) -> None:
    found = [path for path in old_pythons() if f"/versions/{version}" in path]
    python = found[0] if found else unavailable(f"there is no Python {version} here")
    checks = (CheckInfo(family="a", name="b", proves="", needs_gpu=False, timeout=None),)
    guest = plan.guest(checks, device="cpu", timeout=1, python=python, user_sources={})
    done = subprocess.run(guest.command, input=guest.stdin, capture_output=True, check=False)
    event = json.loads(done.stdout.decode().strip().removeprefix(guest.nonce))

    assert done.returncode == 79
    assert event == {"event": "unusable", "reason": "python-too-old", "message": f"the image's Python is {version}"}


def test_where_nothing_can_be_written_it_says_so_in_an_event() -> None:
    checks = (CheckInfo(family="a", name="b", proves="", needs_gpu=False, timeout=None),)
    guest = plan.guest(checks, device="cpu", timeout=1, python=sys.executable, user_sources={})
    nowhere = "import tempfile, sys\ndef none(**_): raise OSError\ntempfile.mkdtemp = none\nsys.argv.pop(1)\n"
    command = (sys.executable, "-c", f"{nowhere}exec({plan.BOOT!r})", "x", guest.nonce)
    done = subprocess.run(command, input=guest.stdin, capture_output=True, check=False)

    assert b'"no-tmp"' in done.stdout
    assert done.returncode == 79
