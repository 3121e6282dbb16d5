"""The ways of handing over GPUs, one after the other: what is left to try, and what is told of the refused. Pure.

A way that is refused says nothing of the next: on a Jetson docker's `--gpus` fails and the runtime works, and a CDI
description may be older than the driver, which the toolkit's hook looks at anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from ci_gpu.errors import CiGpuError, RunnerError
from ci_gpu.model import Failure, GpuRefusal


def refusal(mode: str, error: CiGpuError) -> GpuRefusal:
    """The refusal as a value."""
    return GpuRefusal(mode=mode, failure=Failure.from_error(error))


def told(refused: GpuRefusal, following: str) -> str:
    """One line on a way that was refused, and on the next."""
    return f"GPUs by {refused.mode}: {refused.failure.what}; trying {following}"


def failure(refused: Sequence[GpuRefusal]) -> CiGpuError:
    """The error where every way was refused; what several have in common is said once."""
    failures = [each.failure for each in refused]
    whats = "; ".join(f"{each.mode}: {each.failure.what}" for each in refused)
    return RunnerError(
        f"the engine does not hand over GPUs in any of {len(refused)} ways ({whats})",
        why="; ".join(dict.fromkeys(each.why for each in failures)),
        remedy="; or ".join(dict.fromkeys(each.remedy for each in failures)),
        kind=failures[0].kind if len({each.kind for each in failures}) == 1 else "gpu-not-handed-over",
    )
