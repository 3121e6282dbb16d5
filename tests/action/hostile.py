"""A checkout as a malicious pull request would leave it. Whatever of it is used leaves its name in a folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODULES = (
    "argparse", "certifi", "click", "ensurepip", "json", "msgspec", "pip", "requests", "rich", "site", "sitecustomize",
    "ssl", "sysconfig", "tomli", "tomllib", "torch", "usercustomize", "venv", "zipfile",
)  # fmt: skip
PACKAGES = ("ci_gpu", "ci_gpu/payload", "ensurepip_", "pip_vendor")
PROGRAMS = ("python", "python3", "python3.13", "pip", "docker", "podman", "mktemp", "rm")


class Trap:
    """The canaries: files that planted code makes, and requests that planted configuration sends."""

    def __init__(self, folder: Path, index: str, requests: list[str]) -> None:
        self.folder, self.index, self.requests = folder, index, requests

    def sprung(self) -> set[str]:
        """What of the checkout was used since the last call."""
        names = {path.name for path in self.folder.iterdir()} | {f"index: {path}" for path in self.requests}
        for path in self.folder.iterdir():
            path.unlink()
        self.requests.clear()
        return names


@contextmanager
def trap(folder: Path) -> Iterator[Trap]:
    """A folder for canaries, and a package index on loopback that is asked only by what obeys the checkout."""
    requests: list[str] = []

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Silence."""

    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Trap(folder, f"http://127.0.0.1:{server.server_port}/simple", requests)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def checkout(folder: Path, set_trap: Trap) -> Path:
    """The checkout, full of what an unwary step would run or obey."""
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(_python(set_trap, f"{name}.py"))
    for name in PACKAGES:
        (folder / name).mkdir()
        for file in ("__init__.py", "__main__.py", "cli.py"):
            (folder / name / file).write_text(_python(set_trap, name.replace("/", ".")))
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\n: > '{set_trap.folder}/program {name}'\nexit 1\n")
        (folder / name).chmod(0o755)
    _configuration(folder, set_trap)
    return folder


def _configuration(folder: Path, set_trap: Trap) -> None:
    index = set_trap.index
    for name in ("pip.conf", "pip.ini", ".config/pip/pip.conf", ".pip/pip.conf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"[global]\nindex-url = {index}\n")
    (folder / "uv.toml").write_text(f'index-url = "{index}"\n')
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "evil"\nversion = "1"\n[tool.uv]\nindex-url = "{index}"\n'
    )
    (folder / "requirements.lock").write_text(f"--index-url {index}\nevil==1.0\n")
    (folder / ".env").write_text(f"PIP_INDEX_URL={index}\nCI_GPU_DEVICE=cpu\nPYTHONPATH=.\n")
    (folder / "pyvenv.cfg").write_text("home = .\n")


def _python(set_trap: Trap, name: str) -> str:
    return f"open({str(set_trap.folder / name)!r}, 'w').close()\n"
