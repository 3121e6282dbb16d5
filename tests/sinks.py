"""Every place of a program where something leaves it: printed, logged, warned of, or written into a file.

Found by reading the source, so that a new one is found as well. What is a sink is told by the names that Python and the
libraries of the package have for it; one by another name (`write = sys.stdout.write`) is seen where the name is taken.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CALLS = (
    "print", "input", "breakpoint", "help", "pprint", "show", "echo", "secho", "style", "progressbar", "prompt",
    "confirm", "show_usage", "writelines", "write_text", "write_bytes", "write", "sendfile", "copyfile", "copy",
    "copytree", "print_exc", "print_exception", "print_stack", "print_tb", "dump", "rich_print", "symlink_to",
    "hardlink_to", "touch", "rename", "replace_with", "Console", "Live", "Progress", "status", "print_json",
    "basicConfig", "getLogger", "StreamHandler", "FileHandler", "warn", "warn_explicit", "showwarning", "excepthook",
)  # fmt: skip
"""By the last word of what is called, whatever it is called on."""

STREAMS = frozenset(("stdout", "stderr", "__stdout__", "__stderr__"))
"""Attributes of `sys`; elsewhere they are what a process has said."""

MODULES = frozenset(("logging", "pprint", "readline", "curses", "syslog"))
"""Whose import is one by itself."""

_WRITING = frozenset("wax+")


class Sink(NamedTuple):
    """Where it is: the file, the function that has it, and what it is."""

    file: str
    function: str
    what: str


def sinks(folder: Path) -> Iterator[Sink]:
    """Those of all modules below a folder."""
    for path in sorted(folder.rglob("*.py")):
        yield from of_source(path.read_text(), str(path.relative_to(folder)))


def of_source(source: str, file: str) -> Iterator[Sink]:
    """Those of one module."""
    yield from _within(ast.parse(source), file, "")


def _within(node: ast.AST, file: str, function: str) -> Iterator[Sink]:
    for child in ast.iter_child_nodes(node):
        inside = function
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inside = f"{function}.{child.name}".lstrip(".")
        what = _what(child)
        if what:
            yield Sink(file, inside, what)
        yield from _within(child, file, inside)


def _what(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in CALLS:
            return name
        case ast.Call(func=ast.Name(id="open") | ast.Attribute(attr="open" | "fdopen")) if _writes(node):
            return "open"
        case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in STREAMS:
            return f"sys.{name}"
        case ast.Import(names=names) if {each.name.partition(".")[0] for each in names} & MODULES:
            return "import"
        case ast.ImportFrom(module=module, names=names):
            taken = {each.name for each in names} & {*CALLS, *STREAMS, "*"}
            return "import" if (module or "").partition(".")[0] in MODULES or (taken and module in _OF_PYTHON) else ""
        case _:
            return ""


_OF_PYTHON = ("sys", "os", "traceback", "warnings", "shutil", "click", "rich", "builtins")


def _writes(call: ast.Call) -> bool:
    """Whether a file is opened to be written, or may be."""
    words = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg in ("mode", "flags"))]
    modes = [word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    flags = any("O_WRONLY" in ast.dump(word) or "O_RDWR" in ast.dump(word) for word in words)
    short = [mode for mode in modes if len(mode) <= 3 and set(mode) <= set("rwxab+tU")]
    return flags or any(_WRITING & set(mode) for mode in short)
