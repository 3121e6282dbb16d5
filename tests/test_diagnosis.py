"""What an engine says when a container does not start, in its own words, becomes one cause with a remedy."""

from __future__ import annotations

import re

import pytest

from ci_gpu import diagnosis, refusal
from ci_gpu.diagnosis import lacks_program, refuses_gpus, start_failure
from ci_gpu.model import ImageRef
from tests.refusals import ENGINE, HANDING, IMAGES, Said

ALL = (*HANDING, *ENGINE, *IMAGES)


def short(said: Said) -> str:
    return said.source.removeprefix("https://github.com/") + f" {said.kind}"


@pytest.mark.parametrize("said", ALL, ids=short)
def test_cause(said: Said) -> None:
    error = start_failure(said.code, said.words, entrypoint=("/serve",))

    assert (error.kind, error.exit_code) == (said.kind, said.exit_code)
    assert said.says in error.what
    assert error.why
    assert said.remedy in error.remedy


def test_the_texts_are_from_public_threads_or_reproduced() -> None:
    guesses = [said.kind for said in ALL if said.source.startswith("guess: ")]
    threads = {said.source for said in HANDING if said.source.startswith("https://github.com/")}

    assert len(threads) >= 25
    assert guesses == ["no-space"]
    assert [said for said in ALL if not re.match(r"https://|reproduced: |guess: |made up: an image", said.source)] == []


def test_only_a_missing_program_lets_us_try_another_interpreter() -> None:
    """podman and docker end with 126 and 127 for other reasons, too, and say "no such file" for them."""
    missing = [said for said in ALL if lacks_program(said.code, said.words)]

    assert missing == [said for said in ALL if said.kind == "no-python"]
    assert len(missing) == 5


def test_another_way_is_tried_after_refusals_of_the_gpus_alone() -> None:
    """Not where the image asks for a newer driver, nor where a GPU is named that is not there."""
    tried = {said.kind for said in ALL if refuses_gpus(start_failure(said.code, said.words, entrypoint=()))}

    assert tried == {said.kind for said in HANDING} - {"driver-too-old", "no-such-gpu"}


def test_what_the_image_says_is_cut_to_a_bearable_length() -> None:
    assert len(start_failure(125, "Error: " + "x" * 100_000, entrypoint=()).what) < 1000


def test_what_the_engine_says_last_is_read_however_much_the_image_said_before() -> None:
    (said,) = (each for each in HANDING if "/450" in each.source)

    assert start_failure(127, "noise\n" * 100_000 + said.words, entrypoint=()).kind == "cdi-stale"


PATTERNS = [cause.pattern for cause in diagnosis._CAUSES] + [pattern for _, pattern in refusal._CAUSES]
LITERALS = sorted(
    {
        literal
        for pattern in PATTERNS
        for literal in re.split(r"\\.|\(\?:|\[[^\]]*\](?:\{[\d,]+\}|[+*?])?|[()|?*+.$^]", pattern)
        if len(literal) > 3
    }
)


NESTED = [f"cannot stat {'/libcuda' * 25} ", f"mounting {'/lib' * 60}cuda "]
"""A path of which every part may be the one that is looked for."""


@pytest.mark.parametrize("filler", ["", "\n", " ", "/lib", "/libcuda", "x" * 50, ": not found "])
def test_a_hostile_text_of_a_megabyte_is_read_in_time_that_grows_with_its_length(filler: str) -> None:
    """Every word that a pattern waits for, a megabyte of each. What is not linear ends here by pytest's time-out."""
    ref = ImageRef.parse("registry.example/team/image:1")
    for literal in LITERALS + NESTED:
        once = f"Error: {literal}\n" if filler == "\n" else literal + filler
        text = "Error: " + once * (1_000_000 // len(once))
        start_failure(126, text, entrypoint=())
        lacks_program(126, text)
        refusal.failure(ref, text)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_may_run_over_a_text_without_bound(pattern: str) -> None:
    without_sets = re.sub(r"\[[^\]]*\]", "S", pattern)

    assert not re.search(r"(?<!\\)[.S](\*|\+|\{\d+,\})|\\[SwWsdD]\+", without_sets.replace(r"\s*$", ""))
