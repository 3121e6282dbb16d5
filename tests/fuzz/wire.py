"""What a guest writes on its stdout: an image that speaks for us, or breaks what the payload says."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from ci_gpu import reports
from ci_gpu.budget import Budget, Weight
from ci_gpu.errors import ImageError
from ci_gpu.model import ImageReport, PulledImage, RunReport, Summary
from ci_gpu.payload.wire import (
    PROTOCOL,
    Bye,
    Event,
    Finished,
    GpuState,
    Hello,
    Started,
    Telemetry,
    Unusable,
    Watched,
    encode,
)
from ci_gpu.reports import json as report
from ci_gpu.transcript import Transcript
from ci_gpu.verdict import judge
from tests import samples
from tests.fuzz import _changes

_NONCE = "ci-gpu-0123 "
_CHECKS = ("autograd.polynomial", "a.b")
_EVENTS: tuple[Event, ...] = (
    Hello(PROTOCOL, "3.11.7", "/usr/bin/python3"),
    samples.environment(),
    Started(_CHECKS[0]),
    Finished(samples.check_result(metrics=(samples.metric(),))),
    Started(_CHECKS[1]),
    Finished(samples.failed(check=_CHECKS[1])),
    Watched((Telemetry("GPU-1", (GpuState(0.0, 1980),), ("idle",), {"thermal": 5}, 0),)),
    Unusable("no-torch", "python has no torch"),
    Bye(2),
)
_LINES = tuple(json.loads(encode(event)) for event in _EVENTS)
_SAID = st.one_of(
    st.tuples(st.integers(0, len(_LINES) - 1), _changes.CHANGES),
    st.tuples(st.integers(0, len(_LINES) - 1), st.just([])),
    st.tuples(st.just(-1), st.text(max_size=60)),
)

INPUTS = st.tuples(st.lists(_SAID, max_size=12), st.sampled_from([2_000, 40_000, 1 << 20]))
DOCUMENTED = (ImageError,)
KEPT: tuple[Any, ...] = (
    ([(2, []), (3, [([1, 8, 0, 5], "replace", 2**70)])], 1 << 20),
    ([(0, []), (1, []), (2, []), (3, [])], 2_000),
    ([(number, []) for number in range(6)], 1 << 20),
)


def attempt(value: tuple[list[tuple[int, Any]], int]) -> None:
    """What is taken of it makes reports, and a run.json that is read as it was."""
    said, octets = value
    transcript = Transcript(_NONCE, _CHECKS, watched=True, spending=Budget(Weight(octets, 500, 5_000)))
    try:
        for number, changes in said:
            transcript.hear("stdout", _NONCE + _line(number, changes))
    finally:
        _report(transcript)


def _line(number: int, changes: Any) -> str:
    return changes if number < 0 else json.dumps(_changes.changed(json.loads(json.dumps(_LINES[number])), changes))


def _report(transcript: Transcript) -> None:
    image = ImageReport(
        name="image",
        planned=_CHECKS,
        image=PulledImage(reference="image"),
        environment=transcript.environment,
        results=tuple(transcript.results.values()),
        log=transcript.log,
    )
    run = RunReport(
        version="1", created="2026", device="cuda", gpus="all", engine="local", host=samples.host(), images=(image,)
    )
    summary = Summary(report=run, verdict=judge(run))
    for name in reports.names():
        assert reports.load(name).render(summary)
    text = report.render(summary)
    assert report.render(report.read(text)) == text
