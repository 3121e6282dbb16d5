"""The options that several commands share, and what becomes of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ci_gpu.document import Document

FORMATS = ("junit", "json", "html", "markdown")
FILES = {"junit": "junit.xml", "json": "run.json", "html": "report.html", "markdown": "summary.md"}


def settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that are settings: absent means that ci-gpu.toml, then the default, decides."""
    for name, metavar, text in reversed(_SETTINGS):
        option = click.option(f"--{name}", metavar=metavar, envvar=envvar(name), help=text)
        command = option(command)
    return command


def envvar(name: str) -> str:
    """The variable that stands for an option."""
    return f"CI_GPU_{name.upper().replace('-', '_')}"


_SETTINGS = (
    ("engine", "auto|docker|podman|local", "What runs the image; local is this interpreter, without a container."),
    ("gpus", "all|none|0,1|0:1|UUID…", "The GPUs that the image gets.  [default: all]"),
    ("gpu-mode", "auto|cdi|gpus|runtime", "How the engine hands GPUs over; auto tries what may work.  [default: auto]"),
    ("device", "auto|cuda|cpu", "What the checks use; auto is cuda where there is any sign of a GPU.  [default: auto]"),
    ("checks", "LIST", "Families or ids, separated by commas; see `ci-gpu checks`.  [default: all]"),
    ("checks-dir", "DIR", "A folder with your own checks, sent into the image along with ours."),
    ("pull", "missing|always|never", "When to pull the image.  [default: missing]"),
    ("platform", "linux/ARCH", "The platform to pull.  [default: this machine's]"),
    ("timeout", "SECONDS", "Time for each check.  [default: as its file says, else 300]"),
    ("python", "PATH", "The interpreter inside the image.  [default: python3, then conda's, then python]"),
    ("entrypoint", "image|none", "Run through the image's ENTRYPOINT, as its users do, or past it.  [default: image]"),
    ("user", "UID:GID", "The user inside the container.  [default: the image's]"),
    ("group-add", "none|GID,…|keep-groups", "More groups inside, such as that of /dev/nvidia*.  [default: none]"),
    ("selinux-label", "keep|disable", "Whether SELinux confines the container.  [default: keep]"),
    ("network", "none|bridge", "The container's network.  [default: none]"),
    ("memory", "SIZE", "Memory of the container, such as 32g.  [default: no limit]"),
    ("cpus", "NUMBER", "CPUs of the container.  [default: no limit]"),
    ("shm-size", "SIZE", "Size of /dev/shm.  [default: 2g]"),
    ("tmp-size", "SIZE", "Size of the writable /tmp.  [default: 16g]"),
    ("pids-limit", "NUMBER", "Processes and threads in the container.  [default: 4096]"),
    ("memlock", "SIZE|unlimited", "Memory that may be locked, for RDMA.  [default: the engine's]"),
    ("stack", "SIZE", "Stack of a thread, such as 64m.  [default: the engine's]"),
    ("tf32", "forbid|declared|allow", "Whether float32 products may be in TF32.  [default: declared, by a variable]"),
    ("baseline", "IMAGE", "Measure this image in turn with the other, and judge the difference."),
    ("pairs", "NUMBER", "Pairs of processes, twice as many where it is not clear by then.  [default: 6]"),
    ("min-effect", "SHARE", "The smallest change that matters, such as 3%.  [default: 2%, more for noisy metrics]"),
    ("inconclusive", "pass|warn|fail", "What a metric without an answer does to the gate.  [default: warn]"),
    ("selftest-slowdown", "SHARE", "Slow the image down on purpose, to see that it is noticed."),
    ("registry", "HOST", "The one registry that gets user and password.  [default: that of the first IMAGE]"),
    ("registry-username", "NAME", "Log in to that registry; the password is read from CI_GPU_REGISTRY_PASSWORD."),
)


def reports(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where to write which report."""
    path = click.Path(dir_okay=False, path_type=Path)
    for name in reversed(FORMATS):
        option = click.option(f"--{name}", metavar="PATH", type=path, envvar=envvar(name), help=f"Write {FILES[name]}.")
        command = option(command)
    folder = click.Path(file_okay=False, path_type=Path)
    return click.option(
        "--report-dir", metavar="DIR", type=folder, envvar="CI_GPU_REPORT_DIR", help="Write all of these into a folder."
    )(command)


def comments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whether to comment, and under which key."""
    command = click.option(
        "--comment-key", metavar="KEY", envvar="CI_GPU_COMMENT_KEY", help="One comment a key.  [default: the workflow]"
    )(command)
    return click.option(
        "--comment",
        "comment_when",
        metavar="auto|always|never",
        type=click.Choice(["auto", "always", "never"]),
        default="never",
        envvar="CI_GPU_COMMENT",
        help="Comment on the pull request of this workflow run.  [default: never]",
    )(command)


def history(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where to keep the metrics."""
    text = "Keep the metrics: git, sqlite:///FILE, postgresql://…, or none."
    return click.option("--history", "url", metavar="URL", envvar="CI_GPU_HISTORY", default="none", help=text)(command)


def document(file: Path | None) -> Document:
    """The ci-gpu.toml that counts here; how it was found is told where a person should know."""
    from ci_gpu import console, sources
    from ci_gpu.reports import printable

    token = os.environ.get("CI_GPU_GITHUB_TOKEN") or os.environ.get("GITHUB_TOKEN", "")
    found = sources.find(file, os.environ, token)
    if found.note:
        console.say(f"ci-gpu: {printable(found.note)}")
    return found.document


def paths(report_dir: Path | None, given: dict[str, Any]) -> dict[str, Path]:
    """Format to file; takes the report options out of ``given``."""
    chosen = {name: given.pop(name) for name in FORMATS}
    folder = {name: report_dir / FILES[name] for name in FORMATS} if report_dir else {}
    return folder | {name: path for name, path in chosen.items() if path}
