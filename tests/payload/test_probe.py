"""What the payload says of the packages, on made-up folders and of this interpreter with its torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from ci_gpu.payload import probe, supervisor
from ci_gpu.payload.wire import MOST_PACKAGES, Environment, Gpu
from tests.needs import program


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


LIBCUDA = """
#include <string.h>
/* Driver API: cuDeviceGet(CUdevice*, ordinal), cuDeviceGetUuid(CUuuid*, CUdevice); 101 is an invalid device */
int cuDeviceGet(int *device, int ordinal) { *device = ordinal + 7; return ordinal < 2 ? 0 : 101; }
int cuDeviceGetUuid(unsigned char *uuid, int device) { memset(uuid, 0x10 + device, 16); return 0; }
"""

SEES = """
import json
from types import SimpleNamespace
from ci_gpu.payload import probe, supervisor

old = SimpleNamespace(name="A", major=9, minor=0, total_memory=1, multi_processor_count=132)  # torch 2.4 has no uuid
torch = SimpleNamespace(cuda=SimpleNamespace(get_device_properties=lambda index: old))
told = {"GPU-17171717-1717-1717-1717-171717171717": {"max_sm_mhz": 1980},
        "GPU-18181818-1818-1818-1818-181818181818": {"max_sm_mhz": 1755}}
print(json.dumps([[gpu.uuid, gpu.max_sm_mhz] for gpu in (probe._gpu(torch, index, told) for index in range(3))]))
"""


def seen(**env: str) -> list[list[object]]:
    done = subprocess.run([sys.executable, "-c", SEES], env={**os.environ, **env}, capture_output=True, check=True)
    return list(json.loads(done.stdout))


def test_a_torch_that_tells_no_uuid_is_asked_through_libcuda_and_has_the_clock_of_the_right_gpu(tmp_path: Path) -> None:
    (tmp_path / "stub.c").write_text(LIBCUDA)
    argv = [program("cc"), "-shared", "-fPIC", "-o", str(tmp_path / "libcuda.so.1"), str(tmp_path / "stub.c")]
    subprocess.run(argv, check=True, capture_output=True)

    first, second = (f"GPU-{digits * 4}-{digits * 2}-{digits * 2}-{digits * 2}-{digits * 6}" for digits in ("17", "18"))
    assert seen(LD_LIBRARY_PATH=str(tmp_path)) == [[first, 1980], [second, 1755], ["", 0]]


def test_without_libcuda_the_uuid_stays_empty(tmp_path: Path) -> None:
    assert [uuid for uuid, _ in seen(LD_LIBRARY_PATH=str(tmp_path))] == ["", "", ""]


LOST = """
import json
from ci_gpu.payload.nvml import Nvml
with Nvml() as nvml:
    print(json.dumps([[gpu.index, gpu.uuid, gpu.error] for gpu in nvml.lost()] + [len(nvml.devices()), nvml.driver()]))
"""


@pytest.mark.parametrize(
    ("told", "lost", "answer"),
    [
        ({}, [], 8),
        ({"STUB_REFUSED": "3", "STUB_REFUSAL": "15"}, [[3, "", "GPU is lost"]], 7),
        ({"STUB_LOST": "3"}, [[3, "", "GPU is lost"]], 8),
        ({"STUB_REFUSED": "3", "STUB_REFUSAL": "4"}, [], 7),  # this container may not use it
    ],
)
def test_a_gpu_that_does_not_answer_is_told_inside_the_image(
    nvml_stub: Path, told: dict[str, str], lost: list[object], answer: int
) -> None:
    env = {**os.environ, "LD_LIBRARY_PATH": str(nvml_stub.parent), "STUB_GPUS": "8", **told}
    done = subprocess.run([sys.executable, "-c", LOST], env=env, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [*lost, answer, "580.65.06"]


@pytest.mark.parametrize(
    ("told", "handed"), [({}, ["GPU-1", "GPU-2"]), ({"STUB_GPUS": "0"}, []), ({"STUB_LOST": "1"}, ["GPU-1", ""])]
)
def test_the_gpus_handed_over_are_told_by_their_uuids(nvml_stub: Path, told: dict[str, str], handed: list[str]) -> None:
    source = "import json; from ci_gpu.payload import probe; print(json.dumps(probe.environment().handed))"
    env = {**os.environ, "LD_LIBRARY_PATH": str(nvml_stub.parent), "STUB_GPUS": "2", **told}
    done = subprocess.run([sys.executable, "-c", source], env=env, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == handed


def test_a_look_in_a_process_of_its_own_comes_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Environment(
        "3.12", "x86_64", "2.9.0", gpus=(Gpu(0, "H100"),), lost=(Gpu(1, "", error="GPU is lost"),), handed=("GPU-1", "")
    )
    monkeypatch.setattr(probe, "environment", lambda: seen)
    monkeypatch.setattr(supervisor, "in_child", lambda look, timeout: SimpleNamespace(data=look()))

    found = supervisor._environment()
    assert (found.gpus, found.lost, found.handed) == (seen.gpus, seen.lost, seen.handed)
