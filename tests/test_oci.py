"""Which crun is gone round, and how.

The documents are cut from `podman info` of podman 4.3.1 and from `docker info` of docker 28.2 with crun 1.8.1 as its
default; the annotation of a newer crun is that of crun's `features` (src/libcrun, oci-spec features document).
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ci_gpu import oci, process
from ci_gpu.engines import docker, podman
from ci_gpu.job import Job
from ci_gpu.oci import Detour

RUNC = "/usr/sbin/runc"


def info(version: str, **host: Any) -> dict[str, Any]:
    name = version.partition(" ")[0]
    return {"host": {"ociRuntime": {"name": name, "path": f"/usr/bin/{name}", "version": version}, **host}}


def detour(document: dict[str, Any], runc: str, groups: tuple[str, ...]) -> Detour:
    return oci.detour(podman.oci_runtime(document, runc), groups)


@pytest.mark.parametrize(
    "version",
    [
        "crun version 1.8.1\ncommit: f8a096be060b22ccd3d5f3ebe44108517fbf6c30\nrundir: /run/crun\nspec: 1.0.0",
        "crun version 0.17\ncommit: 0e9229ae34caaebcb86f1fde18de3acaf18c6d9a",
        "crun version 1.25.1",
        "crun version 1.9.2-dirty",
    ],
)
def test_a_crun_before_1_26_is_gone_round(version: str) -> None:
    by_runc, without = detour(info(version), RUNC, ()), detour(info(version), "", ())

    assert (by_runc.runtime, by_runc.read_only) == (RUNC, True)
    assert (without.runtime, without.read_only) == ("", False)
    for each in (by_runc, without):
        assert version.split()[2] in each.why


@pytest.mark.parametrize(
    "document",
    [
        info("crun version 1.26\ncommit: x"),
        info("crun version 1.29.1"),
        info("crun version 2.0"),
        info("runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1"),
        info(""),
        {},
        {"host": None},
        {"host": {"ociRuntime": None}},
    ],
)
def test_any_other_runtime_is_left_as_it_is(document: dict[str, Any]) -> None:
    assert detour(document, RUNC, ()) == Detour()


def test_runc_is_not_taken_where_it_cannot_do_what_is_wanted() -> None:
    """It has no way of keeping a process's groups, and a podman elsewhere does not have ours."""
    old = "crun version 1.8.1"

    assert not detour(info(old), RUNC, ("keep-groups",)).read_only
    assert not detour(info(old, serviceIsRemote=True), RUNC, ()).read_only
    assert detour(info(old, serviceIsRemote=False), RUNC, ("44",)).runtime == RUNC


def daemon(crun: dict[str, Any], **others: Any) -> Detour:
    known = {"Runtimes": {"crun": crun, "runc": {"path": "runc"}, **others}, "DefaultRuntime": "crun", "Name": "box"}
    return oci.detour(docker.oci_runtime(known, RUNC), ())


def features(version: str) -> dict[str, Any]:
    told = json.dumps({"ociVersionMax": "1.1.0", "annotations": {"run.oci.crun.version": version}})
    return {"path": "/usr/bin/crun", "status": {"org.opencontainers.runtime-spec.features": told}}


def test_a_crun_below_docker_is_gone_round_by_docker_s_own_runc() -> None:
    old, silent = daemon(features("1.14.1")), daemon({"path": "/usr/bin/crun"})

    assert (old.runtime, old.read_only) == (silent.runtime, silent.read_only) == ("runc", True)
    assert "crun 1.14.1 " in old.why
    assert "not told" in silent.why
    assert daemon(features("1.26")) == daemon({"path": "/usr/bin/kata"}) == Detour()


def test_a_crun_of_an_unknown_version_keeps_its_read_only_root_where_there_is_no_runc() -> None:
    assert detour(info("crun version unknown"), "", ()) == Detour()


def test_docker_is_told_of_the_other_runtime_where_it_hands_over_gpus_by_cdi() -> None:
    job = Job(image="a", name="b", labels=(), gpus=("all",), gpu_mode="cdi", runtime="runc")
    by_runtime = docker.run(msgspec.structs.replace(job, gpu_mode="runtime"), ("x",))

    assert "--runtime runc" in " ".join(docker.run(job, ("x",)))
    assert [value for name, value in itertools.pairwise(by_runtime) if name == "--runtime"] == ["nvidia"]


def test_a_runtime_is_found_where_podman_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "FOLDERS", (str(tmp_path / "empty"), str(tmp_path)))
    assert process.find("runc") == ""

    (tmp_path / "runc").write_text("")
    assert process.find("runc") == "", "it cannot be executed"

    (tmp_path / "runc").chmod(0o755)
    assert process.find("runc") == str(tmp_path / "runc")
