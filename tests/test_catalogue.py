"""Checks are found by their file and read, never run."""

from __future__ import annotations

import pytest

from ci_gpu import catalogue
from ci_gpu.catalogue import CheckInfo
from ci_gpu.errors import ConfigError

SOURCE = '''
"""Mine."""
TIMEOUT = 42
import something_that_is_not_here
from ci_gpu.payload import needs_gpu

def check_one(device):
    """It holds.

    And more.
    """

@needs_gpu
def check_two(device): ...

def helper(device): ...
'''


def test_a_file_is_a_family_and_a_function_a_check() -> None:
    assert catalogue.read({"mine": SOURCE}) == (
        CheckInfo(family="mine", name="one", proves="It holds.", needs_gpu=False, timeout=42),
        CheckInfo(family="mine", name="two", proves="", needs_gpu=True, timeout=42),
    )


def test_what_explains_the_others_comes_first_and_the_rest_by_name() -> None:
    families = [info.family for info in catalogue.read(dict.fromkeys(("b", "matmul", "compatibility", "a"), SOURCE))]

    assert list(dict.fromkeys(families)) == ["compatibility", "matmul", "a", "b"]


def test_families_and_ids_select() -> None:
    checks = catalogue.read({"mine": SOURCE, "yours": SOURCE})

    assert [info.id for info in catalogue.select(checks, ("yours", "mine.two"))] == [
        "mine.two",
        "yours.one",
        "yours.two",
    ]
    assert catalogue.select(checks, ()) == checks


def test_a_word_that_names_no_check_is_a_mistake_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'mine\.two'"):
        catalogue.select(catalogue.read({"mine": SOURCE}), ("mine.tow",))


@pytest.mark.parametrize("info", catalogue.builtin(), ids=lambda info: info.id)
def test_each_of_ours_says_what_it_proves(info: CheckInfo) -> None:
    assert info.proves.endswith(".")
    assert len(info.proves) > 20


def test_more_checks_than_a_report_can_hold_are_refused_before_any_is_run() -> None:
    many = catalogue.read({"mine": "".join(f"def check_c{number}(device): ...\n" for number in range(5_001))})

    with pytest.raises(ConfigError, match="5001 checks") as caught:
        catalogue.select(many, ())
    assert (caught.value.kind, caught.value.exit_code) == ("too-many-checks", 2)
    assert len(catalogue.select(many, ("mine.c7",))) == 1
