"""What a run does with the history: it looks up what was measured before, and adds what it measured itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import msgspec

from ci_gpu.errors import CiGpuError
from ci_gpu.history.reading import of_run
from ci_gpu.history.record import Record
from ci_gpu.history.series import one_a_run
from ci_gpu.history.stores import open_store, told
from ci_gpu.model import Summary

JOBS = 12
"""How far a run looks back."""


def keep(summary: Summary, url: str, env: Mapping[str, str]) -> tuple[Summary, str]:
    """The summary with the series of its metrics as they were before this run, and what to say of the history.

    A store that cannot be read or written is told and changes nothing.
    """
    kept = of_this_run(summary, env)
    if not kept.measurements:
        return summary, ""
    try:
        with closing(open_store(url, env)) as store:
            before = store.recent(JOBS)
            added = store.add(kept)
            unread = told(store)
    except CiGpuError as error:
        return summary, f"nothing was added to the history: {error.what} ({error.remedy})"
    mine = {measured.key for measured in kept.measurements}
    series = tuple(one_a_run(each) for each in before if each.key in mine)
    said = f"history: {len(kept.measurements)} points {'added' if added else 'were there already'}"
    return msgspec.structs.replace(summary, series=series), said + (f"; {unread}" if unread else "")


def of_this_run(summary: Summary, env: Mapping[str, str]) -> Record:
    """The record of a run that was made in this environment."""
    return of_run(summary, salt=env.get("CI_GPU_HISTORY_SALT", ""), env=env)
