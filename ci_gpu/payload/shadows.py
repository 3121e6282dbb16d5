"""Files of the image's that are imported in the place of Python's own modules: `logging.py` on PYTHONPATH, say."""

from __future__ import annotations

import os
import sys
import sysconfig
from typing import Dict, Iterator, Tuple


def told(message: str) -> str:
    """The message of a failed import, preceded by what shadows the standard library, if anything does."""
    return "".join(f"the standard library module {name} is shadowed by {file}: " for name, file in found()) + message


def found() -> Iterator[Tuple[str, str]]:
    """Names and folders of what is found before the standard library's module of the same name."""
    library = os.path.realpath(sysconfig.get_paths()["stdlib"])
    own = set(_modules(library))
    for folder in sys.path:
        if os.path.realpath(folder) == library:
            return
        modules = _modules(folder)
        yield from ((name, os.path.join(folder, modules[name])) for name in sorted(own & set(modules)))


def _modules(folder: str) -> Dict[str, str]:
    """Names of the modules and packages in a folder of `sys.path`, each with its file or folder."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return {}
    files = {entry[:-3]: entry for entry in entries if entry.endswith(".py")}
    packages = {entry: entry for entry in entries if os.path.isfile(os.path.join(folder, entry, "__init__.py"))}
    return {**files, **packages}
