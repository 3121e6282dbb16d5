"""The nearest tags to a wrong one are those that a person would choose."""

from __future__ import annotations

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
