"""What the engines would be told: pure argv, compared with what their manuals want."""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType
from typing import Any, cast

import msgspec
import pytest

from ci_gpu import engines
from ci_gpu.engines import _hardening
from ci_gpu.job import Job, Limits

JOB = Job(
    image="docker.io/pytorch/pytorch@sha256:" + "0" * 64,
    name="ci-gpu-1",
    labels=(("io.ci-gpu", "run-1"),),
    gpus=("all",),
    gpu_mode="cdi",
    limits=Limits(memory="32g", cpus="8"),
    user="1000:1000",
    init=True,
    environment=(("CI_GPU_IMAGE", "x"),),
)
CONTAINERS = [name for name in engines.names() if engines.load(name).CONTAINERS]


def run(engine: str, **changes: Any) -> tuple[str, ...]:
    return engines.load(engine).run(msgspec.structs.replace(JOB, **changes), ("python3", "-c", "code", "nonce"))


def pairs(argv: tuple[str, ...]) -> set[tuple[str, str]]:
    return set(pairwise(argv))


@pytest.mark.parametrize("name", engines.names())
def test_each_module_offers_what_an_engine_is(name: str) -> None:
    module = cast("ModuleType", engines.load(name))
    wanted = [each for each in vars(engines.Engine) if not each.startswith("_")]

    assert [each for each in wanted if not callable(getattr(module, each, None))] == []
    assert module.__doc__


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_held_tight(name: str) -> None:
    argv = run(name)

    assert {
        ("--network", "none"),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--pull", "never"),
        ("--pids-limit", "4096"),
        ("--memory", "32g"),
        ("--memory-swap", "32g"),
        ("--cpus", "8"),
        ("--shm-size", "2g"),
        ("--user", "1000:1000"),
        ("--tmpfs", "/tmp:rw,exec,nosuid,nodev,mode=1777,size=16g"),
        ("--label", "io.ci-gpu=run-1"),
        ("--name", "ci-gpu-1"),
        ("--env", "USER=ci"),
        ("--env", "TRITON_CACHE_DIR=/tmp/home/triton"),
        ("--env", "CI_GPU_IMAGE=x"),
    } <= pairs(argv)
    assert {"--read-only", "--interactive", "--init"} <= set(argv)
    assert not {"--privileged", "--volume", "-v", "--mount", "--pid", "--ipc", "--rm"} & set(argv)


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_gpus_may_need_beyond_that_is_named_one_by_one(name: str) -> None:
    limits = Limits(memlock="unlimited", stack="64m")
    argv = run(name, limits=limits, groups=("44", "109"), label_disabled=True, own_limits=(("nofile", "1024:4096"),))

    assert {
        ("--ulimit", "memlock=-1:-1"),
        ("--ulimit", "stack=67108864:67108864"),
        ("--group-add", "44"),
        ("--group-add", "109"),
        ("--security-opt", "label=disable"),
        ("--security-opt", "no-new-privileges"),
    } <= pairs(argv)
    assert not {"--ulimit", "--group-add", "label=disable"} & set(run(name, own_limits=(("nofile", "1024:4096"),)))


def test_podman_is_told_the_limits_that_it_would_raise_beside_the_one_that_is_named() -> None:
    own = (("nofile", "1024:4096"), ("nproc", "4096:4096"))

    assert {("--ulimit", "nofile=1024:4096"), ("--ulimit", "nproc=4096:4096")} <= pairs(
        run("podman", limits=Limits(stack="8m"), own_limits=own)
    )
    assert "nofile=1024:4096" not in run("docker", limits=Limits(stack="8m"), own_limits=own)


@pytest.mark.parametrize(
    ("size", "value"), [("unlimited", "-1"), ("65536", "65536"), ("64b", "64"), ("64k", "65536"), ("1g", "1073741824")]
)
def test_a_size_is_told_in_bytes(size: str, value: str) -> None:
    assert ("--ulimit", f"memlock={value}:{value}") in pairs(run("docker", limits=Limits(memlock=size)))


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_root_that_has_to_be_written_is_the_only_thing_that_is_let_go(name: str) -> None:
    assert set(run(name)) - set(run(name, read_only=False)) == {"--read-only"}


def test_podman_is_told_another_oci_runtime() -> None:
    assert run("podman", runtime="/usr/sbin/runc")[:4] == ("podman", "--runtime", "/usr/sbin/runc", "run")


WHOLE = {
    "podman": "podman run --interactive --pull never --log-driver none --stop-timeout 10 --read-only-tmpfs=false"
    " --http-proxy=false --name n --network none --hostname ci-gpu --cap-drop ALL --security-opt no-new-privileges"
    " --read-only --tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size=16g --pids-limit 4096 --shm-size 2g"
    " --device nvidia.com/gpu=0 --env NVIDIA_VISIBLE_DEVICES=void ENVIRONMENT i python3 -c code",
    "docker": "docker run --interactive --pull never --log-driver none --stop-timeout 10"
    " --name n --network none --hostname ci-gpu --cap-drop ALL --security-opt no-new-privileges"
    " --read-only --tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size=16g --pids-limit 4096 --shm-size 2g"
    " --device nvidia.com/gpu=0 --env NVIDIA_VISIBLE_DEVICES=void"
    " --env HTTP_PROXY= --env http_proxy= --env HTTPS_PROXY= --env https_proxy= --env FTP_PROXY= --env ftp_proxy="
    " --env ALL_PROXY= --env all_proxy= ENVIRONMENT i python3 -c code",
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_whole_command_word_for_word(name: str) -> None:
    job = Job(image="i", name="n", labels=(), gpus=("0",), gpu_mode="cdi")
    ours = " ".join(_hardening.environment(job))

    assert " ".join(engines.load(name).run(job, ("python3", "-c", "code"))) == WHOLE[name].replace("ENVIRONMENT", ours)


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_command_follows_the_image_through_its_own_entrypoint(name: str) -> None:
    assert run(name)[-5:] == (JOB.image, "python3", "-c", "code", "nonce")
    assert "--entrypoint" not in run(name)


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_entrypoint_can_be_stepped_past(name: str) -> None:
    argv = run(name, keep_entrypoint=False)

    assert ("--entrypoint", "python3") in pairs(argv)
    assert argv[-4:] == (JOB.image, "-c", "code", "nonce")


@pytest.mark.parametrize(
    ("engine", "mode", "gpus", "expected"),
    [
        ("docker", "cdi", ("all",), {("--device", "nvidia.com/gpu=all"), ("--env", "NVIDIA_VISIBLE_DEVICES=void")}),
        ("docker", "cdi", ("0", "1"), {("--device", "nvidia.com/gpu=0"), ("--device", "nvidia.com/gpu=1")}),
        ("docker", "gpus", ("all",), {("--gpus", "all")}),
        ("docker", "gpus", ("0", "1"), {("--gpus", '"device=0,1"')}),
        ("docker", "gpus", ("GPU-1",), {("--gpus", '"device=GPU-1"')}),
        ("docker", "runtime", ("0", "1"), {("--runtime", "nvidia"), ("--env", "NVIDIA_VISIBLE_DEVICES=0,1")}),
        ("podman", "cdi", ("0", "GPU-1"), {("--device", "nvidia.com/gpu=0"), ("--device", "nvidia.com/gpu=GPU-1")}),
        ("docker", "", (), {("--env", "NVIDIA_VISIBLE_DEVICES=void")}),
        ("podman", "", (), {("--env", "NVIDIA_VISIBLE_DEVICES=void")}),
    ],
)
def test_gpus_are_handed_over_as_the_engine_takes_them(
    engine: str, mode: str, gpus: tuple[str, ...], expected: set[tuple[str, str]]
) -> None:
    assert expected <= pairs(run(engine, gpu_mode=mode, gpus=gpus))


@pytest.mark.parametrize("gpus", [(), ("all",), ("0", "1")])
def test_podman_is_never_given_an_option_that_it_ignores(gpus: tuple[str, ...]) -> None:
    assert "--gpus" not in run("podman", gpus=gpus)


CDI = {"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}
RUNTIME = {"Runtimes": {"runc": {}, "nvidia": {}}}
TEGRA = {"KernelVersion": "5.15.148-tegra"}


@pytest.mark.parametrize(
    ("info", "modes", "told"),
    [
        ({}, "gpus", False),
        ({"Runtimes": {"runc": {}}}, "gpus", False),
        (RUNTIME, "gpus runtime", True),
        (RUNTIME | TEGRA, "runtime gpus", True),
        (TEGRA, "gpus", False),
        (CDI, "cdi gpus", True),
        (CDI | RUNTIME, "cdi gpus runtime", True),
        (CDI | RUNTIME | TEGRA, "cdi runtime gpus", True),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "vendor.com/nic=0"}]}, "gpus", False),
        ({"DiscoveredDevices": None, "Runtimes": None}, "gpus", False),
        ({"CDISpecDirs": ["/etc/cdi"], **RUNTIME}, "gpus runtime cdi", True),
        ({"CDISpecDirs": ["/etc/cdi"], "DiscoveredDevices": None}, "gpus", False),
        ({"CDISpecDirs": []}, "gpus", False),
    ],
)
def test_docker_tells_how_it_may_hand_over_gpus(info: dict[str, Any], modes: str, told: bool) -> None:
    docker = engines.load("docker")

    assert docker.gpu_modes(info, ()) == tuple(modes.split())
    assert docker.sees_gpus(info) is told


@pytest.mark.parametrize(
    ("sign", "first"),
    [("/dev/nvgpu", "runtime"), ("/dev/nvhost-gpu", "runtime"), ("/dev/nvidia0", "gpus"), ("driver 540.4.0", "gpus")],
)
def test_a_jetson_is_known_by_its_device_nodes_as_well(sign: str, first: str) -> None:
    assert engines.load("docker").gpu_modes(RUNTIME, (sign,))[0] == first


@pytest.mark.parametrize("name", engines.names())
def test_an_engine_tries_no_way_that_it_does_not_know(name: str) -> None:
    engine = engines.load(name)

    assert set(engine.gpu_modes(CDI | RUNTIME, ())) == set(engine.GPU_MODES)


def test_the_local_engine_is_this_interpreter() -> None:
    import sys

    argv = run("local", gpus=("0", "1"))

    order = ("CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=0,1")
    assert argv == ("env", *order, "CI_GPU_IMAGE=x", sys.executable, "-c", "code", "nonce")
