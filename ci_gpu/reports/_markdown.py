"""Foreign text inside GitHub's markdown: only ever as code.

GitHub looks for mentions, issue numbers, commits and a repository's own link prefixes in every text but code, after
all escapes were resolved: a backslash or an entity does not keep ``@user`` from being told. So what the image said
stands in code, and our own words do not.
"""

from __future__ import annotations

from collections.abc import Sequence

from ci_gpu.reports import _text

CELL, NAME = 300, 200
"""Characters of a message in a table, and of a name."""

ROWS = 200


def code(text: str, limit: int = CELL) -> str:
    """One line as a code span that nothing can leave, in a table too; ``–`` if it is empty."""
    # A pipe ends a table cell even inside a code span, and renderers disagree on how to escape one.
    shown = _text.line(text, limit).replace("`", "'").replace("|", "│")
    return f"`{defused(shown)}`" if shown else "–"


def fence(text: str, limit: int = _text.BLOCK) -> str:
    """The end of a log as a code block."""
    shown = _text.tail(text, limit).replace("```", "'''").replace("~~~", "---")
    return f"```text\n{defused(shown)}\n```"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of cells that are markdown already; the first `ROWS` rows, and how many there are more."""
    lines = [header, tuple("---" for _ in header), *rows[:ROWS]]
    if len(rows) > ROWS:
        lines.append((f"and {len(rows) - ROWS} more", *("" for _ in header[1:])))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def details(title: str, body: str) -> str:
    """A folded section. ``title`` stands in HTML, so it is our own words only."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def defused(text: str) -> str:
    """Whoever searches the raw text for a sticky comment's marker must not find a forged one."""
    return text.replace("<!--", "<! --")
