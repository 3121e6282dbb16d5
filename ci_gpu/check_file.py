"""What a file of checks may hold. A mistake in it is told with its file and line, before anything is started. Pure."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from ci_gpu.errors import ConfigError

PREFIX = "check_"
MAX_SECONDS = 86_400
"""Of a check's own time, and of --timeout."""

_HOW = "a check is a function check_<name>(device) at the top of its file, <name> in lower-case letters, digits and _"
_OURS = frozenset(("needs_gpu", "on_every_gpu", "without_gpu"))
"""Decorators that leave a check's one parameter as it is; what another one does is not known."""

_NEARLY = r"(test|[Cc]heck|CHECK)_|check[A-Z]"
"""Names that others, or our users, give to what is to be run."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(source: str, file: str) -> ast.Module:
    """The file as Python reads it; a warning of Python's would print its lines.

    Raises:
        ConfigError: it is no Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, filename=file)
            compile(tree, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise _mistake(file, error.lineno or 1, f"this is no Python: {error.msg}", _BY_HAND) from error
    except (ValueError, RecursionError, MemoryError) as error:
        what = f"this is no Python that can be read: {error or 'it is nested too deep'}"
        raise _mistake(file, 1, what, _BY_HAND) from error
    return tree


_BY_HAND = "python3 -m py_compile shows the line; nothing was started"


def checks(tree: ast.Module, file: str) -> tuple[ast.FunctionDef, ...]:
    """The functions that are checks, in their order.

    Raises:
        ConfigError: something in it was meant as a check, and would never be made.
    """
    found = [node for node in tree.body if isinstance(node, FUNCTIONS) and node.name.startswith(PREFIX)]
    for fault, node in _faults(tree, found):
        raise _mistake(file, node.lineno, fault, _HOW)
    return tuple(node for node in found if isinstance(node, ast.FunctionDef))


def timeout(tree: ast.Module, file: str) -> int | None:
    """The value of ``TIMEOUT = 600`` at the top of the file: seconds, for each check in it.

    Raises:
        ConfigError: it is no such number.
    """
    found = None
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if not any(isinstance(target, ast.Name) and target.id == "TIMEOUT" for target in targets):
            continue
        value = getattr(getattr(node, "value", None), "value", None)
        if type(value) is not int or not 1 <= value <= MAX_SECONDS:
            raise _mistake(file, node.lineno, "TIMEOUT is not understood", f"a number such as 600, up to {MAX_SECONDS}")
        found = value
    return found


def _faults(tree: ast.Module, found: list[Function]) -> Iterator[tuple[str, Function]]:
    seen: dict[str, int] = {}
    for node in found:
        if node.name in seen:
            yield f"{node.name} is there twice: Python would forget the one in line {seen[node.name]}", node
        seen[node.name] = node.lineno
        yield from ((fault, node) for fault in _of_a_check(node))
    for inner, place in _elsewhere(tree):
        yield f"{inner.name} is inside {place}, where it is no check and would not be made", inner
    for top in tree.body:
        if isinstance(top, FUNCTIONS) and re.match(_NEARLY, top.name) and top not in found:
            yield f"{top.name} is not named as a check and would not be made", top


def _of_a_check(node: Function) -> Iterator[str]:
    if isinstance(node, ast.AsyncFunctionDef):
        yield f"{node.name} is async, and nothing here awaits it"
    if not re.fullmatch(r"check_[a-z0-9_]+", node.name):
        yield f"{node.name} is no name of a check"
    names = {getattr(each, "attr", getattr(each, "id", "")) for each in node.decorator_list}
    if names <= _OURS and not _takes_one(node.args):
        yield f"{node.name} does not take one argument, the device"


def _takes_one(given: ast.arguments) -> bool:
    positional = len(given.posonlyargs) + len(given.args)
    needed = positional - len(given.defaults)
    named = sum(default is None for default in given.kw_defaults)
    return not named and needed <= 1 and (positional >= 1 or given.vararg is not None)


def _elsewhere(tree: ast.Module) -> Iterator[tuple[Function, str]]:
    """Functions named as checks below the top of the file, and what they are in. No recursion: a file may be deep."""
    left: list[tuple[ast.AST, str]] = [(node, "") for node in reversed(tree.body)]
    while left:
        node, place = left.pop()
        if place and isinstance(node, FUNCTIONS) and node.name.startswith(PREFIX):
            yield node, place
        inner = _place(node) or place or "a block such as if or try"
        left += [(child, inner) for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]


def _place(node: ast.AST) -> str:
    if isinstance(node, ast.ClassDef):
        return f"the class {node.name}"
    return f"the function {node.name}" if isinstance(node, FUNCTIONS) else ""


def _mistake(file: str, line: int, what: str, remedy: str) -> ConfigError:
    return ConfigError(
        f"{file}:{line}: {what}",
        why="a file of checks is read before it is sent: what is no check in it would be missing quietly",
        remedy=remedy,
        kind="bad-check",
    )
