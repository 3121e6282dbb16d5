"""The markdown that is taken from an old comment: that of our own reports, and no other. Pure.

Everybody who may write to a repository can change any comment in it. What is written again under our name must not
mention, link, load or forge anything, whatever was put there. So foreign text is taken inside code only, and words
outside of code are of the letters that ours are of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

REST = "_The rest of this is left out here for want of room: the run has it._"

_CODE = "`[^`|]+`"
_WORDS = r"[A-Za-z0-9 .,:;()%+=/'?*_|\-–−…’·±°µ×→│✅❌⚠⏭🔴🟢🔵⚪⏳\ufe0f]"
_INLINE = rf"(?:{_CODE}|{_WORDS})+"
_LINE = re.compile(rf"(?:#{{3,4}} |- )?{_INLINE}")
_BREAK = re.compile(rf"  <br>{_INLINE}")
_TITLE = re.compile(rf"<details><summary>{_WORDS}+</summary>")
_CHART = re.compile(r"[A-Za-z0-9_./+\- \"\[\],>]+")
_LINKED = re.compile(r"://|www\.|\bGH-[0-9]|\b[0-9a-f]{7,40}\b", re.IGNORECASE)
_FENCES = {"```text": None, "```mermaid": _CHART}


class NotOursError(Exception):
    """The text is none that our reports write."""


def blocks(text: str) -> tuple[str, ...]:
    """The text in pieces, each of which can be left out by itself.

    Raises:
        NotOursError: anything in it is not as our reports write it.
    """
    if "<!--" in text or "\r" in text:
        raise NotOursError
    return tuple(_blocks(text.split("\n")))


def shortened(text: str, most: int) -> str:
    """The first blocks, as many as fit into so many bytes, and that the rest is left out."""
    if len(text.encode()) <= most:
        return text
    kept: list[str] = []
    room = most - len(REST) - 2
    for block in blocks(text):
        room -= len(block.encode()) + 2
        if room < 0:
            break
        kept.append(block)
    return "\n\n".join([*kept, *(() if REST in kept else (REST,))])


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        end = _end(lines, at)
        yield "\n".join(lines[at:end])
        at = end


def _end(lines: Sequence[str], at: int) -> int:
    """Where the block that begins there is over."""
    if lines[at] in _FENCES:
        return _fenced(lines, at)
    if lines[at].startswith("<details>"):
        return _folded(lines, at)
    _require(_LINE, lines[at])
    end = at + 1
    while end < len(lines) and lines[end]:
        _require(_BREAK if lines[end].startswith("  <br>") else _LINE, lines[end])
        end += 1
    return end


def _fenced(lines: Sequence[str], at: int) -> int:
    allowed = _FENCES[lines[at]]
    for end in range(at + 1, len(lines)):
        if lines[end] == "```":
            return end + 1
        if "```" in lines[end] or (allowed and not allowed.fullmatch(lines[end])):
            break
    raise NotOursError


def _folded(lines: Sequence[str], at: int) -> int:
    """Without the empty lines the inside would be HTML to GitHub, where nothing is code."""
    _require(_TITLE, lines[at])
    end = at + 1
    if lines[end : end + 1] != [""]:
        raise NotOursError
    while end < len(lines):
        if lines[end] == "</details>" and not lines[end - 1]:
            return end + 1
        if not lines[end]:
            end += 1
        elif lines[end].startswith("<details>"):
            raise NotOursError
        else:
            end = _end(lines, end)
    raise NotOursError


def _require(shape: re.Pattern[str], line: str) -> None:
    if not shape.fullmatch(line) or _LINKED.search(re.sub(_CODE, "` `", line)):
        raise NotOursError
