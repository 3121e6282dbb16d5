"""Which checks there are, read from their source and never by running it: a user's check is foreign code here."""

from __future__ import annotations

import ast
import contextlib
import keyword
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

import msgspec

from ci_gpu import check_file
from ci_gpu.errors import ConfigError
from ci_gpu.model import MAX_CHECKS

FIRST = ("compatibility", "autograd", "matmul", "cache")
"""The order of the families that have one: what explains the others comes first."""

SECONDS = 300
"""For a check of which nobody says how long it may take."""

CONTROL = "control"
"""The family of the negative control, which is none of `builtin` and no user's either."""

_MAX_SOURCE = 1 << 20  # bytes of one check file


class CheckInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One check, as its file describes it. ``proves`` is the first line of its docstring; seconds for ``timeout``."""

    family: str
    name: str
    proves: str
    needs_gpu: bool
    timeout: int | None

    def seconds(self, said: int | None) -> int:
        """How long it may take: as the user said for all checks, else as its file says.

        The control is no check of the image, and keeps its own.
        """
        return (None if self.family == CONTROL else said) or self.timeout or SECONDS

    @property
    def id(self) -> str:
        return f"{self.family}.{self.name}"


def builtin() -> tuple[CheckInfo, ...]:
    """The checks that come with ci-gpu."""
    return read(builtin_sources())


def builtin_sources() -> dict[str, str]:
    """Family name to source text of our own checks."""
    folder = resources.files("ci_gpu.payload.checks")
    files = (item for item in folder.iterdir() if item.name.endswith(".py") and item.name != "__init__.py")
    return {item.name.removesuffix(".py"): item.read_text("utf-8") for item in files}


def check_infos(checks_dir: str) -> tuple[tuple[CheckInfo, ...], Mapping[str, str]]:
    """All checks there are, with the sources of the user's own."""
    sources = _user_sources(checks_dir)
    found = read({**builtin_sources(), **sources}, checks_dir)
    if sources and not any(check.family in sources for check in found):
        raise ConfigError(
            f"there is no check in --checks-dir {checks_dir!r}: {', '.join(f'{name}.py' for name in sources)[:300]}",
            why="none of its files has a function check_<name>(device) at its top",
            remedy="write one as examples/checks/softmax.py has it, or leave out --checks-dir",
            kind="bad-check",
        )
    return found, sources


def known_ids(folders: Iterable[str], others: Iterable[str]) -> frozenset[str]:
    """The ids of all checks, with those in these folders; of the other folders, those that can be read."""
    found = {check.id for folder in ("", *folders) for check in check_infos(folder)[0]}
    for folder in others:
        with contextlib.suppress(ConfigError):  # a mistake in what is not examined is told where it is
            found |= {check.id for check in check_infos(folder)[0]}
    return frozenset(found)


def _user_sources(checks_dir: str) -> dict[str, str]:
    """The ``*.py`` of a folder of checks, by family; ours cannot be replaced by it."""
    if not checks_dir:
        return {}
    files = sorted(Path(checks_dir).glob("*.py"))
    if not files:
        raise ConfigError(
            f"--checks-dir {checks_dir!r} has no *.py file",
            why="the folder does not exist, or is not the one with the checks",
            remedy="give the folder that holds the files, each with functions check_<name>(device)",
        )
    for file in files:
        _require_own_name(file)
    return {file.stem: file.read_text("utf-8-sig", errors="replace") for file in files}


def _require_own_name(file: Path) -> None:
    fault = _fault(file)
    if fault:
        raise ConfigError(
            f"{file} cannot be a file of checks",
            why=fault,
            remedy="rename it: the name of the file is the family of its checks",
            kind="bad-check",
        )


def _fault(file: Path) -> str:
    if file.stem in (*builtin_sources(), CONTROL):
        return "its name is one of ours"
    if file.is_symlink() or not file.is_file():  # a link in a pull request could name any file of the runner's
        return "it is a link, or no file"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", file.stem) or keyword.iskeyword(file.stem):
        return "its name is no lower-case Python name"
    return "it is larger than 1 MiB" if file.stat().st_size > _MAX_SOURCE else ""


def read(sources: dict[str, str], folder: str = "") -> tuple[CheckInfo, ...]:
    """The checks in some source texts, in the order in which they are run.

    Raises:
        ConfigError: a mistake in one of the ``folder``'s files, with its line.
    """
    families = sorted(sources, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    return tuple(check for family in families for check in _family(family, sources[family], folder))


def select(checks: tuple[CheckInfo, ...], wanted: Iterable[str]) -> tuple[CheckInfo, ...]:
    """The checks that ``wanted`` names, by family (``matmul``) or id (``matmul.float32``); all if it is empty.

    Raises:
        ConfigError: a word names no check; or there are more than a report holds.
    """
    words = tuple(wanted)
    for word in words:
        if not any(word in (check.family, check.id) for check in checks):
            raise _unknown(word, checks)
    chosen = tuple(check for check in checks if not words or check.family in words or check.id in words)
    if len(chosen) > MAX_CHECKS:
        raise ConfigError(
            f"there are {len(chosen)} checks to run",
            why=f"a report holds at most {MAX_CHECKS} of one image: its run.json could not be read",
            remedy="choose some with --checks, or let one check look at several cases, each a Fact of its own",
            kind="too-many-checks",
        )
    return chosen


def _unknown(word: str, checks: tuple[CheckInfo, ...]) -> ConfigError:
    import difflib

    known = sorted({name for check in checks for name in (check.family, check.id)})
    near = difflib.get_close_matches(word, known, n=1)
    return ConfigError(
        f"there is no check {word!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        why="--checks takes families and ids as `ci-gpu checks` lists them",
        remedy=f"choose among: {', '.join(sorted({check.family for check in checks}))}",
    )


def _family(family: str, source: str, folder: str) -> Iterable[CheckInfo]:
    file = str(Path(folder, f"{family}.py"))
    tree = check_file.parse(source, file)
    timeout = check_file.timeout(tree, file)
    for node in check_file.checks(tree, file):
        yield CheckInfo(
            family=family,
            name=node.name.removeprefix(check_file.PREFIX),
            proves=(ast.get_docstring(node) or "").partition("\n")[0],
            needs_gpu=any(_is_needs_gpu(decorator) for decorator in node.decorator_list),
            timeout=timeout,
        )


def _is_needs_gpu(decorator: ast.expr) -> bool:
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return name == "needs_gpu"
