"""An answer from outside is read within bounds or is no answer; whatever it is, it is never our bug."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

import ci_gpu
from ci_gpu import registry
from ci_gpu.errors import ConfigError, GitHubError
from ci_gpu.github import api
from ci_gpu.github.api import Api
from ci_gpu.history.branch import Branch
from ci_gpu.http_client import Client, NoAnswerError, TooSlowError
from ci_gpu.model import ImageRef
from tests.answers import FAULTS, GOOD, SLOW, answer, bomb, saying
from tests.listening import listening

ROOT = Path(ci_gpu.__file__).parent
CLIENTS = (
    "requests",
    "urllib3",
    "urllib.request",
    "http.client",
    "httpx",
    "aiohttp",
    "socket.socket",
    "socket.create_connection",
)


class Thing(msgspec.Struct):
    """What the tests ask for: the answers that are good have no such field."""

    number: int


def _api(url: str, **changes: Any) -> Api:
    return Api("t", url, sleep=lambda _: None, **changes)


@pytest.mark.attack
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_stands_in_for_github_is_exit_5(fault: str) -> None:
    """A proxy or a bad network answers in GitHub's place with anything, which ended as our bug and lost the run.

    Every answer passes one reader, bounded in bytes, depth and time, with a schema: what does not fit is exit 5.
    """
    with saying(FAULTS[fault]) as url:
        with pytest.raises(GitHubError) as caught:
            _api(url).get("/x", Thing)
        with pytest.raises(GitHubError):
            _api(url).post("/x", {}, Thing)
        if fault != "a link to no address":  # an empty list
            with pytest.raises(GitHubError):
                list(_api(url).pages("/x", Thing))

    assert caught.value.exit_code == 5
    assert caught.value.why
    assert caught.value.remedy


@pytest.mark.attack
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_stands_in_for_the_branch_of_the_history_is_exit_5(fault: str) -> None:
    """A proxy or a bad network answers in place of GitHub's git data with anything: it is exit 5, never our bug."""
    with saying(FAULTS[fault]) as url, pytest.raises(GitHubError) as caught:
        Branch("t", url, "a/b", "c", pause=lambda _: None).files()

    assert caught.value.exit_code == 5


@pytest.mark.attack
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_a_registry_says_is_tags_or_nothing(fault: str) -> None:
    """A registry answers a question for its tags with anything: nobody's run ends because of it."""
    with saying(FAULTS[fault]) as url:
        ref = ImageRef.parse(f"{url.removeprefix('http://')}/a/b:1")

        assert registry.tags(ref, {}, "docker") in ((), ("1",))
        assert registry.digest(ref, {}, "docker") == ""


@pytest.mark.attack
@pytest.mark.parametrize("part", SLOW)
def test_an_answer_that_comes_byte_by_byte_is_given_up(part: str) -> None:
    """A server sends a byte a second for ever, which held a job for hours: each byte began the time-out anew.

    An answer has a deadline from the first look-up to the last byte.
    """
    raw, drip = SLOW[part]
    with saying(raw, drip) as url, pytest.raises(NoAnswerError):
        Client(idle=60, total=1.0, max_bytes=1 << 20).ask("GET", url, {})


@pytest.mark.attack
def test_a_slow_github_is_asked_once_and_a_slow_registry_within_one_time_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that drips is asked again and again, at a full deadline each: it is asked once."""
    raw, drip = SLOW["the body"]
    with saying(raw, drip) as url:
        slept: list[float] = []
        with pytest.raises(GitHubError) as caught:
            Branch("t", url, "a/b", "c", pause=slept.append, total=0.5).files()
        client = Client(idle=60, total=60, max_bytes=1 << 20, lifetime=0.5)
        for _ in range(2):
            with pytest.raises(TooSlowError):
                client.ask("GET", url, {})

    assert (caught.value.kind, slept) == ("github-too-slow", [])


@pytest.mark.attack
def test_answers_that_are_each_just_in_time_have_an_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server takes nearly a minute for each of a run's dozens of answers: what each takes too long is charged."""
    monkeypatch.setattr(api, "PROMPT", 0.0)
    monkeypatch.setattr(api, "MAX_WAIT", 0.3)
    with saying(answer(b'{"number": 1}'), pause=0.2) as url:
        client = _api(url)
        with pytest.raises(GitHubError) as caught:
            [client.get("/x", Thing) for _ in range(20)]

    assert caught.value.kind == "github-too-slow"


@pytest.mark.attack
@pytest.mark.parametrize("status", ["200 OK", "302 Found"])
def test_a_bomb_is_not_unpacked(status: str) -> None:
    """A small packed answer becomes gigabytes in memory, also one that is a redirect: it is unpacked up to a limit."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    packed = answer(bomb(512 << 20), "Content-Encoding: gzip", "Location: /x", status=status)
    with saying(packed) as url, pytest.raises(NoAnswerError, match="more than"):
        Client(idle=60, total=60, max_bytes=1 << 20).ask("GET", url, {})

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


@pytest.mark.attack
def test_a_netrc_does_not_take_the_place_of_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc of the runner replaces the token and sends a password where nobody meant it to go: none is read."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login planted password planted\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with listening() as (address, heard):
        with pytest.raises(GitHubError):
            Api("t0ken", f"http://{address}").get("/x", Thing)
        registry.tags(ImageRef.parse(f"{address}/a/b:1"), {}, "docker")

    assert {login for _, login in heard} == {"Bearer t0ken", ""}


def test_a_proxy_is_used_and_no_proxy_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as (proxy, heard):
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy}")
        monkeypatch.delenv("http_proxy", raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.2")
        for host in ("github.example", "127.0.0.2:9"):
            with pytest.raises(GitHubError):
                _api(f"http://{host}").get("/x", Thing)

    assert {path for path, _ in heard} == {"http://github.example/x"}


@pytest.mark.attack
@pytest.mark.parametrize("token", ["t0ken\n", "t0ken\r\nX-Evil: 1", "t\x00ken", "tok en", "t\u00f6ken", ""])
def test_a_token_that_cannot_be_one_is_a_mistake_of_the_user_s(token: str) -> None:
    """A secret that was stored with the end of its line splits a header, or ended as our bug: it is told as exit 2."""
    with pytest.raises(ConfigError, match="the GitHub token has a character") as caught:
        Api(token)

    assert caught.value.exit_code == 2
    assert not token.strip() or token.strip() not in caught.value.what + caught.value.remedy


@pytest.mark.attack
def test_the_words_of_a_challenge_are_read_once() -> None:
    """A registry's challenge of 64 kB in one word took 12 s to read, its square: it is read in a line."""
    started = time.process_time()
    with pytest.raises(NoAnswerError):
        registry._authorised(Client(idle=1, total=1, max_bytes=1), "Bearer " + "a" * 65_000, "https://r.example", None)

    assert time.process_time() - started < 3


@pytest.mark.attack
def test_a_list_of_tags_is_cut_off_where_no_list_can_be_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry lists tags without end, page after page, into our memory: so many are kept and no more."""
    monkeypatch.setattr(registry, "MAX_TAGS", 3)
    page = answer(b'{"tags": ["a", "b"]}', 'Link: </v2/a/b/tags/list?last=b>; rel="next"')
    with saying(page) as url:
        assert registry.tags(ImageRef.parse(f"{url[7:]}/a/b:1"), {}, "docker") == ("a", "b", "a")


def test_a_good_answer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    for raw in (answer(GOOD), answer(gzip.compress(GOOD), "Content-Encoding: gzip")):
        with saying(raw) as url:
            found = Client(idle=60, total=60, max_bytes=1 << 20).ask("GET", url, {})
            assert (found.status, found.body) == (200, GOOD)


def _imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it, by their full names, and what it takes from them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            loads = called in ("import_module", "__import__")
            names |= {str(each.value) for each in node.args if loads and isinstance(each, ast.Constant)}
    return names


def _asks(path: Path) -> set[str]:
    return {name for name in _imported(path) if name in CLIENTS or name.partition(".")[0] in ("requests", "urllib3")}


@pytest.mark.attack
def test_nothing_is_asked_outside_of_the_one_reader() -> None:
    """A second way to the network would have none of these bounds: only one module may import a client of any kind."""
    found = {str(path.relative_to(ROOT)): _asks(path) for path in ROOT.rglob("*.py")}

    assert {name for name, clients in found.items() if clients} == {"http_client.py"}


@pytest.mark.parametrize(
    "planted",
    [
        "import requests",
        "def f():\n    from requests import get",
        "import urllib.request as u",
        "from urllib import request",
        "from http import client",
        "import importlib\nimportlib.import_module('requests')",
        "import socket\nsocket.create_connection(('x', 1))",
        "from socket import socket",
        "__import__('httpx')",
    ],
)
def test_a_second_way_to_the_network_is_found(planted: str, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(planted)

    assert _asks(tmp_path / "planted.py")


def test_what_a_run_does_not_ask_it_does_not_load() -> None:
    code = "import sys, ci_gpu.pipeline; sys.exit('requests' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
