"""What can be said of a run: each setting with its default, its choices and its form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ci_gpu import engines, policy
from ci_gpu.check_file import MAX_SECONDS
from ci_gpu.document import CREDENTIALS, DEFAULT_FILE, unknown_key, variable
from ci_gpu.errors import ConfigError
from ci_gpu.model import REGISTRY


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
    timeout: int | None = None  # each check its own, as its file says
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


_MAX_PIDS = 1 << 22
"""What a 64-bit Linux has at most (PID_MAX_LIMIT in its include/linux/threads.h)."""

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


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The later wins, in whichever of its two spellings a key comes, once or twice."""
    return {key.replace("_", "-"): value for layer in layers for key, value in layer.items()}


def settings(said: Mapping[str, Any]) -> Settings:
    """What was said, by its keys, and the defaults for what was not.

    Raises:
        ConfigError: a key, a type or a value that cannot be meant.
    """
    words = {key: _as_tuple(key, value) for key, value in merged(said).items()}
    try:
        settings = msgspec.convert(words, Settings, strict=False)
    except (msgspec.ValidationError, ValueError) as error:  # the latter for a number of thousands of digits
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
    seconds = settings.timeout
    _require(seconds is None or 1 <= seconds <= MAX_SECONDS, "timeout", seconds, f"1 to {MAX_SECONDS} seconds")
    _require(2 <= settings.pairs <= 100, "pairs", settings.pairs, "2 to 100")
    policy.fraction("selftest-slowdown", str(settings.selftest_slowdown or 0))
    _require(64 <= settings.pids_limit <= _MAX_PIDS, "pids-limit", settings.pids_limit, f"64 to {_MAX_PIDS}")
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
            remedy=f"see ci-gpu run --help; in a file the key is {option!r}, in the environment {variable(name)}",
        )


def _bad_value(message: str, words: Mapping[str, Any]) -> ConfigError:
    known = [field.encode_name for field in msgspec.structs.fields(Settings)]
    for word in words:
        if word not in known:
            return unknown_key(word, [name for name in known if name not in CREDENTIALS])
    return ConfigError(
        f"a setting has the wrong type: {message}",
        why=f"numbers and lists in {DEFAULT_FILE} are written as TOML writes them",
        remedy='timeout = 600, checks = ["matmul", "autograd"]',
    )
