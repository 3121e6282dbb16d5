"""Nobody else writes while these tests wait."""

from __future__ import annotations

import pytest

from ci_gpu.github import comment


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time in which others may write over a comment."""
    monkeypatch.setattr(comment, "SETTLE", 0.0)
