"""Upgrades are chained by their ratios: I_k = I_(k-1) · exp(r_k)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.history.chain import chain
from ci_gpu.model import Point


def _upgrade(number: int, base: str, head: str, change: float, error: float = 0.003, masked: str = "") -> list[Point]:
    """One run that compared two images, on a machine of its own speed."""
    common = {"run": f"r{number:03}", "created": f"2026-01-{number:02}T00:00:00Z"}
    speed = 100.0 * number
    return [
        Point(**common, image=base, value=speed),
        Point(**common, image=head, value=speed * math.exp(change), change=change, change_error=error, masked=masked),
    ]


def _row(changes: list[float], error: float = 0.003) -> list[Point]:
    return [point for n, change in enumerate(changes, 1) for point in _upgrade(n, f"v{n - 1}", f"v{n}", change, error)]


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=20))
def test_the_level_is_the_product_of_the_ratios_whatever_the_machines(changes: list[float]) -> None:
    links = chain(_row(changes))
    assert links[-1].level == pytest.approx(math.exp(math.fsum(changes)))
    assert [link.segment for link in links] == [1] * len(changes)


def test_the_error_grows_with_the_root_of_the_links() -> None:
    """0.3 % a link is 1.04 % after twelve."""
    assert chain(_row([0.0] * 12))[-1].error == pytest.approx(0.0104, abs=1e-4)


def test_a_run_against_the_anchor_starts_anew() -> None:
    points = [*_row([0.01] * 5), *_upgrade(6, "v0", "v5", 0.05), *_upgrade(7, "v5", "v6", 0.01)]
    links = chain(points, anchor="v0")
    assert links[-2].error == pytest.approx(0.003)
    assert links[-1].error == pytest.approx(0.003 * math.sqrt(2))
    assert links[-1].level == pytest.approx(math.exp(0.06))
    assert {link.segment for link in links} == {0}


def test_images_that_nothing_ever_compared_are_not_comparable() -> None:
    first, second = chain([*_upgrade(1, "a", "b", 0.1), *_upgrade(2, "x", "y", 0.1)])
    assert first.segment != second.segment


def test_a_masked_run_is_no_link() -> None:
    assert chain(_upgrade(1, "a", "b", 0.1, masked="throttled")) == ()
