"""Options, environment and ci-gpu.toml, made into frozen values. Every mistake of the user's is found here.

Later wins: built-in default, ``[run]`` of ci-gpu.toml, ``[images.NAME]`` of it, environment, command line. The last
two arrive here together as ``given``: click has merged them.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ci_gpu import catalogue, engines, policy
from ci_gpu.catalogue import CheckInfo
from ci_gpu.errors import ConfigError
from ci_gpu.job import Limits
from ci_gpu.model import REGISTRY, ImageRef, Policy, first_registry, registry_host

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_FILE = "ci-gpu.toml"
TABLES = ("run", "images", "metrics")
LOCAL = "local"
"""The name that stands for this interpreter where the local engine needs no image."""

CREDENTIALS = ("registry", "registry-username")
"""Never taken from ci-gpu.toml: whoever can change the file would choose who gets the password."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What can be said in ci-gpu.toml, in the environment and on the command line, under the same names.

    ``registry`` is the host that user and password are for; no other gets them.
    """

    engine: str = "auto"
    gpus: str = "all"
    gpu_mode: str = "auto"
    device: str = "auto"
    checks: tuple[str, ...] = ()
    checks_dir: str = ""
    pull: str = "missing"
    platform: str = ""
    timeout: int = 300
    python: str = ""
    entrypoint: str = "image"
    user: str = ""
    group_add: str = "none"
    selinux_label: str = "keep"
    network: str = "none"
    memory: str = ""
    cpus: str = ""
    shm_size: str = "2g"
    tmp_size: str = "16g"
    tf32: str = "declared"
    pids_limit: int = 4096
    memlock: str = ""
    stack: str = ""
    registry: str = ""
    registry_username: str = ""
    baseline: str = ""
    pairs: int = 6
    min_effect: str | float = ""
    inconclusive: str = "warn"
    selftest_slowdown: str | float = ""


CHOICES: dict[str, tuple[str, ...]] = {
    "engine": ("auto", "docker", "podman", "local"),
    "device": ("auto", "cuda", "cpu"),
    "gpu_mode": ("auto", "cdi", "gpus", "runtime"),
    "pull": ("missing", "always", "never"),
    "entrypoint": ("image", "none"),
    "selinux_label": ("keep", "disable"),
    "network": ("none", "bridge"),
    "tf32": ("forbid", "declared", "allow"),
    "inconclusive": ("pass", "warn", "fail"),
}

_PATTERNS = {
    "gpus": (
        r"all|none|[0-9]+(:[0-9]+)?(,[0-9]+(:[0-9]+)?)*|(GPU|MIG)-[0-9A-Za-z/-]+(,(GPU|MIG)-[0-9A-Za-z/-]+)*",
        "all, none, 0,1, 0:1 (a MIG device) or GPU-…",
    ),
    "platform": (r"|linux/[a-z0-9]+(/v[0-9]+)?", "linux/amd64 or linux/arm64"),
    "user": (r"|[0-9]+:[0-9]+", "uid:gid in numbers, such as 1000:1000"),
    "memory": (r"|[0-9]+[bkmg]?", "a size such as 32g"),
    "shm_size": (r"[0-9]+[bkmg]?", "a size such as 2g"),
    "tmp_size": (r"[0-9]+[bkmg]?", "a size such as 16g"),
    "memlock": (r"|unlimited|[0-9]+[bkmg]?", "unlimited, or a size such as 64m"),
    "stack": (r"|[0-9]+[bkmg]?", "a size such as 64m"),
    "group_add": (r"none|keep-groups|[0-9]+(,[0-9]+)*", "gids in numbers, such as 44,109, or keep-groups"),
    "cpus": (r"|[0-9]+(\.[0-9]+)?", "a number such as 8"),
    "registry": (rf"|{REGISTRY}", "a host, with its port where it has one, such as ghcr.io or registry.example:5000"),
    "python": (r"|[A-Za-z0-9_./+][A-Za-z0-9_./+-]*", "a name or path without spaces"),
}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One image to examine, with the settings that hold for it. ``ref`` is None for the local engine's interpreters."""

    name: str
    ref: ImageRef | None
    settings: Settings
    checks: tuple[CheckInfo, ...]
    user_sources: Mapping[str, str]
    policy: Policy

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


def targets(images: tuple[str, ...], given: Mapping[str, Any], file: Path | None) -> tuple[Target, ...]:
    """The images to examine. Without ``images``: all of the file, or this interpreter for the local engine.

    Raises:
        ConfigError: anything that cannot mean what it says.
    """
    document = _document(file)
    named = document.get("images", {})
    given = _with_registry(images, given)
    _settings(_merged(document.get("run", {}), given))  # a mistake in it is one, even where no image uses it
    if not images and not named:
        images = _without_image(given, document)
    chosen = tuple(_target(image, given, document) for image in images or tuple(named))
    _require_registry(chosen)
    known = catalogue.known_ids((target.settings.checks_dir for target in chosen), _folders(named.values()))
    policy.require_known(document.get("metrics", {}), known)
    return chosen


def _with_registry(images: tuple[str, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings given, with the host that user and password are for; ci-gpu.toml has no part in it."""
    said = _merged(given)
    host = str(said.get("registry", "")) or (first_registry(images) if said.get("registry-username") else "")
    return {**said, "registry": registry_host(host)}


def _require_registry(chosen: tuple[Target, ...]) -> None:
    if any(one.ref and one.settings.registry_username and not one.settings.registry for one in chosen):
        raise ConfigError(
            "--registry-username does not say for which registry it is",
            why=f"no image was named by its reference, and a host that {DEFAULT_FILE} names gets no password by itself",
            remedy=f"name the host with --registry, in the environment {_variable('registry')}, in the action registry",
        )


def _folders(tables: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    return (str(table.get("checks-dir", "")) for table in tables)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison: the image is measured against ``baseline`` in pairs, twice as many where that is needed."""

    baseline: Target
    pairs: int
    policy: Policy
    slowdown: float


def wish(chosen: tuple[Target, ...], given: Mapping[str, Any], file: Path | None) -> Wish | None:
    """The comparison that the settings ask for; None if they name no baseline.

    Raises:
        ConfigError: there is more than one image to compare.
    """
    settings = chosen[0].settings
    if not settings.baseline:
        return None
    if len(chosen) != 1:
        raise ConfigError(
            f"a baseline was named for {len(chosen)} images",
            why="a comparison is between two images, on one GPU",
            remedy="name one image and one baseline",
        )
    return Wish(
        baseline=_target(
            settings.baseline, {**_without_baseline(given), "registry": settings.registry}, _document(file)
        ),
        pairs=settings.pairs,
        policy=chosen[0].policy,
        slowdown=policy.fraction("selftest-slowdown", str(settings.selftest_slowdown or 0)),
    )


def policy_of(file: Path | None, metrics: Callable[[], Iterable[str]] = tuple) -> Policy:
    """The policy of ci-gpu.toml alone, for reports that are there already, with these metrics.

    Raises:
        ConfigError: anything that cannot mean what it says.
    """
    document = _document(file)
    tables = [document.get("run", {}), *document.get("images", {}).values()]
    known = catalogue.known_ids((), _folders(tables))
    policy.require_known(document.get("metrics", {}), known, metrics)
    return _policy(_settings(document.get("run", {})), document)


def _policy(settings: Settings, document: Mapping[str, Any]) -> Policy:
    return policy.policy(str(settings.min_effect), settings.inconclusive, document.get("metrics", {}))


def _without_baseline(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != "baseline"}


def _target(image: str, given: Mapping[str, Any], document: Mapping[str, Any]) -> Target:
    table = document.get("images", {}).get(image, {})
    merged = _merged(document.get("run", {}), table, given)
    reference = str(merged.pop("image", image))
    settings = _settings(merged)
    if settings.engine == LOCAL:
        settings = _interpreted(reference, settings, named=bool(settings.python and table and "image" not in table))
    infos, sources = catalogue.check_infos(settings.checks_dir)
    return Target(
        name=image,
        ref=None if settings.engine == LOCAL else ImageRef.parse(reference),
        settings=settings,
        checks=catalogue.select(infos, settings.checks),
        user_sources=sources,
        policy=_policy(settings, document),
    )


def _interpreted(reference: str, settings: Settings, *, named: bool) -> Settings:
    """For the local engine an image is an interpreter: the one at this path, or this one."""
    if reference.startswith("/"):
        return msgspec.structs.replace(settings, python=reference)
    if reference == LOCAL or named:
        return settings
    raise ConfigError(
        f"the local engine cannot start the image {reference[:200]!r}",
        why="it checks an interpreter of this machine, without a container",
        remedy=f"name the interpreter's path, or {LOCAL} for the one that runs ci-gpu; or choose docker or podman",
    )


def _without_image(given: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[str, ...]:
    if {**document.get("run", {}), **given}.get("engine") == LOCAL:
        return (LOCAL,)
    raise ConfigError(
        "no image was named",
        why=f"neither an argument nor an [images.…] table in {DEFAULT_FILE} names one",
        remedy="ci-gpu run pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime, or --engine local for this interpreter",
    )


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The later wins, in whichever of its two spellings a key comes, once or twice."""
    return {key.replace("_", "-"): value for layer in layers for key, value in layer.items()}


def _settings(merged: Mapping[str, Any]) -> Settings:
    words = {key: _as_tuple(key, value) for key, value in _merged(merged).items()}
    try:
        settings = msgspec.convert(words, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise _bad_value(str(error), words) from error
    _require_known_words(settings)
    _require_sense(settings)
    return settings


def _require_known_words(settings: Settings) -> None:
    """Each setting by itself: its choices, or its form."""
    for name, choices in CHOICES.items():
        _require(getattr(settings, name) in choices, name, getattr(settings, name), f"one of {', '.join(choices)}")
    for name, (pattern, example) in _PATTERNS.items():
        _require(re.fullmatch(pattern, getattr(settings, name)), name, getattr(settings, name), example)


def _require_sense(settings: Settings) -> None:
    """Numbers within their bounds, and settings that go together."""
    _require(1 <= settings.timeout <= 86_400, "timeout", settings.timeout, "1 to 86400 seconds")
    _require(2 <= settings.pairs <= 100, "pairs", settings.pairs, "2 to 100")
    policy.fraction("selftest-slowdown", str(settings.selftest_slowdown or 0))
    _require(settings.pids_limit >= 64, "pids-limit", settings.pids_limit, "64 or more")
    _require(_hands_over_by(settings), "gpu-mode", settings.gpu_mode, f"a way that --engine {settings.engine} knows")
    kept = settings.group_add == "keep-groups"
    _require(not kept or settings.engine == "podman", "group-add", settings.group_add, "that with --engine podman only")
    _require(settings.gpus != "none" or settings.device != "cuda", "gpus", "none", "GPUs, when --device is cuda")


def _hands_over_by(settings: Settings) -> bool:
    if "auto" in (settings.engine, settings.gpu_mode):
        return True
    return settings.gpu_mode in engines.load(settings.engine).GPU_MODES


def _as_tuple(key: str, value: Any) -> Any:
    if key == "checks" and isinstance(value, str):
        return tuple(re.findall(r"[^\s,]+", value))
    return value


def _require(holds: object, name: str, value: object, expected: str) -> None:
    if not holds:
        option = name.replace("_", "-")
        raise ConfigError(
            f"--{option} cannot be {str(value)[:100]!r}",
            why=f"it takes {expected}",
            remedy=f"see ci-gpu run --help; in a file the key is {option!r}, in the environment {_variable(name)}",
        )


def _variable(name: str) -> str:
    """``pids-limit`` as CI_GPU_PIDS_LIMIT."""
    return f"CI_GPU_{name.upper().replace('-', '_')}"


def _bad_value(message: str, words: Mapping[str, Any]) -> ConfigError:
    known = [field.encode_name for field in msgspec.structs.fields(Settings)]
    for word in words:
        if word not in known:
            return _unknown_key(word, [name for name in known if name not in CREDENTIALS])
    return ConfigError(
        f"a setting has the wrong type: {message}",
        why=f"numbers and lists in {DEFAULT_FILE} are written as TOML writes them",
        remedy='timeout = 600, checks = ["matmul", "autograd"]',
    )


def _unknown_key(key: str, known: list[str]) -> ConfigError:
    near = difflib.get_close_matches(key, known, n=1)
    return ConfigError(
        f"{DEFAULT_FILE} has an unknown key {key[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        why="a key that is not understood would be a wish that is not fulfilled",
        remedy=f"the keys are: {', '.join(sorted(known))}",
        kind="unknown-key",
    )


def _document(file: Path | None) -> dict[str, Any]:
    """The tables of ci-gpu.toml; empty if no file was named and none is there."""
    path = file or Path(DEFAULT_FILE)
    if file is None and not path.is_file():
        return {}
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}",
            why="it is missing, not UTF-8, or not TOML",
            remedy="see the example in the README",
        ) from error
    _check_tables(document)
    return document


def _check_tables(document: Mapping[str, Any]) -> None:
    for key in document:
        if key not in TABLES:
            raise _unknown_key(key, list(TABLES))
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
    for table in (document.get("run", {}), *images.values()):
        _require_no_credentials(table)


def _require_no_credentials(table: Mapping[str, Any]) -> None:
    for key in table:
        name = key.replace("_", "-")
        if name in CREDENTIALS:
            raise ConfigError(
                f"{DEFAULT_FILE} cannot say {key!r}",
                why="the file may be a pull request's, which would choose who gets the password",
                remedy=f"say it with --{name}, in the environment {_variable(name)}, in the action {name}",
            )
