"""What a check may need of the device it is given."""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional

from .cuda_errors import Cause
from .wire import NeedsGpu, NotMade

Check = Callable[[str], Any]


def needs_gpu(check: Check) -> Check:
    """Mark a check that means nothing on a CPU: there it skips, with the reason."""

    @functools.wraps(check)
    def on_gpu_only(device: str) -> Any:
        if device == "cpu":
            raise NeedsGpu("needs a GPU; this run uses the CPU")
        return check(device)

    return on_gpu_only


def without_gpu(check: Check) -> Check:
    """Mark a check that can be made where no GPU answers: it looks at the image, or at what it sees of the machine."""
    check.made_without_gpu = True  # type: ignore[attr-defined]
    return check


def demand(check: Check, fallen: Optional[Cause]) -> None:
    """Every check of a run on the GPU needs one that answers, unless it says otherwise.

    Raises:
        NotMade: no GPU answers, for the cause ``fallen``.
    """
    if fallen and not getattr(check, "made_without_gpu", False):
        raise NotMade(f"not made, because {fallen.meaning}", fallen.remedy, cause=fallen.id)
