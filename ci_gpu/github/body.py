"""The text of the comment: its legs as a person reads them, and as the next run reads them again. Pure.

An old comment is foreign when it is read: whoever may write to the repository can change it. What is taken from it has
passed the schema of a leg, and its section the language of our reports (`accepted`).
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from ci_gpu.github import accepted
from ci_gpu.github.legs import MOST, Leg, is_leg, is_red
from ci_gpu.reports import _words
from ci_gpu.reports._markdown import code, defused, table

FORK = "This was reported by a fork's run, not verified: outcomes, samples and policy are what that run said."

MAX_BODY = 70_000  # characters of an old comment: GitHub keeps 65 536
LEAST = 1_500  # bytes of a section below which it is left out

_LEG = re.compile(r"<!-- ci-gpu:leg (\{.*\}) -->")
_END = "<!-- ci-gpu:end -->"
_SIGNS = {0: "✅", 1: "❌"}
_OUTCOMES = {0: "passed", 1: "failed"}

Render = Callable[[int], str]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a comment is about. ``runs`` is where runs have their pages; ``head`` the newest commit."""

    key: str
    head: str = ""
    runs: str = ""


def marker(key: str) -> str:
    """The first line of the comment. A key of any length and letters has its own: the words are only to be read."""
    slug = re.sub(r"[^a-z0-9_./]+", "-", key[:200].lower()).strip("-")[:40].rstrip("-") or "default"
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"<!-- ci-gpu:comment v2 key={slug} {digest} -->"


def write(page: Page, legs: Sequence[Leg], fresh: Mapping[str, Render], budget: int) -> str:
    """The comment in at most ``budget`` bytes. ``fresh`` makes sections anew, by the ``use`` of their legs.

    Every leg has its line, for which there is room unless the budget is small. Room for sections goes to red legs
    first; what has none is told as left out.
    """
    legs = _with_room(page, legs, budget)
    wanted = {leg.id: _wanted(leg, page, fresh, budget) for leg in legs}
    bare = [msgspec.structs.replace(leg, text="") for leg in legs]
    frame = len(_assembled(page, bare).encode()) + sum(_edge(leg) for leg in legs if wanted[leg.id])
    room = _shares([leg for leg in legs if wanted[leg.id]], wanted, budget - frame)
    return _assembled(page, [_fitted(leg, fresh, room.get(leg.id, 0)) for leg in legs])


def _with_room(page: Page, legs: Sequence[Leg], budget: int) -> Sequence[Leg]:
    bare = [msgspec.structs.replace(leg, text="") for leg in legs]
    while len(bare) > 1 and len(_assembled(page, bare).encode()) > budget:
        bare = bare[: -1 - len(bare) // 10]
    return legs[: len(bare)]


def read(text: str) -> tuple[Leg, ...]:
    """The legs of an old comment; what is none of ours, or changed, is not among them."""
    if len(text) > MAX_BODY:
        return ()
    found: dict[str, Leg] = {}
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        match = _LEG.fullmatch(line)
        leg = _leg(match[1], _section(lines)) if match else None
        if leg and len(found) < MOST:
            found[leg.id] = leg
    return tuple(found.values())


def _leg(document: str, section: str) -> Leg | None:
    try:
        leg = msgspec.json.decode(document, type=Leg)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not is_leg(leg) or leg.text:
        return None
    try:
        accepted.blocks(section)
    except accepted.NotOursError:
        section = ""
    return msgspec.structs.replace(leg, text=section)


def _section(lines: Iterator[str]) -> str:
    """Up to the mark of the end. A leg without an end is cut off: what is below is none of it."""
    kept: list[str] = []
    for line in lines:
        if line == _END:
            return "\n".join(kept).strip("\n")
        kept.append(line)
    return ""


def _wanted(leg: Leg, page: Page, fresh: Mapping[str, Render], budget: int) -> int:
    """The bytes of its section, if there were room."""
    if leg.commit != page.head:
        return 0
    return len((fresh[leg.use](budget) if leg.use in fresh else leg.text).encode())


def _shares(legs: Sequence[Leg], wanted: Mapping[str, int], room: int) -> dict[str, int]:
    """Bytes for each section: red ones share the room, then green ones what is left; none gets more than it wants."""
    found: dict[str, int] = {}
    for several in ([leg for leg in legs if is_red(leg)], [leg for leg in legs if not is_red(leg)]):
        small_first = sorted(several, key=lambda leg: wanted[leg.id])
        for number, leg in enumerate(small_first):
            share = min(wanted[leg.id], room // (len(small_first) - number))
            found[leg.id] = share if share >= min(LEAST, wanted[leg.id]) else 0
            room -= found[leg.id]
    return found


def _fitted(leg: Leg, fresh: Mapping[str, Render], room: int) -> Leg:
    if not room:
        return msgspec.structs.replace(leg, text="")
    text = fresh[leg.use](room).strip("\n") if leg.use in fresh else accepted.shortened(leg.text, room)
    return msgspec.structs.replace(leg, text=text if len(text.encode()) <= room else "")


def _edge(leg: Leg) -> int:
    """Bytes around a section: its heading or its fold, and what tells that it is left out."""
    return 200 + 8 * len(leg.label.encode())


def _assembled(page: Page, legs: Sequence[Leg]) -> str:
    parts = [marker(page.key)]
    parts += [f"**{FORK}**\n"] if any(leg.fork for leg in legs) else []
    parts += [_overview(page, legs)] if len(legs) > 1 or any(not leg.text for leg in legs) else []
    parts += [_part(page, leg, alone=len(legs) == 1) for leg in legs]
    return "\n".join(parts)


def _overview(page: Page, legs: Sequence[Leg]) -> str:
    rows = [(_sign(page, leg), code(leg.label, 200), _outcome(page, leg), _run(page, leg)) for leg in legs]
    return f"## {_headline(page, legs)}\n\n{table(('', 'Leg', 'Outcome', 'Run'), rows)}\n"


def _headline(page: Page, legs: Sequence[Leg]) -> str:
    """Counts the legs of this commit; the others have not told of it yet."""
    now = [leg for leg in legs if leg.commit == page.head]
    red = sum(map(is_red, now))
    said = f"{len(now) - red} of {_words.plural(len(now), 'leg')} passed"
    if red:
        failed = sum(leg.exit == 1 for leg in now)
        parts = [f"{failed} failed"] * bool(failed) + [f"{red - failed} without a verdict"] * (red > failed)
        said = f"{', '.join(parts)}, {len(now) - red} passed of {_words.plural(len(now), 'leg')}"
    waiting = len(legs) - len(now)
    sign = "❌" if any(leg.exit == 1 for leg in now) else "⚠️" if red else "⏳" if waiting else "✅"
    return f"{sign} GPU image checks: {said}" + (f"; {waiting} not yet for this commit" if waiting else "")


def _sign(page: Page, leg: Leg) -> str:
    return _SIGNS.get(leg.exit, "⚠️") if leg.commit == page.head else "⏳"


def _outcome(page: Page, leg: Leg) -> str:
    said = _OUTCOMES.get(leg.exit, f"no verdict (exit code {leg.exit})")
    if leg.commit != page.head:
        return f"{said}, of an older commit {code(leg.commit[:7])}"
    return said if leg.text else f"{said}; no room for more here"


def _run(page: Page, leg: Leg) -> str:
    if not leg.run or not page.runs:
        return "–"
    again = f" (attempt {leg.attempt})" if leg.attempt > 1 else ""
    return f"[{leg.run}]({page.runs}/{leg.run}){again}"


def _part(page: Page, leg: Leg, *, alone: bool) -> str:
    """The leg for the next run, and its section for a person: a red one open, a green one folded."""
    fields = {name: value for name, value in msgspec.to_builtins(leg).items() if name != "text"}
    document = (
        json.dumps(fields, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("--", "-\\u002d")
    )
    kept = f"<!-- ci-gpu:leg {document} -->\n{leg.text}\n\n{_END}"
    if alone and leg.text:
        return f"{kept}\n\n_Commit {code(leg.commit[:7])}, run {_run(page, leg)}._"
    if not leg.text:
        return f"<!-- ci-gpu:leg {document} -->\n{_END}"
    if is_red(leg):
        return f"---\n\n{_sign(page, leg)} **{code(leg.label, 200)}**\n\n{kept}\n"
    name = f"<code>{html.escape(defused(leg.label))}</code>"
    return f"<details><summary>{_sign(page, leg)} {name}: {_outcome(page, leg)}</summary>\n\n{kept}\n\n</details>\n"
