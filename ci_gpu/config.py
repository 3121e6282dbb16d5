"""What a run is asked for: the images, each with the settings that hold for it, and the comparison.

Later wins: built-in default, ``[run]`` of ci-gpu.toml, ``[images.NAME]`` of it, environment, command line. The last
two arrive here together as ``given``: click has merged them. `proposal` says what a pull request's ci-gpu.toml may say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ci_gpu import catalogue, document, policy, proposal
from ci_gpu.catalogue import CheckInfo
from ci_gpu.document import DEFAULT_FILE, Document
from ci_gpu.errors import ConfigError
from ci_gpu.job import Limits
from ci_gpu.model import ImageRef, Policy, Proposal, registry_host
from ci_gpu.settings import Settings, merged, settings

LOCAL = "local"
"""The name that stands for this interpreter where the local engine needs no image."""

COMPARED = ("min-effect", "pairs", "inconclusive", "selftest-slowdown")
"""Settings that mean something to a comparison alone."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One image to examine, with the settings that hold for it. ``ref`` is None for the local engine's interpreters."""

    name: str
    ref: ImageRef | None
    settings: Settings
    checks: tuple[CheckInfo, ...]
    user_sources: Mapping[str, str]
    policy: Policy
    proposal: Proposal = Proposal()

    @property
    def limits(self) -> Limits:
        chosen = self.settings
        return Limits(
            memory=chosen.memory,
            cpus=chosen.cpus,
            pids=chosen.pids_limit,
            shm_size=chosen.shm_size,
            tmp_size=chosen.tmp_size,
            memlock=chosen.memlock,
            stack=chosen.stack,
        )


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison: the image is measured against ``baseline`` in pairs, twice as many where that is needed."""

    baseline: Target
    pairs: int
    policy: Policy
    slowdown: float


def targets(images: tuple[str, ...], given: Mapping[str, Any], file: Path | Document | None) -> tuple[Target, ...]:
    """The images to examine. Without ``images``: all of the file, or this interpreter for the local engine.

    Raises:
        ConfigError: anything that cannot mean what it says.
    """
    found, given = proposal.believed(_document(file), given), _with_registry(images, given)
    tables = found.tables
    settings(merged(tables.get("run", {}), given))  # a mistake in it is one, even where no image uses it
    names = images or proposal.names(found, given) or _without_image(given, found)
    chosen = tuple(_named(name, given, found, named=bool(images)) for name in names)
    chosen = _with_proposed(chosen, given, found)
    _require_registry(chosen)
    _require_effect(chosen, given)
    folders = [one.settings.checks_dir for one in chosen]
    known = catalogue.known_ids(folders, _folders(tables.get("images", {}).values()))
    policy.require_known(tables.get("metrics", {}), known)
    told = proposal.proposal(found, given, names)
    return tuple(msgspec.structs.replace(one, proposal=told) for one in chosen)


def wish(chosen: tuple[Target, ...], given: Mapping[str, Any], file: Path | Document | None) -> Wish | None:
    """The comparison that the settings ask for; None if they name no baseline.

    Raises:
        ConfigError: there is more than one image to compare.
    """
    first = chosen[0].settings
    if not first.baseline:
        return None
    if len(chosen) != 1:
        raise ConfigError(
            f"a baseline was named for {len(chosen)} images",
            why="a comparison is between two images, on one GPU",
            remedy="name one image and one baseline",
        )
    given = {**_without_baseline(given), "registry": first.registry}
    found = proposal.believed(_document(file), given)
    return Wish(
        baseline=_named(first.baseline, given, found, named=True, tighten=False),
        pairs=first.pairs,
        policy=chosen[0].policy,
        slowdown=policy.fraction("selftest-slowdown", str(first.selftest_slowdown or 0)),
    )


def policy_of(file: Path | Document | None, metrics: Callable[[], Iterable[str]] = tuple) -> Policy:
    """The policy of ci-gpu.toml alone, for reports that are there already, with these metrics.

    Raises:
        ConfigError: anything that cannot mean what it says.
    """
    found = proposal.believed(_document(file), {})
    tables = [found.tables.get("run", {}), *found.tables.get("images", {}).values()]
    known = catalogue.known_ids((), _folders(tables))
    policy.require_known(found.tables.get("metrics", {}), known, metrics)
    return _policy(proposal.run(found, {}), found)


def _document(file: Path | Document | None) -> Document:
    return file if isinstance(file, Document) else Document(tables=document.tables(file))


def _policy(chosen: Settings, found: Document) -> Policy:
    holds, tightened = proposal.rules(found)
    return policy.policy(str(chosen.min_effect), chosen.inconclusive, holds, tightened)


def _without_baseline(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != "baseline"}


def _named(image: str, given: Mapping[str, Any], found: Document, *, named: bool, tighten: bool = True) -> Target:
    """The image that a name means; ``named`` by the workflow, or only by the file."""
    means = proposal.table(found, image, named=named)
    return _target(image, given, found, means, tighten=tighten)


def _target(
    image: str, given: Mapping[str, Any], found: Document, means: Mapping[str, Any], *, tighten: bool = True
) -> Target:
    reference = str(means.get("image", image))
    chosen = settings(proposal.said(found, image, given, means, tighten=tighten))
    if chosen.engine == LOCAL:
        chosen = _interpreted(reference, chosen, named=bool(chosen.python and means and "image" not in means))
    infos, sources = catalogue.check_infos(chosen.checks_dir)
    return Target(
        name=image,
        ref=None if chosen.engine == LOCAL else ImageRef.parse(reference),
        settings=chosen,
        checks=catalogue.select(infos, chosen.checks),
        user_sources=sources,
        policy=_policy(chosen, found),
    )


def _with_proposed(chosen: tuple[Target, ...], given: Mapping[str, Any], found: Document) -> tuple[Target, ...]:
    """Also what a pull request makes of the images' names, as images of their own.

    A comparison is of two images alone. There the head is what the name means when the pull request is merged, and the
    baseline what it means now: else a name would be compared with what nobody is about to use.
    """
    also = {
        name: _target(name, given, found, means) for name, means in proposal.also(found, [one.name for one in chosen])
    }
    if chosen[0].settings.baseline:
        return tuple(also.get(one.name, one) for one in chosen)
    return (*chosen, *(msgspec.structs.replace(other, name=_reference(other)) for other in also.values()))


def _reference(target: Target) -> str:
    return str(target.ref or target.settings.python)


def _with_registry(images: tuple[str, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings given, with the host that user and password are for; ci-gpu.toml has no part in it."""
    said = merged(given)
    host = str(said.get("registry", "")) or (_first_registry(images) if said.get("registry-username") else "")
    return {**said, "registry": registry_host(host)}


def _first_registry(images: tuple[str, ...]) -> str:
    """That of the image that was named first; empty for a bare name, which may be one of ci-gpu.toml's."""
    with contextlib.suppress(ConfigError):
        return ImageRef.parse(images[0]).registry if images and "/" in images[0] else ""
    return ""


def _require_registry(chosen: tuple[Target, ...]) -> None:
    if any(one.ref and one.settings.registry_username and not one.settings.registry for one in chosen):
        raise ConfigError(
            "--registry-username does not say for which registry it is",
            why=f"no image was named by its reference, and a host that {DEFAULT_FILE} names gets no password by itself",
            remedy="name the host with --registry, in the environment CI_GPU_REGISTRY, in the action registry",
        )


def _require_effect(chosen: tuple[Target, ...], given: Mapping[str, Any]) -> None:
    """Of the file, such a setting may be for other jobs; of the workflow, it is a wish that is not fulfilled."""
    without = [key for key in COMPARED if key in merged(given)]
    if without and not chosen[0].settings.baseline:
        raise ConfigError(
            f"--{without[0]} has no effect without a baseline",
            why="it is a part of a comparison, and no second image is named",
            remedy="name one with --baseline (in the action baseline-image), or leave it away",
        )


def _folders(tables: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    return (str(table.get("checks-dir", "")) for table in tables)


def _interpreted(reference: str, chosen: Settings, *, named: bool) -> Settings:
    """For the local engine an image is an interpreter: the one at this path, or this one."""
    if reference.startswith("/"):
        return msgspec.structs.replace(chosen, python=reference)
    if reference == LOCAL or named:
        return chosen
    raise ConfigError(
        f"the local engine cannot start the image {reference[:200]!r}",
        why="it checks an interpreter of this machine, without a container",
        remedy=f"name the interpreter's path, or {LOCAL} for the one that runs ci-gpu; or choose docker or podman",
    )


def _without_image(given: Mapping[str, Any], found: Document) -> tuple[str, ...]:
    tables = found.tables if found.base is None else found.base
    if {**tables.get("run", {}), **given}.get("engine") == LOCAL:
        return (LOCAL,)
    raise ConfigError(
        "no image was named",
        why=f"neither an argument nor an [images.…] table in {DEFAULT_FILE} names one",
        remedy="ci-gpu run pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime, or --engine local for this interpreter",
    )
