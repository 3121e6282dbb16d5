"""A registry's list of tags, of any length and likeness, beside the tag that was asked for."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from ci_gpu import refusal, tags
from ci_gpu.model import ImageRef

_TAG = st.one_of(
    st.from_regex(re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII), fullmatch=True),
    st.from_regex(
        re.compile(r"[0-9]{1,30}(\.[0-9]{1,30}){1,9}-cuda[0-9]+(\.[0-9]+){1,4}(-devel)?", re.ASCII), fullmatch=True
    ).map(lambda tag: tag[:128]),
    st.integers(1, 128).map(lambda length: "a" * length),
)

INPUTS = st.tuples(_TAG, st.lists(_TAG, max_size=40), st.sampled_from((1, 1, 1, 50, 3_000)))
DOCUMENTED: tuple[type[BaseException], ...] = ()
KEPT = (("9" * 20 + ".1-cuda1.1", ["9" * 20 + ".2-cuda1.1"], 1), ("a", [], 1))


def attempt(value: tuple[str, list[str], int]) -> None:
    """A suggestion is one of the tags that are offered, and the error for a missing tag can be made of any."""
    wanted, offered, times = value
    every = tuple(tag if turn == 0 else f"{tag[:120]}{turn}" for turn in range(times) for tag in offered)[:20_000]
    assert set(tags.nearest(wanted, every)) <= set(every)
    error = refusal.no_such_tag(ImageRef.parse(f"registry.example/a/b:{wanted}"), every)
    assert (error.kind, error.exit_code) == ("tag-not-found", 3)
