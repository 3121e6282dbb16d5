"""What a registry offers, asked as the engine would ask."""

from __future__ import annotations

import base64
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ci_gpu import registry
from ci_gpu.http_client import NoAnswerError
from ci_gpu.model import ImageRef
from tests.containers.ground import Ground
from tests.containers.ground import registry as real_registry
from tests.listening import listening
from tests.needs import program


@pytest.mark.engine
def test_the_tags_of_a_real_registry_are_listed(real_ground: Ground) -> None:
    for tag in ("a", "b"):
        real_ground.pushed("no-torch", tag, "ci-gpu-test/listed")
    ref = ImageRef.parse(f"{real_ground.registry}/ci-gpu-test/listed:c")

    assert sorted(registry.tags(ref, real_ground.env, "docker")) == ["a", "b"]


@pytest.mark.engine
def test_a_repository_that_is_not_there_is_no_empty_list(real_ground: Ground) -> None:
    with pytest.raises(registry.NoRepositoryError):
        registry.tags(ImageRef.parse(f"{real_ground.registry}/never/pushed:c"), real_ground.env, "docker")


@pytest.mark.engine
def test_a_registry_with_a_password_is_asked_as_the_engine_s_login_asks(tmp_path: Path) -> None:
    htpasswd = tmp_path / "htpasswd"
    made = subprocess.run([program("htpasswd"), "-Bbn", "user", "pa:ss"], capture_output=True, text=True, check=True)
    htpasswd.write_text(made.stdout)
    with real_registry(tmp_path / "registry", htpasswd=str(htpasswd)) as address:
        ref = ImageRef.parse(f"{address}/some/thing:1")
        env = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
        auth = base64.b64encode(b"user:pa:ss").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))

        assert registry.credentials(address, env, "docker") == ("user", "pa:ss")
        with pytest.raises(registry.NoRepositoryError):  # let in, and there is no such repository
            registry.tags(ref, env, "docker")
        assert registry.tags(ref, {"HOME": "/nonexistent"}, "docker") == ()


def test_a_registry_that_is_not_there_has_no_tags() -> None:
    assert registry.tags(ImageRef.parse("127.0.0.1:9/a/b:c"), {}, "docker") == ()


@pytest.mark.attack
@pytest.mark.parametrize("host", ["elsewhere.example", "registry.example", "registry.example:80"])
def test_our_login_goes_to_no_realm_over_plain_http(host: str) -> None:
    """A registry names a token service over plain http, where the password could be read on the way. The login is sent
    over https only.
    """
    challenge = f'Bearer realm="http://{host}/token",service="x",scope="y"'
    with pytest.raises(NoAnswerError, match="plain http"):
        registry._authorised(None, challenge, "https://registry.example", ("user", "password"))  # type: ignore[arg-type]


@pytest.mark.attack
def test_a_registry_that_names_another_host_for_its_token_does_not_send_our_login_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry names a token service on a host of the attacker's, which would be sent the password. That host is
    asked as anybody could ask it.
    """
    certificate = _certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with listening(certificate=certificate) as (theirs, heard):
        challenge = f'Bearer realm="https://{theirs}/token",service="x",scope="repository:a/b:pull"'
        with listening(challenge) as (ours, kept):
            found = registry.tags(ImageRef.parse(f"{ours}/a/b:1"), _logged_in(tmp_path, ours), "docker")

    assert heard == [("/token?service=x&scope=repository:a/b:pull", "")]  # as anybody could ask
    assert [login for _, login in kept] == ["", "Bearer t0ken"]
    assert found == ("1",)


@pytest.mark.attack
@pytest.mark.parametrize("challenge", ['Basic realm="r"', 'Bearer realm="http://ADDRESS/token",service="s"'])
def test_a_redirect_to_another_host_is_not_followed(tmp_path: Path, challenge: str) -> None:
    """A registry, or its token service, redirects to another host, which would be sent the login. Redirects are not
    followed.
    """
    with listening() as (theirs, heard), listening(challenge, redirect=f"http://{theirs}") as (ours, kept):
        found = registry.tags(ImageRef.parse(f"{ours}/a/b:1"), _logged_in(tmp_path, ours), "docker")

    assert (found, heard) == ((), [])
    assert kept[-1].login.startswith("Basic ")


@pytest.mark.attack
@pytest.mark.parametrize(
    ("base", "realm", "sent"),
    [
        ("https://registry.example", "https://registry.example/token", True),
        ("https://registry-1.docker.io", "https://auth.docker.io/token", True),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("https://registry.example", "https://auth.docker.io/token", False),
        ("https://registry-1.docker.io", "https://gitlab.com/jwt/auth", False),
        ("https://registry.example", "https://registry.example.evil.example/token", False),
        ("https://registry.example", "https://registry.example@evil.example/token", False),
        ("https://registry.example", "https://registry.example:8443/token", False),
        ("https://registry.example", "https://evil.example\\@registry.example/token", False),
        ("https://registry.example", "https://evil.example#@registry.example/token", False),
    ],
)
def test_the_login_goes_to_the_registry_s_own_realm_and_to_the_known_one(base: str, realm: str, sent: bool) -> None:
    """By the first characters, host and slash included: two parsers may disagree about where a host ends."""
    assert registry._may_have_the_login(realm, base) is sent


@pytest.mark.parametrize(
    ("engine", "variable", "file"),
    [
        ("docker", "DOCKER_CONFIG", "config.json"),
        ("docker", "HOME", ".docker/config.json"),
        ("podman", "REGISTRY_AUTH_FILE", "auth.json"),
        ("podman", "XDG_RUNTIME_DIR", "containers/auth.json"),
        ("podman", "HOME", ".config/containers/auth.json"),
        ("podman", "HOME", ".docker/config.json"),
    ],
)
def test_the_login_is_found_where_the_engine_keeps_it(tmp_path: Path, engine: str, variable: str, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {"r.example:5000": {"auth": base64.b64encode(b"user:pa:ss").decode()}}}))
    env = {variable: str(path if variable == "REGISTRY_AUTH_FILE" else tmp_path)}

    assert registry.credentials("r.example:5000", env, engine) == ("user", "pa:ss")
    assert registry.credentials("other.example", env, engine) is None


@pytest.mark.parametrize("settings", [{"credsStore": "fake"}, {"credHelpers": {"r.example": "fake"}}])
def test_a_credential_helper_is_asked_by_its_protocol(tmp_path: Path, settings: dict[str, object]) -> None:
    helper = tmp_path / "docker-credential-fake"
    helper.write_text(
        '#!/bin/sh\n[ "$1" = get ] && host=$(cat) && echo "{\\"Username\\":\\"$host\\",\\"Secret\\":\\"s\\"}"\n'
    )
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps(settings))
    env = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}

    assert registry.credentials("r.example", env, "docker") == ("r.example", "s")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"auths": []}',
        '{"auths": {"r.example": {"auth": "%%%"}}}',
        '{"auths": {"r.example": {"auth": "/w=="}}}',
        '{"auths": {"r.example": {"auth": 7}}}',
        '{"auths": {"r.example": []}}',
        '{"auths": 7}',
        '{"credHelpers": []}',
        '{"credsStore": "not-installed"}',
    ],
    ids=lambda text: text[:50],
)
def test_a_damaged_auth_file_is_no_login(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)

    assert registry.credentials("r.example", {"DOCKER_CONFIG": str(tmp_path)}, "docker") is None


@pytest.mark.attack
@pytest.mark.parametrize(
    "said",
    [
        "{}",
        "[]",
        "7",
        "no JSON",
        '{"Username": 1, "Secret": []}',
        '{"Username": "u", "Secret": "\\ud800"}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:40],
)
def test_what_a_credential_helper_says_otherwise_is_no_login(tmp_path: Path, said: str) -> None:
    """A credential helper answers with another JSON than documented: it ended as our bug, and is no login."""
    (tmp_path / "said").write_text(said)
    helper = tmp_path / "docker-credential-odd"
    helper.write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credsStore": "odd"}')
    env = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}

    assert registry.credentials("r.example", env, "docker") is None


def test_tags_are_read_over_pages_with_a_token_and_from_this_host_only(tmp_path: Path) -> None:
    with _hub() as (address, asked):
        auth = base64.b64encode(b"user:s3cret").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))
        ref = ImageRef.parse(f"{address}/some/thing:1")
        found = registry.tags(ref, {"DOCKER_CONFIG": str(tmp_path)}, "docker")

    assert found == ("a", "b", "c")
    assert f"Basic {auth}" in {login for path, login in asked if path.startswith("/token?")}
    assert {login for path, login in asked if path.startswith("/v2/")} == {"", "Bearer t0ken"}


def test_a_list_of_tags_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    with _hub(endless=True) as (address, asked):
        found = registry.tags(ImageRef.parse(f"{address}/some/thing:1"), {"HOME": str(tmp_path)}, "docker")

    assert len(found) == registry.MAX_PAGES
    assert len(asked) <= 3 * registry.MAX_PAGES


def _logged_in(folder: Path, host: str) -> dict[str, str]:
    """The environment of an engine that is logged in there."""
    auth = base64.b64encode(b"user:s3cret").decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return {"DOCKER_CONFIG": str(folder)}


def _certificate(folder: Path) -> Path:
    """Key and certificate of 127.0.0.1, in one file that is its own authority."""
    path = folder / "certificate.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    argv = (program("openssl"), *words.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out")
    subprocess.run([*argv, folder / "public.pem"], capture_output=True, check=True)
    path.write_text(path.read_text() + (folder / "public.pem").read_text())
    return path


@contextmanager
def _hub(*, endless: bool = False) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A registry like the Docker Hub: a token first, tags by pages, links that name another host; what it was asked."""
    asked: list[tuple[str, str]] = []
    pages = {"n=1000": (["a"], "last=a"), "last=a": (["b", "<b>\n::error::"], "last=b"), "last=b": (["c"], "")}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = self.headers.get("Authorization", "")
            asked.append((self.path, login))
            path, _, query = self.path.partition("?")
            names, following = (["x"], "last=x") if endless else pages.get(query, ([], ""))
            if path == "/token":
                self._say(200, {"token": "t0ken"})
            elif login != "Bearer t0ken":
                realm = f'Bearer realm="http://{address}/token",service="s",scope="repository:some/thing:pull,push"'
                self._say(401, {"errors": []}, {"WWW-Authenticate": realm})
            else:
                link = {"Link": f'<http://elsewhere.example/v2/x?{following}>; rel="next"'} if following else {}
                self._say(200, {"tags": names}, link)

        def _say(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the tests' own output is enough."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield address, asked
    finally:
        server.shutdown()
        server.server_close()
