"""A file with the name of one of Python's own modules is blamed only where it was loaded, or raised the error."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path

import pytest

from ci_gpu import guest, startup
from ci_gpu.payload import shadows
from tests.test_guest import FAULTS, Recorder, visit

LIBCUDART = "libcudart.so.12: cannot open shared object file: No such file or directory"


def examined(folder: Path, **files: str) -> tuple[str, str, str]:
    """What, why and remedy, where `import torch` finds these modules first."""
    for name, source in files.items():
        (folder / f"{name}.py").write_text(source)
    answers = guest.examine(visit(FAULTS, wanted=("faults.passes",), env={"PYTHONPATH": str(folder)}), Recorder())
    assert answers.failure is not None
    return answers.failure.what, answers.failure.why, answers.failure.remedy


def test_a_file_that_nothing_imports_takes_no_blame(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "__init__.py").touch()
    what, why, remedy = examined(tmp_path, profile="", torch=f"raise ImportError({LIBCUDART!r})")

    assert what == f"ImportError: {LIBCUDART}"
    assert "libcudart.so.12" in why
    assert "nvidia-*" in remedy


def test_a_reason_that_is_told_goes_before_a_shadow_that_was_loaded(tmp_path: Path) -> None:
    what, why, remedy = examined(tmp_path, profile="", torch=f"import profile; raise ImportError({LIBCUDART!r})")

    assert "profile.py" in what
    assert "libcudart.so.12" in why
    assert "nvidia-*" in remedy


@pytest.mark.parametrize("name", ["app", "my app"])
def test_the_remedy_names_the_file_and_nothing_more(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    file = folder / "profile.py"
    what, why, remedy = examined(folder, profile="", torch="import profile; profile.Profile()")

    assert what == (
        f'the standard library module profile is shadowed by "{file}": '
        "AttributeError: module 'profile' has no attribute 'Profile'"
    )
    assert why == f"the file {file} has the name of Python's own module profile, and is found first"
    assert remedy == f"rename {file}, or take its folder out of PYTHONPATH"


@pytest.mark.parametrize("source", ["raise KeyError('x')", "not Python"])
def test_a_shadow_that_raises_or_cannot_be_read_is_named(tmp_path: Path, source: str) -> None:
    assert str(tmp_path / "profile.py") in examined(tmp_path, profile=source, torch="import profile")[2]


def test_a_package_shadows_as_a_file_does(tmp_path: Path) -> None:
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "__init__.py").touch()

    assert str(tmp_path / "profile") in examined(tmp_path, torch="import profile; profile.Profile()")[2]


def test_what_lies_behind_the_standard_library_shadows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a backport in site-packages, which a package may put in the place of Python's own on purpose."""
    file = tmp_path / "profile.py"
    file.touch()
    spec = importlib.util.spec_from_file_location("profile", file)
    assert spec is not None
    monkeypatch.setitem(sys.modules, "profile", importlib.util.module_from_spec(spec))
    library = sysconfig.get_paths()["stdlib"]

    monkeypatch.setattr(sys, "path", [str(tmp_path), library])
    assert "profile.py" in shadows.told(ValueError("x"))
    monkeypatch.setattr(sys, "path", [library, str(tmp_path)])
    assert shadows.told(ValueError("x")) == "ValueError: x"


@pytest.mark.parametrize("name", ["libcuda.so.1", "libnvidia-ml.so.1"])
def test_a_library_of_the_driver_s_is_not_torch_s_to_bring(name: str) -> None:
    why, remedy = startup.torch_broken(f"ImportError: {name}: cannot open shared object file: No such file")

    assert why == f"{name} is a part of NVIDIA's driver, which is handed in with the GPUs and is not torch's"
    assert "reinstall" not in remedy
    assert "a runner with a GPU" in remedy
