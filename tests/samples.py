"""Realistic values for tests: each factory takes any field as a keyword."""

from __future__ import annotations

from typing import Any

from ci_gpu.model import Failure, Host, ImageReport, PulledImage, Reason, RunReport, Summary, Verdict
from ci_gpu.payload.wire import CheckResult, Environment, Fact, Gpu, Metric
from ci_gpu.verdict import judge
from tests import trials

IMAGE = "docker.io/pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime"
DIGEST = "sha256:" + "3f" * 32
CREATED = "2026-11-23T05:30:00Z"


def gpu(**changes: Any) -> Gpu:
    """An H100."""
    fields: dict[str, Any] = {
        "index": 0,
        "name": "NVIDIA H100 80GB HBM3",
        "uuid": "GPU-3f2a9c1e-0d4b-4f67-9a51-7c1d2e3f4a5b",
        "capability": "9.0",
        "memory": 85_017_493_504,
        "multiprocessors": 132,
        "max_sm_mhz": 1980,
    }
    return Gpu(**{**fields, **changes})


def environment(**changes: Any) -> Environment:
    """torch 2.9.0+cu128 on an H100."""
    fields: dict[str, Any] = {
        "python": "3.11.13",
        "machine": "x86_64",
        "torch": "2.9.0+cu128",
        "torch_cuda": "12.8",
        "cuda_runtime": "12.8",
        "cudnn": "9.10.2",
        "nccl": "2.27.5",
        "triton": "3.5.0",
        "arch_list": ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
        "driver": "580.95.05",
        "driver_cuda": "13.0",
        "nvml_cuda": "13.0",
        "gpus": (gpu(),),
        "cpu": "AMD EPYC 9654 96-Core Processor",
        "cpus": 26,
    }
    return Environment(**{**fields, **changes})


def metric(**changes: Any) -> Metric:
    """The throughput of a product, ten samples."""
    fields: dict[str, Any] = {
        "name": "throughput",
        "unit": "TFLOP/s",
        "better": "higher",
        "samples": (688.1, 690.4, 691.0, 691.3, 689.7, 692.2, 690.9, 655.4, 691.8, 690.6),
        "limit": 989.4,
    }
    return Metric(**{**fields, **changes})


def check_result(**changes: Any) -> CheckResult:
    """The article's polynomial, passed."""
    fields: dict[str, Any] = {
        "check": "autograd.polynomial",
        "outcome": "passed",
        "seconds": 0.412,
        "message": "dz/dx is 10 and dz/dy is 31",
        "facts": (Fact("dz/dx", 10.0, expected="10"), Fact("dz/dy", 31.0, expected="31")),
        "used_gpu": True,
    }
    return CheckResult(**{**fields, **changes})


def failed(**changes: Any) -> CheckResult:
    """The article's polynomial with a gradient off by 1 %."""
    fields: dict[str, Any] = {
        "outcome": "failed",
        "kind": "wrong-value",
        "message": "dz/dy is 30.69 and not 31",
        "hint": "reinstall torch in the image: its autograd gives a wrong gradient",
        "facts": (Fact("dz/dx", 10.0, expected="10"), Fact("dz/dy", 30.69, expected="31")),
        "log": "Traceback (most recent call last):\n  polynomial\nAssertionError: dz/dy",
    }
    return check_result(**{**fields, **changes})


def results() -> tuple[CheckResult, ...]:
    """One of each outcome, and a metric."""
    return (
        check_result(check="compatibility.driver", message="native: driver 580.95.05 covers CUDA 12.8", facts=()),
        failed(),
        check_result(
            check="matmul.bfloat16",
            seconds=2.8,
            message="4096 × 4096 agrees with float64",
            facts=(Fact("largest error", 0.0031, expected="at most 0.0156"),),
            metrics=(metric(), metric(name="cold call", unit="ms", better="lower", samples=(41.9,), limit=None)),
            notes=("one sample is 5 % below the others: the clock fell to 1845 MHz",),
        ),
        check_result(
            check="matmul.float8",
            outcome="error",
            kind="timeout",
            seconds=120.0,
            message="no answer within 120 s, so its processes were killed",
            hint="give it more time with --timeout 300",
            facts=(),
            used_gpu=False,
        ),
        check_result(
            check="cache.graphs",
            outcome="skipped",
            kind="not-applicable",
            seconds=0.0,
            message="this build has no CUDA graphs",
            facts=(),
            used_gpu=False,
        ),
    )


def image_report(**changes: Any) -> ImageReport:
    """The official image with one passed check; ``planned`` follows ``results`` unless it is given."""
    fields: dict[str, Any] = {
        "name": IMAGE,
        "image": PulledImage(reference=IMAGE, digest=DIGEST, size=9_412_000_000, architecture="amd64", pulled=True),
        "environment": environment(),
        "results": (check_result(),),
        "started": CREATED,
        "seconds": 74.2,
        **changes,
    }
    fields.setdefault("planned", tuple(dict.fromkeys(result.check for result in fields["results"])))
    return ImageReport(**fields)


def host(**changes: Any) -> Host:
    """A GPU runner."""
    fields: dict[str, Any] = {
        "name": "gpu-runner-7",
        "machine": "x86_64",
        "system": "Ubuntu 24.04.3 LTS",
        "driver": "580.95.05",
        "gpus": (gpu(),),
    }
    return Host(**{**fields, **changes})


def run_report(**changes: Any) -> RunReport:
    """One image on the GPU runner, by docker."""
    fields: dict[str, Any] = {
        "version": "1.0.0",
        "created": CREATED,
        "device": "cuda",
        "gpus": "all",
        "engine": "docker",
        "host": host(),
        "images": (image_report(),),
    }
    return RunReport(**{**fields, **changes})


def reason(**changes: Any) -> Reason:
    """Why the gate stays shut: a wrong gradient."""
    fields: dict[str, Any] = {
        "exit_code": 1,
        "kind": "wrong-value",
        "image": IMAGE,
        "subject": "autograd.polynomial",
        "message": "dz/dy is 30.69 and not 31",
        "remedy": "reinstall torch in the image",
    }
    return Reason(**{**fields, **changes})


def verdict(**changes: Any) -> Verdict:
    """An open gate."""
    return Verdict(**{"exit_code": 0, "conclusion": "success", "reasons": (), **changes})


def pull_failure(**changes: Any) -> Failure:
    """A tag that does not exist."""
    fields: dict[str, Any] = {
        "kind": "tag-not-found",
        "exit_code": 3,
        "what": "docker.io/pytorch/pytorch has no tag 2.9.0-cuda11.8-devel",
        "why": "PyTorch 2.9 was never built for CUDA 11.8",
        "remedy": "nearest tags: 2.9.0-cuda12.6-cudnn9-devel, 2.9.0-cuda12.8-cudnn9-devel",
    }
    return Failure(**{**fields, **changes})


def summary(**changes: Any) -> Summary:
    """A run and its true verdict; ``report`` and ``verdict`` replace either, other keywords go to `run_report`."""
    verdict_given = changes.pop("verdict", None)
    report = changes.pop("report", None) or run_report(**changes)
    return Summary(report=report, verdict=verdict_given or judge(report))


def green() -> Summary:
    """Everything passed on the GPU."""
    return summary()


def red() -> Summary:
    """One of each outcome."""
    return summary(images=(image_report(results=results(), log="Welcome to the image\nready"),))


def cpu() -> Summary:
    """The same on a CPU, all passed."""
    image = image_report(
        results=(check_result(used_gpu=False),), environment=environment(gpus=(), driver="", driver_cuda="")
    )
    return summary(device="cpu", gpus="none", engine="local", host=host(gpus=(), driver=""), images=(image,))


def not_made(check: str) -> CheckResult:
    """A check whose precondition fell."""
    message = "not made, because torch was built without CUDA"
    return CheckResult(check, "error", message=message, kind="not-made", hint="install it", cause="cpu-build")


def cpu_build() -> Summary:
    """torch without CUDA where a GPU was to be checked: one cause, and what could not be made because of it."""
    build = failed(check="compatibility.cuda_build", message="torch 2.9.0 is a CPU build", cause="cpu-build", facts=())
    kept = tuple(not_made(f"matmul.{name}") for name in ("float64", "float32", "float16", "bfloat16"))
    inside = environment(torch="2.9.0", torch_cuda="", gpus=(), gpu_error="Torch not compiled with CUDA enabled")
    return summary(images=(image_report(results=(build, *kept), environment=inside),))


def not_pulled() -> Summary:
    """An image whose tag does not exist, beside a good one."""
    broken = image_report(
        name="old",
        image=PulledImage(reference="docker.io/pytorch/pytorch:2.9.0-cuda11.8-devel"),
        environment=None,
        results=(),
        planned=("compatibility.driver", "autograd.polynomial"),
        failure=pull_failure(),
    )
    return summary(images=(broken, image_report(name="new")))


def comparison(**changes: Any) -> Summary:
    """Two images measured in turn: what regressed or vanished shuts the gate."""
    trial = changes.pop("trial", None) or trials.trial()
    old = image_report(
        name=trials.BASE,
        image=PulledImage(
            reference=trials.BASE, digest="sha256:" + "2e" * 32, size=8_907_000_000, architecture="amd64"
        ),
        environment=environment(torch="2.8.0+cu126", torch_cuda="12.6", cuda_runtime="12.6", nccl="2.27.3"),
    )
    worse = [one for one in trial.metrics if one.gated and one.verdict in ("regressed", "missing")]
    shut = tuple(
        reason(kind=one.verdict, image=trials.HEAD, subject=one.metric, message=one.reason or one.verdict, remedy="")
        for one in worse
    )
    ending = verdict(exit_code=1, conclusion="failure", reasons=shut) if shut else verdict()
    report = run_report(images=(old, image_report(name=trials.HEAD)), trial=trial, **changes)
    return summary(report=report, verdict=ending)


def flaky() -> Summary:
    """Nothing changed, and a check of each image failed in some of its containers."""
    return summary(report=comparison(trial=trials.flaky()).report)


def all_samples() -> dict[str, Summary]:
    """Every kind of ending a reader may meet, by name."""
    return {
        "green": green(),
        "red": red(),
        "cpu": cpu(),
        "cpu_build": cpu_build(),
        "not_pulled": not_pulled(),
        "comparison": comparison(),
        "flaky": flaky(),
    }
