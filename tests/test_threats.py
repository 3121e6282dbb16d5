"""docs/security.md says what the tests show."""

from __future__ import annotations

import pytest

from tests import threats


def test_the_page_is_what_the_tests_say() -> None:
    page = threats.PAGE.read_text()

    assert threats.written(page) == page, "run python -m tests.threats"


def test_every_attack_has_one_way_in_and_every_way_an_attack() -> None:
    ways = {threats.way_of(attack.path) for attack in threats.attacks()}

    assert ways == set(threats.WAYS)


def test_a_docstring_without_a_defence_is_refused() -> None:
    with pytest.raises(ValueError, match="not what stops it"):
        threats.sentences("An image prints a megabyte.", "here")
    assert threats.sentences("A line of 1: 2 MB: the line ends.", "here") == ("A line of 1: 2 MB.", "The line ends.")
    assert threats.sentences("It prints 1.5 MB. The line ends\nthere.", "here") == (
        "It prints 1.5 MB.",
        "The line ends there.",
    )
