"""What a registry offers: its tags, by the OCI distribution API, and which of them is nearest to a wrong one."""

from __future__ import annotations

import base64
import contextlib
import difflib
import json
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
_HOSTS = {"docker.io": "registry-1.docker.io"}
_KEYS = {"docker.io": ("https://index.docker.io/v1/", "docker.io", "registry-1.docker.io")}

KNOWN_TAGS = {
    "docker.io/pytorch/pytorch": {
        "1.13.1": ("11.6", "8"),
        "2.0.1": ("11.7", "8"),
        "2.1.2": ("11.8 12.1", "8"),
        "2.2.2": ("11.8 12.1", "8"),
        "2.3.1": ("11.8 12.1", "8"),
        "2.4.1": ("11.8 12.1 12.4", "9"),
        "2.5.1": ("11.8 12.1 12.4", "9"),
        "2.6.0": ("11.8 12.4 12.6", "9"),
        "2.7.1": ("11.8 12.6 12.8", "9"),
        "2.8.0": ("12.6 12.8 12.9", "9"),
        "2.9.0": ("12.6 12.8 13.0", "9"),
        "2.10.0": ("12.6 12.8 13.0", "9"),
        "2.11.0": ("12.6 12.8 13.0", "9"),
        "2.12.0": ("12.6 13.0 13.2", "9"),
        "2.13.0": ("12.6 13.0 13.2", "9"),
    }
}
"""torch: (CUDA versions, cuDNN), from PyTorch's release matrix as of November 2026: hints, never the truth."""


class Tag(NamedTuple):
    """A tag of the form that PyTorch's images have."""

    torch: tuple[int, ...]
    cuda: tuple[int, ...]
    flavour: str


def tags(ref: ImageRef, env: Mapping[str, str], engine: str) -> tuple[str, ...]:
    """All tags of the repository, as the engine's own login is allowed to see them; empty if they cannot be had."""
    with _asking(ref) as session:
        return _tags(session, ref, credentials(ref.registry, env, engine))
    return ()


def digest(ref: ImageRef, env: Mapping[str, str], engine: str) -> str:
    """The digest that the registry has under the tag now; empty if it cannot be had."""
    with _asking(ref) as session:
        login = credentials(ref.registry, env, engine)
        answer = _answer(session, ref, f"manifests/{ref.tag or ref.digest}", login, {"Accept": _MANIFESTS})
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
        session.proxies = requests.utils.get_environ_proxies(f"https://{ref.registry}")
        yield session


def known_tags(ref: ImageRef) -> tuple[str, ...]:
    """Tags that we know of without asking anybody."""
    table = KNOWN_TAGS.get(ref.name, {})
    return tuple(
        f"{torch}-cuda{cuda}-cudnn{cudnn}-{flavour}"
        for torch, (cudas, cudnn) in table.items()
        for cuda in cudas.split()
        for flavour in ("runtime", "devel")
    )


def nearest(wanted: str, offered: tuple[str, ...], count: int = 3) -> tuple[str, ...]:
    """The offered tags nearest to a wrong one: first the same torch, then the same CUDA, then what looks alike."""
    aim = parse(wanted)
    if aim is None:
        return tuple(difflib.get_close_matches(wanted, offered, n=count, cutoff=0.5))
    parsed = [(tag, found) for tag in offered if (found := parse(tag))]
    flavoured = [(tag, found) for tag, found in parsed if not aim.flavour or found.flavour == aim.flavour] or parsed
    same_torch = sorted(
        (pair for pair in flavoured if pair[1].torch == aim.torch), key=lambda pair: _distance(pair[1].cuda, aim.cuda)
    )
    same_cuda = sorted(
        (pair for pair in flavoured if pair[1].cuda == aim.cuda), key=lambda pair: _distance(pair[1].torch, aim.torch)
    )
    mixed = [*same_torch[:2], *same_cuda[:1], *same_torch[2:], *same_cuda[1:]]
    names = dict.fromkeys(tag for tag, _ in mixed)
    return tuple(names)[:count] or tuple(difflib.get_close_matches(wanted, offered, n=count, cutoff=0.5))


def parse(tag: str) -> Tag | None:
    """``2.9.0-cuda12.8-cudnn9-devel`` as numbers; None for a tag of another form."""
    match = re.fullmatch(r"(\d+(?:\.\d+)+)-cuda(\d+(?:\.\d+)+)(?:-cudnn\d+)?(?:-(runtime|devel))?", tag)
    return Tag(_numbers(match[1]), _numbers(match[2]), match[3] or "") if match else None


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
            user, _, password = base64.b64decode(auth).decode().partition(":")
            return user, password
    return None


def _tags(session: requests.Session, ref: ImageRef, login: tuple[str, str] | None) -> tuple[str, ...]:
    path, found = "tags/list?n=1000", []
    for _ in range(MAX_PAGES):
        answer = _answer(session, ref, path, login, {})
        found += [tag for tag in _json(answer)["tags"] or () if isinstance(tag, str) and len(tag) <= 128]
        following = urlsplit(answer.links.get("next", {}).get("url", ""))
        if not following.query:
            break
        path = f"tags/list?{following.query}"  # of the link only the query: host and path are ours to choose
    return tuple(found)


def _answer(
    session: requests.Session, ref: ImageRef, path: str, login: tuple[str, str] | None, headers: dict[str, str]
) -> requests.Response:
    """The answer to a question about the repository, with the authorisation that the registry asks for."""
    base = f"{_scheme(ref.registry)}://{_HOSTS.get(ref.registry, ref.registry)}"
    url = f"{base}/v2/{ref.repository}/{path}"
    answer = _get(session, url, headers)
    if answer.status_code == 401:
        challenge = answer.headers.get("WWW-Authenticate", "")
        answer = _get(session, url, {**headers, **_authorised(session, challenge, base, login)})
    answer.raise_for_status()
    return answer


def _authorised(session: requests.Session, challenge: str, base: str, login: tuple[str, str] | None) -> dict[str, str]:
    """The Authorization header that the challenge asks for; ours goes to nobody but the realm of this registry."""
    scheme, _, rest = challenge.partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    basic = {"Authorization": "Basic " + base64.b64encode(":".join(login).encode()).decode()} if login else {}
    if scheme.lower() == "basic":
        return basic
    realm = urlsplit(fields["realm"])
    if realm.scheme != "https" and realm.netloc != urlsplit(base).netloc:
        raise ValueError("a token realm over plain http")
    query = "&".join(f"{key}={fields[key]}" for key in ("service", "scope") if key in fields)
    said = _json(_get(session, f"{fields['realm']}?{query}", basic))
    return {"Authorization": f"Bearer {said.get('token') or said['access_token']}"}


def _get(session: requests.Session, url: str, headers: Mapping[str, str]) -> requests.Response:
    return session.get(url, headers=dict(headers), timeout=TIMEOUT, allow_redirects=False, stream=True)


def _json(answer: requests.Response) -> Any:
    data = answer.raw.read(MAX_BYTES + 1, decode_content=True)
    if len(data) > MAX_BYTES:
        raise ValueError("more than a list of tags can be")
    return json.loads(data)


def _scheme(registry: str) -> str:
    """Plain http only to this very machine, as docker does it."""
    host = registry.rpartition(":")[0] or registry
    return "http" if host in ("localhost", "127.0.0.1", "[::1]") else "https"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How far two versions are apart, majors first: 13.0 is nearer to 12.8 than 13.2 is."""
    return abs(_weight(one) - _weight(other))


def _weight(version: tuple[int, ...]) -> int:
    major, minor, patch = (*version, 0, 0, 0)[:3]
    return (major * 1000 + minor) * 1000 + patch
