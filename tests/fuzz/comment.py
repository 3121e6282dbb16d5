"""An old comment of ours after somebody with write access has changed it: what is written again is harmless."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from ci_gpu.github import body
from ci_gpu.github.body import Page
from tests.github.test_accepted import PIECES, harmless
from tests.github.thread import HEAD, leg

_FIELDS = {name: getattr(leg(), name) for name in leg().__struct_fields__ if name != "text"}
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ("@octocat", "a" * 12, "a" * 12 + "-2", HEAD, "`|`", "<b>x</b>", "[x](https://x.example)", "a" * 90)
    ),
    st.lists(st.integers(), max_size=2),
)
_LEGS = st.one_of(
    st.dictionaries(st.sampled_from([*_FIELDS, "text", "more"]), _VALUES, max_size=3).map(
        lambda changes: f"<!-- ci-gpu:leg {json.dumps(_FIELDS | changes)} -->"
    ),
    st.text(max_size=40).map(lambda text: f"<!-- ci-gpu:leg {{{text}}} -->"),
)
_LINES = st.one_of(PIECES, PIECES, PIECES, _LEGS, st.just("<!-- ci-gpu:end -->"))

INPUTS = st.tuples(_LEGS, st.lists(_LINES, max_size=14), st.sampled_from(("\n", "\n", ""))).map(
    lambda parts: "\n".join((parts[0], parts[2].join(parts[1]), "<!-- ci-gpu:end -->"))
)
DOCUMENTED: tuple[type[BaseException], ...] = ()
KEPT: tuple[str, ...] = ("<!-- ci-gpu:leg {} -->\n" * 50, "<!-- ci-gpu:leg " + "{" * 2_000 + " -->")


def attempt(value: str) -> None:
    """The legs are read, written again within the budget, and the same when they are read again."""
    found = body.read(value)
    text = body.write(Page(key="fuzz", head=HEAD), found, {}, 60_000)
    assert len(text.encode()) <= 60_000
    assert harmless(text)
    assert {one.id: one.text for one in body.read(text)} == {
        one.id: one.text if one.commit == HEAD else "" for one in found
    }
