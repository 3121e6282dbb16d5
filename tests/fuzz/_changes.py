"""Changes of a JSON document at places that a fuzzer chooses: values whose ``repr`` makes the same change again."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 10**30, 10**400]),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["passed", "failed", "head", "base", "##[group]", "::error::", "\x1b[2J", "\ud800", "x" * 5_000]),
    st.sampled_from([[], {}, [[]], [None], {"": None}, [1e308, -1e308], [{}] * 3]),
)
_WAYS = st.sampled_from(["replace", "replace", "replace", "remove", "repeat", "add"])
CHANGES = st.lists(st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=9), _WAYS, VALUES), max_size=6)
"""Each: which key at each level, what to do there, and with what."""


def changed(document: Any, changes: list[tuple[list[int], str, Any]]) -> Any:
    """The document with all changes made, one after the other; it is changed itself."""
    for path, way, value in changes:
        _change(document, path, way, copy.deepcopy(value))
    return document


def _change(place: Any, path: list[int], way: str, value: Any) -> None:
    for depth, number in enumerate(path):
        keys: Any = list(place) if isinstance(place, dict) else range(len(place))
        if not keys:
            return
        key = keys[number % len(keys)]
        if depth == len(path) - 1 or not isinstance(place[key], (dict, list)):
            _at(place, key, way, value)
            return
        place = place[key]


def _at(place: Any, key: Any, way: str, value: Any) -> None:
    if way == "remove":
        del place[key]
    elif way == "repeat" and isinstance(place, list):
        place.extend([place[key]] * 3)
    elif way == "add" and isinstance(place, dict):
        place["added"] = value
    else:
        place[key] = value
