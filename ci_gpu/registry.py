"""What a registry offers, asked by the OCI distribution API with the engine's own login."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from ci_gpu import process
from ci_gpu.model import ImageRef

if TYPE_CHECKING:
    import requests

TIMEOUT = 5
MAX_PAGES = 20
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


class Answer(NamedTuple):
    """What a registry said; of a body at most a little more than `MAX_BYTES`."""

    status: int
    headers: Mapping[str, str]
    following: str  # the address of the next page
    body: bytes


def tags(ref: ImageRef, env: Mapping[str, str], engine: str) -> tuple[str, ...]:
    """All tags of the repository, as the engine's own login is allowed to see them; empty if they cannot be had.

    Raises:
        NoRepositoryError: there is none of that name.
    """
    with _asking(ref) as session:
        return _tags(session, ref, credentials(ref.registry, env, engine))
    return ()


def digest(ref: ImageRef, env: Mapping[str, str], engine: str) -> str:
    """The digest that the registry has under the tag now; empty if it cannot be had."""
    with _asking(ref) as session:
        login = credentials(ref.registry, env, engine)
        answer = _answer(session, ref, f"manifests/{ref.tag or ref.digest}", login, {"Accept": _MANIFESTS})
        _require_ok(answer)
        found = answer.headers.get("Docker-Content-Digest", "")
        return found if re.fullmatch(r"sha256:[0-9a-f]{64}", found) else ""
    return ""


@contextlib.contextmanager
def _asking(ref: ImageRef) -> Iterator[requests.Session]:
    """A session whose failures are no answers: nobody's run ends because a suggestion could not be had."""
    import requests

    expected = (requests.RequestException, ValueError, LookupError, TypeError)
    with contextlib.suppress(*expected), requests.Session() as session:
        session.trust_env = False  # no .netrc: the only credentials sent are the engine's
        session.proxies = requests.utils.get_environ_proxies(_base(ref.registry))
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        yield session


def credentials(registry: str, env: Mapping[str, str], engine: str) -> tuple[str, str] | None:
    """User and password as the engine would send them: its auth file, or the credential helper that this names."""
    for path in _auth_files(env, engine):
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            found = _from_auth_file(json.loads(path.read_text("utf-8")), registry, env)
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


def _from_auth_file(
    document: Mapping[str, Mapping[str, Mapping[str, str]]], registry: str, env: Mapping[str, str]
) -> tuple[str, str] | None:
    for key in _KEYS.get(registry, (registry, f"https://{registry}")):
        helper = document.get("credHelpers", {}).get(key) or document.get("credsStore")
        if isinstance(helper, str) and re.fullmatch(r"[A-Za-z0-9_-]+", helper):
            answer = process.run((f"docker-credential-{helper}", "get"), stdin=key, env=env, timeout=10)
            if answer.returncode == 0:
                said = json.loads(answer.stdout)
                return said["Username"], said["Secret"]
        auth = document.get("auths", {}).get(key, {}).get("auth", "")
        if auth:
            user, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
            return (user, password) if colon else None
    return None


def _tags(session: requests.Session, ref: ImageRef, login: tuple[str, str] | None) -> tuple[str, ...]:
    path, found = "tags/list?n=1000", []
    for _ in range(MAX_PAGES):
        answer = _answer(session, ref, path, login, {})
        if answer.status == 404:
            raise NoRepositoryError
        _require_ok(answer)
        found += [tag for tag in _json(answer)["tags"] or () if isinstance(tag, str) and _TAG.fullmatch(tag)]
        following = urlsplit(answer.following)
        if not following.query:
            break
        path = f"tags/list?{following.query}"  # of the link only the query: host and path are ours to choose
    return tuple(found)


def _answer(
    session: requests.Session, ref: ImageRef, path: str, login: tuple[str, str] | None, headers: dict[str, str]
) -> Answer:
    """The answer to a question about the repository, with the authorisation that the registry asks for."""
    base = _base(ref.registry)
    url = f"{base}/v2/{ref.repository}/{path}"
    answer = _get(session, url, headers)
    if answer.status == 401:
        challenge = answer.headers.get("WWW-Authenticate", "")
        answer = _get(session, url, {**headers, **_authorised(session, challenge, base, login)})
    return answer


def _authorised(session: requests.Session, challenge: str, base: str, login: tuple[str, str] | None) -> dict[str, str]:
    """The Authorization header that the challenge asks for. Another host's realm is asked as anybody may ask it."""
    scheme, _, rest = challenge.partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    basic = {"Authorization": "Basic " + base64.b64encode(":".join(login).encode()).decode()} if login else {}
    if scheme.lower() == "basic":
        return basic
    realm = fields["realm"]
    ours = _may_have_the_login(realm, base)
    if not ours and not realm.startswith("https://"):
        raise ValueError("a token realm over plain http")
    query = "&".join(f"{key}={fields[key]}" for key in ("service", "scope") if key in fields)
    said = _json(_get(session, f"{realm}?{query}", basic if ours else {}))
    return {"Authorization": f"Bearer {said.get('token') or said['access_token']}"}


def _may_have_the_login(realm: str, base: str) -> bool:
    """Whether the realm is on the registry's own host and port, or on the one that is known to be its.

    By its first characters up to the slash: where a host ends in an odd address, `urlsplit` and urllib3 disagree.
    """
    return realm.startswith((f"{base}/", f"{_REALMS.get(base, base)}/"))


def _get(session: requests.Session, url: str, headers: Mapping[str, str]) -> Answer:
    with session.get(url, headers=dict(headers), timeout=TIMEOUT, allow_redirects=False, stream=True) as response:
        body = response.raw.read(MAX_BYTES + 1, decode_content=True)
        following = response.links.get("next", {}).get("url", "")
        return Answer(response.status_code, response.headers, following, body)


def _require_ok(answer: Answer) -> None:
    if answer.status >= 400:
        raise LookupError(f"the registry answered {answer.status}")


def _json(answer: Answer) -> Any:
    if len(answer.body) > MAX_BYTES:
        raise ValueError("more than a list of tags can be")
    return json.loads(answer.body)


def _base(registry: str) -> str:
    """Plain http only to this very machine, as docker does it."""
    host = registry.rpartition(":")[0] or registry
    scheme = "http" if host in ("localhost", "127.0.0.1", "[::1]") else "https"
    return f"{scheme}://{_HOSTS.get(registry, registry)}"
