"""From a reference to an image that is here and pinned; each way in which that fails told apart, with its remedy."""

from __future__ import annotations

import contextlib
import json
import os
import platform as this_machine
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ci_gpu import engines, fetch, process, refusal, registry, untyped
from ci_gpu.engines import Engine
from ci_gpu.errors import ConfigError, ImageError, RunnerError
from ci_gpu.model import ImageRef, PulledImage

LONGEST_WAIT = 60.0
"""Seconds. podman waits for a limit no longer than this at once, up to twenty times: sixteen minutes in vain."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Progress = Callable[[str], None]


def pull(
    engine_name: str, ref: ImageRef, *, policy: str, platform: str, env: Mapping[str, str], on_progress: Progress
) -> PulledImage:
    """Pull as the policy says (``missing``, ``always``, ``never``), and say what is here then.

    Raises:
        RunnerError: it could not be pulled, or it is for another processor. ``kind`` says why.
        ImageError: the engine says more of it than is read.
    """
    engine = engines.load(engine_name)
    found = None if policy == "always" else _inspected(engine, ref, env)
    if found is None and policy == "never":
        raise _not_here(ref)
    pulled = found is None
    if found is None:
        _fetch(engine, engine_name, ref, platform, env, on_progress)
        found = _inspected(engine, ref, env)
    if found is None:
        raise refusal.failure(ref, "the engine pulled the image, and does not know it afterwards")
    image = _describe(ref, found, pulled=pulled, ask=lambda: registry.digest(ref, env, engine_name))
    _require_platform(image, str(found.get("Os", "linux")), platform)
    return image


@contextlib.contextmanager
def login(
    engine_name: str, host: str, username: str, password: str, *, env: Mapping[str, str]
) -> Iterator[Mapping[str, str]]:
    """Log in for the time of the block, in a folder of our own; yields the environment that knows of it.

    Raises:
        RunnerError: there is no password, or the registry refuses it (``unauthorized``).
    """
    if not password:
        raise refusal.no_login(host, "CI_GPU_REGISTRY_PASSWORD is empty")
    with tempfile.TemporaryDirectory(prefix="ci-gpu-login-") as folder:
        private = {**env, **_private_configuration(engine_name, Path(folder), env)}
        argv = (engine_name, "login", "--username", username, "--password-stdin", host)
        done = process.run(argv, stdin=password, env=private, timeout=60)
        if done.returncode != 0:
            raise refusal.no_login(host, done.stderr.replace(password, "***"))
        yield private


def _inspected(engine: Engine, ref: ImageRef, env: Mapping[str, str]) -> dict[str, Any] | None:
    done = process.run(engine.inspect(str(ref)), env=env)
    if done.returncode != 0 and refusal.cause(done.stderr) == "engine-down":
        raise refusal.failure(ref, done.stderr)
    if done.returncode == process.TOO_MUCH:
        raise _too_much(ref)
    found = untyped.array(untyped.document(done.stdout)) if done.returncode == 0 else []
    return untyped.table(found[0]) or None if found else None


def _fetch(
    engine: Engine, engine_name: str, ref: ImageRef, platform: str, env: Mapping[str, str], on_progress: Progress
) -> None:
    asked = False

    def ask(lines: int) -> None:
        """The first line says no more than what is tried: behind it, podman waits in silence."""
        nonlocal asked
        if lines < 2 and not asked:
            asked = True
            _require_no_limit(ref, env, engine_name)

    with _room(engine_name, env) as inside:
        argv = engine.pull(str(ref), platform)
        done = fetch.conduct(argv, inside, on_progress, ask, terminal=engine_name == "docker")
    if done.code is None:
        raise refusal.stalled(ref, fetch.SILENCE_SECONDS, done.said)
    if done.code != 0:
        raise _failure(engine_name, ref, done.said, env)


@contextlib.contextmanager
def _room(engine_name: str, env: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """podman keeps layers in a folder storage* while they come, and leaves it where it is ended: in one of ours.

    Beside where it would be, unless a containers.conf names another place (`image_copy_tmp_dir`), which is left alone.
    """
    if engine_name != "podman" or any(map(_names_a_place, _configurations(env))):
        yield env
        return
    place = env.get("TMPDIR") or os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108 - podman's own default
    try:
        folder = tempfile.TemporaryDirectory(prefix="ci-gpu-pull-", dir=place, ignore_cleanup_errors=True)
    except OSError:  # no such place, or a full disk: podman says it in its own words
        yield env
        return
    with folder as inside:
        yield {**env, "TMPDIR": inside}


def _configurations(env: Mapping[str, str]) -> Iterator[Path]:
    """The files of containers.conf(5)."""
    named = env.get("CONTAINERS_CONF") or os.environ.get("CONTAINERS_CONF", "")
    home = Path(env.get("XDG_CONFIG_HOME") or Path(env.get("HOME") or os.environ.get("HOME", "/"), ".config"))
    folders = (Path("/usr/share/containers"), Path("/etc/containers"), home / "containers")
    yield from (Path(named),) if named else (folder / "containers.conf" for folder in folders)
    for folder in folders:
        yield from folder.glob("containers.conf.d/*.conf")


def _names_a_place(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return bool(re.search(r"^\s*image_copy_tmp_dir\s*=", path.read_text("utf-8", "replace"), re.MULTILINE))
    return False


def _require_no_limit(ref: ImageRef, env: Mapping[str, str], engine_name: str) -> None:
    seconds = registry.limit(ref, env, engine_name)
    if seconds > LONGEST_WAIT:
        raise refusal.rate_limited(ref, seconds)


def _failure(engine_name: str, ref: ImageRef, said: str, env: Mapping[str, str]) -> RunnerError:
    """Where the tag is missing, the registry is asked for those that it has."""
    error = refusal.failure(ref, said)
    if error.kind != "tag-not-found":
        return error
    try:
        return refusal.no_such_tag(ref, registry.tags(ref, env, engine_name))
    except registry.NoRepositoryError:
        return refusal.no_such_repository(ref)


def _describe(ref: ImageRef, found: Mapping[str, Any], *, pulled: bool, ask: Callable[[], str]) -> PulledImage:
    config, root = untyped.table(found.get("Config")), untyped.table(found.get("RootFS"))
    size = found.get("Size")
    return PulledImage(
        reference=str(ref),
        digest=ref.digest or _digest(ref, untyped.words(found.get("RepoDigests")), ask),
        image_id=untyped.text(found.get("Id")),
        size=max(0, size) if isinstance(size, int) else 0,
        architecture=untyped.text(found.get("Architecture")),
        entrypoint=untyped.words(config.get("Entrypoint")),
        pulled=pulled,
        layers=untyped.words(root.get("Layers")),
    )


def _digest(ref: ImageRef, digests: Iterable[str], ask: Callable[[], str]) -> str:
    """The digest under which this very repository offers the image; empty if it was only built here.

    podman lists several: of the index, of the image in it, and of whatever was built or pushed here under that name.
    """
    names = (text.partition("@") for text in digests)
    known = [digest for name, _, digest in names if _full_name(name) == ref.name]
    if len(known) < 2:
        return known[0] if known else ""
    offered = ask()
    return offered if offered in known else known[0]


def _full_name(name: str) -> str:
    with contextlib.suppress(ConfigError):
        return ImageRef.parse(name).name
    return ""


def _require_platform(image: PulledImage, system: str, platform: str) -> None:
    wanted = platform.split("/")[1] if platform else _architecture()
    if system != "linux" or (image.architecture and image.architecture != wanted):
        raise RunnerError(
            f"{image.reference} is for {system}/{image.architecture}, not for linux/{wanted}",
            why="engines pull an image for another processor without a word if it is the only one there",
            remedy="choose a tag or a runner of the other kind; if the tag was moved, --pull always fetches it anew",
            kind="wrong-platform",
        )


def is_foreign(image: PulledImage) -> bool:
    """Whether it is meant for another processor than this machine's, as only ``--platform`` allows."""
    return bool(image.architecture) and image.architecture != _architecture()


def _architecture() -> str:
    machine = this_machine.machine()
    return ARCHITECTURES.get(machine, machine)


def _too_much(ref: ImageRef) -> ImageError:
    return ImageError(
        f"what the engine knows of {ref} has more than {process.MOST_OUTPUT} bytes",
        why="its labels or variables hold megabytes: they are for few words",
        remedy="docker image inspect, or podman image inspect, shows them; put what they hold into a file of the image",
        kind="over-budget",
    )


def _not_here(ref: ImageRef) -> RunnerError:
    return RunnerError(
        f"{ref} is not on this machine",
        why="--pull never was asked for, and nobody has pulled it before",
        remedy="--pull missing fetches it once",
        kind="not-here",
    )


def _private_configuration(engine_name: str, folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Where the engine's client keeps the login: never in the user's own files, which outlive the job."""
    if engine_name == "podman":
        return {"REGISTRY_AUTH_FILE": str(folder / "auth.json")}
    own = Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME", "/")) / ".docker")
    with contextlib.suppress(OSError, ValueError):
        document = untyped.table(untyped.document((own / "config.json").read_text("utf-8")))
        for key in ("credsStore", "credHelpers"):  # with a helper, the password would go there
            document.pop(key, None)
        (folder / "config.json").write_text(json.dumps(document))
    if (own / "contexts").is_dir():
        shutil.copytree(own / "contexts", folder / "contexts")
    return {"DOCKER_CONFIG": str(folder)}
