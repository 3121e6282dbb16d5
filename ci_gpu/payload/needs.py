"""What a check may need of the device it is given."""

from __future__ import annotations

import functools
from typing import Any, Callable

from .wire import NeedsGpu


def needs_gpu(check: Callable[[str], Any]) -> Callable[[str], Any]:
    """Mark a check that means nothing on a CPU: there it skips, with the reason."""

    @functools.wraps(check)
    def on_gpu_only(device: str) -> Any:
        if device == "cpu":
            raise NeedsGpu("needs a GPU; this run was made with --device cpu")
        return check(device)

    return on_gpu_only
