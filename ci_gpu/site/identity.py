"""Names that stay: of a series' page, and of the places on it."""

from __future__ import annotations

import hashlib
import json
import re

import msgspec

from ci_gpu.model import ChangePoint, SeriesKey

_DEFAULTS = msgspec.to_builtins(SeriesKey(metric=""))


def of_series(key: SeriesKey) -> str:
    """``matmul-bfloat16-throughput-nvidia-h100-0123456789ab``: readable, and different for every key.

    A field that has its default value is left out, so a field that is added later changes no name.
    """
    fields = {name: value for name, value in msgspec.to_builtins(key).items() if value != _DEFAULTS[name]}
    return f"{_slug(key.metric, 48)}-{_slug(key.gpu or key.device, 24)}-{_digest(json.dumps(fields, sort_keys=True))}"


def of_run(run: str) -> str:
    """The anchor of a run."""
    return f"run-{_digest(run)[:10]}"


def of_change(change: ChangePoint) -> str:
    """The anchor of a change point."""
    return f"change-{_digest(json.dumps([change.before, change.after]))}"


def _slug(text: str, limit: int) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text[: 4 * limit].lower())[:limit].strip("-") or "x"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
