"""GitHub's own OpenAPI description, held by Prism between ci-gpu and the stub: no wrong question, no wrong answer.

Both come from npm, once, into the cache folder. Of the description only the paths that are asked for are kept: Prism
needs minutes for all of it.
"""

from __future__ import annotations

import copy
import fcntl
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.action.github import GitHub, serve
from tests.containers.ground import free_port, wait_for
from tests.containers.images import CACHE
from tests.needs import program, unavailable

PACKAGES = ("@stoplight/prism-cli@5.16.0", "@octokit/openapi@23.0.2")
FOLDER = CACHE / "prism-5.16.0-openapi-23.0.2"
PATHS = (
    "/user",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls",
    "/repos/{owner}/{repo}/git/ref/{ref}",
    "/repos/{owner}/{repo}/git/refs",
    "/repos/{owner}/{repo}/git/refs/{ref}",
    "/repos/{owner}/{repo}/git/blobs",
    "/repos/{owner}/{repo}/git/blobs/{file_sha}",
    "/repos/{owner}/{repo}/git/trees",
    "/repos/{owner}/{repo}/git/trees/{tree_sha}",
    "/repos/{owner}/{repo}/git/commits",
    "/repos/{owner}/{repo}/git/commits/{commit_sha}",
)


def description() -> dict[str, Any]:
    """The paths of ours, with everything that they refer to."""
    _install()
    whole = json.loads((FOLDER / "node_modules/@octokit/openapi/generated/api.github.com.json").read_text())
    part = {key: whole[key] for key in ("openapi", "info")} | {"paths": {path: whole["paths"][path] for path in PATHS}}
    part["components"] = _referred(whole, part["paths"])
    return part


def example(description: dict[str, Any]) -> dict[str, Any]:
    """GitHub's own example of an issue comment."""
    return dict(description["components"]["examples"]["issue-comment"]["value"])


def pull_request(description: dict[str, Any], number: int, sha: str) -> dict[str, Any]:
    """GitHub's own example of an open pull request, with another number and head, and without what is stale in it."""
    found = copy.deepcopy(description["components"]["examples"]["pull-request-simple-items"]["value"][0])
    found["number"], found["head"]["sha"] = number, sha
    found["requested_teams"] = []
    return dict(found)


def one_pull_request(description: dict[str, Any], sha: str) -> dict[str, Any]:
    """GitHub's own example of what it says of one, with another head."""
    found = copy.deepcopy(description["components"]["examples"]["pull-request"]["value"])
    found["head"]["sha"] = sha
    found["requested_teams"] = []
    return dict(found)


@contextmanager
def github(folder: Path) -> Iterator[GitHub]:
    """The stub behind the description: its `url` is where GitHub is asked."""
    known = description()
    with serve(example(known)) as state, proxy(known, state.url, folder) as url:
        state.url = url
        state.pull = one_pull_request(known, "1" * 40)
        yield state


@contextmanager
def proxy(description: dict[str, Any], upstream: str, folder: Path) -> Iterator[str]:
    """The address at which GitHub, or what stands for it, is asked and answers by the book."""
    file, log, port = folder / "github.json", folder / "prism.log", free_port()
    file.write_text(json.dumps(description))
    argv = (program("node"), str(FOLDER / "node_modules/.bin/prism"), "proxy", str(file), upstream, "--errors")
    with log.open("w") as output:
        process = subprocess.Popen((*argv, "--host", "127.0.0.1", "--port", str(port)), stdout=output, stderr=output)
    try:
        wait_for(lambda: "Prism is listening" in log.read_text(), "Prism", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _install() -> None:
    npm = program("npm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (FOLDER / "done").exists():
            return
        argv = (npm, "install", "--prefix", str(FOLDER), "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES)
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            unavailable(f"npm cannot install Prism: {done.stderr[-500:]}")
        (FOLDER / "done").touch()


def _referred(whole: dict[str, Any], start: Any) -> dict[str, dict[str, Any]]:
    """What ``start`` refers to, and what that refers to."""
    found: dict[str, dict[str, Any]] = {}
    open_texts = [json.dumps(start)]
    while open_texts:
        for kind, name in re.findall(r'"#/components/([\w-]+)/([^"]+)"', open_texts.pop()):
            if name not in found.setdefault(kind, {}):
                found[kind][name] = whole["components"][kind][name]
                open_texts.append(json.dumps(found[kind][name]))
    return found
