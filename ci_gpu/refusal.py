"""Why an image could not be pulled, from what the engine said. Pure; the texts are those of docker and podman."""

from __future__ import annotations

import re

from ci_gpu import tags
from ci_gpu.errors import RunnerError
from ci_gpu.model import ImageRef

UNKNOWN = "pull-failed"

_READ = 20_000
"""Characters of what was said that are read, from the end: a registry's answer may be of any length."""

_CAUSES = (
    ("rate-limited", r"toomanyrequests|pull rate limit|429 too many requests|status(?: code)?:? 429"),
    ("no-space", r"no space left on device"),
    ("wrong-platform", r"no matching manifest|no image found in (manifest list|image index)|no match for platform"),
    ("tag-not-found", r"manifest unknown|manifest for [^\n]{1,300}not found|not found: manifest|: not found\s*$"),
    ("repo-not-found", r"name unknown|repository [^\n]{1,300}not found|name_unknown"),
    ("engine-down", r"cannot connect to the docker daemon|docker daemon socket|docker\.sock|cannot connect to podman"),
    (
        "unauthorized",
        r"unauthorized|authentication required|no basic auth credentials|invalid username/password|"
        r"access denied|denied:|is denied|: denied\s*$",
    ),
    ("bad-reference", r"invalid reference format"),
    (
        "registry-unreachable",
        r"no such host|i/o timeout|connection refused|connection reset|tls: |tls handshake|x509: |"
        r"server gave http response|network is unreachable|no route to host|context deadline exceeded|"
        r"client\.timeout exceeded|http status:? 5\d\d|status(?: code)?:? 5\d\d|"
        r"50\d (?:internal server error|bad gateway|service unavailable|gateway time-?out)|\beof\b",
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
        "the tag was built for other architectures only",
        "choose another tag, or a runner of an architecture it was built for",
    ),
    "repo-not-found": (
        "there is no such repository",
        "a typing error, or it was moved",
        "check registry and repository; the tag was not even looked at",
    ),
    "unauthorized": (
        "the registry does not let us",
        "the repository is private, or does not exist: registries answer the same to both",
        "check the name; log in with --registry-username and CI_GPU_REGISTRY_PASSWORD, which go to --registry alone",
    ),
    "engine-down": (
        "the engine does not answer",
        "its service is not running, or this user may not talk to it",
        "start it (sudo systemctl start docker), or add the user to its group; --engine podman needs no service",
    ),
    "bad-reference": (
        "the engine cannot read the reference",
        "the name of a repository is lower case, and a digest is sha256: with 64 digits",
        "write it as registry/repository:tag",
    ),
    "registry-unreachable": (
        "the registry cannot be reached",
        "no network, a name that does not resolve, a proxy or a certificate in between, or the registry is down",
        "try again; from the runner, look with curl at the address of the registry",
    ),
}


def cause(said: str) -> str:
    """The kind of a failure, from the engine's words; `UNKNOWN` if nobody has seen them before."""
    text = _errors(said[-_READ:]).lower()
    return next((name for name, pattern in _CAUSES if re.search(pattern, text, re.MULTILINE)), UNKNOWN)


def failure(ref: ImageRef, said: str) -> RunnerError:
    """The error for a pull that ended with these words, where it is no missing tag."""
    said = said[-_READ:]
    kind = cause(_without(ref, said))
    what, why, remedy = _WORDS.get(kind) or (
        _last(said),
        "the engine said no more",
        "pull it by hand to see more",
    )
    return RunnerError(f"{ref} cannot be pulled: {what}", why=why, remedy=remedy, kind=kind)


def rate_limited(ref: ImageRef, seconds: float) -> RunnerError:
    """The registry asks to wait for longer than an engine does."""
    what, why, remedy = _WORDS["rate-limited"]
    what = f"{ref} cannot be pulled: {what}, and it asks to wait {seconds:.0f} s"
    return RunnerError(what, why=why, remedy=remedy, kind="rate-limited")


def stalled(ref: ImageRef, seconds: float, said: str) -> RunnerError:
    """The pull went on for some time, and stood still."""
    return RunnerError(
        f"{ref} cannot be pulled: nothing came for {seconds:.0f} s (the last word was: {_last(said)[:200]})",
        why="the registry, or a proxy in between, keeps the connection open and sends nothing, or the engine hangs",
        remedy="try again; from the runner, look with curl at the address of the registry; restart the engine",
        kind="pull-stalled",
    )


def no_such_repository(ref: ImageRef) -> RunnerError:
    """The registry knows nothing of that name."""
    what, why, remedy = _WORDS["repo-not-found"]
    return RunnerError(f"{ref} cannot be pulled: {what}", why=why, remedy=remedy, kind="repo-not-found")


def no_such_tag(ref: ImageRef, offered: tuple[str, ...]) -> RunnerError:
    """The repository is there and the tag is not; ``offered`` is what the registry has, empty if it did not say."""
    if not ref.tag:
        return _no_such_digest(ref)
    near = tags.nearest(ref.tag, offered or tags.known_tags(ref))
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


def no_login(host: str, said: str) -> RunnerError:
    """The login was refused, or never came to the registry."""
    kind = cause(said)
    if kind in ("registry-unreachable", "engine-down", "rate-limited"):
        _, why, remedy = _WORDS[kind]
    else:
        kind = "unauthorized"
        why = "user or password are wrong, or expired; some registries want a token instead of the password"
        remedy = "check --registry and --registry-username, and the secret behind CI_GPU_REGISTRY_PASSWORD"
    return RunnerError(f"the login to {host} failed: {_last(said)}", why=why, remedy=remedy, kind=kind)


def _no_such_digest(ref: ImageRef) -> RunnerError:
    return RunnerError(
        f"{ref} cannot be pulled: the repository has no image of that digest",
        why="it was deleted, or it is the digest of another repository",
        remedy="name a tag, and let ci-gpu record its digest",
        kind="tag-not-found",
    )


def _errors(said: str) -> str:
    """From the first line that is an error: the progress before it names sizes and layers as it likes."""
    found = re.search(r"^(?:error|docker:)", said, re.IGNORECASE | re.MULTILINE)
    return said[found.start() :] if found else said


def _without(ref: ImageRef, said: str) -> str:
    """The words without the image's own name, which may be anything: ``denied/eof:429`` is a reference."""
    for name in (str(ref), ref.name, ref.repository, ref.repository.removeprefix("library/")):
        said = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "IMAGE", said)
    return re.sub(r"IMAGE[:@][\w.:-]{0,300}\w", "IMAGE", said)


def _last(said: str) -> str:
    """The engine's own last word."""
    lines = [line.strip() for line in _errors(said).splitlines() if line.strip()]
    return (lines or ["no reason given"])[-1][:500]
