"""The comment on the pull request, as far as the command line goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_gpu.model import Summary


def post(summaries: Sequence[Summary], when: str, key: str | None, *, from_file: bool = False) -> tuple[str, str]:
    """Post if asked to; returns the action's outputs comment-pending and comment-url."""
    if when == "never":
        return "false", ""
    from ci_gpu import console, github
    from ci_gpu.reports import printable

    token = os.environ.get("CI_GPU_GITHUB_TOKEN") or os.environ.get("GITHUB_TOKEN", "")
    outcome = github.post(summaries, env=os.environ, token=token, when=when, key=key or "", from_file=from_file)
    if outcome.message:
        console.say(printable(outcome.message))
    return ("true" if outcome.pending else "false"), outcome.url
