"""A comparison as a GPU runner would have it: six pairs, one of them measured again because the GPU was hot."""

from __future__ import annotations

import math
import statistics
from typing import Any

import msgspec

from ci_gpu.model import Block, Comparison, Policy, Trial
from ci_gpu.payload.wire import CheckResult, GpuState, Metric, Telemetry

BASE = "docker.io/pytorch/pytorch:2.8.0-cuda12.6-cudnn9-runtime"
HEAD = "docker.io/pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime"
UUID = "GPU-3f2a9c1e-0d4b-4f67-9a51-7c1d2e3f4a5b"
ORDER = "ABBAABBAABBA"
T5 = 2.5706  # two-sided 95 % of Student's t with five degrees of freedom

_NOISE = {
    "base": (0.1, -0.3, 0.4, 0.0, -0.2, 0.2),
    "head": (-0.2, 0.1, 0.3, -0.4, 0.2, 0.0),
}
"""Standard deviations from the middle, by pair."""

_METRICS: tuple[tuple[str, str, str, float | None, float | None, float], ...] = (
    # metric, unit, better, middle of the base, of the head, deviation as a fraction
    ("matmul.bfloat16/throughput", "TFLOP/s", "higher", 690.4, 655.1, 0.008),
    ("attention.flash/forward", "ms", "lower", 1.4121, 1.4129, 0.004),
    ("attention.flash/backward", "ms", "lower", 3.207, 3.204, 0.003),
    ("allocator.churn/cycle", "µs", "lower", 41.2, 42.6, 0.14),
    ("compile.inductor/first call", "s", "lower", 9.84, 8.11, 0.02),
    ("copy.device/bandwidth", "GB/s", "higher", 2612.0, 2609.0, 0.002),
    ("softmax.float32/forward", "µs", "lower", 118.4, 118.3, 0.006),
    ("matmul.float8/throughput", "TFLOP/s", "higher", None, 1204.0, 0.006),
    ("convolution.float16/throughput", "TFLOP/s", "higher", 412.6, None, 0.006),
    ("layernorm.bfloat16/forward", "µs", "lower", 22.1, 19.7, 0.006),
)
_EXACT = ("attention.flash/peak memory", "MiB", 1_536.0)
_RULINGS: dict[str, dict[str, Any]] = {
    "matmul.bfloat16/throughput": {
        "verdict": "regressed",
        "p": 0.0003,
        "reason": "-5.12 % worse in 6 pairs (margin 2 %, p 0.0003), not confirmed by further pairs",
    },
    "allocator.churn/cycle": {
        "verdict": "inconclusive",
        "p": 0.21,
        "margin": 0.05,
        "pairs_needed": 16,
        "reason": "noise: the change is between -2.3 % and +8.4 % after 6 pairs, the margin is 5 %",
    },
    "compile.inductor/first call": {"verdict": "improved", "p": 1.0, "margin": 0.1, "gated": False},
    "matmul.float8/throughput": {"verdict": "new", "reason": "the base has no valid value of it"},
    "convolution.float16/throughput": {"verdict": "missing", "reason": "the head has no valid value of it"},
    "layernorm.bfloat16/forward": {"verdict": "not-comparable", "reason": "version 1 in the base, 2 in the head"},
}


def trial(**changes: Any) -> Trial:
    """Regressed, missing, inconclusive, not comparable, improved, new and unchanged: one of each at least."""
    blocks = _blocks()
    fields: dict[str, Any] = {
        "base": BASE,
        "head": HEAD,
        "order": ORDER,
        "policy": Policy(),
        "blocks": blocks,
        "metrics": (*(_comparison(blocks, row) for row in _METRICS), _exact()),
        "control": _control(),
    }
    return Trial(**{**fields, **changes})


def flaky() -> Trial:
    """Two pairs of one metric: the softmax fails once in the head, the copy in both containers of the base."""
    names = ("matmul.bfloat16", "softmax.float32", "copy.device")
    blocks = tuple(msgspec.structs.replace(each, results=_failing(each, names)) for each in _blocks() if each.pair < 3)
    same = {"pairs": 2, "change": None, "low": None, "high": None, "p": None}
    softmax, copy = (f"its check {told} of 2 containers of the" for told in ("failed in 1", "had an error in 2"))
    metrics = (
        comparison(verdict="unchanged", **{**same, "head": 690.0, "change": 0.0, "low": -0.001, "high": 0.001}),
        comparison(
            metric="softmax.float32/forward", unit="µs", better="lower", base=118.4, head=118.3,
            verdict="inconclusive", reason=f"{softmax} head", **{**same, "pairs": 1},
        ),
        comparison(
            metric="copy.device/bandwidth", unit="GB/s", base=None, head=2609.0,
            verdict="inconclusive", reason=f"{copy} base", **{**same, "pairs": 0},
        ),
    )  # fmt: skip
    return trial(order=ORDER[:4], blocks=blocks, metrics=metrics)


def _failing(block: Block, names: tuple[str, ...]) -> tuple[CheckResult, ...]:
    failing = {
        ("head", 2): CheckResult(
            "softmax.float32",
            "failed",
            message="the sum of a row is 1.03",
            hint="look at the build",
            log="fallback kernel",
        ),
        ("base", 1): CheckResult("copy.device", "error", message="no such stream", kind="exception"),
        ("base", 2): CheckResult("copy.device", "error", message="no such stream", kind="exception"),
    }
    bad = failing.get((block.arm, block.pair))
    return tuple(bad if bad and bad.check == one.check else one for one in block.results if one.check in names)


def block(**changes: Any) -> Block:
    """The first process of the base."""
    return Block(**{"pair": 1, "arm": "base", "results": _results(1, "base"), **changes})


def comparison(**changes: Any) -> Comparison:
    """A regression of five per cent."""
    fields: dict[str, Any] = {
        "metric": "matmul.bfloat16/throughput",
        "unit": "TFLOP/s",
        "better": "higher",
        "margin": 0.02,
        "pairs": 6,
        "base": 690.0,
        "head": 655.0,
        "change": -0.051,
        "low": -0.056,
        "high": -0.046,
        "p": 0.0003,
        "verdict": "regressed",
    }
    return Comparison(**{**fields, **changes})


def _blocks() -> tuple[Block, ...]:
    blocks = []
    for place, letter in enumerate(ORDER):
        arm, pair = {"A": "base", "B": "head"}[letter], place // 2 + 1
        if place == 5:
            blocks.append(_block(len(blocks), pair, arm, hot=True))
        blocks.append(_block(len(blocks), pair, arm))
    return tuple(blocks)


def _block(place: int, pair: int, arm: str, *, hot: bool = False) -> Block:
    return Block(
        pair=pair,
        arm=arm,
        started=f"2026-11-23T05:{30 + place // 2}:{30 * (place % 2):02}Z",
        seconds=24.6 + 0.1 * (place % 4),
        results=_results(pair, arm, 0.93 if hot else 1.0),
        control=(0.0101, 0.0101 + 0.00001 * (place % 3), 0.0102),
        telemetry=(_telemetry(place, hot=hot),),
        invalid=f"the GPU {UUID} throttled: hw-thermal-slowdown" if hot else "",
        spoiled=hot,
    )


def _results(pair: int, arm: str, speed: float = 1.0) -> tuple[CheckResult, ...]:
    rows = [(row, row[3] if arm == "base" else row[4]) for row in _METRICS]
    metrics: dict[str, list[Metric]] = {}
    for (name, unit, better, *_rest, deviation), middle in rows:
        if middle is not None:
            value = middle * (1 + deviation * _NOISE[arm][pair - 1]) * (speed if better == "higher" else 1 / speed)
            check, _, short = name.partition("/")
            version = 2 if check.startswith("layernorm") and arm == "head" else 1
            metrics.setdefault(check, []).append(Metric(short, unit, better, (round(value, 5),), version=version))
    name, unit, exact = _EXACT
    metrics["attention.flash"].append(Metric("peak memory", unit, "lower", (exact,), exact=True))
    return tuple(
        CheckResult(check, "passed", seconds=1.5, metrics=tuple(found), used_gpu=True)
        for check, found in metrics.items()
    )


def _telemetry(place: int, *, hot: bool) -> Telemetry:
    clocks = (1980, 1980, 1410, 1365, 1500) if hot else (1980, 1980, 1965, 1980, 1965)
    heat = 88 if hot else 58 + min(place, 6)
    states = tuple(
        GpuState(
            seconds=6.0 * index,
            sm_mhz=clock,
            memory_mhz=2619,
            temperature=heat + index - 2,
            power=402.0 + 40 * index,
            throttle=0x40 if clock < 1600 else 0x4,
        )
        for index, clock in enumerate(clocks)
    )
    reasons = ("power-cap", "hw-thermal-slowdown") if hot else ("power-cap",) if place % 4 == 3 else ()
    violations = {"power": 12_000_000, "thermal": 9_100_000_000 if hot else 0}
    return Telemetry(gpu=UUID, states=states, throttle=reasons, violations=violations, ecc_errors=0)


def _comparison(blocks: tuple[Block, ...], row: tuple[str, str, str, float | None, float | None, float]) -> Comparison:
    name, unit, better = row[:3]
    ruling = {"verdict": "unchanged", "p": 0.6, "margin": 0.02, **_RULINGS.get(name, {})}
    base, head = (_medians(blocks, name, arm) for arm in ("base", "head"))
    fields = {
        "base": statistics.median(base) if base else None,
        "head": statistics.median(head) if head else None,
        **(_change(base, head) if base and head and ruling["verdict"] != "not-comparable" else {}),
    }
    if not (base and head):
        ruling["p"] = None
    return Comparison(metric=name, unit=unit, better=better, **fields, **ruling)


def _medians(blocks: tuple[Block, ...], name: str, arm: str) -> list[float]:
    return [
        metric.samples[0] or 0.0
        for block in blocks
        if block.arm == arm and not block.invalid
        for found, metric in block.metrics()
        if found == name
    ]


def _change(base: list[float], head: list[float]) -> dict[str, Any]:
    ratios = [math.log(after / before) for before, after in zip(base, head, strict=True)]
    mean = statistics.fmean(ratios)
    half = T5 * max(statistics.stdev(ratios), math.sqrt(2) * 0.001) / math.sqrt(len(ratios))
    change, low, high = (round(math.expm1(each), 6) for each in (mean, mean - half, mean + half))
    return {"change": change, "low": low, "high": high, "hodges_lehmann": change, "pairs": len(ratios)}


def _exact() -> Comparison:
    name, unit, size = _EXACT
    return Comparison(
        metric=name, unit=unit, better="lower", exact=True, pairs=6, base=size, head=size, change=0.0,
        verdict="unchanged",
    )  # fmt: skip


def _control() -> Comparison:
    return Comparison(
        metric="control", unit="s", better="lower", gated=False, pairs=6, base=0.010102, head=0.010105,
        change=0.0003, low=-0.0011, high=0.0017, p=0.31, verdict="unchanged",
    )  # fmt: skip
