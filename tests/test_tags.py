"""The nearest tags to a wrong one are those that a person would choose."""

from __future__ import annotations

import difflib
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu import tags
from ci_gpu.model import ImageRef

PYTORCH = ImageRef.parse("pytorch/pytorch:2.9.0-cuda11.8-devel")
HUB = tags.known_tags(PYTORCH)


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        (
            "2.9.0-cuda11.8-devel",
            ("2.9.0-cuda12.6-cudnn9-devel", "2.9.0-cuda12.8-cudnn9-devel", "2.7.1-cuda11.8-cudnn9-devel"),
        ),
        (
            "1.13.1-cuda11.7",
            ("1.13.1-cuda11.6-cudnn8-runtime", "1.13.1-cuda11.6-cudnn8-devel", "2.0.1-cuda11.7-cudnn8-runtime"),
        ),
        ("2.9.0-cuda12.8-cudnn8-runtime", ("2.9.0-cuda12.8-cudnn9-runtime",)),
        ("2.12.0-cuda12.8-cudnn9-runtime", ("2.12.0-cuda12.6-cudnn9-runtime", "2.12.0-cuda13.0-cudnn9-runtime")),
        ("9.9-cuda99.0", ()),
        ("latst", ()),
    ],
)
def test_the_nearest_tags_are_those_a_person_would_choose(wanted: str, first: tuple[str, ...]) -> None:
    assert tags.nearest(wanted, HUB)[: len(first)] == first


def test_tags_of_another_form_are_compared_as_text() -> None:
    assert tags.nearest("24.08-py4", ("24.07-py3", "24.08-py3", "latest"))[0] == "24.08-py3"


def test_the_article_s_tags_do_not_exist() -> None:
    assert "2.9.0-cuda11.8-devel" not in HUB
    assert not any(tag.startswith("1.13.1-cuda11.7") for tag in HUB)


@given(st.sampled_from(HUB), st.lists(st.sampled_from(HUB), unique=True))
def test_what_is_offered_is_chosen_from_and_an_exact_match_comes_first(wanted: str, others: list[str]) -> None:
    found = tags.nearest(wanted, tuple(dict.fromkeys([*others, wanted])))

    assert found[0] == wanted
    assert len(found) == len(set(found)) <= 3
    assert set(found) <= {*others, wanted}


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=8))
def test_no_text_of_a_registry_breaks_the_search(wanted: str, offered: list[str]) -> None:
    assert set(tags.nearest(wanted, tuple(offered))) <= set(offered)


@pytest.mark.attack
@pytest.mark.parametrize("wanted", ["a" * 128, "2.9.0-cuda11.8"])
def test_a_registry_with_tags_without_number_does_not_keep_us(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry lists hundreds of thousands of long tags that all look alike: comparing each took minutes.

    Only the few with the longest common beginning and end are compared as texts.
    """
    compared: list[int] = []
    real = difflib.get_close_matches

    def spied(word: str, possibilities: Sequence[str], n: int, cutoff: float) -> list[str]:
        compared.append(len(possibilities))
        return real(word, possibilities, n, cutoff)

    monkeypatch.setattr(difflib, "get_close_matches", spied)
    found = tags.nearest(wanted, tuple("a" * 118 + f"{number:010d}" for number in range(5_000)))

    assert compared == [tags.MAX_COMPARED]
    assert len(found) == (3 if wanted.startswith("a") else 0)


def test_of_many_tags_the_nearest_is_among_those_that_are_compared() -> None:
    offered = [f"nightly-{number:06d}-gpu" for number in range(3_000)]
    random.Random(1).shuffle(offered)

    assert tags.nearest("nigthly-001234-gpu", tuple(offered))[0] == "nightly-001234-gpu"
    assert tags.nearest("nightly-01234-gpu", tuple(offered))[0] == "nightly-001234-gpu"
