"""What a pull request's ci-gpu.toml decides: it may tighten what the base branch says, and loosen nothing.

`TIGHTER` says of a setting which of two values is the tighter one. What is not there has no such order, or is a part
of how an image is held and measured: there the base branch decides alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ci_gpu import policy
from ci_gpu.compare.margins import KERNEL
from ci_gpu.document import DEFAULT_FILE, Document, Tables
from ci_gpu.errors import ConfigError
from ci_gpu.model import ImageRef, MetricRule, Proposal
from ci_gpu.settings import Settings, merged, settings

MOST, LONGEST = 15, 300
"""Changes that are told, and characters of one."""

OF_THE_IMAGE = ("image", "platform", "python", "entrypoint")
"""Keys that say which image is meant and how it starts: of an image that only the pull request names, its own hold."""

Tighter = Callable[[Any, Any], Any]


def _along(*words: str) -> Tighter:
    """The later of these words."""
    return lambda base, head: max(base, head, key=words.index)


def _share(value: str | float, unsaid: float) -> float:
    return policy.fraction("min-effect", str(value)) if value != "" else unsaid


def _smaller(base: str | float, head: str | float) -> str | float:
    return base if _share(base, KERNEL) <= _share(head, KERNEL) else head


def _slower(base: str | float, head: str | float) -> str | float:
    return base if _share(base or 0, 0.0) >= _share(head or 0, 0.0) else head


def _all_of_both(base: tuple[str, ...], head: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*base, *head))) if base and head else ()


TIGHTER: dict[str, Tighter] = {
    "device": _along("cpu", "auto", "cuda"),
    "pull": _along("never", "missing", "always"),
    "network": _along("bridge", "none"),
    "selinux_label": _along("disable", "keep"),
    "tf32": _along("allow", "declared", "forbid"),
    "inconclusive": _along("pass", "warn", "fail"),
    "group_add": lambda base, head: "none" if head == "none" else base,
    "timeout": lambda base, head: min(base, head) if base and head else base,
    "pairs": max,
    "checks": _all_of_both,
    "checks_dir": lambda base, head: base or head,
    "min_effect": _smaller,
    "selftest_slowdown": _slower,
}


def is_final(name: str) -> bool:
    """Whether an image is named by its reference, or an interpreter by its path: no table makes another one of it."""
    if name.startswith("/"):
        return True
    try:
        ImageRef.parse(name)
    except ConfigError:
        return False
    return any(mark in name for mark in "/:@")


def believed(document: Document, given: Mapping[str, Any]) -> Document:
    """The document, whose base is one that can be used. What is wrong in the base is no fault of the pull request's."""
    if document.base is None:
        return document
    base = document.base
    try:
        for each in ({}, *_images(base).values()):
            _settled(base, each, given)
        policy.policy("", "warn", base.get("metrics", {}))
    except ConfigError as error:
        return Document(tables=document.tables, base={}, unread=error.what)
    return document


def names(document: Document, given: Mapping[str, Any]) -> tuple[str, ...]:
    """The images of the file. A pull request may add some to those of the base branch, and takes none away."""
    if document.base is None:
        return tuple(_images(document.tables))
    before = tuple(_images(document.base))
    only_here = {**document.base.get("run", {}), **given}.get("engine") == "local"
    added = () if only_here and not before else tuple(_images(document.tables))
    return tuple(dict.fromkeys((*before, *added)))


def table(document: Document, image: str, *, named: bool) -> Tables:
    """The table that says which image a name means; empty if none does. ``named``: by the workflow.

    Raises:
        ConfigError: it makes another image of a reference, or only the pull request has the name.
    """
    here = _images(document.tables).get(image, {})
    if document.base is None:
        _require_itself(image, here)
        return here
    there = _images(document.base).get(image)
    if there is None and named and here and not is_final(image):
        raise _only_proposed(image)
    found = _of_the_image(here) if there is None and not named else there or {}
    return {key: value for key, value in found.items() if key != "image" or not is_final(image)}


def said(
    document: Document, image: str, given: Mapping[str, Any], means: Tables, *, tighten: bool = True
) -> dict[str, Any]:
    """The settings of an image by their keys, with those given. ``means`` is its `table`.

    ``tighten``: a base of a comparison is examined as the base branch says, or less could be compared.
    """
    if document.base is None:
        return merged(document.tables.get("run", {}), _without_name(means), given)
    base = _settled(document.base, means, given)
    here = _images(document.tables).get(image, {})
    return _words(_stricter(base, _settled(document.tables, here, given)) if tighten else base)


def run(document: Document, given: Mapping[str, Any]) -> Settings:
    """The settings of ``[run]``."""
    found = _settled(document.tables, {}, given)
    return found if document.base is None else _stricter(_settled(document.base, {}, given), found)


def rules(document: Document) -> tuple[Tables, Tables]:
    """The ``[metrics]`` that hold, and those of a pull request that can only tighten them."""
    here = document.tables.get("metrics", {})
    if document.base is None:
        return here, {}
    there = document.base.get("metrics", {})
    return there, ({} if here == there else here)


def also(document: Document, chosen: Iterable[str]) -> Iterator[tuple[str, Tables]]:
    """Of these images those of which the pull request makes another, each with the `table` of that other."""
    before = _images(document.base or {})
    for name in chosen:
        here = _images(document.tables).get(name, {})
        if name in before and "image" in here and not is_final(name) and _differ(here, before[name]):
            yield name, {**before[name], "image": here["image"]}


def proposal(document: Document, given: Mapping[str, Any], chosen: Iterable[str]) -> Proposal:
    """What is told of a pull request's file beside the settings that hold."""
    if document.base is None:
        return Proposal()
    told = [text[:LONGEST] for text in _pending(document, document.base, given, tuple(chosen))]
    more = [f"and {len(told) - MOST} changes more"] if len(told) > MOST else []
    return Proposal(pending=(*told[:MOST], *more), unread=document.unread)


def _pending(document: Document, base: Tables, given: Mapping[str, Any], chosen: tuple[str, ...]) -> Iterator[str]:
    of_run = _lost(_settled(base, {}, given), _settled(document.tables, {}, given))
    yield from (f"[run] {text}" for text in of_run)
    here, there = _images(document.tables), _images(base)
    for name in dict.fromkeys((*there, *here)):
        yield from (f"[images.{json.dumps(name)}] {text}" for text in _lost_of_image(name, here, there))
        if name in chosen and name in here:
            means = there.get(name, _of_the_image(here[name]))
            lost = _lost(_settled(base, means, given), _settled(document.tables, here[name], given))
            yield from (f"[images.{json.dumps(name)}] {text}" for text in lost if text not in of_run)
    yield from _lost_rules(document.tables.get("metrics", {}), base.get("metrics", {}))


def _lost(base: Settings, head: Settings) -> list[str]:
    holds = _stricter(base, head)
    return [
        f"{key.replace('_', '-')} = {_toml(getattr(head, key))} instead of {_toml(getattr(holds, key))}"
        for key in Settings.__struct_fields__
        if getattr(head, key) != getattr(holds, key)
    ]


def _lost_of_image(name: str, here: Tables, there: Tables) -> Iterator[str]:
    if name not in here:
        yield "is gone"
    elif (is_final(name) and "image" in here[name]) or (name in there and _differ(here[name], there[name])):
        holds = name if is_final(name) or name not in there else there[name].get("image", name)
        yield f"image = {_toml(here[name].get('image', name))} instead of {_toml(holds)}"


def _lost_rules(here: Tables, there: Tables) -> Iterator[str]:
    for pattern in dict.fromkeys((*there, *here)):
        title, before = f"[metrics.{json.dumps(pattern)}]", there.get(pattern)
        if pattern not in here:
            yield f"{title} is gone"
        elif here[pattern] != before and not _is_tighter(here[pattern], before):
            yield f"{title} {', '.join(f'{key} = {_toml(value)}' for key, value in here[pattern].items())}".rstrip()


def _is_tighter(here: Tables, before: Tables | None) -> bool:
    """Whether a rule is at least as strict as the one of the same pattern, or as none."""
    new, old = policy.rule("", here), policy.rule("", before or {})
    return (new.gate or not old.gate) and _has_no_larger_margin(new, old) and _has_no_wider_bounds(new, old)


def _has_no_larger_margin(new: MetricRule, old: MetricRule) -> bool:
    if new.min_effect is None:
        return old.min_effect is None
    return new.min_effect <= (KERNEL if old.min_effect is None else old.min_effect)


def _has_no_wider_bounds(new: MetricRule, old: MetricRule) -> bool:
    floor = old.floor is None or (new.floor is not None and new.floor >= old.floor)
    ceiling = old.ceiling is None or (new.ceiling is not None and new.ceiling <= old.ceiling)
    return floor and ceiling and old.unit in ("", new.unit)


def _stricter(base: Settings, head: Settings) -> Settings:
    changes = {key: tighter(getattr(base, key), getattr(head, key)) for key, tighter in TIGHTER.items()}
    return msgspec.structs.replace(base, **changes)


def _settled(tables: Tables, table: Tables, given: Mapping[str, Any]) -> Settings:
    return settings(merged(tables.get("run", {}), _without_name(table), given))


def _without_name(table: Tables) -> Tables:
    return {key: value for key, value in table.items() if key != "image"}


def _of_the_image(table: Tables) -> Tables:
    return {key: value for key, value in table.items() if key in OF_THE_IMAGE}


def _words(found: Settings) -> dict[str, Any]:
    fields = msgspec.structs.fields(Settings)
    return {field.encode_name: getattr(found, field.name) for field in fields}


def _images(tables: Tables) -> Mapping[str, Tables]:
    images: Mapping[str, Tables] = tables.get("images", {})
    return images


def _differ(here: Tables, there: Tables) -> bool:
    return bool(here.get("image") != there.get("image"))


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _require_itself(image: str, table: Tables) -> None:
    if is_final(image) and table.get("image", image) != image:
        raise ConfigError(
            f"[images.{json.dumps(image[:200])}] of {DEFAULT_FILE} names another image",
            why="that is a reference or a path, which means itself: another image would be examined under its name",
            remedy="give the table a plain name, such as [images.nightly], and name that",
            kind="other-image",
        )


def _only_proposed(image: str) -> ConfigError:
    return ConfigError(
        f"only the pull request's {DEFAULT_FILE} says which image {image[:200]!r} is",
        why="what the workflow names is looked up in the base branch, which has no such name",
        remedy="name the image by its reference, or merge the table first",
        kind="only-proposed",
    )
