"""What a run says of itself: one module a format, text only, nothing is written here.

`names` and `load` find the modules; `Report` is what each offers. A new format is one new file. Modules that begin
with an underscore are shared pieces and no formats.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

from ci_gpu.model import Summary
from ci_gpu.reports import _text


class Report(Protocol):
    """A module of this folder."""

    SUFFIX: str
    """What the name of such a file ends with: ``.xml``."""

    def render(self, summary: Summary) -> str:
        """The whole report. Whatever came from the image is escaped for this format."""


def names() -> tuple[str, ...]:
    """The formats there are, by the names of their files."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(name: str) -> Report:
    """The format of that name."""
    return cast("Report", importlib.import_module(f"{__name__}.{name}"))


def harmless(text: str) -> str:
    """Foreign text, its lines kept, of which no terminal is steered and no runner of GitHub Actions obeys anything."""
    return _text.clean(text)


def printable(text: str) -> str:
    """Foreign text as one line that no terminal and no log can be steered by. Spaces stay as they are."""
    return _text.clean(text).replace("\n", " ").rstrip()
