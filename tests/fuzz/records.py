"""Records of the history, and the files that are imported: whatever passes the gate can be kept, drawn and exported."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from ci_gpu import changes, site
from ci_gpu.errors import ConfigError
from ci_gpu.history import document, ndjson, reading
from ci_gpu.history.chain import chain
from ci_gpu.history.formats import github_action_benchmark, otava
from ci_gpu.history.record import Record
from ci_gpu.history.series import Filter, gather, listed, one_a_run
from ci_gpu.history.sieve import Sieve
from ci_gpu.history.stores import git
from tests.history import records

_WHOLE = json.loads(
    ndjson.text([records.record(1, measurements=(records.measurement(), records.measurement(arm="base")))])
)
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        (1e308, -1e308, 5e-324, 0.0, -0.0, "", "nan", "9" * 400, "../up", "\ud800", "2026-02-30T00:00:00Z")
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
_FIELDS = st.sampled_from(
    [("run",), ("created",), ("pull",), ("apart",), ("branch",), ("format",), ("images",), ("images", 0, "digest")]
    + [("images", 0, "name"), ("machine", "id"), ("measurements",), ("conclusion",), ("added",)]
    + [("measurements", index, name) for index in (0, 1) for name in _WHOLE["measurements"][0]]
    + [("measurements", 0, "key", name) for name in (*_WHOLE["measurements"][0]["key"], "apart", "power_limit")]
)


def _changed(parts: list[tuple[tuple[Any, ...], Any]]) -> bytes:
    whole = json.loads(json.dumps(_WHOLE))
    for (*way, last), value in parts:
        place = whole
        for name in way:
            place = place[name] if isinstance(place, (dict, list)) and _has(place, name) else {}
        if isinstance(place, dict) or _has(place, last):
            place[last] = value
    return json.dumps(whole).encode("utf-8", "surrogatepass")


def _has(place: Any, name: Any) -> bool:
    return (
        name in place
        if isinstance(place, dict)
        else isinstance(place, list) and isinstance(name, int) and name < len(place)
    )


_RECORD = st.lists(st.tuples(_FIELDS, _VALUES), max_size=4).map(_changed)
_CUT = st.tuples(_RECORD, st.integers(0, 2_000)).map(lambda pair: pair[0][: pair[1]])
_OTHER = st.one_of(
    st.recursive(
        _VALUES, lambda inner: st.dictionaries(st.sampled_from(("entries", "benches", "benchmarks", "stats")), inner)
    ).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=80),
    st.binary(max_size=40).map(lambda data: b"\x1f\x8b\x08\x00" + data),
)
INPUTS = st.one_of(_RECORD, _RECORD, _CUT, _OTHER.map(lambda data: b"window.BENCHMARK_DATA = " + data), _OTHER)
DOCUMENTED: tuple[type[BaseException], ...] = (ConfigError,)
KEPT: tuple[bytes, ...] = (
    b"",
    b"[" * 2_000,
    b'{"format": 1}',
    _changed([(("created",), "0000-01-00T00:00:00Z")]),
    _changed([(("created",), "2026-02-30T00:00:00Z")]),
    _changed([(("measurements", 0, "change"), 710)]),
    _changed([(("measurements", 0, "change"), 1.0), (("measurements", 0, "change_error"), 1e308)]),
)


def attempt(value: bytes) -> None:
    """What is no record is one documented error, and a store passes over it; what is one goes everywhere."""
    sieve = Sieve()
    kept = sieve.record(value, "the record")
    assert (kept is None) == bool(sieve.told())
    if kept:
        _used(kept)
    for found in reading.records(value, "the file", salt="", env={}):
        _used(found)


def _used(kept: Record) -> None:
    assert document.decode(document.encode(kept)) == kept
    assert tuple(ndjson.unpack(ndjson.pack([kept]), "packed")) == (kept,)
    assert git._LOOSE.fullmatch(git.path_of(kept))
    assert git._INDEX.fullmatch(git.index_of(kept))
    series = gather([kept], Filter(pull=kept.pull, apart=kept.apart))
    listed(series)
    for one in series:
        changes.find(one_a_run(one), margin=0.02)
        chain(one.points)
    site.render(tuple(map(one_a_run, series)), {}, title="fuzz")
    github_action_benchmark.write(series)
    for better in ("lower", "higher"):
        github_action_benchmark.write_custom(series, better)
    otava.write(series)
