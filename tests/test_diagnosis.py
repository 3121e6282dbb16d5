"""What an engine says when a container does not start, in its own words, becomes one cause with a remedy."""

from __future__ import annotations

import re

import pytest

from ci_gpu import diagnosis, refusal
from ci_gpu.diagnosis import lacks_program, refuses_gpus, start_failure
from ci_gpu.errors import CiGpuError
from ci_gpu.model import ImageRef
from tests.refusals import ENGINE, FOREIGN, HANDING, IMAGES, Said

ALL = (*HANDING, *ENGINE, *IMAGES, *FOREIGN)


def _failure(said: Said) -> CiGpuError:
    return start_failure(said.code, said.words, entrypoint=(), started=said.started)


def short(said: Said) -> str:
    return said.source.removeprefix("https://github.com/") + f" {said.kind}"


@pytest.mark.parametrize("said", ALL, ids=short)
def test_cause(said: Said) -> None:
    error = start_failure(said.code, said.words, entrypoint=("/serve",), started=said.started)

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
    missing = [said for said in ALL if lacks_program(said.code, said.words, said.started)]

    assert missing == [said for said in ALL if said.kind == "no-python"]
    assert len([said for said in missing if not said.started]) == 5


def test_another_way_is_tried_after_refusals_of_the_gpus_alone() -> None:
    """Not where the image asks for a newer driver, nor where a GPU is named that is not there."""
    tried = {said.kind for said in ALL if refuses_gpus(_failure(said))}

    assert tried == {said.kind for said in HANDING} - {"driver-too-old", "no-such-gpu"}


@pytest.mark.parametrize("said", [*HANDING, *ENGINE], ids=short)
@pytest.mark.parametrize("code", [1, 2, 125, 126, 127])
def test_no_words_of_an_engine_s_count_once_the_image_ran(said: Said, code: int) -> None:
    error = start_failure(code, said.words, entrypoint=(), started=True)

    assert error.kind == ("no-python" if code in diagnosis.NO_PROGRAM else "no-answer")
    assert lacks_program(code, said.words, True) == (code in diagnosis.NO_PROGRAM)


def test_where_nobody_knows_of_a_start_the_client_s_lines_and_its_own_exit_code_count() -> None:
    """The container is gone, or the engine is: its state cannot be read."""
    gone = "docker: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"

    assert start_failure(1, f"noise\n{gone}", entrypoint=()).kind == "engine-down"
    assert start_failure(125, "docker: mkdir /x:\nno space left on device", entrypoint=()).kind == "no-space"
    assert start_failure(127, "app: no space left on device", entrypoint=()).kind == "no-python"
    assert start_failure(1, "app: no space left on device", entrypoint=()).kind == "no-answer"


def test_a_container_that_did_not_start_is_the_engine_s_whatever_the_code() -> None:
    """docker's client may end with 1, and words that nobody knows are no answer of the image's."""
    for code in (1, 125, 126, 127):
        assert start_failure(code, "Error: nobody knows this", entrypoint=(), started=False).kind == "engine-refused"


@pytest.mark.parametrize("said", FOREIGN, ids=short)
def test_a_platform_that_was_asked_for_and_that_nothing_emulates_is_the_runner_s(said: Said) -> None:
    error = start_failure(said.code, said.words, entrypoint=(), started=True, emulated=True)

    assert (error.kind, error.exit_code) == ("wrong-platform", 3)
    assert "--platform" in error.why


def test_an_image_that_speaks_of_a_format_beside_other_things_has_no_other_platform() -> None:
    for words in (
        "app: exec format error",
        "exec /x: exec format error\nand more",
        "/entry.sh: 3: exec: x: Exec format error",
    ):
        assert start_failure(1, words, entrypoint=(), started=True).kind == "no-answer"


def test_what_the_image_says_is_cut_to_a_bearable_length() -> None:
    assert len(start_failure(125, "Error: " + "x" * 100_000, entrypoint=()).what) < 1000


def test_what_the_engine_says_last_is_read_however_much_the_image_said_before() -> None:
    (said,) = (each for each in HANDING if "/450" in each.source)

    assert start_failure(127, "noise\n" * 100_000 + said.words, entrypoint=(), started=False).kind == "cdi-stale"


PATTERNS = [cause.pattern for cause in diagnosis._CAUSES] + [diagnosis._PROGRAM, diagnosis._NOT_EXECUTED]
PATTERNS += [pattern for _, pattern in refusal._CAUSES]
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
        for started in (False, True, None):
            start_failure(126, text, entrypoint=(), started=started)
            lacks_program(126, text, started)
        refusal.failure(ref, text)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_may_run_over_a_text_without_bound(pattern: str) -> None:
    without_sets = re.sub(r"\[[^\]]*\]", "S", pattern)

    assert not re.search(r"(?<!\\)[.S](\*|\+|\{\d+,\})|\\[SwWsdD]\+", without_sets.replace(r"\s*$", ""))


@pytest.mark.attack
@pytest.mark.parametrize("started", [True, None])
@pytest.mark.parametrize("code", [1, 125, 126, 127])
@pytest.mark.parametrize(
    "words", ["mkdir /x: no space left on device", "could not select device driver", "toomanyrequests"]
)
def test_an_image_prints_an_engine_s_words_and_ends_with_its_code(words: str, code: int, started: bool | None) -> None:
    """An image prints what an engine would say and ends with the engine's own exit code, so that the runner is blamed
    for it. Its words are not read for a cause where it ran, nor where nobody knows and no line is the client's.
    """
    error = start_failure(code, words, entrypoint=(), started=started)

    assert error.exit_code == 4
    assert not diagnosis.refuses_gpus(error)
