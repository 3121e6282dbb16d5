"""What the payload says of the packages, on made-up folders and of this interpreter with its torch."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from ci_gpu.payload import probe
from ci_gpu.payload.wire import MOST_PACKAGES, Environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def install(folder: Path, name: str, version: str, text: str | None = None) -> None:
    described = folder / f"{name}-{version}.dist-info"
    described.mkdir(parents=True)
    content = text if text is not None else f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (described / "METADATA").write_bytes(content.encode("utf-8", "surrogateescape"))


def test_names_are_normalised_and_sorted(folder: Path) -> None:
    install(folder, "Zope.Interface", "8.1")
    install(folder, "nvidia_cudnn_cu12", "9.10.2.21")

    assert list(probe.packages().items()) == [("nvidia-cudnn-cu12", "9.10.2.21"), ("zope-interface", "8.1")]


def test_of_two_copies_the_one_that_is_imported_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(folder / "first"), str(folder / "second")])
    install(folder / "second", "numpy", "2.3.4")
    install(folder / "first", "NumPy", "1.26.4")

    assert probe.packages() == {"numpy": "1.26.4"}


@pytest.mark.parametrize("text", ["", "Name: broken\n", "Version: 1\n", "Name: \udcff\nVersion: \udcfe"])
def test_what_is_half_removed_is_left_out_and_stops_nothing(folder: Path, text: str) -> None:
    install(folder, "broken", "1", text)
    install(folder, "numpy", "2.3.4")

    found = probe.packages()

    assert found["numpy"] == "2.3.4"
    assert "broken" not in found
    assert json.dumps(found)


def test_there_is_an_end_to_names_versions_and_their_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [(f"package-{at:06}", "1" * 5000) for at in range(MOST_PACKAGES, -1, -1)]
    monkeypatch.setattr(probe, "_distributions", lambda: iter([*listed, ("a" * 5000, "1")]))

    found = probe.packages()

    assert len(found) == MOST_PACKAGES
    assert next(iter(found)) == "a" * 100
    assert max(map(len, found.values())) == 100


@pytest.mark.torch
def test_this_interpreter_s_torch_and_packages_are_told() -> None:
    import torch

    environment = probe.environment()

    assert isinstance(environment, Environment)
    assert environment.packages["torch"] == metadata.version("torch")
    assert environment.torch == str(torch.__version__)  # with +cu130 where the package's own version has none
    assert environment.packages["pytest"] == metadata.version("pytest")
    assert len(environment.packages) > 20
