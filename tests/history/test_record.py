"""A record keeps what a series needs, and names no machine."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ci_gpu.errors import ConfigError
from ci_gpu.history import document
from ci_gpu.history.record import Record, hashed, record, run_name
from ci_gpu.model import SeriesKey
from ci_gpu.origin import Origin
from ci_gpu.payload.wire import Gpu
from tests import samples
from tests.history import records

MADE = Origin(branch="main", commit="ab" * 20, repository="octo-org/octo-repo")


def _of_trial(bases: list[float], heads: list[float], **changes: object) -> Record:
    images = (samples.image_report(name="old"), samples.image_report(name="new"))
    return record(samples.summary(images=images, trial=records.trial(bases, heads, **changes)), MADE, salt="pepper")


def test_an_image_alone_gives_one_process_and_the_median_of_its_samples() -> None:
    kept = record(samples.red(), MADE, salt="pepper")
    found = {each.key.metric: (each.value, each.processes, each.change) for each in kept.measurements}
    assert found == {"matmul.bfloat16/throughput": (690.75, 1, None), "matmul.bfloat16/cold call": (41.9, 1, None)}


def test_a_trial_gives_both_arms_with_the_median_of_the_processes_medians() -> None:
    base, head = _of_trial([100, 102, 104], [110, 109, 115]).measurements
    assert (base.arm, base.value, base.processes, base.change) == ("base", 102, 3, None)
    assert (head.arm, head.value, head.processes, head.verdict) == ("head", 110, 3, "unchanged")


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)), min_size=2, max_size=12))
def test_the_link_is_the_mean_log_ratio_of_the_pairs_with_its_standard_error(pairs: list[tuple[float, float]]) -> None:
    _, head = _of_trial([base for base, _ in pairs], [head for _, head in pairs]).measurements
    ratios = np.log([head / base for base, head in pairs])
    assert head.change == pytest.approx(np.mean(ratios), abs=1e-9)
    floor = math.sqrt(2) * 0.001 / math.sqrt(len(pairs))
    assert head.change_error == pytest.approx(max(stats.sem(ratios), floor), rel=1e-6)
    assert head.deviation == pytest.approx(np.std(np.log([head for _, head in pairs]), ddof=1), abs=1e-9)


def test_an_invalid_block_counts_for_nothing() -> None:
    spoilt = records.trial([100, 100], [100, 100])
    slow = records.block(3, "head", 50, invalid="hw-thermal-slowdown")
    images = (samples.image_report(name="old"), samples.image_report(name="new"))
    trial = msgspec.structs.replace(spoilt, blocks=(*spoilt.blocks, slow))
    _, head = record(samples.summary(images=images, trial=trial), MADE, salt="pepper").measurements
    assert (head.value, head.processes, head.change) == (100, 2, 0)


@pytest.mark.parametrize(
    ("changes", "masked"),
    [
        ({"refused": "the GPU is shared"}, "the GPU is shared"),
        ({"reason": "throttled"}, "throttled"),
        ({"reason": "noise"}, ""),
    ],
)
def test_what_the_machine_spoilt_is_masked_and_what_is_only_noisy_is_not(changes: dict[str, str], masked: str) -> None:
    reason = changes.pop("reason", "")
    trial = records.trial([100, 100], [100, 100])
    judged = msgspec.structs.replace(trial.metrics[0], verdict="inconclusive", reason=reason)
    _, head = _of_trial([100, 100], [100, 100], metrics=(judged,), **changes).measurements
    assert head.masked == masked


def test_neither_uuid_nor_host_name_is_in_a_record() -> None:
    data = document.encode(record(samples.red(), MADE, salt="pepper")).decode()
    assert samples.gpu().uuid not in data
    assert samples.host().name not in data


def test_a_hash_depends_on_the_salt_and_an_empty_identity_has_none() -> None:
    assert hashed("GPU-1", "a") != hashed("GPU-1", "b")
    assert hashed("GPU-1", "a") != hashed("GPU-2", "a")
    assert hashed("", "a") == ""


def test_other_conditions_are_another_series() -> None:
    usual = _key(host=(), inside=samples.gpu())
    for changes in ({"power_limit": 500}, {"ecc": "off"}, {"clocks": "applications:1410"}):
        assert _key(host=(), inside=samples.gpu(**changes)) != usual


def test_the_runner_knows_how_its_clocks_are_locked() -> None:
    inside = samples.gpu(clocks="default")
    assert _key(host=(inside,), inside=inside, clocks="locked:1980").clocks == "locked:1980"


def test_the_hosts_view_of_the_gpu_counts_because_images_differ_in_theirs() -> None:
    seen, blind = samples.gpu(power_limit=700, ecc="on", clocks="default"), samples.gpu()
    old = samples.gpu(uuid="")  # torch before 2.5
    keys = [_key(host=(samples.gpu(name="T4", uuid="GPU-0"), seen), inside=inside) for inside in (seen, blind, old)]
    assert {key.power_limit for key in keys} == {700}
    assert keys[0] == keys[1] == keys[2]


def test_of_several_gpus_it_is_the_one_that_was_asked_for() -> None:
    """No image knows a UUID: the first of that model would be another GPU."""
    host = tuple(samples.gpu(index=index, uuid=f"GPU-{index}", power_limit=500 + index) for index in range(3))
    assert _key(host, samples.gpu(uuid=""), asked="1").power_limit == 501
    assert _key(host, samples.gpu(uuid=""), asked="GPU-2").power_limit == 502


def test_a_driver_that_names_the_gpu_otherwise_is_still_its_driver() -> None:
    assert _key((samples.gpu(name="H100 80GB HBM3", power_limit=700),), samples.gpu()).power_limit == 700


@pytest.mark.parametrize("host", [(), (samples.gpu(power_limit=700, ecc="on", clocks="default"),)])
def test_two_images_of_one_run_are_in_one_series_whatever_each_can_see(host: tuple[Gpu, ...]) -> None:
    blind, seeing = samples.gpu(uuid=""), samples.gpu(power_limit=700, ecc="on", clocks="default")
    images = tuple(
        samples.image_report(name=name, environment=samples.environment(gpus=(gpu,)))
        for name, gpu in (("new", seeing), ("old", blind))
    )
    trial = records.trial([100, 102], [110, 109])
    base, head = record(
        samples.summary(host=samples.host(gpus=host), images=images, trial=trial), MADE, salt="pepper"
    ).measurements
    assert base.key == head.key
    assert head.key.power_limit == 700


def test_an_image_against_itself_has_both_arms() -> None:
    trial = msgspec.structs.replace(records.trial([100, 102], [110, 109]), base="new", head="new")
    images = (samples.image_report(name="new"), samples.image_report(name="new"))
    found = record(samples.summary(images=images, trial=trial), MADE, salt="pepper").measurements
    assert [(each.arm, each.value) for each in found] == [("base", 101), ("head", 109.5)]


def test_a_reason_names_no_gpu() -> None:
    refused = "the GPU GPU-11111111-2222-3333 is shared: 1 other compute process"
    kept = _of_trial([100, 100], [100, 100], refused=refused)
    assert kept.refused == kept.measurements[1].masked == "the GPU GPU is shared: 1 other compute process"


def test_without_nvml_on_the_host_the_images_view_is_all_there_is() -> None:
    key = _key(host=(), inside=samples.gpu(power_limit=700, ecc="on", clocks="default"))
    assert (key.power_limit, key.ecc, key.clocks) == (700, "on", "default")


def _key(host: tuple[Gpu, ...], inside: Gpu, clocks: str = "", asked: str = "all") -> SeriesKey:
    image = samples.image_report(environment=samples.environment(gpus=(inside,)), results=samples.results())
    summary = samples.summary(host=samples.host(gpus=host, clocks=clocks), images=(image,), gpus=asked)
    return record(summary, MADE, salt="pepper").measurements[0].key


def test_a_mig_slice_is_part_of_the_key() -> None:
    slice_ = samples.gpu(name="NVIDIA A100-SXM4-40GB MIG 1g.5gb", uuid="MIG-7")
    image = samples.image_report(environment=samples.environment(gpus=(slice_,)), results=samples.results())
    assert record(samples.summary(images=(image,)), MADE, salt="pepper").measurements[0].key.mig == "1g.5gb"


def test_on_a_cpu_the_series_is_that_of_the_machine() -> None:
    image = samples.image_report(results=samples.results())
    key = record(samples.summary(device="cpu", images=(image,)), MADE, salt="pepper").measurements[0].key
    assert (key.device, key.gpu, key.uuid) == ("cpu", samples.environment().cpu, hashed("gpu-runner-7", "pepper"))


def test_a_runs_name_is_the_jobs_and_differs_between_the_legs_of_a_matrix() -> None:
    made = Origin(run="77", attempt="2", job="gpu", matrix='{"gpu": "a100"}')
    one, leg = run_name(samples.run_report(), made), msgspec.structs.replace(made, matrix='{"gpu": "h100"}')
    assert one.startswith("77-2-gpu-")
    assert one == run_name(samples.run_report(), made)
    assert len({one, run_name(samples.run_report(gpus="0"), made), run_name(samples.run_report(), leg)}) == 3


def test_control_characters_from_an_image_do_not_get_into_a_record() -> None:
    image = samples.image_report(environment=samples.environment(torch="2.9\x1b[31m" + "x" * 9999))
    kept = record(samples.summary(images=(image,)), MADE, salt="pepper")
    assert document.decode(document.encode(kept)) == kept
    assert "\x1b" not in kept.images[0].software.torch


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])),
)
def test_what_is_written_is_read_back(value: float, text: str) -> None:
    kept = records.record(branch=text[:100], measurements=(records.measurement(value=value),))
    assert document.decode(document.encode(kept)) == kept


BAD = {
    "not json": b"{",
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "another format": b'{"format": 2, "run": "a", "created": "2026-11-23T05:30:00Z"}',
    "no format": b'{"run": 1}',
    "a path as name": b'{"format": 1, "run": "../../x", "created": "2026-11-23T05:30:00Z"}',
    "no time": b'{"format": 1, "run": "a", "created": "yesterday"}',
    "another field": b'{"format": 1, "run": "a", "created": "2026-11-23T05:30:00Z", "evil": 1}',
    "a control character": b'{"format": 1, "run": "a", "created": "2026-11-23T05:30:00Z", "branch": "\\u001b["}',
    "too long": b'{"format": 1, "run": "a", "created": "2026-11-23T05:30:00Z", "branch": "%s"}' % (b"x" * 5000),
    "too large": b" " * (5 << 20),
    "not utf-8": b'{"format": 1, "run": "\xff"}',
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_a_hostile_record_is_refused_with_one_error(data: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        document.decode(data)
    assert caught.value.kind == "bad-record"


@pytest.mark.parametrize(
    "changes",
    [
        {"value": math.inf},
        {"value": math.nan},
        {"better": "sideways"},
        {"processes": 0},
        {"verdict": "fine"},
        {"deviation": -1},
    ],
)
def test_what_could_not_be_read_back_is_not_written(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        document.encode(records.record(measurements=(records.measurement(**changes),)))
