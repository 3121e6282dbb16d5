"""A git checkout, as far as its files tell: where its root is, and which commit it has."""

from __future__ import annotations

import re
from pathlib import Path

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_REF = re.compile(r"refs/[A-Za-z0-9][A-Za-z0-9._/@+-]*")
_MOST = 16 << 20


def root(path: Path) -> Path | None:
    """The folder above this path, or this one, that has a ``.git`` folder.

    A submodule has a file of that name: it is a part of the checkout around it, which says what it holds.
    """
    path = path.absolute()
    return next((folder for folder in (path, *path.parents) if (folder / ".git").is_dir()), None)


def commit(folder: Path) -> str:
    """The commit of the checkout with this root; empty where it cannot be told."""
    head = _text(folder / ".git/HEAD").strip()
    name = head.removeprefix("ref: ")
    if _SHA.fullmatch(head):
        return head
    if not _REF.fullmatch(name) or ".." in name:
        return ""
    loose = _text(folder / ".git" / name).strip()
    return loose if _SHA.fullmatch(loose) else _packed(folder, name)


def _packed(folder: Path, name: str) -> str:
    lines = (line.split(" ") for line in _text(folder / ".git/packed-refs").splitlines())
    return next((words[0] for words in lines if words[1:] == [name] and _SHA.fullmatch(words[0])), "")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST).decode("utf-8", "replace")
    except OSError:
        return ""
