"""Whatever JSON an engine's client prints, a run goes on by the defaults, or ends with an error of the runner's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu import choice, containers, engines, oci, process, pull, untyped
from ci_gpu.engines import docker, podman
from ci_gpu.errors import RunnerError
from ci_gpu.model import Host, ImageRef
from ci_gpu.settings import Settings

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["linux", "nvidia"])
)
ANY = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def with_keys(*keys: str) -> st.SearchStrategy[Any]:
    """Any JSON, and objects that have these keys with any JSON in them, or one of the others."""
    inner = ANY | st.dictionaries(st.sampled_from(keys), ANY, max_size=len(keys))
    return inner | st.dictionaries(st.sampled_from(keys), inner | st.lists(inner, max_size=2), max_size=len(keys))


INFO = with_keys("Runtimes", "DiscoveredDevices", "ID", "CDISpecDirs", "KernelVersion", "InitBinary", "nvidia")
OCI = with_keys("host", "ociRuntime", "version", "serviceIsRemote") | with_keys(
    "Runtimes", "DefaultRuntime", "crun", "status", "org.opencontainers.runtime-spec.features", "Name"
)
STATE = with_keys("State", "StartedAt", "OOMKilled")
DESCRIBED = with_keys("Name", "Config", "Labels", "io.ci-gpu")
IMAGE = with_keys("Id", "Os", "Config", "Entrypoint", "RootFS", "Layers", "RepoDigests", "Size", "Architecture")


@pytest.mark.parametrize("name", ["docker", "podman"])
@given(document=INFO)
def test_any_info_of_an_engine_is_read(name: str, document: Any) -> None:
    found = choice._chosen(name, json.dumps(document), Settings(engine=name), Host())

    assert set(found.gpu_modes) <= set(found.engine.GPU_MODES)
    assert isinstance(found.init, bool)
    assert found.sees_gpus in (True, False, None)


@given(document=OCI)
def test_any_info_of_an_oci_runtime_is_read(document: Any) -> None:
    for engine in (docker, podman):
        runtime = engine.oci_runtime(untyped.table(document), "/usr/bin/runc")
        assert isinstance(oci.detour(runtime, ()), oci.Detour)


def answering(monkeypatch: pytest.MonkeyPatch, said: str, code: int = 0) -> None:
    monkeypatch.setattr(process, "run", lambda *_, **__: process.Completed(code, said, ""))


@given(document=STATE | st.lists(STATE, max_size=2))
def test_any_state_of_a_container_is_read(document: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        answering(patch, json.dumps(document))
        state = containers.state(docker, "x", {})

    assert isinstance(state, Mapping)
    assert containers.started(state) in (True, False, None)


@given(document=DESCRIBED | st.lists(DESCRIBED, max_size=2))
def test_any_description_of_containers_is_read(document: Any) -> None:
    for name, labels in containers._containers(json.dumps(document)):
        assert all(isinstance(value, str) for value in (name, *labels.values()))


@given(document=st.lists(IMAGE, max_size=2) | IMAGE)
def test_any_description_of_an_image_is_read_or_is_the_runner_s_fault(document: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        answering(patch, json.dumps(document))
        with contextlib.suppress(RunnerError):
            found = pull.pull("docker", REF, policy="never", platform="", env={}, on_progress=print)
            assert all(
                isinstance(word, str) for word in (*found.entrypoint, *found.layers, found.digest, found.image_id)
            )
            assert found.size >= 0


REF = ImageRef.parse("registry.example/team/image:1")


@pytest.mark.parametrize("said", ["", "no JSON", "[" * 100_000, '"', '{"a":'])
def test_what_is_no_json_is_nothing(said: str) -> None:
    assert untyped.document(said) is None


def test_what_fits_is_kept() -> None:
    """Else the tests above would pass for a reader that reads nothing."""
    info = {
        "Runtimes": {"nvidia": {}},
        "DiscoveredDevices": [{"ID": "nvidia.com/gpu=0"}],
        "KernelVersion": "5.15-tegra",
    }
    host = {"host": {"ociRuntime": {"name": "crun", "version": "crun version 1.8.1"}}}

    assert choice._chosen("docker", json.dumps(info), Settings(), Host()).gpu_modes == ("cdi", "runtime", "gpus")
    assert not oci.detour(podman.oci_runtime(host, ""), ()).read_only
    assert untyped.words(["a", 1, "b"]) == ("a", "b")
    assert untyped.words("a b") == ("a b",)


def test_the_clients_of_a_hostile_machine_end_a_run_with_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for said in ("null", "[]", '"x"', "1", '{"DiscoveredDevices": "x"}', '{"Runtimes": 1, "DiscoveredDevices": [1]}'):
        (tmp_path / "docker").write_text(f"#!/bin/sh\nprintf '%s' '{said}'\n")
        (tmp_path / "docker").chmod(0o755)
        assert choice.choose(Settings(engine="docker"), Host()).engine is engines.load("docker")
