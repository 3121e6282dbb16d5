"""Tags against what is in the image: real ones tell no lie, one changed thing is told."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from ci_gpu.payload import perform
from ci_gpu.payload.tags import Promise, contradictions, promises
from ci_gpu.payload.wire import Environment

CORPORA = ("real_tags.psv", "more_real_tags.psv", "held_out_tags.psv")
"""Published tags with what is inside; the sources are named in the files. The last two came after the rules."""

LINES = [line for name in CORPORA for line in Path(__file__).with_name("data").joinpath(name).read_text().splitlines()]
ROWS = [line.split("|") for line in LINES if line and not line.startswith("#")]


def inside(torch: str, cuda: str, cudnn: str = "") -> Environment:
    return Environment(python="3.12", machine="x86_64", torch=torch, torch_cuda=cuda, cudnn=cudnn)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_no_real_tag_is_called_a_lie(row: list[str]) -> None:
    reference, *found = row

    assert contradictions(reference, inside(*found)) == []


@pytest.mark.parametrize("row", [row for row in ROWS if re.search(r"\bcu(da)?[-_]?\d|_cu\d", row[0].partition(":")[2])])
def test_a_real_tag_that_names_a_cuda_is_a_lie_over_another_major_and_over_a_cpu_build(row: list[str]) -> None:
    reference, torch, _, cudnn = row

    assert len(contradictions(reference, inside(torch, "7.99", cudnn))) == 1
    assert "is a CPU build" in contradictions(reference, inside("2.9.0+cpu", "", cudnn))[0]


@pytest.mark.parametrize("row", [row for row in ROWS if row[0].startswith("pytorch/pytorch:")], ids=lambda row: row[0])
def test_an_official_tag_is_a_lie_over_any_other_torch_cuda_or_cudnn(row: list[str]) -> None:
    reference, torch, cuda, cudnn = row
    major, minor = cuda.split(".")

    assert contradictions(reference, inside("2.3.7", cuda, cudnn)) != []
    assert contradictions(reference, inside(torch, f"{major}.{int(minor) + 1}", cudnn)) != []
    assert contradictions(reference, inside(torch, cuda, f"{int(cudnn.split('.')[0]) + 1}.0.0")) != []


AWS = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-"
OFFICIAL = "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime"


@pytest.mark.parametrize(
    ("reference", "torch", "cuda", "cudnn", "says"),
    [
        (OFFICIAL, "2.9.1+cu128", "12.8", "9.10.2", "torch 2.9.0, 2.9.1+cu128 is inside"),
        (OFFICIAL, "2.90.0", "12.8", "9.10.2", "torch 2.9.0"),
        (OFFICIAL, "2.9.0+cu126", "12.6", "9.10.2", "CUDA 12.8, torch was built for 12.6"),
        (OFFICIAL, "2.9.0+cu128", "12.8", "8.9.2", "cuDNN 9, 8.9.2 is inside"),
        (OFFICIAL, "2.9.0+cu128", "12.8", "8902", "cuDNN 9, 8902 is inside"),
        (OFFICIAL, "2.9.0+cpu", "", "", "torch 2.9.0+cpu is a CPU build under the tag '2.9.0-cuda12.8-cudnn9-runtime'"),
        (OFFICIAL, "2.9.0+rocm6.4", "", "", "CUDA 12.8, torch was built for ROCm"),
        (OFFICIAL + "@sha256:" + "a" * 64, "2.8.0", "12.8", "9", "torch 2.9.0"),
        ("registry:5000/mirror/" + OFFICIAL, "2.8.0", "12.8", "9", "torch 2.9.0"),
        ("v/pytorch:v2.9-cuda12.8-cudnn9", "2.8.0", "12.8", "9", "torch 2.9"),
        ("pytorch/pytorch:2.99.0-cuda13.9-cudnn9-runtime", "2.99.0", "13.8", "9.9.0", "CUDA 13.9"),
        ("pytorch/pytorch:2.9.0-cuda12.8-cudnn9.10-devel", "2.9.0", "12.8", "9.11.0", "cuDNN 9.10"),
        ("pytorch/pytorch:2.9.0-cuda12.8-cudnn9.10-devel", "2.9.0", "12.8", "91100", "cuDNN 9.10"),
        (
            "p/pytorch-nightly:2.10.0.dev20251001-cuda12.8-cudnn9-devel",
            "2.10.0.dev20251002",
            "12.8",
            "9",
            "dev20251001",
        ),
        ("p/pytorch-nightly:2.10.0.dev20251001-cuda12.8-cudnn9-devel", "2.10.0", "12.8", "9", "dev20251001"),
        ("my-app:cudnn9.10.2", "2.9.0", "12.8", "91003", "cuDNN 9.10.2, 91003"),
        ("my-app:cudnn9.10.2", "2.9.0", "12.8", "91102", "cuDNN 9.10.2"),
        ("my-app:cudnn8.9.2", "2.9.0", "12.8", "8903", "cuDNN 8.9.2"),
        ("my-app:cuda7-cudnn5", "1.0", "8.0", "5", "CUDA 7,"),
        ("my-app:cu19", "1.0", "13.0", "", "CUDA 19,"),
        ("my-app:cu128", "2.9.0+cu126", "12.6", "", "CUDA 12.8"),
        ("my-app:cu1281", "2.9.0+cu130", "13.0", "", "CUDA 12,"),
        ("my-app:CUDA12.8.1", "2.9.0+cu130", "13.0", "", "CUDA 12,"),
        ("my-app:cuda_12.8", "2.9.0+cu130", "13.0", "", "CUDA 12.8"),
        ("my-app:cuda12-8", "2.9.0+cu126", "12.6", "", "CUDA 12.8"),
        ("my-app:cuda118", "2.5.0+cu121", "12.1", "", "CUDA 11.8"),
        ("my-app:cu92", "1.4.0", "10.0", "", "CUDA 9.2"),
        ("my-app:cuda12", "2.5.0+cu118", "11.8", "", "CUDA 12,"),
        ("my-app:cu13", "2.5.0+cu128", "12.8", "", "CUDA 13,"),
        ("my-app:cu126-cu128", "2.9.0+cu130", "13.0", "", "CUDA 12.6 or 12.8"),
        ("gpu-jupyter:cuda-12.8_ubuntu-22.04", "2.9.0+cu130", "13.0", "", "CUDA 12,"),
        ("rocm/pytorch:rocm6.4_pytorch_release_2.6.0", "2.6.0+cu128", "12.8", "", "ROCm"),
        ("rocm/pytorch:rocm6.4_pytorch_release_2.6.0", "2.7.0+git", "", "", "torch 2.6.0"),
        ("my-app:torch291", "2.9.0", "12.8", "", "torch 291"),
        ("my-app:torch2.9", "2.8.0", "12.8", "", "torch 2.9"),
        ("my-app:pytorch-2.9", "2.8.0", "12.8", "", "torch 2.9"),
        ("my-app:pt2.9", "2.8.0", "12.8", "", "torch 2.9"),
        ("my-app:1.2-torch-2.9.0", "2.9.1", "12.8", "", "torch 2.9.0"),
        ("my-app:x-cudnn8", "2.9.1", "12.8", "9.10.2", "cuDNN 8"),
        ("my-app:1-cuda12.1.1-cudnn8", "2.3.0+cu118", "11.8", "9.1.0", "CUDA 12,"),
        ("my-app:torch2.5-cuda12.1", "2.5.1+cu124", "12.4", "9.1.0", "CUDA 12.1"),
        ("my-app:cuda12.1-cudnn8-torch2.3", "2.3.0+cu121", "12.1", "9.1.0", "cuDNN 8"),
        ("mirror/pytorch:1-cuda12.1", "2.5.1+cu124", "12.4", "9.1.0", "CUDA 12.1"),
        ("my-app:cpuset-cu128", "2.9.0+cpu", "", "", "is a CPU build"),
        ("my-app:cpu-cu128", "2.9.0+cu126", "12.6", "", "CUDA 12.8"),
        ("my-app:cpu2-cu128", "2.9.0+cpu", "", "", "is a CPU build"),
        ("my-app:torch113", "1.12.0", "11.6", "", "torch 113"),
        ("runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04", "2.2.0+cu118", "11.8", "", "torch 2.1.0"),
        ("runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04", "2.1.0+cu121", "12.1", "", "CUDA 11,"),
        ("runpod/pytorch:2.4.0-cuda12.1", "2.4.1+cu121", "12.1", "", "torch 2.4.0"),
        ("runpod/pytorch:3.10-2.0.0-117", "2.0.1+cu117", "11.7", "", "torch 2.0.0"),
        ("runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404", "2.7.1+cu128", "12.8", "", "torch 280"),
        ("runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404", "2.8.0+cu126", "12.6", "", "CUDA 12.8"),
        ("runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404", "2.8.0+cpu", "", "", "is a CPU build"),
        ("mosaicml/pytorch:2.3.1_cu121-python3.11-ubuntu20.04", "2.3.0+cu121", "12.1", "", "torch 2.3.1"),
        ("mosaicml/pytorch:2.3.1_cpu-python3.11-ubuntu20.04", "2.4.0+cpu", "", "", "torch 2.3.1"),
        ("mosaicml/pytorch:2.3.1_cu121-python3.11-ubuntu20.04", "2.3.1+cu118", "11.8", "", "CUDA 12.1"),
        (AWS + "training:2.5.1-gpu-py311-cu124-ubuntu22.04-sagemaker", "2.6.0+cu124", "12.4", "", "torch 2.5.1"),
        (AWS + "training:2.5.1-gpu-py311-cu124-ubuntu22.04-sagemaker", "2.5.1+cu121", "12.1", "", "CUDA 12.4"),
        (AWS + "inference:2.3.0-cpu-py311-ubuntu20.04-ec2", "2.2.0+cpu", "", "", "torch 2.3.0"),
        (AWS + "training:2.1-gpu-py310", "2.2.0+cu121", "12.1", "", "torch 2.1"),
        (
            "x.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-training:2.8.0-transformers4.56.2-gpu-py312-cu129",
            "2.7.1+cu129",
            "12.9",
            "",
            "torch 2.8.0",
        ),
        ("anibali/pytorch:2.0.1-cuda11.8-ubuntu22.04", "2.0.0", "11.8", "", "torch 2.0.1"),
        ("anibali/pytorch:2.0.1-cuda11.8-ubuntu22.04", "2.0.1", "11.7", "", "CUDA 11.8"),
        ("anibali/pytorch:1.13.1-nocuda-ubuntu22.04", "1.13.0", "", "", "torch 1.13.1"),
        ("vastai/pytorch:2.5.1-cuda-12.1.1", "2.4.0+cu121", "12.1", "", "torch 2.5.1"),
        ("vastai/pytorch:2.5.1-cuda-12.1.1", "2.5.1+cu118", "11.8", "", "CUDA 12"),
        ("vastai/pytorch:2.9.1-cu128-cuda-12.9-mini-py312", "2.9.0+cu128", "12.8", "", "torch 2.9.1"),
        ("vastai/pytorch:2.9.1-cu128-cuda-12.9-mini-py312", "2.9.1+cu126", "12.6", "", "CUDA 12.8"),
        ("acme/app:torch2.9.0cu128", "2.9.0+cu126", "12.6", "", "CUDA 12.8"),
        ("acme/app:torch291cu130", "2.9.1+cu128", "12.8", "", "CUDA 13.0"),
        ("acme/app:2.9.0cu128", "2.9.0+cpu", "", "", "is a CPU build"),
        ("rocm/pytorch:rocm6.4", "2.6.0+cpu", "", "", "the tag says ROCm, torch 2.6.0+cpu was built for the CPU"),
        ("quay.io/jupyter/pytorch-notebook:cuda12-python-3.11", "2.5.1+cpu", "", "", "is a CPU build"),
        ("quay.io/jupyter/pytorch-notebook:cuda12-python-3.11", "2.11.0+cu130", "13.0", "", "CUDA 12,"),
        ("runpod/pytorch:1.0.3-cu1300-torch271-ubuntu2404", "2.7.1+cpu", "", "", "is a CPU build"),
        ("my-app:cuda13.0.0-torch271", "2.7.1", "14.0", "", "CUDA 13 or 12 or 11,"),
        ("my-app:cuda13.0.0-torch2.9", "2.9.0+cu128", "12.8", "", "CUDA 13,"),
        ("my-app:cuda13.0-torch2.9", "2.9.0+cu128", "12.8", "", "CUDA 13.0"),
    ],
)
def test_a_lie_is_told(reference: str, torch: str, cuda: str, cudnn: str, says: str) -> None:
    told = contradictions(reference, inside(torch, cuda, cudnn))

    assert len(told) == 1
    assert says in told[0]


@pytest.mark.parametrize(
    ("reference", "torch", "cuda", "cudnn"),
    [
        ("pytorch/pytorch:2.9.0-cuda12.8-cudnn9.10-devel", "2.9.0+cu128", "12.8", "91002"),
        ("pytorch/pytorch:2.9.0-cuda12.8-cudnn9-devel", "2.9.0a0+git1234", "12.8", "9.10.2"),
        ("pytorch/pytorch:2.9.0-cuda12.8-cudnn9-devel", "2.9.0", "12.8", "does not load"),
        ("p/pytorch-nightly:2.10.0.dev20251001-cuda12.8-cudnn9-devel", "2.10.0a0+git12", "12.8", "9.1.0"),
        ("runpod/pytorch:3.10-2.0.0-117", "2.0.0+cu117", "11.7", "8.5.0"),  # the head is Python's
        ("lmsysorg/sglang:v0.4.3.post2-cu125", "2.5.1+cu124", "12.4", "9.1.0"),  # torch has no build for 12.5
        ("djl-inference:0.29.0-tensorrtllm0.11.0-cu124", "2.3.1+cu121", "12.1", "8.9.2"),
        ("rapidsai/base:25.04-cuda12.8-py3.12", "2.6.0+cu126", "12.6", "9.1.0"),
        ("acme/x:12.4.1-cudnn8-devel-ubuntu22.04", "2.6.0+cu124", "12.4", "9.1.0"),  # the base image's cuDNN
        ("gradient-base:pt112-tf29-jax0317-py39", "1.12.0+cu116", "11.6", "8.3.2"),
        ("gradient-base:pt211-tf215-cudatk120-py311", "2.1.1+cu121", "12.1", "8.9.2"),
        ("determinedai/environments:cuda-10.0-pytorch-1.4-tf-1.15-gpu-067db2b", "1.4.0", "10.1", "7.6.3"),
        ("my-app:cudnn9.10.2", "2.9.0", "12.8", "91002"),
        ("my-app:cudnn9.10.99", "2.9.0", "12.8", "91099"),
        ("my-app:cudnn9.0.0", "2.4.0", "12.4", "90000"),
        ("my-app:cudnn8.9.2", "2.1.0", "12.1", "8902"),
        ("my-app:cudnn8.9.99", "2.1.0", "12.1", "8999"),
        ("my-app:cudnn9", "2.9.0", "12.8", "9"),
        ("my-app:cudnn910", "2.9.0", "12.8", "910"),
        ("acme/app:cuda6-x", "2.9.0", "12.8", ""),
        ("acme/app:cuda-20", "2.9.0", "12.8", ""),
        ("acme/app:cuda-20.04", "2.9.0", "12.8", ""),
        ("acme/app:cu12800", "2.9.0", "12.6", ""),
        ("acme/app:torch210-cu121", "2.1.0+cu121", "12.1", ""),
        ("acme/app:torch210-cu128", "2.10.0+cu128", "12.8", ""),
        ("acme/app:pytorch-24.05-py3", "2.4.0a0+07cecf4168.nv24.05", "12.4", ""),  # the date of an NGC release
        ("acme/app:pytorch-12", "2.9.0+cu128", "12.8", ""),
        ("acme/app:data-pt1", "2.9.0+cu128", "12.8", ""),
        ("acme/app:torchvision0.15", "2.0.0", "11.8", ""),
        ("acme/app:cuda12-3.10", "2.9.0+cu128", "12.8", ""),  # a Python
        ("acme/app:base-cuda-3.10", "2.9.0+cu128", "12.8", ""),
        ("acme/app:cuda-24.05", "2.9.0+cu128", "12.8", ""),
        ("acme/app:cu126-cu128", "2.9.0+cu128", "12.8", ""),
        ("acme/app:cu20250901", "2.9.0+cu128", "12.8", ""),
        ("acme/app:2.1.0-cuda12.8", "2.9.0+cu128", "12.8", ""),
        ("acme/app:2.1.0-cuda12.6", "2.9.0+cu128", "12.8", ""),  # the base image's, beside a version of acme's own
        ("acme/pytorch:3.10-2.0.0-117", "2.9.0+cu128", "12.8", ""),  # a form of runpod's
        ("acme/app:2.3.1_cu121-python3.11", "2.4.0+cu121", "12.1", ""),  # a form of mosaicml's
        ("acme/app:img2pt1.5", "2.9.0+cu128", "12.8", ""),
        ("acme/pytorch:1.2.0", "2.9.0+cu128", "12.8", ""),
        ("localhost:5000/cu118", "2.9.0+cu128", "12.8", ""),
        ("acme/app@sha256:" + "c" * 64, "2.9.0+cpu", "", ""),
        ("runpod/worker-v1-vllm:v2.7.0stable-cuda12.1.0", "2.7.0+cu126", "12.6", "9.5.1"),  # nvidia/cuda's own form
        ("vastai/base-image:cuda-12.4.1-cudnn-devel-py312", "2.6.0+cu126", "12.6", "9.5.1"),
        ("ghcr.io/ai-dock/python:3.10-v2-cuda-12.1.1-cudnn8-runtime-22.04", "2.5.1+cu124", "12.4", "9.1.0"),
        ("team/torchserve:1.0-cuda12.1.1-ubuntu22.04", "2.5.1+cu124", "12.4", "9.1.0"),
        ("team/torchserve:1.0-cuda12.1-cudnn8-ubuntu22.04", "2.5.1+cu124", "12.4", "9.1.0"),
        ("acme/app:pt2410-x", "2.9.0+cu128", "12.8", ""),  # the date of an NGC release
        ("acme/app:torch31", "2.9.0+cu128", "12.8", ""),
        ("acme/app:torch09", "2.9.0+cu128", "12.8", ""),
        ("acme/app:cuda-1024", "2.9.0+cu128", "12.8", ""),  # a number of something else
        ("acme/app:cu1500", "2.9.0+cu128", "12.8", ""),
        ("acme/app:cuda-1999", "2.9.0+cu128", "12.8", ""),
        ("acme/app:ptv1.2", "2.9.0+cu128", "12.8", ""),
        ("acme/app:cpu-cu128", "2.9.0+cpu", "", ""),
        ("acme/app:cuda12-cpu-fallback", "2.9.0+cpu", "", ""),
        ("acme/app:cu128_cpu", "2.9.0+cpu", "", ""),
        ("acme/app:cpu", "2.9.0+cpu", "", ""),
        ("acme/app:rocm6.4", "2.9.0+rocm6.4", "", ""),
        ("", "2.9.0", "", ""),
        ("vastai/base-image:cuda-12.4.1-cudnn-devel-ubuntu22.04-py310", "2.6.0+cu126", "12.6", ""),
        ("acme/model:pt2410", "2.6.0+cu126", "12.6", ""),
        ("acme/model:cuda-1024", "2.6.0+cu126", "12.6", ""),
        ("acme/model:ptv1.2", "2.6.0+cu126", "12.6", ""),
        # The CUDA of a base image, with the nearest build that this torch was published in (runpod/containers,
        # official-templates/pytorch/docker-bake.hcl; vast-ai/base-image, .github/workflows/*-pytorch.yml)
        ("runpod/pytorch:1.0.2-cu1281-torch260-ubuntu2404", "2.6.0+cu126", "12.6", ""),
        ("runpod/pytorch:1.0.2-cu1300-torch260-ubuntu2404", "2.6.0+cu126", "12.6", ""),
        ("runpod/pytorch:1.0.2-cu1300-torch280-ubuntu2404", "2.8.0+cu129", "12.9", ""),
        ("runpod/pytorch:1.0.2-cu1290-torch271-ubuntu2204", "2.7.1+cu128", "12.8", ""),
        ("vastai/pytorch:cuda-12.1.1-auto", "2.12.0+cu126", "12.6", ""),
        ("vastai/pytorch:cuda-12.9.1-auto", "2.11.0+cu128", "12.8", ""),
        ("vastai/pytorch:2.12.0-cu126-cuda-12.9-mini-py312", "2.12.0+cu126", "12.6", ""),
        ("vastai/pytorch:multi-210-291-271-py312", "2.10.0+cu128", "12.8", ""),
        ("acme/pytorch:1.2.0-cuda12.8-ubuntu22.04", "2.9.0+cu128", "12.8", ""),  # a version of acme's own
        ("acme/pytorch-serving:1.2.0-gpu-py311", "2.9.0+cu128", "12.8", ""),
        ("acme/app:rocm6.4-cpu", "2.9.0+cpu", "", ""),
        ("rocm/pytorch:rocm6.4", "2.6.0+git", "", ""),  # a build of AMD's does not say what it is for
        ("mirror/pytorch:1-cuda12.1.1", "2.5.1+cu124", "12.4", "9.1.0"),
        ("my-app:cu1281", "2.9.0+cu126", "12.6", ""),
        # PyPI's own wheel of this torch over a base of a newer CUDA
        ("runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04", "2.4.0+cu121", "12.1", ""),
        ("my-app:torch2.5-cuda12.1.1", "2.5.1+cu124", "12.4", ""),
        ("my-app:cuda12.1.1-cudnn8-torch2.4", "2.4.0+cu121", "12.1", "9.1.0"),  # nvidia/cuda:12.1.1-cudnn8-…
    ],
)
def test_what_a_tag_does_not_promise_is_no_lie(reference: str, torch: str, cuda: str, cudnn: str) -> None:
    assert contradictions(reference, inside(torch, cuda, cudnn)) == []


@pytest.mark.parametrize("reference", ["", "acme/app", "acme/app:1.2.3", "r:5000/x/pytorch@sha256:" + "1" * 64])
def test_a_reference_that_names_no_version_promises_nothing(reference: str) -> None:
    assert promises(reference) == Promise()
    assert not any(Promise())


def test_only_a_rocm_tag_promises_rocm() -> None:
    assert promises("rocm/pytorch:rocm6.4").rocm
    assert not promises("acme/app:cu128").rocm


GPU_CHECKS = ("cuda_build", "architectures", "gpus", "driver", "kernel", "libraries")


@pytest.mark.parametrize(("device", "name"), list(itertools.product(("cpu", "cuda"), GPU_CHECKS)))
def test_an_image_that_offers_nothing_passes_no_check_about_gpus(
    device: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    monkeypatch.setenv("CI_GPU_IMAGE", "acme/app:1.0")

    assert outcome(name, device) in (("skipped",) if device == "cpu" else ("failed", "error", "skipped"))


def outcome(name: str, device: str) -> str:
    return perform.check(f"compatibility.{name}", "ci_gpu.payload.checks.compatibility", device).outcome


WHEELS = "7.5 8.0 9.0 9.1 9.2 10.0 10.1 10.2 11.0 11.1 11.3 11.5 11.6 11.7 11.8 12.1 12.4 12.6 12.8 12.9 13.0 13.2 13.4"
"""The folders cu75 to cu134 of download.pytorch.org/whl."""


@pytest.mark.parametrize("cuda", [f"{major}.{minor}" for major in range(7, 14) for minor in range(10)])
def test_a_cuda_is_torch_s_to_the_minor_only_where_torch_was_published_for_it(cuda: str) -> None:
    major, minor = map(int, cuda.split("."))
    expected = (major, minor) if cuda in WHEELS.split(" ") else (major,)

    assert promises(f"someone/app:cuda{cuda}").cuda == (expected,)


def test_a_tag_is_read_apart_from_its_repository_and_cudnn_has_no_three_digits() -> None:
    assert promises("foo/bar:tf2.9-cu118").cuda == ((11,),)
    assert promises("pytorch/pytorch:x-cudnn890").cudnn == ()
    assert promises("pytorch/pytorch:x-cudnn12").cudnn == (12,)


BUILDS = json.loads(Path(__file__).with_name("data").joinpath("torch_arch_table.json").read_text())["builds"]
PUBLISHED = {
    torch: {one["cuda"] for one in BUILDS if one["torch"] == torch} for torch in {one["torch"] for one in BUILDS}
}


@pytest.mark.parametrize("torch", sorted(PUBLISHED))
def test_beside_a_torch_a_cuda_is_torch_s_to_the_minor_only_where_this_torch_was_published_for_it(torch: str) -> None:
    """Seen red: 2.14 and 2.15 were not known, so that the CUDA of a base image was held against their wheels."""
    for cuda in WHEELS.split(" "):
        minor = tuple(map(int, cuda.split(".")))
        for spelled in (torch, f"{torch}.1"):
            promised = promises(f"someone/app:cuda{cuda}-torch{spelled}").cuda

            assert (minor in promised) is (cuda in PUBLISHED[torch]), (cuda, spelled)


def test_a_cuda_in_a_wheel_s_spelling_is_torch_s_and_a_toolkit_beside_another_software_is_not_s_torch_s() -> None:
    assert promises("someone/app:cu124-torch2.9").cuda == ((12, 4),)
    assert promises("foo/bar:cuda13.0.0-torch2.4").cuda == ((13,), (12,), (11,))
    assert promises("foo/bar:tf2.9-cuda13.0.0-torch2.4").cuda == ((13,),)
