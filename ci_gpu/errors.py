"""Every way in which a run cannot go on, and its exit code.

    CiGpuError
    ├── IncompatibleError  1  the image cannot even start on this runner's driver: a verdict on the image
    ├── ConfigError     2    the user's mistake: option, file, image name
    ├── RunnerError     3    the runner: no engine, no GPU passed through, pull failed
    ├── ImageError      4    the image gave no valid answer: no Python, no torch, damaged events
    └── GitHubError     5    GitHub refused what was asked of it
    Interrupted       130    Ctrl-C, SIGTERM or SIGHUP; the containers are gone, or named

Exit 0 is a verdict, and so is 1 where a check said it. Exit 70 is any other exception: our bug.
"""

from __future__ import annotations

from typing import ClassVar

INTERNAL_ERROR = 70


class CiGpuError(Exception):
    """A letter to the user: what happened, why it usually happens, what to try.

    ``kind`` is a stable, kebab-case word for machines (``tag-not-found``); the rest is for people.
    """

    exit_code: ClassVar[int]

    def __init__(self, what: str, *, why: str = "", remedy: str = "", kind: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.kind = kind or self.default_kind

    default_kind: ClassVar[str]


class ConfigError(CiGpuError):
    """An option, a file or a name that cannot mean anything."""

    exit_code = 2
    default_kind = "configuration"


class IncompatibleError(CiGpuError):
    """The container toolkit refused to start the image on this driver, before any check could say so."""

    exit_code = 1
    default_kind = "incompatible"


class RunnerError(CiGpuError):
    """The machine that runs the image is at fault, so nothing is known of the image."""

    exit_code = 3
    default_kind = "runner"


class ImageError(CiGpuError):
    """The image started, or should have, and gave no valid answer."""

    exit_code = 4
    default_kind = "image"


class GitHubError(CiGpuError):
    """GitHub refused, and the user had asked for more than a warning."""

    exit_code = 5
    default_kind = "github"


class Interrupted(KeyboardInterrupt):
    """A signal. Like KeyboardInterrupt, so that no `except Exception` can swallow it.

    ``left`` names the containers that are there still, because the engine did not remove them.
    """

    exit_code = 130

    def __init__(self, *args: object, left: tuple[str, ...] = ()) -> None:
        super().__init__(*args)
        self.left = left
