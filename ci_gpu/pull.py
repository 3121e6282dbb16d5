"""From a reference to an image that is here and pinned; each way in which that fails told apart, with its remedy."""

from __future__ import annotations

import contextlib
import json
import platform as this_machine
import re
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ci_gpu import engines, process, registry
from ci_gpu.engines import Engine
from ci_gpu.errors import ConfigError, RunnerError
from ci_gpu.model import ImageRef, PulledImage

SILENCE_SECONDS = 900
"""Without a line of progress for that long, a pull is given up."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Progress = Callable[[str], None]


def pull(
    engine_name: str, ref: ImageRef, *, policy: str, platform: str, env: Mapping[str, str], on_progress: Progress
) -> PulledImage:
    """Pull as the policy says (``missing``, ``always``, ``never``), and say what is here then.

    Raises:
        RunnerError: it could not be pulled, or it is for another processor. ``kind`` says why.
    """
    engine = engines.load(engine_name)
    found = None if policy == "always" else _inspected(engine, ref, env)
    if found is None and policy == "never":
        raise _not_here(ref)
    pulled = found is None
    if found is None:
        _fetch(engine, engine_name, ref, platform, env, on_progress)
        found = _inspected(engine, ref, env) or {}
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
        raise _refused(host, "CI_GPU_REGISTRY_PASSWORD is empty")
    with tempfile.TemporaryDirectory(prefix="ci-gpu-login-") as folder:
        private = {**env, **_private_configuration(engine_name, Path(folder), env)}
        argv = (engine_name, "login", "--username", username, "--password-stdin", host)
        done = process.run(argv, stdin=password, env=private, timeout=60)
        if done.returncode != 0:
            raise _refused(host, done.stderr.replace(password, "***"))
        yield private


def _inspected(engine: Engine, ref: ImageRef, env: Mapping[str, str]) -> dict[str, Any] | None:
    done = process.run(engine.inspect(str(ref)), env=env)
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return dict(json.loads(done.stdout)[0]) if done.returncode == 0 else None
    return None


def _fetch(
    engine: Engine, engine_name: str, ref: ImageRef, platform: str, env: Mapping[str, str], on_progress: Progress
) -> None:
    tail: deque[str] = deque(maxlen=40)
    with process.Conversation(engine.pull(str(ref), platform), env=env) as talk:
        try:
            while line := talk.next_line(time.monotonic() + SILENCE_SECONDS):
                tail.append(line.text)
                on_progress(line.text)
            code = talk.wait()
        except TimeoutError:
            tail.append("i/o timeout: no progress")
            code = 1
    if code != 0:
        raise failure(ref, "\n".join(tail), lambda: registry.tags(ref, env, engine_name))


def _describe(ref: ImageRef, found: Mapping[str, Any], *, pulled: bool, ask: Callable[[], str]) -> PulledImage:
    config = found.get("Config") or {}
    return PulledImage(
        reference=str(ref),
        digest=ref.digest or _digest(ref, found.get("RepoDigests") or (), ask),
        image_id=str(found.get("Id", "")),
        size=int(found.get("Size") or 0),
        architecture=str(found.get("Architecture", "")),
        entrypoint=tuple(map(str, config.get("Entrypoint") or ())),
        pulled=pulled,
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
    machine = this_machine.machine()
    wanted = platform.split("/")[1] if platform else ARCHITECTURES.get(machine, machine)
    if system != "linux" or (image.architecture and image.architecture != wanted):
        raise RunnerError(
            f"{image.reference} is for {system}/{image.architecture}, not for linux/{wanted}",
            why="engines pull an image for another processor without a word if it is the only one there",
            remedy="choose a tag that exists for this architecture, or a runner for the image",
            kind="wrong-platform",
        )


_CAUSES = (
    ("rate-limited", r"toomanyrequests|pull rate limit|\b429\b"),
    ("no-space", r"no space left on device"),
    ("wrong-platform", r"no matching manifest|no image found in (manifest list|image index)|no match for platform"),
    ("tag-not-found", r"manifest unknown|manifest for .* not found|not found: manifest|: not found\s*$"),
    ("repo-not-found", r"name unknown|repository .* not found|name_unknown"),
    (
        "unauthorized",
        r"unauthorized|authentication required|no basic auth credentials|denied",
    ),
    ("engine-down", r"cannot connect to the docker daemon|permission denied.*docker\.sock"),
    (
        "registry-unreachable",
        r"no such host|i/o timeout|connection refused|connection reset|tls|x509|server gave http response|"
        r"network is unreachable|context deadline|unexpected http status: 5\d\d|\b5\d\d\b|\beof\b",
    ),
)

_WORDS = {
    "rate-limited": (
        "the registry's rate limit is reached",
        "anonymous pulls are counted for all that share this address",
        "log in with --registry-username, wait, or pull from a mirror such as ghcr.io/pytorch/pytorch",
    ),
    "no-space": (
        "the disk is full",
        "images of several gigabytes pile up on a runner",
        "`docker system df` or `podman system df` shows what takes the room; prune what nobody uses",
    ),
    "wrong-platform": (
        "there is no image for this processor under that tag",
        "the tag was built for another architecture only",
        "choose another tag, or a runner of the architecture it was built for",
    ),
    "repo-not-found": (
        "there is no such repository",
        "a typing error, or it was moved",
        "check registry and repository; the tag was not even looked at",
    ),
    "unauthorized": (
        "the registry does not let us",
        "the repository is private, or does not exist: registries answer the same to both",
        "check the name; log in with --registry-username and CI_GPU_REGISTRY_PASSWORD",
    ),
    "engine-down": (
        "the engine does not answer",
        "its service is not running, or this user may not talk to it",
        "start it, or add the user to its group",
    ),
    "registry-unreachable": (
        "the registry cannot be reached",
        "no network, a name that does not resolve, a proxy or a certificate in between, or the registry is down",
        "try again; from the runner, look with curl at the address of the registry",
    ),
}


def failure(ref: ImageRef, said: str, tags: Callable[[], tuple[str, ...]]) -> RunnerError:
    """The error for a pull that ended with these words; ``tags`` is asked only where it helps."""
    text = said.lower()
    kind = next((name for name, pattern in _CAUSES if re.search(pattern, text, re.MULTILINE)), "pull-failed")
    if kind == "tag-not-found":
        return _no_such_tag(ref, tags())
    if kind == "pull-failed":
        last = ([line for line in said.splitlines() if line.strip()] or ["no reason given"])[-1].strip()
        what, why, remedy = last[:500], "the engine said no more", "pull it by hand to see more"
    else:
        what, why, remedy = _WORDS[kind]
    return RunnerError(f"{ref} cannot be pulled: {what}", why=why, remedy=remedy, kind=kind)


def _no_such_tag(ref: ImageRef, offered: tuple[str, ...]) -> RunnerError:
    source = offered or registry.known_tags(ref)
    near = registry.nearest(ref.tag, source)
    names = ", ".join(f"{ref.repository.removeprefix('library/')}:{tag}" for tag in near)
    if not near:
        remedy = "look up the tags of the repository in its registry"
    elif offered:
        remedy = f"the nearest of its {len(offered)} tags: {names}"
    else:
        remedy = f"the registry did not tell its tags; as far as we know, these exist: {names}"
    return RunnerError(
        f"{ref} cannot be pulled: there is no such tag",
        why="not every CUDA version is built for every torch, and the tags name cuDNN, too",
        remedy=remedy,
        kind="tag-not-found",
    )


def _not_here(ref: ImageRef) -> RunnerError:
    return RunnerError(
        f"{ref} is not on this machine",
        why="--pull never was asked for, and nobody has pulled it before",
        remedy="--pull missing fetches it once",
        kind="not-here",
    )


def _refused(host: str, said: str) -> RunnerError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return RunnerError(
        f"the login to {host} failed: {lines[-1][:300] if lines else 'no reason given'}",
        why="user or password are wrong, or expired; some registries want a token instead of the password",
        remedy="check --registry-username, and the secret behind CI_GPU_REGISTRY_PASSWORD",
        kind="unauthorized",
    )


def _private_configuration(engine_name: str, folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Where the engine's client keeps the login: never in the user's own files, which outlive the job."""
    if engine_name == "podman":
        return {"REGISTRY_AUTH_FILE": str(folder / "auth.json")}
    own = Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME", "/")) / ".docker")
    with contextlib.suppress(OSError, ValueError):
        document = json.loads((own / "config.json").read_text("utf-8"))
        for key in ("credsStore", "credHelpers"):  # with a helper, the password would go there
            document.pop(key, None)
        (folder / "config.json").write_text(json.dumps(document))
    if (own / "contexts").is_dir():
        shutil.copytree(own / "contexts", folder / "contexts")
    return {"DOCKER_CONFIG": str(folder)}
