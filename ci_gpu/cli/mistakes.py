"""What went wrong, in words: an error of somebody's with its three parts, and a bug of ours as a report to paste."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from ci_gpu import __version__, console
from ci_gpu.errors import CiGpuError


def show(error: CiGpuError) -> None:
    """What happened, why it usually happens, what to try; in Actions also as an annotation."""
    from ci_gpu.reports import printable

    console.say(f"ci-gpu: {printable(error.what)}")
    if error.why:
        console.say(f"   why: {printable(error.why)}")
    if error.remedy:
        console.say(f"   try: {printable(error.remedy)}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from ci_gpu.github import actions

        console.command(actions.command("error", f"{error.what}. {error.remedy}", title="ci-gpu"))


def show_bug() -> None:
    """Our own mistake: a report that can be pasted as it is."""
    import platform
    import traceback

    console.say(
        "ci-gpu: this is a bug of ours. Please report what follows.\n\n"
        f"- ci-gpu {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"- command: `ci-gpu {sys.argv[1] if len(sys.argv) > 1 else ''}`\n\n```\n{traceback.format_exc()}```"
    )


def show_all(errors: Iterable[CiGpuError]) -> None:
    """Say them where something else, such as a verdict, decides the exit code."""
    for error in errors:
        show(error)
