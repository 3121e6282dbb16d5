"""Files of the image's that are imported in the place of Python's own modules: `logging.py` on PYTHONPATH, say."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from typing import Dict, Iterator, Optional, Tuple

from . import perform

_MOST_CAUSES = 20
"""Of an error; they may form a ring."""


def told(error: BaseException) -> str:
    """The error of a failed import, preceded by what shadows the standard library and had a part in it."""
    had_a_part = [(name, file) for name, file in found() if _loaded(name, file) or _raised(error, file)]
    shadowed = (f'the standard library module {name} is shadowed by "{file}": ' for name, file in had_a_part)
    return "".join(shadowed) + perform.last_line(error)


def found() -> Iterator[Tuple[str, str]]:
    """Names and files, or folders, of what is found before the standard library's module of the same name."""
    library = os.path.realpath(sysconfig.get_paths()["stdlib"])
    own = set(_modules(library))
    for folder in sys.path:
        if os.path.realpath(folder) == library:
            return
        modules = _modules(folder)
        yield from ((name, os.path.join(folder, modules[name])) for name in sorted(own & set(modules)))


def _loaded(name: str, file: str) -> bool:
    return _is_of(getattr(sys.modules.get(name), "__file__", None), file)


def _raised(error: Optional[BaseException], file: str) -> bool:
    """Whether the file is in the traceback of the error or of what it came from, or is what could not be compiled."""
    for _ in range(_MOST_CAUSES):
        if error is None:
            return False
        frames = traceback.walk_tb(error.__traceback__)
        names = [frame.f_code.co_filename for frame, _ in frames] + [getattr(error, "filename", None)]
        if any(_is_of(name, file) for name in names):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_of(path: object, file: str) -> bool:
    """Whether the path is that file, or lies in it where it is a package."""
    return isinstance(path, str) and (path + os.sep).startswith(file + os.sep)


def _modules(folder: str) -> Dict[str, str]:
    """Names of the modules and packages in a folder of `sys.path`, each with its file or folder."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return {}
    files = {entry[:-3]: entry for entry in entries if entry.endswith(".py")}
    packages = {entry: entry for entry in entries if os.path.isfile(os.path.join(folder, entry, "__init__.py"))}
    return {**files, **packages}
