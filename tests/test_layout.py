"""JSON as run.json has it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ci_gpu import layout

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=40,
)


@given(JSON)
def test_the_layout_is_json_that_says_the_same(value: Any) -> None:
    text = layout.text(value)

    assert text.isascii()
    assert json.loads(text) == json.loads(json.dumps(layout.plain(value)))


def test_a_list_of_plain_values_is_one_line() -> None:
    assert layout.text({"samples": [1.0, 2.0], "of": [{"a": 1}]}) == (
        '{\n  "samples": [1.0, 2.0],\n  "of": [\n    {"a": 1}\n  ]\n}'
    )
