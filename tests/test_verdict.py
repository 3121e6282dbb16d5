"""The gate, rule by rule: every way to be red, and the only way to be green."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.gpus import wanted_gpus
from ci_gpu.model import (
    Block,
    Comparison,
    Failure,
    Host,
    ImageReport,
    MetricRule,
    Policy,
    Proposal,
    PulledImage,
    RunReport,
    Trial,
    Verdict,
)
from ci_gpu.payload.wire import CheckResult, Environment, Gpu, Metric
from ci_gpu.verdict import judge

GPU = Gpu(0, "NVIDIA H100 80GB HBM3", "GPU-1", "9.0")
FOUR_GPUS = tuple(Gpu(index, "NVIDIA H100 80GB HBM3", f"GPU-{index}", "9.0") for index in range(4))
TWO_GPUS = (GPU, Gpu(1, "NVIDIA H100 80GB HBM3", "GPU-2", "9.0"))
SLICED = Gpu(1, "NVIDIA H100 80GB HBM3", "GPU-2", "9.0", mig="on")
TWO_SLICED = (dataclasses.replace(GPU, mig="on"), SLICED)
LOST = Gpu(1, "", "GPU-2", error="GPU is lost")


def result(check: str = "matmul.float32", outcome: str = "passed", **fields: Any) -> CheckResult:
    return CheckResult(check, outcome, **{"used_gpu": True, **fields})


def environment(gpus: tuple[Gpu, ...] = (GPU,), torch_cuda: str = "12.8", **fields: Any) -> Environment:
    return Environment("3.11.7", "x86_64", "2.9.0+cu128", torch_cuda=torch_cuda, gpus=gpus, **fields)


def image(*results: CheckResult, **fields: Any) -> ImageReport:
    defaults: dict[str, Any] = {
        "name": "image",
        "planned": tuple(each.check for each in results),
        "image": PulledImage(
            reference=f"docker.io/pytorch/{fields.get('name', 'pytorch')}:2.9.0-cuda12.8-cudnn9-runtime"
        ),
        "environment": environment(),
        "results": results,
    }
    return ImageReport(**{**defaults, **fields})


def verdict(*images: ImageReport, device: str = "cuda", gpus: str = "all", host: Host | None = None) -> Verdict:
    return judge(
        RunReport(
            version="1.0.0",
            created="2026-11-23T05:00:00+00:00",
            device=device,
            gpus=gpus,
            engine="docker",
            host=host or Host(),
            images=images,
        )
    )


def not_made(cause: str, check: str = "matmul.float32") -> CheckResult:
    return result(check, "error", kind="not-made", cause=cause, used_gpu=False)


def kinds(found: Verdict) -> list[str]:
    return [reason.kind for reason in found.reasons]


def metric(*samples: float | None, limit: float | None = None) -> Metric:
    return Metric("throughput", "TFLOP/s", "higher", samples, limit)


def test_green_is_every_promise_kept_on_a_gpu() -> None:
    found = verdict(image(result(metrics=(metric(700.0, 701.0, limit=1000.0),))))

    assert (found.exit_code, found.conclusion, found.reasons) == (0, "success", ())


RED: dict[str, tuple[tuple[ImageReport, ...], int, str]] = {
    "no image at all": ((), 1, "nothing-checked"),
    "no check was promised": ((image(planned=()),), 1, "nothing-checked"),
    "a promised check has no result": ((image(result(), planned=("matmul.float32", "matmul.gone")),), 1, "missing"),
    "a check has two results": ((image(result(), result(), planned=("matmul.float32",)),), 1, "missing"),
    "a result nobody asked for": ((image(result(), result("a.b"), planned=("matmul.float32",)),), 4, "foreign"),
    "an outcome that is no word of ours": ((image(result(), result("a.b", "fine")),), 4, "foreign"),
    "a failed check": ((image(result(), result("a.b", "failed", kind="wrong")),), 1, "wrong"),
    "a check with an error": ((image(result(), result("a.b", "error", kind="timeout")),), 1, "timeout"),
    "an error without a kind": ((image(result(), result("a.b", "error")),), 1, "error"),
    "every check skipped": ((image(result(outcome="skipped")),), 1, "all-skipped"),
    "a family skipped": ((image(result(), result("cache.reuse", "skipped")),), 1, "all-skipped"),
    "zero GPUs": ((image(result(), environment=environment(gpus=())),), 3, "gpu-missing"),
    "no environment": ((image(result(), environment=None),), 3, "gpu-missing"),
    "a pass that never touched the GPU": ((image(result(used_gpu=False)),), 1, "gpu-untouched"),
    "a metric that is not a number": ((image(result(metrics=(metric(1.0, None),))),), 1, "impossible-metric"),
    "a metric that is infinite": ((image(result(metrics=(metric(float("inf")),))),), 1, "impossible-metric"),
    "a metric of zero": ((image(result(metrics=(metric(0.0),))),), 1, "impossible-metric"),
    "a negative metric": ((image(result(metrics=(metric(-1.0),))),), 1, "impossible-metric"),
    "a metric beyond the peak": ((image(result(metrics=(metric(1001.0, limit=1000.0),))),), 1, "impossible-metric"),
    "a metric without samples": ((image(result(metrics=(metric(),))),), 1, "impossible-metric"),
    "an image that could not be pulled": (
        (image(failure=Failure(kind="tag-not-found", exit_code=3, what="no such tag")),),
        3,
        "tag-not-found",
    ),
    "an image without Python": ((image(failure=Failure(kind="no-python", exit_code=4, what="no")),), 4, "no-python"),
    "an image that the driver refuses": (
        (image(failure=Failure(kind="driver-too-old", exit_code=1, what="cuda>=12.8")),),
        1,
        "driver-too-old",
    ),
    "one good image and one bad": ((image(result()), image(result(outcome="failed", kind="wrong"))), 1, "wrong"),
}


@pytest.mark.parametrize(("images", "code", "kind"), RED.values(), ids=RED)
def test_red(images: tuple[ImageReport, ...], code: int, kind: str) -> None:
    found = verdict(*images)

    assert found.exit_code == code
    assert found.conclusion == ("failure" if code == 1 else "error")
    assert kind in kinds(found)


@pytest.mark.parametrize("images", [row[0] for row in RED.values()], ids=RED)
def test_a_report_that_was_read_from_a_file_is_judged_alike(images: tuple[ImageReport, ...]) -> None:
    """Its words are other objects than ours."""
    report = msgspec.structs.replace(REPORT, images=images)
    read = msgspec.json.decode(msgspec.json.encode(report), type=RunReport)

    assert [msgspec.structs.replace(reason, message="") for reason in judge(read).reasons] == [
        msgspec.structs.replace(reason, message="") for reason in judge(report).reasons
    ]


BOUNDS: dict[str, tuple[MetricRule, tuple[float, ...], int, list[str]]] = {
    "above the floor": (MetricRule(floor=600, unit="TFLOP/s"), (700.0, 650.0, 590.0), 0, []),
    "at the floor": (MetricRule(floor=650, unit="TFLOP/s"), (700.0, 650.0, 590.0), 0, []),
    "below the floor": (MetricRule(floor=660, unit="TFLOP/s"), (700.0, 650.0, 590.0), 1, ["beyond-bound"]),
    "above the ceiling": (MetricRule(ceiling=640, unit="TFLOP/s"), (700.0, 650.0, 590.0), 1, ["beyond-bound"]),
    "shown and not gated": (MetricRule(floor=660, unit="TFLOP/s", gate=False), (650.0,), 0, []),
    "in another unit": (MetricRule(floor=1, unit="GB/s"), (650.0,), 2, ["unit-mismatch"]),
    "no bound": (MetricRule(min_effect=0.01), (650.0,), 0, []),
}


@pytest.mark.parametrize(("rule", "samples", "code", "said"), BOUNDS.values(), ids=BOUNDS)
def test_a_bound_of_the_user_s_holds_without_a_baseline(
    rule: MetricRule, samples: tuple[float, ...], code: int, said: list[str]
) -> None:
    """By the median of the samples, as the documents promise; and again when the report is read from its file."""
    policy = Policy(rules=(("matmul.float32/*", rule),))
    report = msgspec.structs.replace(REPORT, images=(image(result(metrics=(metric(*samples),))),), policy=policy)
    read = msgspec.json.decode(msgspec.json.encode(report), type=RunReport)

    assert (judge(report).exit_code, kinds(judge(report))) == (code, said)
    assert judge(read) == judge(report)


@pytest.mark.parametrize(
    ("sample", "exact", "ceiling", "said"),
    [
        (0.0, True, None, []),  # a count may be none, as the graph breaks of a model
        (0.0, True, 0.0, []),
        (1.0, True, 0.0, ["beyond-bound"]),
        (-1.0, True, None, ["impossible-metric"]),
        (0.0, False, None, ["impossible-metric"]),
    ],
)
def test_a_count_may_be_zero_and_a_time_may_not(
    sample: float, exact: bool, ceiling: float | None, said: list[str]
) -> None:
    breaks = Metric("breaks", "1", "lower", (sample,), exact=exact)
    policy = Policy(rules=(("*", MetricRule(ceiling=ceiling, unit="1")),))
    found = judge(msgspec.structs.replace(REPORT, images=(image(result(metrics=(breaks,))),), policy=policy))

    assert kinds(found) == said


def test_an_image_that_is_too_large_is_red_where_the_user_says_so() -> None:
    policy = Policy(rules=(("image.size/*", MetricRule(ceiling=10e9, unit="B")),))
    large = PulledImage(reference="docker.io/a/b:c", size=12_000_000_000)
    report = msgspec.structs.replace(REPORT, images=(image(result(), image=large),), policy=policy)
    (reason,) = judge(report).reasons

    assert (reason.kind, reason.subject) == ("beyond-bound", "image.size/size")
    assert reason.remedy == "the bound is in [metrics] of ci-gpu.toml"
    assert "1.2e+10 B is above the ceiling of 1e+10 B" in reason.message


def test_a_metric_that_cannot_be_true_is_not_held_against_a_bound_as_well() -> None:
    policy = Policy(rules=(("*", MetricRule(floor=1, unit="TFLOP/s")),))
    report = msgspec.structs.replace(REPORT, images=(image(result(metrics=(metric(0.5, None),))),), policy=policy)

    assert kinds(judge(report)) == ["impossible-metric"]


@given(
    kind=st.one_of(st.sampled_from(["not-made", "wrong", "cuda-error", ""]), st.text(max_size=9)),
    cause=st.one_of(st.sampled_from(["", "out-of-memory", "bogus", "no-driver"]), st.text(max_size=9)),
)
def test_any_kind_with_any_cause_is_a_reason(kind: str, cause: str) -> None:
    """A file, a forged event and a user's check may say either without the other."""
    found = verdict(
        image(result(outcome="error", kind=kind, cause=cause), result("a.b", "error", kind=kind, cause=cause))
    )

    assert found.exit_code in (1, 3)
    assert {reason.subject for reason in found.reasons} <= {"", "matmul.float32", "a.b"}
    assert found.reasons


def test_a_skip_is_neither_a_pass_nor_a_touch_and_the_first_tells_why() -> None:
    skipped = (result("a.a", "skipped", message="no"), result("a.b", "skipped", message="neither", used_gpu=False))
    (reason,) = verdict(image(*skipped)).reasons

    assert (reason.kind, reason.subject) == ("all-skipped", "a")
    assert reason.message == "every check of this family was skipped: no"


def test_a_skip_that_touched_the_gpu_does_not_speak_for_a_pass_that_did_not() -> None:
    found = verdict(image(result("a.a", used_gpu=False), result("a.b", "skipped", used_gpu=True)))

    assert kinds(found) == ["gpu-untouched"]


def test_a_family_that_is_excused_is_so_in_a_report_that_was_read_from_a_file() -> None:
    kept = result(used_gpu=False), result("cache.reuse", "skipped", kind="needs-gpu", used_gpu=False)
    report = msgspec.structs.replace(REPORT, device="cpu", images=(image(*kept),))

    assert judge(msgspec.json.decode(msgspec.json.encode(report), type=RunReport)).exit_code == 0


@pytest.mark.parametrize("outcome", ["zzz", "", "Passed"])
def test_a_foreign_outcome_is_one_reason(outcome: str) -> None:
    assert kinds(verdict(image(result(), result("a.b", outcome, used_gpu=False)))) == ["foreign"]


@pytest.mark.parametrize("samples", [(0.5,), (1e-9,), (1000.0,)])
def test_a_metric_may_be_small_and_may_reach_its_limit(samples: tuple[float, ...]) -> None:
    assert verdict(image(result(metrics=(metric(*samples, limit=1000.0),)))).exit_code == 0


def test_every_rule_of_the_table_has_its_own_words() -> None:
    for images, _, kind in RED.values():
        reasons = [reason for reason in verdict(*images).reasons if reason.kind == kind]
        assert all(len(reason.message) >= 2 for reason in reasons)


@pytest.mark.parametrize("outcomes", list(itertools.product(["passed", "failed", "error", "skipped"], repeat=3)))
def test_green_needs_a_pass_in_every_family_and_neither_failure_nor_error(outcomes: tuple[str, ...]) -> None:
    checks = ("matmul.a", "matmul.b", "cache.a")
    found = verdict(image(*(result(check, outcome) for check, outcome in zip(checks, outcomes, strict=True))))
    green = not {"failed", "error"} & set(outcomes) and "passed" in outcomes[:2] and outcomes[2] == "passed"

    assert (found.exit_code == 0) is green


@pytest.mark.parametrize(("codes", "code"), [((3, 4), 4), ((3, 1), 1), ((4, 1), 1), ((3, 4, 1), 1), ((3,), 3)])
def test_what_no_retry_can_mend_decides_the_exit_code(codes: tuple[int, ...], code: int) -> None:
    images = [image(failure=Failure(kind="x", exit_code=each, what="y")) for each in codes]

    assert verdict(*images).exit_code == code


@pytest.mark.parametrize(
    ("gpus", "host_gpus", "seen", "code"),
    [
        ("all", (), (GPU,), 0),
        ("all", TWO_GPUS, (GPU,), 3),
        ("all", TWO_GPUS, TWO_GPUS, 0),
        ("0,1", (), (GPU,), 3),
        ("0,1", (), TWO_GPUS, 0),
        ("0", TWO_GPUS, (GPU,), 0),
        ("GPU-2", TWO_GPUS, (GPU,), 0),
        ("0", TWO_GPUS, (), 3),
        ("0", (), TWO_GPUS, 0),
        ("all", TWO_SLICED, (GPU,), 0),
        ("all", TWO_SLICED, (), 3),
        ("0,1", TWO_SLICED, (GPU,), 0),
        ("all", (GPU, SLICED), (GPU,), 0),
        ("0", (GPU, SLICED), (), 3),
        ("0:0,0:1", (), (GPU,), 0),
        ("MIG-1,MIG-2", (), (GPU,), 0),
        ("0,0", (), (GPU,), 0),
    ],
)
def test_as_many_gpus_as_asked_for(gpus: str, host_gpus: tuple[Gpu, ...], seen: tuple[Gpu, ...], code: int) -> None:
    found = verdict(image(result(), environment=environment(gpus=seen)), gpus=gpus, host=Host(gpus=host_gpus))

    assert found.exit_code == code


@pytest.mark.parametrize(
    ("gpus", "host_gpus", "driver", "wanted"),
    [
        ("all", (), "580.65.06", 1),
        ("all", TWO_GPUS, "580.65.06", 2),
        ("all", (*TWO_GPUS, dataclasses.replace(SLICED, index=2)), "565.57.01", 1),
        ("all", (*TWO_GPUS, dataclasses.replace(SLICED, index=2)), "569.99", 1),
        ("all", (*TWO_GPUS, dataclasses.replace(SLICED, index=2)), "570", 2),
        ("all", (*TWO_GPUS, dataclasses.replace(SLICED, index=2)), "570.86.10", 2),
        ("all", (*TWO_GPUS, dataclasses.replace(SLICED, index=2)), "x", 1),
        ("all", TWO_SLICED, "580.65.06", 1),
        ("0,1", (GPU, SLICED), "580.65.06", 1),
        ("0,1,2:0", TWO_GPUS, "580.65.06", 2),
        ("2:0,2:1", TWO_GPUS, "580.65.06", 1),
        ("all", (*TWO_GPUS, dataclasses.replace(LOST, index=2)), "580.65.06", 2),
    ],
)
def test_a_driver_from_570_on_shows_cuda_whole_gpus_beside_mig_devices(
    gpus: str, host_gpus: tuple[Gpu, ...], driver: str, wanted: int
) -> None:
    assert wanted_gpus(gpus, Host(driver=driver, gpus=host_gpus)) == wanted


@pytest.mark.parametrize(
    ("gpus", "host_gpus", "lost", "seen"),
    [
        ("all", (GPU, LOST), (), (GPU,)),
        ("all", (GPU, LOST), (), TWO_GPUS),
        ("all", (GPU, LOST), (LOST,), (GPU,)),
        ("1", (GPU, LOST), (), (GPU,)),
        ("GPU-2", (GPU, LOST), (), ()),
        ("all", (), (LOST,), (GPU,)),
    ],
)
def test_a_lost_gpu_of_those_asked_for_is_the_runner_s_one_reason(
    gpus: str, host_gpus: tuple[Gpu, ...], lost: tuple[Gpu, ...], seen: tuple[Gpu, ...]
) -> None:
    inside = environment(gpus=seen, lost=lost, gpu_error="" if seen else "CUDA unknown error")
    results = (result(),) if seen else (not_made("device-files"),)
    found = verdict(image(*results, environment=inside), gpus=gpus, host=Host(gpus=host_gpus))
    (reason,) = found.reasons

    assert (found.exit_code, reason.kind) == (3, "gpu-lost")
    assert "GPU 1 (GPU-2) does not answer: GPU is lost" in reason.message
    assert "out of service" in reason.remedy


def test_a_lost_gpu_that_was_not_asked_for_shuts_no_gate() -> None:
    inside = environment(lost=(LOST,))

    assert verdict(image(result(), environment=inside), gpus="0", host=Host(gpus=(GPU, LOST))).exit_code == 0


def test_an_image_that_cannot_use_the_gpus_is_told_beside_one_that_is_lost() -> None:
    inside = environment(gpus=(), gpu_error="Error 804: forward compatibility was attempted on non supported HW")
    found = verdict(image(result(), environment=inside), host=Host(gpus=(GPU, LOST)))

    assert [(reason.kind, reason.exit_code) for reason in found.reasons] == [("gpu-lost", 3), ("gpu-refused", 1)]


def test_without_any_gpu_what_follows_from_it_is_not_read_out() -> None:
    blind = environment(gpus=(), gpu_error="Found no NVIDIA driver on your system.")
    kept = not_made("no-driver"), result("compatibility.gpus", "failed", cause="no-driver")
    found = verdict(image(*kept, environment=blind))
    (reason,) = found.reasons

    assert (found.exit_code, reason.kind, reason.cause) == (3, "gpu-missing", "no-driver")
    assert reason.dependents == ("matmul.float32", "compatibility.gpus")
    assert reason.message == (
        "1 GPU asked for, 0 seen inside the image: Found no NVIDIA driver on your system. (there is no usable libcuda "
        "in the container: no driver on the host, or it was not handed in)"
    )
    assert reason.remedy.startswith("start the container with its GPUs")


def test_a_fault_of_the_image_s_own_is_told_beside_gpus_that_are_missing() -> None:
    blind = environment(gpus=(), gpu_error="Found no NVIDIA driver on your system.")
    lie = result("compatibility.cuda_build", "failed", kind="wrong", used_gpu=False)
    found = verdict(image(lie, not_made("no-driver"), environment=blind))

    assert (found.exit_code, kinds(found)) == (1, ["gpu-missing", "wrong"])


def test_what_passed_without_a_gpu_is_no_untouched_gpu_where_none_is_there() -> None:
    blind = environment(gpus=(), gpu_error="No CUDA GPUs are available")
    found = verdict(image(result("files.a", used_gpu=False), not_made("no-gpu"), environment=blind))

    assert (found.exit_code, kinds(found)) == (3, ["gpu-missing"])


def test_too_few_gpus_are_one_reason_and_the_runner_s() -> None:
    short = result("compatibility.gpus", "failed", kind="wrong", cause="fewer-gpus")
    found = verdict(image(result(), short), host=Host(gpus=TWO_GPUS))
    (reason,) = found.reasons

    assert (found.exit_code, reason.kind, reason.dependents) == (3, "gpu-missing", ("compatibility.gpus",))
    assert "2 GPUs asked for, 1 seen inside the image (fewer GPUs answer than were asked for)" in reason.message


def test_a_stub_is_named_with_its_file_and_the_variable_that_led_there() -> None:
    stub = environment(
        gpus=(),
        gpu_error="Error 34: CUDA driver is a stub library",
        libcuda="/usr/local/cuda/lib64/stubs/libcuda.so.1",
        variables={"LD_LIBRARY_PATH": "/usr/local/cuda/lib64/stubs"},
    )
    (reason,) = verdict(image(not_made("stub-libcuda"), environment=stub)).reasons

    assert (reason.exit_code, reason.kind, reason.cause) == (1, "gpu-refused", "stub-libcuda")
    assert (
        ": /usr/local/cuda/lib64/stubs/libcuda.so.1, by LD_LIBRARY_PATH=/usr/local/cuda/lib64/stubs)" in reason.message
    )


def test_where_nothing_is_known_of_the_inside_no_gpu_was_seen() -> None:
    (reason,) = verdict(image(result(), environment=None)).reasons

    assert reason.message == "1 GPU asked for, 0 seen inside the image (no GPU answers)"


def test_a_driver_that_is_too_old_is_named_with_what_is_needed() -> None:
    old = environment(gpus=(), driver="470.57.02", gpu_error="CUDA driver version is insufficient")
    (reason,) = verdict(image(not_made("driver-too-old"), environment=old)).reasons
    unnamed = environment(gpus=(), gpu_error=old.gpu_error)
    (unknown,) = verdict(image(not_made("driver-too-old"), environment=unnamed)).reasons

    assert reason.message.endswith(" can run on: it is 470.57.02, and CUDA 12.8 needs 525.60.13)")
    assert unknown.message.endswith(" can run on)")


@pytest.mark.parametrize(("engine", "code"), [("docker", 1), ("podman", 1), ("local", 3)])
def test_variables_that_hide_the_gpus_are_the_image_s_in_a_container_and_else_the_job_s(engine: str, code: int) -> None:
    hidden = environment(gpus=(), gpu_error="No CUDA GPUs are available", variables={"CUDA_VISIBLE_DEVICES": ""})
    stub = environment(gpus=(), gpu_error="CUDA driver is a stub library")
    for inside, cause, expected in ((hidden, "gpus-hidden", code), (stub, "stub-libcuda", 1)):
        images = (image(not_made(cause), environment=inside),)
        found = judge(msgspec.structs.replace(REPORT, images=images, engine=engine))
        assert (found.exit_code, len(found.reasons)) == (expected, 1)


@pytest.mark.parametrize(
    ("fields", "machine", "code", "said"),
    [
        # four are handed over, and the image's own variable leaves one
        ({"gpus": "all"}, Host(), 1, ["gpu-refused"]),
        ({"gpus": "all"}, Host(gpus=FOUR_GPUS), 1, ["gpu-refused"]),
        ({"gpus": "0,1,2,3"}, Host(gpus=FOUR_GPUS), 1, ["gpu-refused"]),
        # of a job without a container: its own variable, or ours, by which --gpus 2 is told to CUDA
        ({"gpus": "all", "engine": "local"}, Host(gpus=FOUR_GPUS), 3, ["gpu-missing"]),
        ({"gpus": "2", "engine": "local"}, Host(gpus=FOUR_GPUS), 0, []),
    ],
)
def test_a_variable_that_leaves_some_of_the_gpus_is_told_whatever_the_host_knows(
    fields: dict[str, Any], machine: Host, code: int, said: list[str]
) -> None:
    """Where the host has no NVML, as beside an engine's socket, only the image knows what it was given."""
    handed = tuple(gpu.uuid for gpu in FOUR_GPUS)
    inside = environment(gpus=FOUR_GPUS[:1], variables={"CUDA_VISIBLE_DEVICES": "0"}, handed=handed)
    found = judge(
        msgspec.structs.replace(REPORT, images=(image(result(), environment=inside),), host=machine, **fields)
    )

    assert (found.exit_code, kinds(found)) == (code, said)
    assert all(
        reason.cause == "gpus-hidden" and "4 GPUs asked for, 1 seen" in reason.message for reason in found.reasons
    )


@pytest.mark.parametrize("changes", [{"variables": {}}, {"handed": ()}, {"lost": (Gpu(1, "H100", error="lost"),)}])
def test_without_a_variable_or_with_all_accounted_for_no_gpu_is_hidden(changes: dict[str, Any]) -> None:
    fields = {"variables": {"CUDA_VISIBLE_DEVICES": "0"}, "handed": ("GPU-0", "GPU-1"), **changes}
    found = verdict(image(result(), environment=environment(gpus=TWO_GPUS[:1], **fields)), host=Host())

    assert "gpus-hidden" not in [reason.cause for reason in found.reasons]


def test_a_path_that_is_not_the_cause_is_not_named() -> None:
    blind = environment(gpus=(), gpu_error="No CUDA GPUs are available", variables={"LD_LIBRARY_PATH": "/opt"})

    assert "/opt" not in verdict(image(not_made("no-gpu"), environment=blind)).reasons[0].message


def test_a_cause_that_no_table_knows_folds_nothing() -> None:
    invented = (result("a.a", "error", cause="aliens"), result("a.b", "error", cause="aliens"))
    found = verdict(image(result(), *invented))

    assert (found.exit_code, [reason.subject for reason in found.reasons]) == (1, ["a.a", "a.b"])


def test_one_cause_in_two_images_is_a_reason_in_each() -> None:
    images = [image(result(), result("a.b", "error", cause="gpu-busy"), name=name) for name in ("old", "new")]
    found = verdict(*images)

    assert [(reason.image, reason.subject) for reason in found.reasons] == [("old", "a.b"), ("new", "a.b")]


class TestWhoIsBlamed:
    """An error whose cause has a party is that party's; any other is the image's."""

    @pytest.mark.parametrize(
        ("cause", "kind", "code"),
        [
            ("gpu-busy", "gpu-busy", 3),
            ("ecc-uncorrectable", "ecc-uncorrectable", 3),
            ("no-kernel-image", "no-kernel-image", 1),
            ("stub-libcuda", "stub-libcuda", 1),
            ("out-of-memory", "cuda-error", 1),
            ("illegal-access", "cuda-error", 1),
            ("aliens", "cuda-error", 1),
            ("", "cuda-error", 1),
        ],
    )
    def test_by_its_cause(self, cause: str, kind: str, code: int) -> None:
        found = verdict(image(result(), result("a.b", "error", kind="cuda-error", cause=cause)))
        (reason,) = found.reasons

        assert (found.exit_code, reason.kind, reason.subject) == (code, kind, "a.b")
        assert reason.cause == (cause if kind == cause else "")

    def test_of_a_check_that_was_not_made_the_cause_is(self) -> None:
        kept = not_made("cpu-build", "a.b"), not_made("cpu-build", "a.c")
        (reason,) = verdict(image(result(), *kept)).reasons

        assert (reason.exit_code, reason.kind, reason.subject) == (1, "cpu-build", "")
        assert (reason.message, reason.dependents) == ("torch was built without CUDA", ("a.b", "a.c"))

    def test_of_a_single_check_that_was_not_made_and_of_several_the_first_remedy_is_told(self) -> None:
        first, other = (result(name, "error", kind="not-made", cause="cpu-build", hint=name) for name in ("a.b", "a.c"))

        assert verdict(image(result(), first)).reasons[0].dependents == ("a.b",)
        assert verdict(image(result(), first, other)).reasons[0].remedy == "a.b"

    def test_a_check_that_bears_the_cause_speaks_for_those_that_were_not_made(self) -> None:
        bearer = result("z.z", "failed", kind="wrong", cause="cpu-build", message="a CPU build", hint="pin it")
        (reason,) = verdict(image(result(), not_made("cpu-build", "a.b"), bearer)).reasons

        assert (reason.kind, reason.subject, reason.message) == ("cpu-build", "z.z", "a CPU build")
        assert (reason.remedy, reason.dependents) == ("pin it", ("a.b",))


class TestOnABrokenGpu:
    """After an uncorrectable ECC error nothing that ran on that GPU can be held against the image."""

    @pytest.mark.parametrize("cause", ["ecc-uncorrectable", "nvlink-error", "gpu-lost"])
    @pytest.mark.parametrize(
        ("other", "code"),
        [
            (CheckResult("a.wrong", "failed", kind="wrong", used_gpu=True), 3),
            (CheckResult("a.hangs", "error", kind="timeout"), 3),
            (CheckResult("a.killed", "error", kind="killed"), 3),
            (CheckResult("a.crash", "error", kind="crash"), 3),
            (CheckResult("a.died", "error", kind="container-died"), 3),
            (CheckResult("a.launch", "error", kind="cuda-error", cause="launch-failure"), 3),
            (CheckResult("a.tag", "failed", kind="wrong"), 1),
            (CheckResult("a.build", "failed", kind="wrong", cause="no-kernel-image", used_gpu=True), 1),
        ],
    )
    def test_other_errors_are_the_runner_s_unless_the_gpu_has_no_part_in_them(
        self, cause: str, other: CheckResult, code: int
    ) -> None:
        assert verdict(image(result(), result("a.ecc", "error", cause=cause), other)).exit_code == code

    @pytest.mark.parametrize("cause", ["gpu-busy", ""])
    def test_on_a_sound_one_they_are_the_image_s(self, cause: str) -> None:
        wrong = result("a.wrong", "failed", kind="wrong")

        assert verdict(image(result(), result("a.b", "error", cause=cause), wrong)).exit_code == 1

    def test_a_check_that_did_not_fail_breaks_no_gpu(self) -> None:
        for outcome in ("passed", "skipped"):
            told = result("matmul.ecc", outcome, cause="ecc-uncorrectable")
            assert verdict(image(result(), told, result("a.wrong", "failed"))).exit_code == 1


def test_an_engine_that_is_down_is_one_reason_for_all_images() -> None:
    down = Failure(kind="engine-missing", exit_code=3, what="no container engine works here")
    again = Failure(kind="engine-missing", exit_code=3, what="no container engine works here", remedy="another")
    other = Failure(kind="engine-missing", exit_code=3, what="podman: command not found")
    for failures in ((down, again), (down, again, down)):
        found = verdict(*(image(failure=one, results=(), name=str(number)) for number, one in enumerate(failures)))
        (reason,) = found.reasons
        assert (found.exit_code, reason.image, reason.message) == (3, "", "no container engine works here")
        assert reason.remedy == ""

    assert verdict(image(failure=down, results=())).reasons[0].image == "image"
    assert len(verdict(image(failure=down), image(failure=other)).reasons) == 2
    assert len(verdict(image(failure=down), image(result())).reasons) == 1
    assert verdict(image(failure=down), image(result())).reasons[0].image == "image"


def test_of_images_that_fail_alike_no_result_is_forgotten() -> None:
    died = Failure(kind="container-died", exit_code=4, what="it died")
    found = verdict(*(image(result("a.b", "failed"), failure=died, name=name) for name in ("old", "new")))

    assert found.exit_code == 1
    assert len(found.reasons) == 4


@pytest.mark.parametrize(
    "error",
    [
        "The NVIDIA driver on your system is too old (found version 11040).",
        "Error 804: forward compatibility was attempted on non supported HW",
        "Error 34: CUDA driver is a stub library",
    ],
)
def test_a_driver_that_is_there_and_does_not_fit_the_image_is_the_image_s_fault(error: str) -> None:
    refused = environment(gpus=(), driver="470.57.02", gpu_error=error)
    found = verdict(image(result(outcome="error"), environment=refused))

    assert (found.exit_code, found.conclusion) == (1, "failure")
    assert "gpu-refused" in kinds(found)


def test_the_true_error_of_the_gpu_is_in_the_reason() -> None:
    blind = environment(gpus=(), gpu_error="Error 803: system has unsupported display driver / cuda driver combination")
    found = verdict(image(result(), environment=blind))

    assert any("Error 803" in reason.message for reason in found.reasons)


def test_a_cpu_build_is_the_image_s_fault_and_not_the_runner_s() -> None:
    cpu = environment(gpus=(), torch_cuda="")
    found = verdict(image(result("compatibility.cuda_build", "failed", kind="wrong"), environment=cpu))

    assert found.exit_code == 1
    assert "gpu-missing" not in kinds(found)


def test_a_cpu_build_that_passes_everything_is_not_green_on_a_gpu() -> None:
    cpu = environment(gpus=(), torch_cuda="")

    assert verdict(image(result(used_gpu=False), environment=cpu)).exit_code == 1


class TestOnTheCpu:
    """The user chose the CPU: what needs a GPU is excused, and nothing else."""

    def test_what_needs_a_gpu_may_be_skipped_as_a_family(self) -> None:
        skipped = result("cache.reuse", "skipped", kind="needs-gpu", used_gpu=False)
        found = verdict(image(result(used_gpu=False), skipped, environment=environment(gpus=())), device="cpu")

        assert found.exit_code == 0

    @pytest.mark.parametrize("kind", ["not-applicable", "", "needs-gpus"])
    def test_another_reason_excuses_no_family(self, kind: str) -> None:
        skipped = result("cache.reuse", "skipped", kind=kind, used_gpu=False)

        assert verdict(image(result(used_gpu=False), skipped), device="cpu").exit_code == 1

    def test_and_where_he_chose_the_gpu_nothing_is_excused(self) -> None:
        skipped = result("cache.reuse", "skipped", kind="needs-gpu")

        assert kinds(verdict(image(result(), skipped))) == ["all-skipped"]

    def test_nothing_but_skips_is_red(self) -> None:
        skipped = result("cache.reuse", "skipped", kind="needs-gpu", used_gpu=False)
        found = verdict(image(skipped), device="cpu")

        assert (found.exit_code, kinds(found)) == (1, ["nothing-checked"])


def test_a_family_that_the_image_does_not_have_by_its_own_wish_is_excused_and_nothing_else_is() -> None:
    here = result("cache.reuse", "skipped", kind="not-applicable-here")
    other = result("cache.empty_cache", "skipped", kind="not-applicable")

    assert verdict(image(result(), here)).exit_code == 0
    assert kinds(verdict(image(result(), here, other))) == ["all-skipped"]
    assert kinds(verdict(image(here))) == ["nothing-checked"]


def test_results_beside_a_failure_of_the_image_are_judged_too() -> None:
    died = image(
        result(outcome="error", kind="container-died"),
        failure=Failure(kind="container-died", exit_code=4, what="it died"),
    )

    assert verdict(died).exit_code == 1


REPORT = RunReport(
    version="1.0.0",
    created="2026-11-23T05:00:00+00:00",
    device="cuda",
    gpus="all",
    engine="docker",
    host=Host(),
    images=(),
)


def compared(verdict_word: str, *, gated: bool = True, **fields: Any) -> Comparison:
    return Comparison(
        metric="matmul.throughput/x", unit="s", better="lower", verdict=verdict_word, gated=gated, **fields
    )


def judged_trial(*metrics: Comparison, inconclusive: str = "warn", refused: str = "") -> Verdict:
    policy = Policy(inconclusive=inconclusive)
    base = image(result(outcome="failed"), name="base")
    trial = Trial(base="base", head="image", policy=policy, metrics=metrics, refused=refused)
    return judge(msgspec.structs.replace(REPORT, images=(image(result()), base), trial=trial))


ONE_UNCHANGED = compared("unchanged")


@pytest.mark.parametrize(
    ("word", "policy", "code", "kind"),
    [
        ("regressed", "warn", 1, "regressed"),
        ("regressed", "pass", 1, "regressed"),
        ("missing", "warn", 1, "missing"),
        ("missing", "pass", 1, "missing"),
        ("inconclusive", "warn", 0, ""),
        ("inconclusive", "pass", 0, ""),
        ("inconclusive", "fail", 1, "inconclusive"),
        ("not-comparable", "warn", 0, ""),
        ("not-comparable", "fail", 1, "not-comparable"),
        ("improved", "fail", 0, ""),
        ("unchanged", "fail", 0, ""),
        ("new", "fail", 0, ""),
    ],
)
def test_a_gated_metric_beside_one_that_is_unchanged(word: str, policy: str, code: int, kind: str) -> None:
    found = judged_trial(compared(word), ONE_UNCHANGED, inconclusive=policy)

    assert (found.exit_code, kinds(found)) == (code, [kind] if kind else [])


@pytest.mark.parametrize("word", ["regressed", "missing", "inconclusive", "not-comparable"])
def test_a_metric_that_is_not_gated_blocks_nothing(word: str) -> None:
    assert judged_trial(compared(word, gated=False), ONE_UNCHANGED, inconclusive="fail").exit_code == 0


@pytest.mark.parametrize(("policy", "code"), [("pass", 0), ("warn", 3), ("fail", 1)])
def test_a_comparison_that_concludes_nothing_is_not_green_unless_the_user_says_so(policy: str, code: int) -> None:
    assert judged_trial(compared("inconclusive"), inconclusive=policy).exit_code == code


@pytest.mark.parametrize("policy", ["warn", "fail"])
@pytest.mark.parametrize(
    "metrics",
    [
        (),
        (compared("unchanged", gated=False),),
        (compared("new", reason="the base has no valid value of it"),),  # as where each check fails in the base
        (compared("new"), compared("unchanged", gated=False)),
    ],
)
def test_a_comparison_of_nothing_that_counts_is_not_green(metrics: tuple[Comparison, ...], policy: str) -> None:
    found = judged_trial(*metrics, inconclusive=policy)

    assert (found.exit_code, kinds(found)) == (3, ["nothing-compared"])
    assert judged_trial(*metrics, inconclusive="pass").exit_code == 0


def test_what_only_the_head_has_is_no_comparison_and_the_reason_says_so() -> None:
    new = compared("new", reason="the base has no valid value of it")

    assert judged_trial(new).reasons[0].message == "nothing could be concluded: the base has no valid value of it"
    noisy = judged_trial(new, compared("inconclusive", reason="noise"))
    assert noisy.reasons[0].message == "nothing could be concluded: noise"


def test_a_refused_comparison_is_the_runner_s_fault_whatever_its_metrics_say() -> None:
    found = judged_trial(ONE_UNCHANGED, refused="the GPU GPU-1 is shared: 2 other compute processes")

    assert (found.exit_code, kinds(found)) == (3, ["not-compared"])


@pytest.mark.parametrize(("base", "head"), [("base", "image"), ("image", "base")])
def test_what_the_base_fails_it_failed_before_this_change(base: str, head: str) -> None:
    images = image(result(), name=head), image(result(outcome="failed"), name=base)
    trial = Trial(base=base, head=head, metrics=(ONE_UNCHANGED,))

    assert judge(msgspec.structs.replace(REPORT, images=images, trial=trial)).exit_code == 0


@pytest.mark.parametrize(("base", "head"), [("base", "image"), ("image", "base")])
def test_what_the_head_fails_counts(base: str, head: str) -> None:
    images = image(result(outcome="failed"), name=head), image(result(), name=base)
    trial = Trial(base=base, head=head, metrics=(ONE_UNCHANGED,))

    assert judge(msgspec.structs.replace(REPORT, images=images, trial=trial)).exit_code == 1


def test_a_base_that_could_not_be_examined_leaves_the_promise_of_a_comparison_open() -> None:
    gone = image(
        name="base", planned=("matmul.float32",), failure=Failure(kind="tag-not-found", exit_code=3, what="no")
    )
    trial = Trial(base="base", head="image", refused="an image could not be examined")
    report = msgspec.structs.replace(REPORT, images=(image(result()), gone), trial=trial)

    assert judge(report).exit_code == 3


def block(*results: CheckResult, arm: str = "head", pair: int = 1, **fields: Any) -> Block:
    return Block(pair=pair, arm=arm, results=results, **fields)


def measured(*blocks: Block, head: ImageReport | None = None, metrics: tuple[Comparison, ...] = ()) -> Verdict:
    images = (head or image(result())), image(result(), name="base")
    trial = Trial(base="base", head="image", blocks=blocks, metrics=metrics or (ONE_UNCHANGED,))
    return judge(msgspec.structs.replace(REPORT, images=images, trial=trial))


WRONG = result(outcome="failed", message="off by 3 %", hint="look at the build")
SILENT = Failure(kind="torch-broken", exit_code=4, what="import torch ended", remedy="look at the log")
FULL = Failure(kind="no-space", exit_code=3, what="the disk is full")

CONTAINERS = {
    "fails once": ((block(WRONG), block(result(), pair=2)), 1, "failed"),
    "fails always": ((block(WRONG), block(WRONG, pair=2)), 1, "failed"),
    "an error": ((block(result(outcome="error", kind="timeout")),), 1, "timeout"),
    "no outcome": ((block(result(outcome="zzz")),), 4, "foreign"),
    "a cause of the image's": ((block(result(outcome="error", cause="no-kernel-image")),), 1, "no-kernel-image"),
    "a cause of the runner's, and it counts": ((block(result(outcome="error", cause="gpu-busy")),), 3, "gpu-busy"),
    "its pair does not count": ((block(WRONG, invalid="the base gave no answer"),), 1, "failed"),
    "beside the runner's fault": (
        (block(WRONG, result("a.b", "error", cause="gpu-busy"), invalid="the runner's fault"),),
        1,
        "failed",
    ),
    "a sample that cannot be true": ((block(result(metrics=(metric(-1.0),))),), 1, "impossible-metric"),
    "no answer": ((block(invalid="no answer", failure=SILENT),), 4, "torch-broken"),
}


@pytest.mark.attack
@pytest.mark.parametrize(("blocks", "code", "kind"), CONTAINERS.values(), ids=CONTAINERS)
def test_what_fails_in_a_container_of_the_head_shuts_the_gate(blocks: tuple[Block, ...], code: int, kind: str) -> None:
    """Something fails in one container of the head only, in any way that there is. Each shuts the gate and blames the
    one who did it.
    """
    found = measured(*blocks)

    assert (found.exit_code, kinds(found)) == (code, [kind])
    assert {reason.image for reason in found.reasons} == {"image"}


@pytest.mark.parametrize(("blocks", "code", "kind"), CONTAINERS.values(), ids=CONTAINERS)
def test_what_fails_in_a_container_of_the_base_is_said_and_shuts_nothing(
    blocks: tuple[Block, ...], code: int, kind: str
) -> None:
    found = measured(*(msgspec.structs.replace(each, arm="base") for each in blocks))

    assert (found.exit_code, found.reasons) == (0, ())
    assert kind in [reason.kind for reason in found.advice]
    assert {(reason.image, reason.exit_code) for reason in found.advice} == {("base", 0)}


@pytest.mark.parametrize(
    ("spoiled", "kind"),
    [
        (block(WRONG, invalid="the GPU throttled", spoiled=True), "failed"),
        (block(result(outcome="error", cause="gpu-busy"), invalid="the runner's fault"), "gpu-busy"),
        (block(invalid="the head gave no answer: no-space", failure=FULL), "no-space"),
        (block(invalid="the GPU throttled", spoiled=True, failure=SILENT), "torch-broken"),
    ],
    ids=["throttled", "the runner's", "no answer, the runner's", "no answer, throttled"],
)
def test_what_the_machine_spoiled_is_said_and_not_held_against_the_head(spoiled: Block, kind: str) -> None:
    found = measured(spoiled, block(result()))

    assert (found.exit_code, found.reasons) == (0, ())
    assert [(one.kind, one.image, one.exit_code) for one in found.advice] == [(kind, "image", 0)]


def test_a_container_without_an_answer_is_of_no_check() -> None:
    spoiled = block(invalid="the GPU throttled", spoiled=True, failure=SILENT)
    (said,) = measured(spoiled, block(result())).advice

    assert (said.kind, said.subject) == ("torch-broken", "")


def test_the_reason_has_the_count_the_first_message_and_the_hint() -> None:
    later = result(outcome="failed", message="off by 4 %")
    (reason,) = measured(block(WRONG), block(later, pair=2), block(result(), pair=3)).reasons

    assert (reason.subject, reason.remedy) == ("matmul.float32", "look at the build")
    assert reason.message == "failed in 2 of 3 containers of the head: off by 3 %"


def test_checks_that_one_cause_ended_are_one_reason() -> None:
    ended = [result(check, "error", cause="no-kernel-image") for check in ("a.b", "c.d")]
    (reason,) = measured(block(*ended)).reasons

    assert (reason.subject, reason.dependents) == ("a.b", ("c.d",))


def test_what_failed_its_examination_alike_is_one_reason_with_the_count() -> None:
    (reason,) = measured(block(WRONG), head=image(WRONG)).reasons
    assert reason.message == "off by 3 % (it failed in 1 of 1 container of the head, too)"

    other = result(outcome="error", kind="timeout", message="too slow")
    assert kinds(measured(block(other), head=image(WRONG))) == ["failed", "timeout"]


def test_what_a_cause_of_the_examination_explains_is_not_told_again() -> None:
    ended = [result(check, "error", cause="no-kernel-image") for check in ("a.b", "c.d")]
    (reason,) = measured(block(*ended[1:]), head=image(*ended)).reasons

    assert (reason.subject, reason.dependents) == ("a.b", ("c.d",))


def test_containers_that_were_read_from_a_file_are_judged_alike() -> None:
    trial = Trial(base="base", head="image", blocks=(block(WRONG), block(failure=SILENT)), metrics=(ONE_UNCHANGED,))
    report = msgspec.structs.replace(REPORT, images=(image(result()),), trial=trial)

    assert judge(msgspec.json.decode(msgspec.json.encode(report), type=RunReport)) == judge(report)


def test_what_a_pull_request_proposes_is_said_of_the_first_image_and_shuts_nothing() -> None:
    proposal = Proposal(pending=("a floor", "a gate"), unread="HTTP 404")
    images = image(result()), image(result(), name="second")
    found = judge(msgspec.structs.replace(REPORT, images=images, proposal=proposal))

    assert (found.exit_code, found.reasons) == (0, ())
    assert [(one.kind, one.image, one.subject, one.exit_code) for one in found.advice] == [
        ("base-unread", "image", "ci-gpu.toml", 0),
        ("pending", "image", "ci-gpu.toml", 0),
        ("pending", "image", "ci-gpu.toml", 0),
    ]
    assert found.advice[0].message.endswith(": HTTP 404")
    assert [one.message.rpartition(": ")[2] for one in found.advice[1:]] == ["a floor", "a gate"]
    assert [one.image for one in judge(msgspec.structs.replace(REPORT, images=(), proposal=proposal)).advice] == [
        ""
    ] * 3


def test_the_first_of_the_metrics_in_doubt_tells_why() -> None:
    doubtful = (compared("inconclusive", reason="noise"), compared("inconclusive", reason="clocks"))

    assert judged_trial(*doubtful).reasons[0].message == "nothing could be concluded: noise"


def test_a_trial_that_was_read_from_a_file_is_judged_alike() -> None:
    images = image(result(), name="head"), image(result(outcome="failed"), name="base")
    report = msgspec.structs.replace(
        REPORT, images=images, trial=Trial(base="base", head="head", metrics=(ONE_UNCHANGED,))
    )

    assert judge(msgspec.json.decode(msgspec.json.encode(report), type=RunReport)).exit_code == 0


@pytest.mark.parametrize("interval", [{"low": 0.1}, {"high": 0.1}])
def test_half_an_interval_is_none(interval: dict[str, float]) -> None:
    (reason,) = judged_trial(compared("regressed", change=0.05, **interval), ONE_UNCHANGED).reasons

    assert reason.message == "regressed by +5.0% against base"


def test_the_words_of_a_regression_carry_its_numbers() -> None:
    slower = compared("regressed", change=0.051, low=0.044, high=0.058, reason="5.1 % worse in 12 pairs")
    (reason,) = judged_trial(slower, ONE_UNCHANGED).reasons

    assert reason.subject == "matmul.throughput/x"
    assert reason.message == "regressed by +5.1% [+4.4%, +5.8%] against base: 5.1 % worse in 12 pairs"


def test_a_metric_that_vanished_has_no_numbers() -> None:
    assert judged_trial(compared("missing"), ONE_UNCHANGED).reasons[0].message == "missing against base"


def test_a_reason_about_the_whole_names_no_check_and_what_is_not_known_stays_empty() -> None:
    whole = [verdict(*images) for images, _, kind in RED.values() if kind in ("gpu-missing", "gpu-untouched")]
    whole += [verdict(), verdict(image(planned=()))]
    for trial in (judged_trial(compared("inconclusive")), judged_trial(refused="shared")):
        whole.append(trial)
    for found in whole:
        assert [reason.subject for reason in found.reasons] == [""], found
    (no_image,), (missing,) = verdict().reasons, verdict(image(result(), planned=("matmul.float32", "a.b"))).reasons

    assert no_image.image == ""
    assert (missing.subject, missing.remedy, missing.cause, missing.dependents) == ("a.b", "", "", ())


def test_a_comparison_that_gates_nothing_says_so() -> None:
    assert judged_trial().reasons[0].message == "nothing could be concluded: no metric is gated"


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_where_all_is_skipped_by_the_image_s_own_wish_nothing_is_known_to_work(device: str) -> None:
    off = result("cache.reuse", "skipped", kind="not-applicable-here", used_gpu=False)
    report = msgspec.structs.replace(REPORT, device=device, images=(image(off),))
    (reason,) = judge(report).reasons

    assert (reason.kind, reason.subject) == ("nothing-checked", "")
    assert reason.message == "not one check passed, so nothing is known to work"


def judged_as(asked: str, *images: ImageReport, signs: tuple[str, ...] = ()) -> Verdict:
    host = Host(signs=signs)
    return judge(msgspec.structs.replace(REPORT, asked_device=asked, host=host, images=images))


NO_GPU = environment(gpus=(), gpu_error="No CUDA GPUs are available")
BUSY = result("a.b", "error", kind="cuda-error", cause="gpu-busy", hint="look")


def test_where_the_device_was_left_to_us_a_gpu_that_fails_is_told_with_what_speaks_for_it() -> None:
    signs = ("/dev/nvidia0", "the driver")
    (reason,) = judged_as("auto", image(not_made("no-gpu"), environment=NO_GPU), signs=signs).reasons
    (silent,) = judged_as("auto", image(result(), BUSY)).reasons

    assert reason.message.endswith("; this machine seems to have a GPU, by /dev/nvidia0, the driver")
    assert reason.remedy.endswith("; or say --device cpu, if the CPU is meant")
    assert silent.message.endswith("; this machine seems to have a GPU, by what its engine says")
    assert silent.remedy == "look; or say --device cpu, if the CPU is meant"


@pytest.mark.parametrize(
    ("asked", "images"),
    [
        ("cuda", (image(result(), BUSY),)),
        ("auto", (image(result(), result("a.b", "failed", cause="cpu-build")),)),  # the image's
        ("auto", (image(failure=Failure(kind="pull-failed", exit_code=3, what="no route to the registry")),)),
    ],
)
def test_what_is_not_a_gpu_s_fault_or_was_asked_for_says_nothing_of_the_cpu(
    asked: str, images: tuple[ImageReport, ...]
) -> None:
    (reason,) = judged_as(asked, *images).reasons

    assert "this machine seems to have a GPU" not in reason.message
    assert "--device cpu" not in reason.remedy


@pytest.mark.parametrize("kind", ["gpu-runtime-missing", "cdi-unresolved"])
def test_an_engine_that_cannot_hand_gpus_over_is_told_of_the_cpu(kind: str) -> None:
    gone = image(failure=Failure(kind=kind, exit_code=3, what="no", remedy="mend it"))

    assert judged_as("auto", gone).reasons[0].remedy == "mend it; or say --device cpu, if the CPU is meant"


def test_several_lost_gpus_are_told_each_under_the_cause_of_the_first() -> None:
    first, second = dataclasses.replace(LOST, error="uncorrectable ECC error"), Gpu(2, "", error="GPU is lost")
    (reason,) = verdict(image(result(), environment=environment(lost=(first, second)))).reasons
    (unknown,) = verdict(image(result(), environment=environment(lost=(dataclasses.replace(LOST, error="?"),)))).reasons

    assert (reason.subject, reason.cause, unknown.cause) == ("", "ecc-uncorrectable", "gpu-lost")
    assert reason.message == (
        "GPU 1 (GPU-2) does not answer: uncorrectable ECC error; GPU 2 does not answer: GPU is lost"
    )
    assert "reset the GPU" in unknown.remedy


@pytest.mark.parametrize(
    ("error", "libcuda", "variables", "end"),
    [
        (
            "Error 803: system has unsupported display driver / cuda driver combination",
            "/usr/local/cuda/compat/libcuda.so.1",
            {"LD_LIBRARY_PATH": "/usr/local/cuda/compat"},
            ": /usr/local/cuda/compat/libcuda.so.1, by LD_LIBRARY_PATH=/usr/local/cuda/compat)",
        ),
        ("Error 804", "/compat/libcuda.so.1", {}, "not a data-centre one: /compat/libcuda.so.1)"),
        ("Error 804", "", {"LD_LIBRARY_PATH": "/compat"}, "not a data-centre one, by LD_LIBRARY_PATH=/compat)"),
    ],
)
def test_a_compatibility_libcuda_is_named_with_what_is_known_of_its_place(
    error: str, libcuda: str, variables: dict[str, str], end: str
) -> None:
    inside = environment(gpus=(), gpu_error=error, libcuda=libcuda, variables=variables)
    (reason,) = verdict(image(result(), environment=inside)).reasons

    assert reason.kind == "gpu-refused"
    assert reason.message.endswith(end)
