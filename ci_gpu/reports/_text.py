"""Foreign text made fit to be shown: no escape sequence, nothing invisible, nothing endless."""

from __future__ import annotations

import re

LINE, BLOCK = 1_000, 16_000
"""Characters that are shown of one line, and of one log, unless told otherwise."""

# Sequences are bounded, so that an opening one without an end cannot swallow the log behind it.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]{0,2048}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[PX^_][^\x1b\n]{0,2048}\x1b\\"
    r"|\x1b[ -/]{0,8}[0-OQ-WYZ\\`-~]"
)
_PLANES = "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ufdd0-\ufdef\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    f"\U000e0000-\U000e0fff{_PLANES}]"
)
"""Controls, surrogates, noncharacters, and what is invisible or turns the direction of writing."""


_VARIANT = "[\ufe00-\ufe0f]"
"""Belongs to the sign before it, and does not count where the runner compares."""

_ANYWHERE = re.compile(f"(#{_VARIANT}*)(?=#{_VARIANT}*\\[)")
_AT_THE_START = re.compile(rf"^((?:[^\S\n]|{_VARIANT})*:{_VARIANT}*)(?=:)", re.MULTILINE)


def clean(text: str) -> str:
    """The text without escape sequences and commands; every character that must not be shown is U+FFFD.

    Lines end in ``\\n``.
    """
    plain = _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return mute(_UNFIT.sub("\ufffd", plain))


def line(text: str, limit: int = LINE) -> str:
    """The text on one line, spaces folded, with ``…`` where it was cut."""
    folded = " ".join(clean(text[: 4 * limit + 4_096]).split())
    return folded if len(folded) <= limit else folded[: limit - 1].rstrip() + "…"


def mute(text: str) -> str:
    """Broken up is what the runner of GitHub Actions obeys: ``::command::`` that begins a line, behind spaces, too, and
    ``##[command]`` anywhere in one.
    """
    return _AT_THE_START.sub(r"\1 ", _ANYWHERE.sub(r"\1 ", text))


def tail(text: str, limit: int = BLOCK) -> str:
    """The end of a long text, from the start of a line: what a log says last matters most."""
    text = text[-4 * limit - 4_096 :] if len(text) > 4 * limit + 4_096 else text
    shown = clean(text).strip("\n")
    if len(shown) <= limit:
        return shown
    kept = shown[-limit:]
    return "[… the beginning is left out]\n" + (kept.partition("\n")[2] or kept)
