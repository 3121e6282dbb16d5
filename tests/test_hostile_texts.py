"""What an image prints is searched in a time that grows with its length, not with its square."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest

from ci_gpu import startup
from ci_gpu.payload import cuda_errors

LENGTHS = (1 << 14, 1 << 16, 1 << 18, 1 << 20)
"""Each four times the one before. A quadratic search takes sixteen times as long, and is found before the last."""

MOST = 10
"""Times as long, where four are right."""

CUDA = ["NVRM: Xid: ", "CUDA_ERROR_DEVICE_UNAVAILABLE ", "the GPU ", "ibv_reg_mr failed", "/dev/nvidia0"]
TRACEBACKS = ["Traceback (most recent call last):\n", "Traceback (most recent call last):\n  ", '  File "x', "\n "]

SEARCHES: dict[str, tuple[Callable[[str], object], list[str]]] = {
    "classify": (cuda_errors.classify, CUDA),
    "of_exception": (lambda text: cuda_errors.of_exception("CUDA error: " + text), ["CUDA error: "]),
    "python_failure": (lambda text: startup.python_failure(startup.Ending(code=1), text), TRACEBACKS),
    "torch_broken": (startup.torch_broken, ["libcuda.so.1: ", "version `GLIBCXX_"]),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (_, texts) in SEARCHES.items() for text in texts])
def test_a_text_four_times_as_long_takes_no_longer_than_a_line_allows_up_to_a_megabyte(name: str, text: str) -> None:
    search, usual = SEARCHES[name][0], math.inf
    for length in LENGTHS:
        taken = min(_seconds(search, text * (length // len(text))) for _ in range(2))
        assert taken < MOST * usual
        usual = max(taken, 2e-3)


def _seconds(search: Callable[[str], object], text: str) -> float:
    """In the process's own time: other work on the machine is not counted."""
    start = time.process_time()
    search(text)
    return time.process_time() - start
