"""What is installed with GPU code, which GPU it runs on, and the check that says so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ci_gpu.payload import archs, extensions, perform, probe
from ci_gpu.payload.extensions import Native, judged
from ci_gpu.payload.wire import CheckResult, Environment, Gpu
from tests.elves import elf, entry, fatbin
from tests.needs import module

T4 = Gpu(0, "Tesla T4", "", "7.5")
H100 = Gpu(1, "NVIDIA H100 80GB HBM3", "", "9.0")
TORCH = ("libtorch.so", "libc10.so")
KINDS = {"sm": 2, "compute": 1, "lto": 8}
SUFFIX = {"a": 0x100011, "f": 0x200011, "": 0x11}


def native(*architectures: str, needed: tuple[str, ...] = TORCH) -> bytes:
    """An object with code for these: ``sm_90a``, ``compute_90``."""
    entries = []
    for name in architectures:
        kind, _, number = name.partition("_")
        digits = number.rstrip("af")
        entries.append(entry(KINDS[kind], int(digits), SUFFIX[number[len(digits) :]]))
    return elf([(b".nv_fatbin", fatbin(*entries))] if entries else [(b".text", b"x")], needed)


def package(folder: Path, name: str, objects: dict[str, bytes], version: str = "1.0") -> None:
    """A distribution as pip leaves it."""
    for path, data in objects.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "RECORD").write_text("".join(f"{path},sha256=x,1\n" for path in [*objects, "a/__init__.py"]))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    return folder


def found(*folders: Path) -> dict[str, tuple[str, ...]]:
    natives, _ = extensions.installed([str(folder) for folder in folders])
    return {f"{native.name}: {native.path}": native.archs for native in natives}


def test_an_object_belongs_to_the_distribution_that_records_it(site: Path) -> None:
    package(site, "flash-attn", {"flash_attn_2_cuda.so": native("sm_80", "sm_90a", "compute_90"), "a/lib.so": b""})
    package(site, "pillow", {"PIL/_imaging.so": native(needed=("libc.so.6",))})

    assert found(site)["flash-attn 1.0: flash_attn_2_cuda.so"] == ("compute_90", "sm_80", "sm_90a")
    assert not any("pillow" in name for name in found(site))


def test_code_for_a_later_link_is_none_that_runs(site: Path) -> None:
    """ "Implicit JIT linking of the LTO intermediates is not supported" (nvcc's documentation)."""
    package(site, "a", {"a.so": native("lto_90")})

    assert found(site) == {"a 1.0: a.so": ()}


def test_an_object_beside_all_records_is_found_without_a_name(site: Path) -> None:
    (site / "deep" / "er" / "still").mkdir(parents=True)
    (site / "deep" / "er" / "still" / "_C.cpython-311-x86_64-linux-gnu.so").write_bytes(native("sm_90"))

    assert found(site) == {": deep/er/still/_C.cpython-311-x86_64-linux-gnu.so": ("sm_90",)}


def test_a_project_on_the_path_is_looked_at_near_its_top(tmp_path: Path) -> None:
    """``setup.py build_ext --inplace`` leaves extensions there; far below may lie a set of data."""
    for depth in ("", "a", "a/b", "a/b/c"):
        (tmp_path / depth).mkdir(exist_ok=True)
        (tmp_path / depth / "k.so").write_bytes(native("sm_90"))

    assert found(tmp_path) == {": k.so": ("sm_90",), ": a/k.so": ("sm_90",), ": a/b/k.so": ("sm_90",)}


def test_pythons_own_library_and_where_the_process_happens_to_be_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "k.so").write_bytes(native("sm_90"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extensions.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path), "platstdlib": "/x"})

    assert found(tmp_path) == {}
    assert extensions.installed([""]) == ((), False)


def test_one_object_under_several_names_is_one(site: Path) -> None:
    package(site, "a", {"a/libx.so.1": native("sm_90")})
    (site / "a" / "libx.so").symlink_to("libx.so.1")

    assert found(site) == {"a 1.0: a/libx.so.1": ("sm_90",)}


@pytest.mark.parametrize(
    ("needed", "linked"),
    [
        ("libtorch_cuda.so", True),
        ("libc10.so", True),
        ("libcudart.so.12", True),
        ("libcudart-9335f6a2.so.12.4.99", True),  # by auditwheel
        ("libcudart.faf08d9a.so.13", True),
        ("libcuda.so.1", True),
        ("libtorchaudio.so", False),
        ("libcudart_static.so", False),
        ("libc.so.6", False),
    ],
)
def test_what_is_made_for_torch_or_cuda_is_known_by_what_it_needs(needed: str, linked: bool) -> None:
    assert Native("", "k.so", needed=(needed,)).linked == linked


def test_what_is_no_elf_file_carries_nothing_and_what_is_broken_is_told(site: Path) -> None:
    (site / "libc++.so").write_text("INPUT(libc++.so.1 -lc++abi)")
    (site / "k.so").write_bytes(native("sm_90")[:200])
    natives, _ = extensions.installed([str(site)])

    assert [(one.path, bool(one.error)) for one in natives] == [("k.so", True)]


@pytest.mark.attack
def test_a_name_that_is_no_text_is_plain(site: Path) -> None:
    """An image has an object whose name is bytes that are no text: they are told as escapes."""
    Path(f"{site}/\udcff\n.so").write_bytes(native("sm_90"))

    assert found(site) == {": \\udcff\n.so": ("sm_90",)}


@pytest.mark.attack
def test_folders_without_end_are_said_not_to_have_been_looked_at(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image has millions of files among its packages: the look at them ends at a limit, and says so."""
    for index in range(20):
        (site / f"{index}.so").write_bytes(b"")
    monkeypatch.setattr(extensions, "MOST_NAMES", 10)

    assert extensions.installed([str(site)])[1]


@pytest.mark.parametrize("record", ["\0.so,x,1\n", '"a.so\n,,,', "../../../../etc/x.so,,\n" * 3, "\udcff.so,,"])
def test_a_record_may_say_anything(record: str, site: Path) -> None:
    package(site, "a", {})
    (site / "a-1.0.dist-info" / "RECORD").write_bytes(record.encode("utf-8", "surrogateescape"))
    (site / "k.so").write_bytes(native("sm_90"))

    assert found(site)[": k.so"] == ("sm_90",)


def natives(*objects: tuple[str, str], name: str = "xformers 0.0.35", needed: str = "libcudart.so.12") -> list[Native]:
    return [Native(name, path, tuple(architectures.split()), (needed,)) for path, architectures in objects]


@pytest.mark.parametrize(
    ("architectures", "capability", "state"),
    [
        ("sm_75 sm_80", "7.5", archs.SASS),
        ("sm_80", "8.9", archs.SASS),
        ("sm_90a", "9.0", archs.SASS),
        ("sm_90a compute_90a", "10.0", archs.NONE),
        ("sm_90a", "7.5", archs.NONE),
        ("sm_100f", "10.3", archs.SASS),
        ("sm_80 compute_80", "9.0", archs.PTX),
        ("sm_80 compute_80", "7.5", archs.NONE),
    ],
)
def test_one_object_on_one_gpu(architectures: str, capability: str, state: str) -> None:
    (only,) = judged(natives(("_C.so", architectures)), capability, "12.8")

    assert (only.state, bool(only.without)) == (state, state == archs.NONE)


def test_a_package_runs_where_one_of_its_objects_does_and_the_others_are_told() -> None:
    """xformers 0.0.27: flash attention is for 8.0 on, and nobody calls it on a T4."""
    (only,) = judged(natives(("_C.so", "sm_70 sm_75"), ("_C_flashattention.so", "sm_80 compute_80")), "7.5", "12.1")

    assert (only.state, [native.path for native in only.without]) == (archs.SASS, ["_C_flashattention.so"])


def test_an_object_for_another_cuda_than_torchs_does_not_count() -> None:
    """bitsandbytes 0.50.2 brings one for each CUDA."""
    old = natives(("libbitsandbytes_cuda118.so", "sm_70 sm_75"), needed="libcudart.so.11.0")
    new = natives(("libbitsandbytes_cuda130.so", "sm_75 sm_120"), needed="libcudart.so.13")

    assert judged([*old, *new], "7.0", "13.0")[0].state == archs.NONE
    assert judged([*old, *new], "7.0", "11.8")[0].state == archs.SASS
    assert judged(old, "7.0", "13.0")[0].state == archs.SASS, "where it is all that there is, it may bring its CUDA"


def test_torchs_linear_algebra_does_not_speak_for_torch() -> None:
    """2.9.1: MAGMA's list has sm_60, which torch's own has not."""
    of_torch = natives(
        ("torch/lib/libtorch_cuda.so", "sm_70 sm_75"),
        ("torch/lib/libtorch_cuda_linalg.so", "sm_50 sm_60 sm_80"),
        name="torch 2.9.1",
    )

    assert judged(of_torch, "6.1", "12.8")[0].state == archs.NONE
    (on_t4,) = judged(of_torch, "7.5", "12.8")
    assert (on_t4.state, [native.path for native in on_t4.without]) == (
        archs.SASS,
        ["torch/lib/libtorch_cuda_linalg.so"],
    )


def test_torch_without_a_record_is_judged_as_torch() -> None:
    """``setup.py develop``, or a copy: MAGMA's list alone has nothing for a T4, and nobody is the worse for it."""
    built = natives(
        ("torch/lib/libtorch_cuda.so", "sm_75"), ("torch/lib/libtorch_cuda_linalg.so", "sm_60 sm_80"), name=""
    )

    assert [(one.name, one.state) for one in judged(built, "7.5", "12.8")] == [("torch", archs.SASS)]


def test_a_library_of_nvidias_that_is_carried_along_does_not_speak_for_the_package() -> None:
    """torchvision 0.29.1 carries libnvjpeg, which has more than its own code."""
    both = natives(
        ("torchvision/_C.so", "sm_90"),
        ("torchvision.libs/libnvjpeg.36e11081.so.13", "sm_75 sm_90"),
        name="torchvision 0.29.1",
    )

    (of_both,), (alone,) = judged(both, "7.5", "12.8"), judged(both[1:], "7.0", "12.8")
    assert (of_both.state, of_both.library) == (archs.NONE, False)
    assert (alone.state, alone.library) == (archs.NONE, True)


@pytest.mark.parametrize(
    ("file", "library"),
    [
        ("libcudnn_engines_precompiled.so.9", True),
        ("libcublasLt.so.13", True),
        ("libnvjpeg.36e11081.so.13", True),
        ("libnccl.so.2", True),
        ("libnvbench.so", False),
        ("libtorch_cuda.so", False),
        ("_C.so", False),
    ],
)
def test_nvidias_libraries_are_known_by_their_names(file: str, library: bool) -> None:
    assert Native("a 1", f"a.libs/{file}").library == library
    assert Native("nvidia-a 1", file).library


def test_objects_without_a_package_are_judged_one_by_one() -> None:
    found = judged(natives(("a.so", "sm_75"), ("b.so", "sm_90"), name=""), "7.5", "12.8")

    assert [(one.name, one.state) for one in found] == [("a.so", archs.SASS), ("b.so", archs.NONE)]


@pytest.fixture
def check(site: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The check as the supervisor calls it, over the packages in ``site`` alone."""
    module("torch")
    monkeypatch.setattr(sys, "path", [str(site), *[path for path in sys.path if "-packages" not in path]])

    def result(*gpus: Gpu, **facts: Any) -> CheckResult:
        known = {"torch_cuda": "12.8", "arch_list": ("sm_75", "sm_90"), "gpus": gpus, **facts}
        monkeypatch.setattr(probe, "environment", lambda: Environment("3.11.7", "x86_64", "2.9.0+cu128", **known))
        name = "compatibility.extensions"
        return perform.check(name, "ci_gpu.payload.checks.compatibility", "cuda")

    return result


def test_the_check_is_red_where_an_extension_has_nothing_for_a_gpu(site: Path, check: Any) -> None:
    package(site, "flash-attn", {"flash_attn_2_cuda.so": native("sm_80", "sm_90a")}, "2.8.3")
    result = check(H100, T4)

    assert (result.outcome, result.cause) == ("failed", "no-kernel-image")
    assert result.message == ("flash-attn 2.8.3: flash_attn_2_cuda.so has sm_80 sm_90a, and nothing for Tesla T4 (7.5)")
    assert "TORCH_CUDA_ARCH_LIST='7.5'" in result.hint


def test_the_check_is_red_where_torch_itself_has_nothing(site: Path, check: Any) -> None:
    package(site, "torch", {"torch/lib/libtorch_cuda.so": native("sm_90")}, "2.9.0")

    assert "torch 2.9.0: torch/lib/libtorch_cuda.so has sm_90, and nothing for Tesla T4" in check(T4).message


def test_the_check_is_green_where_each_has_something(site: Path, check: Any) -> None:
    package(site, "torch", {"torch/lib/libtorch_cuda.so": native("sm_75", "sm_90")}, "2.9.0")
    package(site, "flash-attn", {"flash_attn_2_cuda.so": native("sm_75", "sm_90a")})
    result = check(T4, H100)
    facts = {fact.name: (fact.value, fact.expected) for fact in result.facts}

    assert (result.outcome, result.notes) == ("passed", ())
    assert facts["flash-attn 1.0"] == ("sm_75 sm_90a", "")
    assert facts["torch 2.9.0"] == ("sm_75 sm_90", "sm_75 sm_90 by torch's own list")


@pytest.mark.parametrize(
    ("name", "architectures", "note"),
    [
        ("xformers", ("compute_70",), "has only PTX for Tesla T4 (7.5)"),
        ("nvidia-cusparselt-cu12", ("sm_80",), "whatever calls it fails there"),
    ],
)
def test_what_runs_with_a_catch_is_a_note(
    name: str, architectures: tuple[str, ...], note: str, site: Path, check: Any
) -> None:
    package(site, name, {"k.so": native(*architectures)})
    package(site, "b", {"b.so": native("sm_75")})
    result = check(T4)

    assert result.outcome == "passed"
    assert note in " ".join(result.notes)


@pytest.mark.parametrize(
    ("packages", "gpus", "kind", "why"),
    [
        ({}, (T4,), "not-applicable-here", "no package that is installed has GPU code of its own"),
        ({"a": native()}, (T4,), "not-applicable-here", "no package that is installed has GPU code"),
        ({"torch": native("sm_75")}, (T4,), "not-applicable-here", "no package but torch"),
        ({"nvidia-nccl": native("sm_75")}, (T4,), "not-applicable-here", "no package but torch"),
        ({"a": native("sm_75")}, (), "needs-gpu", "none is visible"),
    ],
)
def test_where_there_is_nothing_to_judge_nothing_passes(
    packages: dict[str, bytes], gpus: tuple[Gpu, ...], kind: str, why: str, site: Path, check: Any
) -> None:
    for name, data in packages.items():
        package(site, name, {f"{name}.so": data})
    result = check(*gpus)

    assert (result.outcome, result.kind) == ("skipped", kind)
    assert why in result.message


def test_an_object_that_cannot_be_read_is_a_note(site: Path, check: Any) -> None:
    package(site, "a", {"a.so": native("sm_75"), "b.so": native("sm_75")[:300]})

    assert "b.so could not be read to its end: it ends at 300" in " ".join(check(T4).notes)


def test_whatever_is_installed_the_evidence_is_bounded(site: Path, check: Any) -> None:
    for index in range(300):
        package(site, f"a{index}", {f"a{index}.so": native("sm_90"), f"b{index}.so": native()[:200]})
    result = check(T4)

    assert result.outcome == "failed"
    assert "and 260 more" in result.message
