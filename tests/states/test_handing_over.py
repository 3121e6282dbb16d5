"""Which way of handing over GPUs is tried after which, by the true pipeline over a client that refuses some of them.

The words of the refusals are from public threads: `tests.refusals` has them with their addresses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ci_gpu.model import ImageReport, Summary
from ci_gpu.reports import load
from tests.refusals import HANDING
from tests.states.machine import State, driver, examined

__all__ = ["driver"]


def words(thread: str) -> str:
    return next(said.words for said in HANDING if said.source.endswith(thread))


CSV = words("jetson-containers/issues/1577")
NO_DRIVER = words("docker/cli/issues/2425")
NO_RUNTIME = words("nvidia-container-toolkit/issues/150")
UNRESOLVED = words("moby/moby/issues/47633")
TOO_OLD = words("SyneRBI/PETRIC2/issues/27")
FULL = "docker: Error response from daemon: mkdir /x: no space left on device."

NVIDIA: dict[str, Any] = {"Runtimes": {"runc": {}, "nvidia": {}}}
CDI = {**NVIDIA, "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}]}
TEGRA = {**NVIDIA, "KernelVersion": "5.15.148-tegra"}
NOTHING: dict[str, Any] = {"Runtimes": {"runc": {}}}


def docker(info: dict[str, Any], **refused: str) -> State:
    """docker with this `info`, which refuses these ways with these words."""
    refuses = {mode: [125, words + "\n"] for mode, words in refused.items()}
    return State(code=0, party="", docker={"info": info, "refuses": refuses})


HANDED: dict[str, tuple[State, str, list[str]]] = {
    "a daemon with the toolkit": (docker(NVIDIA), "gpus", []),
    "a daemon that lists CDI devices": (docker(CDI), "cdi", []),
    "a Jetson": (docker(TEGRA), "runtime", []),
    "a toolkit in csv mode on a kernel that does not say Jetson": (docker(NVIDIA, gpus=CSV), "runtime", ["gpus"]),
    "a CDI description that lacks the device": (docker(CDI, cdi=UNRESOLVED), "gpus", ["cdi"]),
    "neither CDI nor --gpus": (docker(CDI, cdi=UNRESOLVED, gpus=CSV), "runtime", ["cdi", "gpus"]),
    "a Jetson whose runtime is gone": (docker(TEGRA, runtime=NO_RUNTIME), "gpus", ["runtime"]),
    "a toolkit that the daemon was not told of": (docker(NOTHING), "gpus", []),
}


def image(summary: Summary) -> ImageReport:
    return summary.report.images[0]


@pytest.mark.parametrize("name", HANDED)
def test_the_first_way_that_is_not_refused_is_used_and_told(
    name: str, tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, mode, refused = HANDED[name]
    summary = examined(state, tmp_path, driver, monkeypatch)

    assert summary.verdict.exit_code == 0, summary.verdict.reasons
    assert image(summary).gpu_mode == mode
    assert [refusal.mode for refusal in image(summary).gpu_refusals] == refused
    for kind in ("terminal", "markdown", "html"):
        text = load(kind).render(summary)
        assert [each for each in refused if each not in text] == []
        assert not refused or f"by {mode}" in text.replace("&#39;", "'")


def test_each_refusal_is_told_while_the_run_goes_on(
    tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    examined(docker(CDI, cdi=UNRESOLVED, gpus=CSV), tmp_path, driver, monkeypatch, notes)

    assert [("cdi" in note, "gpus" in note, "runtime" in note) for note in notes] == [
        (True, True, False),
        (False, True, True),
    ]
    assert "unresolvable" in notes[0] or "knows no CDI device" in notes[0]


def test_where_every_way_is_refused_the_runner_is_at_fault_and_each_is_told(
    tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = examined(docker(CDI, cdi=UNRESOLVED, gpus=NO_DRIVER, runtime=NO_RUNTIME), tmp_path, driver, monkeypatch)
    (reason,) = summary.verdict.reasons

    assert (summary.verdict.exit_code, reason.kind) == (3, "gpu-not-handed-over")
    assert image(summary).gpu_mode == ""
    assert [refusal.mode for refusal in image(summary).gpu_refusals] == ["cdi", "gpus", "runtime"]
    for words in ("cdi: the engine knows no CDI device", "gpus: ", "runtime: "):
        assert words in reason.message
    assert "nvidia-ctk cdi generate" in reason.remedy
    assert "nvidia-ctk runtime configure" in reason.remedy


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [(TOO_OLD, 1, "driver-too-old"), (FULL, 3, "no-space"), ("unknown flag", 3, "engine-refused")],
)
def test_what_is_no_refusal_of_the_gpus_is_not_tried_again(
    words: str, code: int, kind: str, tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Least of all a verdict on the image: another way would not look at NVIDIA_REQUIRE_CUDA."""
    summary = examined(docker(NVIDIA, gpus=words), tmp_path, driver, monkeypatch)

    assert (summary.verdict.exit_code, [reason.kind for reason in summary.verdict.reasons]) == (code, [kind])
    assert image(summary).gpu_refusals == ()


@pytest.mark.parametrize("mode", ["cdi", "gpus", "runtime"])
def test_a_way_that_is_named_is_the_only_one_that_is_tried(
    mode: str, tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = docker(CDI, **{mode: {"cdi": UNRESOLVED, "gpus": CSV, "runtime": NO_RUNTIME}[mode]})
    summary = examined(state, tmp_path, driver, monkeypatch, gpu_mode=mode)

    assert summary.verdict.exit_code == 3
    assert [refusal.mode for refusal in image(summary).gpu_refusals] == [mode]
    assert summary.verdict.reasons[0].kind != "gpu-not-handed-over"


def test_a_way_that_is_named_is_used_although_info_does_not_tell_of_it(
    tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = examined(docker(NOTHING), tmp_path, driver, monkeypatch, gpu_mode="runtime")

    assert (summary.verdict.exit_code, image(summary).gpu_mode) == (0, "runtime")


def test_what_was_refused_for_one_image_is_not_tried_for_the_next(
    tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = docker(CDI, cdi=UNRESOLVED)
    two = msgspec.structs.replace(state, image=f"{state.image} registry.example/team/image:2")
    first, second = examined(two, tmp_path, driver, monkeypatch).report.images

    assert [refusal.mode for refusal in first.gpu_refusals] == ["cdi"]
    assert (second.gpu_mode, second.gpu_refusals) == ("gpus", ())


def test_a_comparison_keeps_to_the_way_that_worked_for_both_images(
    tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were a refused way tried in each block, each would take longer, and tell of it."""
    state = msgspec.structs.replace(
        docker(CDI, cdi=UNRESOLVED), checks=("planted.first",), env={"STATE_CHECK": "measure"}
    )
    notes: list[str] = []
    settings = {"baseline": "registry.example/team/image:0", "pairs": "2"}
    summary = examined(state, tmp_path, driver, monkeypatch, notes, **settings)
    trial = summary.report.trial

    assert trial is not None
    assert len(trial.blocks) >= 4, trial.refused
    assert [note for note in notes if "by cdi" in note] == notes
    assert len(notes) == 1


def test_a_run_on_the_cpu_hands_over_nothing(tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(code=0, party="", device="cpu", libcuda="", docker={"info": CDI, "refuses": {"cdi": [125, "x"]}})
    summary = examined(state, tmp_path, driver, monkeypatch)

    assert (summary.verdict.exit_code, image(summary).gpu_mode) == (0, "")
