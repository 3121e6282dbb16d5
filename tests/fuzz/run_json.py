"""A run.json that a pull request made: it is refused in words, or every report of it can be made and read again."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from ci_gpu import reports
from ci_gpu.errors import ConfigError
from ci_gpu.history import reading
from ci_gpu.reports import json as report
from tests import samples
from tests.fuzz import _changes

_TEXTS = {name: report.render(summary) for name, summary in samples.all_samples().items()}
_CUTS = st.none() | st.tuples(st.integers(0, 60_000), st.integers(0, 40), st.binary(max_size=8))

INPUTS = st.tuples(st.sampled_from(sorted(_TEXTS)), _changes.CHANGES, _CUTS)
DOCUMENTED = (ConfigError,)
KEPT: tuple[Any, ...] = (
    ("comparison", [([10, 0, 7, 0, 4], "replace", 10**400)], None),
    ("red", [], (0, 0, b"\xef\xbb\xbf")),
)


def attempt(value: tuple[str, list[tuple[list[int], str, Any]], tuple[int, int, bytes] | None]) -> None:
    """What is shown of it can be read again, and is shown in the same way."""
    name, changes, cut = value
    data = json.dumps(_changes.changed(json.loads(_TEXTS[name]), changes)).encode()
    if cut:
        start, length, put = cut
        data = data[:start] + put + data[start + length :]
    found = report.read(data)
    for each in reports.names():
        assert reports.load(each).render(found)
    assert report.parse(report.render(found)) == report.parse(report.render(report.read(report.render(found))))
    list(reading.records(data, "run.json", salt="", env={}))
