"""What a test needs of the machine: a skip with the reason for a user, a failure with CI_GPU_TESTS=require."""

from __future__ import annotations

import importlib
import os
import shutil
from typing import Any, NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """The test cannot run here: a skip for a user, a failure where everything was promised to run."""
    if os.environ.get("CI_GPU_TESTS") == "require":
        pytest.fail(f"cannot run although CI_GPU_TESTS=require: {reason}")
    pytest.skip(reason, allow_module_level=True)


def module(name: str, distribution: str = "") -> Any:
    """A module of a package that only some tests need."""
    try:
        return importlib.import_module(name)
    except ImportError:
        unavailable(f"the package {distribution or name} is not installed")


def program(name: str) -> str:
    """The path of a program on this machine."""
    return shutil.which(name) or unavailable(f"{name} is not installed")
