"""ci_gpu.reports._text"""

import time
import unicodedata

import pytest
from hypothesis import given

from ci_gpu.reports import _text
from tests.reports import hostile


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("\x1bcreset", "reset"),
        ("\x1b", "\ufffd"),
        ("a\x00b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("\ufffe\uffff\U0001ffff", "\ufffd\ufffd\ufffd"),
        ("\u202eabc", "\ufffdabc"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("##[error]x #\ufe0f#[x] ###[y", "# #[error]x #\ufe0f #[x] ## #[y"),
        ("#\x1b[0m#[error]x", "# #[error]x"),
        ("::error::x\n \t::x::\r\ufe0f:\ufe0f:y", ": :error::x\n \t: :x::\n\ufe0f:\ufe0f :y"),
        ("at::native and std::vector stay", "at::native and std::vector stay"),
        ("tab\tstays, so do × – é 漢 😀", "tab\tstays, so do × – é 漢 😀"),
    ],
)
def test_clean(text, shown):
    assert _text.clean(text) == shown


def test_an_unfinished_sequence_does_not_swallow_the_log_behind_it():
    assert "important" in _text.clean("\x1b]0;never ends\n" + "x\n" * 3000 + "important")


@given(hostile.text)
def test_nothing_unfit_is_left(text):
    kinds = {unicodedata.category(char) for char in _text.clean(text) if char not in "\n\t"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}


@given(hostile.text)
def test_a_line_is_one_line_of_bounded_length(text):
    assert len(_text.line(text, 50)) <= 50
    assert "\n" not in _text.line(text, 50)


def test_a_cut_line_says_so():
    assert _text.line("word " * 100, 20) == "word word word word…"


def test_of_a_long_log_the_end_is_kept():
    shown = _text.tail("".join(f"line {number}\n" for number in range(10_000)), 100)
    assert shown.startswith("[… the beginning is left out]\nline ")
    assert shown.endswith("line 9999")


def test_a_log_of_a_single_endless_line_is_kept_too():
    assert _text.tail("x" * 100_000, 100).endswith("x" * 100)


def test_escape_characters_without_end_cost_little_time():
    start = time.perf_counter()
    _text.tail("\x1b]" * 100_000, 1 << 20)
    assert time.perf_counter() - start < 60  # in square time it would be hours
