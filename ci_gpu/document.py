"""ci-gpu.toml, read: bounded before it is parsed, and its tables where tables belong."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ci_gpu import files
from ci_gpu.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_FILE = "ci-gpu.toml"
TABLES = ("run", "images", "metrics")
CREDENTIALS = ("registry", "registry-username")
"""Never taken from ci-gpu.toml: whoever can change the file would choose who gets the password."""

MAX_BYTES = 256 << 10
MAX_DEPTH = 16
"""Of brackets, and parts of a dotted key. A parser takes gigabytes for a key of 30,000 parts."""
MAX_IMAGES = 100

_STRING_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL
)

_REMEDY = "see the example in the README"

Tables = Mapping[str, Any]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of a file. Where they are a pull request's, ``base`` has those of the branch that it is for.

    ``unread`` says why those could not be read. Then ``base`` is empty, and the defaults hold in their place.
    """

    tables: Tables
    base: Tables | None = None
    unread: str = ""


def read(path: Path) -> Tables:
    """The tables of a file.

    Raises:
        ConfigError: it cannot be read, is beyond all bounds, or is no ci-gpu.toml.
    """
    return parse(files.read(path, MAX_BYTES, _REMEDY), str(path))


def tables(file: Path | None) -> Tables:
    """Those of the file that was named, else of the one in this folder; empty if there is none.

    Raises:
        ConfigError: as of `read`.
    """
    path = file or Path(DEFAULT_FILE)
    return {} if file is None and not path.is_file() else read(path)


def parse(data: bytes, name: str) -> Tables:
    """The tables of a text.

    Raises:
        ConfigError: as of `read`.
    """
    if len(data) > MAX_BYTES:
        raise _unreadable(name, f"at most {MAX_BYTES >> 10} KiB are read")
    try:
        text = data.decode("utf-8")
        _require_shallow(text, name)
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, str(error)[:200]) from error
    if any(each.bit_length() > 64 for each in _numbers(document)):
        raise _unreadable(name, "it has a number of more than 64 bits")
    _check_tables(document)
    return document


def _numbers(value: object) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)


def _require_shallow(text: str, name: str) -> None:
    plain, depth = _STRING_OR_COMMENT.sub("_", text), 0
    for bracket in re.findall(r"[\[\]{}]", plain):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise _unreadable(name, f"its brackets are nested more than {MAX_DEPTH} deep")
    if any(run.count(".") >= MAX_DEPTH for run in re.split(r"[^A-Za-z0-9_. \t-]", plain)):
        raise _unreadable(name, f"it has a key of more than {MAX_DEPTH} parts")


def _unreadable(name: str, fault: str) -> ConfigError:
    return ConfigError(
        f"{name} cannot be read: {fault}",
        why="it is missing, not UTF-8, or not TOML as ci-gpu.toml needs it",
        remedy=_REMEDY,
    )


def _check_tables(document: Tables) -> None:
    for key in document:
        if key not in TABLES:
            raise unknown_key(key, TABLES)
    images = document.get("images", {})
    tables = [
        document.get("run", {}),
        document.get("metrics", {}),
        images,
        *(images.values() if isinstance(images, dict) else ()),
    ]
    if not all(isinstance(table, dict) for table in tables):
        raise ConfigError(
            f"{DEFAULT_FILE}: run, images.NAME and metrics.PATTERN are tables",
            why="a value stands where a table should",
            remedy='[images.nightly] on a line of its own, then image = "…" under it',
        )
    if len(images) > MAX_IMAGES:
        raise ConfigError(
            f"{DEFAULT_FILE} names {len(images)} images",
            why=f"at most {MAX_IMAGES} are read: each is pulled and examined",
            remedy="spread them over several files, and name one with --config in each job",
        )
    for table in (document.get("run", {}), *images.values()):
        _require_no_credentials(table)


def _require_no_credentials(table: Tables) -> None:
    for key in table:
        name = key.replace("_", "-")
        if name in CREDENTIALS:
            raise ConfigError(
                f"{DEFAULT_FILE} cannot say {key!r}",
                why="the file may be a pull request's, which would choose who gets the password",
                remedy=f"say it with --{name}, in the environment {variable(name)}, in the action {name}",
            )


def unknown_key(key: str, known: Collection[str]) -> ConfigError:
    """The error for a key that nobody knows, with the nearest that somebody does."""
    near = difflib.get_close_matches(key[:60], known, n=1)
    return ConfigError(
        f"{DEFAULT_FILE} has an unknown key {key[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        why="a key that is not understood would be a wish that is not fulfilled",
        remedy=f"the keys are: {', '.join(sorted(known))}",
        kind="unknown-key",
    )


def variable(name: str) -> str:
    """``pids-limit`` as CI_GPU_PIDS_LIMIT."""
    return f"CI_GPU_{name.upper().replace('-', '_')}"
