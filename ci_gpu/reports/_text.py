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
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    f"\ufff9-\ufffb\ufdd0-\ufdef\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff{_PLANES}]"
)
"""Controls, surrogates, noncharacters, and what is invisible or turns the direction of writing."""


def clean(text: str) -> str:
    """The text without escape sequences; every character that must not be shown is U+FFFD. Lines end in ``\\n``."""
    plain = _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _UNFIT.sub("\ufffd", plain)


def line(text: str, limit: int = LINE) -> str:
    """The text on one line, spaces folded, with ``…`` where it was cut."""
    folded = " ".join(clean(text[: 4 * limit + 4_096]).split())
    return folded if len(folded) <= limit else folded[: limit - 1].rstrip() + "…"


def mute(line: str) -> str:
    """The runner of GitHub Actions obeys ``::command::`` behind spaces, and ``##[command]`` anywhere in a line."""
    muted = line.replace("##[", "# #[")
    return muted.replace("::", ": :", 1) if muted.lstrip().startswith("::") else muted


def tail(text: str, limit: int = BLOCK) -> str:
    """The end of a long text, from the start of a line: what a log says last matters most."""
    text = text[-4 * limit - 4_096 :] if len(text) > 4 * limit + 4_096 else text
    shown = clean(text).strip("\n")
    if len(shown) <= limit:
        return shown
    kept = shown[-limit:]
    return "[… the beginning is left out]\n" + (kept.partition("\n")[2] or kept)
