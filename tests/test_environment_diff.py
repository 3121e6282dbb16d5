"""What is told of two images that are not the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.environment_diff import Difference, diff, is_same, shared_layers
from ci_gpu.model import ImageReport, PulledImage
from ci_gpu.payload.wire import MOST_PACKAGES
from tests import samples

PACKAGES = {"torch": "2.8.0+cu126", "numpy": "2.3.4", "nvidia-cudnn-cu12": "9.10.2.21", "triton": "3.4.0"}
BASE_LAYERS = tuple(f"sha256:{at:064x}" for at in (1, 2, 3, 3))
HEAD_LAYERS = (*BASE_LAYERS[:3], *(f"sha256:{at:064x}" for at in (4, 5)))


def image(**changes: Any) -> PulledImage:
    return msgspec.structs.replace(samples.image_report().image, **{"layers": BASE_LAYERS, **changes})


def report(image_changes: dict[str, Any] | None = None, **changes: Any) -> ImageReport:
    environment = samples.environment(
        **{"packages": PACKAGES, "variables": {"NVIDIA_VISIBLE_DEVICES": "all"}, **changes}
    )
    return samples.image_report(image=image(**(image_changes or {})), environment=environment)


def rows(base: ImageReport, head: ImageReport) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.name, each.base, each.head) for each in diff(base, head)]


def test_an_upgrade_of_torch_from_image_to_variables_in_this_order() -> None:
    head = report(
        {
            "reference": "docker.io/pytorch/pytorch:2.9.1-cuda13.0-cudnn9-runtime",
            "digest": "sha256:" + "4e" * 32,
            "size": 9_900_000_000,
            "layers": HEAD_LAYERS,
            "entrypoint": ("/opt/nvidia/nvidia_entrypoint.sh",),
        },
        torch="2.9.1+cu130",
        torch_cuda="13.0",
        cuda_runtime="13.0",
        cudnn="9.13.0",
        nccl="2.27.7",
        triton="3.5.1",
        python="3.12.12",
        arch_list=("sm_75", "sm_80", "sm_90", "sm_100", "sm_120"),
        packages={"torch": "2.9.1+cu130", "numpy": "2.3.4", "nvidia-cudnn-cu13": "9.13.0.50", "triton": "3.5.1"},
        variables={"NVIDIA_VISIBLE_DEVICES": "all", "CUDA_MODULE_LOADING": "EAGER"},
    )

    assert rows(report(), head) == [
        ("image", "reference", samples.IMAGE, "docker.io/pytorch/pytorch:2.9.1-cuda13.0-cudnn9-runtime"),
        ("image", "digest", samples.DIGEST, "sha256:" + "4e" * 32),
        ("image", "size in bytes", "9412000000", "9900000000"),
        ("image", "entrypoint", "", '["/opt/nvidia/nvidia_entrypoint.sh"]'),
        ("image", "layers", "4, 3 of them shared", "5, 3 of them shared"),
        ("software", "Python", "3.11.13", "3.12.12"),
        ("software", "torch", "2.9.0+cu128", "2.9.1+cu130"),
        ("software", "CUDA of torch", "12.8", "13.0"),
        ("software", "CUDA runtime", "12.8", "13.0"),
        ("software", "cuDNN", "9.10.2", "9.13.0"),
        ("software", "NCCL", "2.27.5", "2.27.7"),
        ("software", "triton", "3.5.0", "3.5.1"),
        ("software", "architectures", "sm_70 sm_75 sm_80 sm_86 sm_90 sm_100 sm_120", "sm_75 sm_80 sm_90 sm_100 sm_120"),
        ("package", "nvidia-cudnn-cu12", "9.10.2.21", ""),
        ("package", "nvidia-cudnn-cu13", "", "9.13.0.50"),
        ("variable", "CUDA_MODULE_LOADING", "", "EAGER"),
    ]


def test_an_image_and_itself_have_no_differences() -> None:
    assert diff(report(), report()) == ()


def test_another_machine_is_no_difference_of_the_images() -> None:
    assert rows(report(), report(gpus=(), cpu="another", cpus=2, driver="570.1", gpu_error="no GPU")) == []


def test_a_compatibility_libcuda_in_one_image_is() -> None:
    assert rows(report(), report(driver_cuda="12.9")) == [("software", "libcuda", "13.0", "12.9")]


def test_what_did_not_start_lacks_nothing() -> None:
    failed = samples.image_report(image=image(), environment=None)

    assert diff(report(), failed) == diff(failed, report()) == diff(failed, failed) == ()


def test_what_was_not_pulled_differs_by_name_alone() -> None:
    absent = samples.image_report(image=PulledImage(reference="example/gone:1"), environment=None)

    assert rows(report(), absent) == [("image", "reference", samples.IMAGE, "example/gone:1")]


def test_a_report_of_before_there_were_packages_and_layers_tells_nothing_of_them() -> None:
    assert rows(report(), report({"layers": ()}, packages={})) == []


def test_a_list_that_was_cut_off_says_nothing_of_what_would_follow() -> None:
    many = {f"package-{at:05}": "1" for at in range(MOST_PACKAGES)}
    other = {**dict.fromkeys(list(many)[1:], "1"), "a-package": "1", "zzz": "1"}

    assert rows(report(packages=many), report(packages=other)) == [
        ("package", "a-package", "", "1"),
        ("package", "package-00000", "1", ""),
    ]


def test_a_variable_that_is_empty_is_not_one_that_is_absent() -> None:
    hidden = report(variables={"NVIDIA_VISIBLE_DEVICES": "all", "CUDA_VISIBLE_DEVICES": ""})

    assert rows(report(), hidden) == [("variable", "CUDA_VISIBLE_DEVICES", "", '""')]


def test_one_word_with_a_space_is_not_two_words() -> None:
    base, head = report({"entrypoint": ("sh", "-c x")}), report({"entrypoint": ("sh", "-c", "x")})

    assert rows(base, head) == [("image", "entrypoint", '["sh","-c x"]', '["sh","-c","x"]')]


@pytest.mark.parametrize(
    ("base", "head", "shared"), [((), (), 0), (("a", "b"), ("a", "c"), 1), (("a", "a", "b"), ("a", "a", "a"), 2)]
)
def test_a_layer_that_is_there_twice_counts_twice(base: tuple[str, ...], head: tuple[str, ...], shared: int) -> None:
    assert shared_layers(image(layers=base), image(layers=head)) == shared


def test_as_many_layers_are_not_the_same_layers() -> None:
    assert rows(report(), report({"layers": (*BASE_LAYERS[:3], "sha256:other")})) == [
        ("image", "layers", "4, 3 of them shared", "4, 3 of them shared")
    ]


@given(st.dictionaries(st.text(max_size=20), st.text(min_size=1, max_size=40), min_size=1, max_size=5))
def test_whatever_an_image_says_is_passed_on_as_it_is(said: dict[str, str]) -> None:
    hostile = {f"<b>|{name}": version for name, version in said.items()}

    found = diff(report(packages={"p": "1"}, variables={}), report(packages={"p": "1", **hostile}, variables=hostile))

    for kind in ("package", "variable"):
        assert {each.name: each.head for each in found if each.kind == kind} == hostile


def test_back_and_forth_are_mirror_images() -> None:
    head = report({"size": 1, "layers": HEAD_LAYERS}, torch="2.9.1", packages={"numpy": "2.3.5"})

    forth, back = diff(report(), head), diff(head, report())

    assert [Difference(kind=e.kind, name=e.name, base=e.head, head=e.base) for e in forth] == list(back)


@pytest.mark.parametrize(
    ("base", "head", "same"),
    [
        (PulledImage(reference="a:1", digest="sha256:1"), PulledImage(reference="b:2", digest="sha256:1"), True),
        (PulledImage(reference="a:1", digest="sha256:1"), PulledImage(reference="a:1", digest="sha256:2"), False),
        (PulledImage(reference="a:1", image_id="1"), PulledImage(reference="b:1", image_id="1"), True),
        (PulledImage(reference="a:1", image_id="1"), PulledImage(reference="a:1", digest="sha256:1"), False),
        (PulledImage(reference="/x/python"), PulledImage(reference="/x/python"), True),
        (PulledImage(reference="/x/python"), PulledImage(reference="/y/python"), False),
    ],
)
def test_an_image_is_the_same_whatever_it_is_called(base: PulledImage, head: PulledImage, same: bool) -> None:
    assert is_same(base, head) is same
