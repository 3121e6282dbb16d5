"""What the host says of its driver and GPUs, by the true pynvml over a library of ours that fails on command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ci_gpu import host

SCRIPT = """
import ctypes, json, sys
import msgspec
stub = ctypes.CDLL(sys.argv[1])  # loaded under the driver's soname: pynvml gets this one
for name, value in json.loads(sys.argv[2]).items():
    ctypes.c_int.in_dll(stub, name).value = value
from ci_gpu import host
host._read = lambda path: sys.argv[3] if path == "/proc/driver/nvidia/version" else ""  # not this machine's own
print(json.dumps(msgspec.to_builtins(host.look({}))))
"""


@pytest.fixture
def looked(nvml_stub: Path):
    """The host, where NVML does as it is told."""

    def looked(library: Path = nvml_stub, kernel: str = "", **told: int) -> dict[str, Any]:
        argv = [sys.executable, "-c", SCRIPT, str(library), json.dumps(told), kernel]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return looked


NAME = "NVIDIA H100 80GB HBM3"


@pytest.mark.parametrize(
    ("told", "changed"),
    [
        ({"no_memory": 3}, {"memory": 0}),  # GB10
        ({"no_uuid": 3}, {"uuid": ""}),
        ({"no_name": 999}, {"name": ""}),
        ({"no_memory": 4, "no_capability": 4, "no_name": 4}, {"memory": 0, "capability": "", "name": ""}),  # MIG only
    ],
)
def test_what_one_call_does_not_tell_stays_empty_and_the_rest_is_kept(
    looked, told: dict[str, int], changed: dict[str, object]
) -> None:
    whole, found = looked(), looked(**told)

    assert whole["gpus"][0] | {"memory": 80 << 30, "uuid": "GPU-1", "name": NAME} == whole["gpus"][0]
    assert found == {**whole, "gpus": [{**whole["gpus"][0], **changed}]}


@pytest.mark.parametrize("how", [{"refused": 3, "refusal": 15}, {"lost": 3}], ids=["without a handle", "with one"])
def test_a_gpu_that_is_lost_is_told_and_the_seven_others_are_kept(looked, how: dict[str, int]) -> None:
    gpus = looked(gpus=8, **how)["gpus"]

    assert [(gpu["index"], gpu["error"]) for gpu in gpus if gpu["error"]] == [(3, "GPU is lost")]
    assert [gpu["uuid"] for gpu in gpus if not gpu["error"]] == [f"GPU-{at}" for at in (1, 2, 3, 5, 6, 7, 8)]


def test_a_gpu_that_this_user_may_not_use_is_not_his(looked) -> None:
    """NVML counts it all the same (nvmlDeviceGetCount_v2), as in a job that was given seven of eight."""
    gpus = looked(gpus=8, refused=3, refusal=4)["gpus"]

    assert [gpu["index"] for gpu in gpus] == [0, 1, 2, 4, 5, 6, 7]
    assert not any(gpu["error"] for gpu in gpus)


def test_where_the_gpus_cannot_be_counted_the_driver_is_kept(looked) -> None:
    found = looked(no_count=999)

    assert (found["driver"], found["gpus"]) == ("580.65.06", [])
    assert "driver 580.65.06" in found["signs"]


def test_where_the_driver_s_version_is_not_told_the_gpus_are_kept(looked) -> None:
    found = looked(no_driver=999)

    assert (found["driver"], len(found["gpus"])) == ("", 1)


def test_the_driver_is_that_of_nvml_and_without_its_word_that_of_the_kernel(looked) -> None:
    kernel = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023"

    assert looked(kernel=kernel)["driver"] == "580.65.06"
    assert looked(kernel=kernel, no_driver=999)["driver"] == looked(kernel=kernel, init=18)["driver"] == "535.104.05"


@pytest.mark.parametrize(
    ("code", "words"),
    [(9, "Driver Not Loaded"), (18, "NVML/RM version mismatch"), (4, "Insufficient Permissions"), (999, "Unknown")],
)
def test_an_nvml_that_does_not_start_is_a_sign_of_a_driver(looked, code: int, words: str) -> None:
    found = looked(init=code)

    assert found["gpus"] == []
    assert next(sign for sign in found["signs"] if sign.startswith("NVML: ")).count(words) == 1


def test_an_old_driver_that_lacks_functions_tells_the_same(looked, old_nvml_stub: Path) -> None:
    assert looked(old_nvml_stub) == looked()


def test_a_gpu_that_is_cut_by_mig_says_so(looked) -> None:
    assert [looked(mig_mode=mode)["gpus"][0]["mig"] for mode in (0, 1)] == ["", "on"]


SLICES = """
import ctypes, json, sys
stub = ctypes.CDLL(sys.argv[1])
for name in ("mig_mode", "mig_devices"):
    ctypes.c_int.in_dll(stub, name).value = 2
from ci_gpu import nvml
print(json.dumps([nvml.mig_device(word) for word in ("0:0", "0:1", "0:2", "5:0")]))
"""


def test_a_mig_device_by_its_index_has_a_uuid(nvml_stub: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SLICES, str(nvml_stub)], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == ["MIG-1", "MIG-2", "", ""]


WSL = "/usr/lib/wsl/lib/libcuda.so.1"


@pytest.mark.parametrize(
    ("paths", "driver", "refusal", "signs"),
    [
        ((), "", "", ()),
        (("/dev/null", "/dev/dri/card0", "/dev/nvidia-caps"), "", "", ()),
        (("/dev/nvidia0", "/dev/nvidia15"), "", "", ("/dev/nvidia0", "/dev/nvidia15")),
        (("/dev/nvidiactl",), "", "", ("/dev/nvidiactl",)),
        (("/dev/dxg",), "", "", ()),  # any virtual machine of Windows
        ((WSL,), "", "", ()),
        (("/dev/dxg", WSL), "", "", ("/dev/dxg",)),
        (("/dev/nvgpu",), "", "", ("/dev/nvgpu",)),
        (("/dev/nvhost-ctrl-gpu",), "", "", ("/dev/nvhost-ctrl-gpu",)),
        ((), "580.65.06", "", ("driver 580.65.06",)),
        ((), "", "Driver Not Loaded", ("NVML: Driver Not Loaded",)),
    ],
)
def test_signs_of_a_gpu(paths: tuple[str, ...], driver: str, refusal: str, signs: tuple[str, ...]) -> None:
    assert host.signs(paths, driver, refusal) == signs


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n", "535.104.05"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n", "580.65.06"),
        ("", ""),
    ],
)
def test_the_kernel_s_own_word_for_its_driver(text: str, version: str) -> None:
    assert host.kernel_driver(text) == version
