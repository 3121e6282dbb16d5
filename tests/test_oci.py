"""Which crun is gone round, and how. The documents are cut from `podman info` of podman 4.3.1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ci_gpu import oci
from ci_gpu.oci import Detour, detour

RUNC = "/usr/sbin/runc"


def info(version: str, **host: Any) -> dict[str, Any]:
    name = version.partition(" ")[0]
    return {"host": {"ociRuntime": {"name": name, "path": f"/usr/bin/{name}", "version": version}, **host}}


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
        info("crun version unknown"),
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


def test_a_runtime_is_found_where_podman_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oci, "_FOLDERS", (str(tmp_path / "empty"), str(tmp_path)))
    assert oci.find("runc") == ""

    (tmp_path / "runc").write_text("")
    assert oci.find("runc") == "", "it cannot be executed"

    (tmp_path / "runc").chmod(0o755)
    assert oci.find("runc") == str(tmp_path / "runc")
