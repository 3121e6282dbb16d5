"""What a registry offers, asked by the OCI distribution API with the engine's own login."""

from __future__ import annotations

import base64
import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from ci_gpu import process
from ci_gpu.http_client import Answer, Client, NoAnswerError, decoded, seconds_to_wait
from ci_gpu.model import ImageRef

IDLE = 5.0
TOTAL = 20.0
LIFETIME = 30.0
MAX_PAGES = 20
MAX_TAGS = 20_000
MAX_BYTES = 4 << 20

_MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_HOSTS = {"docker.io": "registry-1.docker.io"}
_REALMS = {
    "https://registry-1.docker.io": "https://auth.docker.io",
    "https://registry.gitlab.com": "https://gitlab.com",
}
"""Registries whose tokens come from another host that is known to be theirs."""

_KEYS = {"docker.io": ("https://index.docker.io/v1/", "docker.io", "registry-1.docker.io")}


class NoRepositoryError(Exception):
    """The registry answers, and has no such repository. Of a missing tag it says the same to a pull."""


class _Login(msgspec.Struct, frozen=True):
    auth: str = ""


class _Logins(msgspec.Struct, frozen=True):
    """An engine's auth file, in docker's names (containers-auth.json(5)).

    docs.docker.com/reference/cli/docker/login
    """

    auths: dict[str, _Login] = {}
    credHelpers: dict[str, str] = {}  # noqa: N815
    credsStore: str = ""  # noqa: N815


class _Helped(msgspec.Struct, frozen=True):
    """The answer of a credential helper (github.com/docker/docker-credential-helpers)."""

    Username: str
    Secret: str


class _LimitedError(NoAnswerError):
    """429. ``seconds`` is how long the registry asks to wait, 0 if it does not say."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the registry's limit is reached")
        self.seconds = seconds_to_wait(answer.headers.get("Retry-After", ""), time.time()) or 0.0


class _Tags(msgspec.Struct, frozen=True):
    """A page of the list, as the distribution specification has it; some registries say null for none."""

    tags: tuple[str, ...] | None = None


class _Token(msgspec.Struct, frozen=True):
    """What a realm hands out, under either of the names that docker's token specification has for it."""

    token: str = ""
    access_token: str = ""


def tags(ref: ImageRef, env: Mapping[str, str], engine: str) -> tuple[str, ...]:
    """All tags of the repository, as the engine's own login is allowed to see them; empty if they cannot be had.

    Raises:
        NoRepositoryError: there is none of that name.
    """
    with _asking() as client:
        return _tags(client, ref, credentials(ref.registry, env, engine))
    return ()


def digest(ref: ImageRef, env: Mapping[str, str], engine: str) -> str:
    """The digest that the registry has under the tag now; empty if it cannot be had."""
    with _asking() as client:
        login = credentials(ref.registry, env, engine)
        answer = _answer(client, ref, f"manifests/{ref.tag or ref.digest}", login, {"Accept": _MANIFESTS})
        _require_ok(answer)
        found = answer.headers.get("Docker-Content-Digest", "")
        return found if re.fullmatch(r"sha256:[0-9a-f]{64}", found) else ""
    return ""


def limit(ref: ImageRef, env: Mapping[str, str], engine: str) -> float:
    """Seconds that the registry asks this login to wait before it gives the image; 0 if it gives it or does not say.

    By HEAD, which Docker Hub does not count as a pull (docs.docker.com/docker-hub/usage/pulls).
    """
    with _asking() as client:
        login, path = credentials(ref.registry, env, engine), f"manifests/{ref.digest or ref.tag}"
        try:
            _require_ok(_answer(client, ref, path, login, {"Accept": _MANIFESTS}, method="HEAD"))
        except _LimitedError as error:
            return error.seconds
    return 0.0


@contextlib.contextmanager
def _asking() -> Iterator[Client]:
    """A client whose failures are no answers: nobody's run ends because a suggestion could not be had."""
    bounds: Any = {"idle": IDLE, "total": TOTAL, "lifetime": LIFETIME, "max_bytes": MAX_BYTES}
    with contextlib.suppress(NoAnswerError), closing(Client(**bounds)) as client:
        yield client


def credentials(registry: str, env: Mapping[str, str], engine: str) -> tuple[str, str] | None:
    """User and password as the engine would send them: its auth file, or the credential helper that this names."""
    for path in _auth_files(env, engine):
        with contextlib.suppress(OSError, ValueError, NoAnswerError):
            found = _from_auth_file(decoded(path.read_bytes(), _Logins), registry, env)
            if found:
                return found
    return None


def _auth_files(env: Mapping[str, str], engine: str) -> tuple[Path, ...]:
    home = Path(env.get("HOME", "/nonexistent"))
    docker = Path(env.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if engine == "docker":
        return (docker,)
    runtime = Path(env.get("XDG_RUNTIME_DIR", "/run/containers/0")) / "containers/auth.json"
    chosen = env.get("REGISTRY_AUTH_FILE")
    return (Path(chosen),) if chosen else (runtime, home / ".config/containers/auth.json", docker)


def _from_auth_file(known: _Logins, registry: str, env: Mapping[str, str]) -> tuple[str, str] | None:
    for key in _KEYS.get(registry, (registry, f"https://{registry}")):
        helper = known.credHelpers.get(key) or known.credsStore
        if re.fullmatch(r"[A-Za-z0-9_-]+", helper):
            answer = process.run((f"docker-credential-{helper}", "get"), stdin=key, env=env, timeout=10)
            if answer.returncode == 0:
                said = decoded(answer.stdout.encode(), _Helped)
                return said.Username, said.Secret
        auth = known.auths[key].auth if key in known.auths else ""
        if auth:
            user, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
            return (user, password) if colon else None
    return None


def _tags(client: Client, ref: ImageRef, login: tuple[str, str] | None) -> tuple[str, ...]:
    path, found = "tags/list?n=1000", []
    for _ in range(MAX_PAGES):
        answer = _answer(client, ref, path, login, {})
        if answer.status == 404:
            raise NoRepositoryError
        _require_ok(answer)
        found += [tag for tag in decoded(answer.body, _Tags).tags or () if _TAG.fullmatch(tag)]
        query = answer.following.partition("#")[0].partition("?")[2]
        if not query or len(found) >= MAX_TAGS:
            break
        path = f"tags/list?{query}"  # of the link only the query: host and path are ours to choose
    return tuple(found[:MAX_TAGS])


def _answer(
    client: Client,
    ref: ImageRef,
    path: str,
    login: tuple[str, str] | None,
    headers: dict[str, str],
    method: str = "GET",
) -> Answer:
    """The answer to a question about the repository, with the authorisation that the registry asks for."""
    base = _base(ref.registry)
    url = f"{base}/v2/{ref.repository}/{path}"
    answer = client.ask(method, url, headers)
    if answer.status == 401:
        challenge = answer.headers.get("WWW-Authenticate", "")
        answer = client.ask(method, url, {**headers, **_authorised(client, challenge, base, login)})
    return answer


def _authorised(client: Client, challenge: str, base: str, login: tuple[str, str] | None) -> dict[str, str]:
    """The Authorization header that the challenge asks for. Another host's realm is asked as anybody may ask it."""
    scheme, _, rest = challenge.partition(" ")
    fields = dict(re.findall(r'\b(\w+)="([^"]*)"', rest))  # \b: else each letter of a long word begins a search
    basic = {"Authorization": "Basic " + base64.b64encode(":".join(login).encode()).decode()} if login else {}
    if scheme.lower() == "basic":
        return basic
    realm = fields.get("realm", "")
    ours = _may_have_the_login(realm, base)
    if not ours and not realm.startswith("https://"):
        raise NoAnswerError("a token realm over plain http, or none")
    query = "&".join(f"{key}={fields[key]}" for key in ("service", "scope") if key in fields)
    answer = client.ask("GET", f"{realm}?{query}", basic if ours else {})
    _require_ok(answer)
    said = decoded(answer.body, _Token)
    return {"Authorization": f"Bearer {said.token or said.access_token}"}


def _may_have_the_login(realm: str, base: str) -> bool:
    """Whether the realm is on the registry's own host and port, or on the one that is known to be its.

    By its first characters up to the slash: where a host ends in an odd address, `urlsplit` and urllib3 disagree.
    """
    return realm.startswith((f"{base}/", f"{_REALMS.get(base, base)}/"))


def _require_ok(answer: Answer) -> None:
    if answer.status == 429:
        raise _LimitedError(answer)
    if answer.status >= 300:
        raise NoAnswerError(f"the registry answered {answer.status}")


def _base(registry: str) -> str:
    """Plain http only to this very machine, as docker does it."""
    host = registry.rpartition(":")[0] or registry
    scheme = "http" if host in ("localhost", "127.0.0.1", "[::1]") else "https"
    return f"{scheme}://{_HOSTS.get(registry, registry)}"
