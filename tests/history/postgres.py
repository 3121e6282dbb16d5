"""A PostgreSQL of our own: a fresh cluster in a temporary folder, on a socket there and no port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import unavailable


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of its database. As root it runs as the user postgres, because it refuses root."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        unavailable("postgresql is not installed")
    binaries, folder = programs[-1].parent, Path(tempfile.mkdtemp(prefix="ci-gpu-pg-"))
    prefix = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
    if prefix:
        shutil.chown(folder, "postgres")
    data = str(folder / "data")

    def run(*command: str) -> None:
        subprocess.run((*prefix, *command), check=True, stdout=subprocess.DEVNULL, cwd=folder)

    try:
        run(str(binaries / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C.UTF-8")
        options = f"-k {folder} -c listen_addresses= -c max_connections=60"
        run(str(binaries / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            run(str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
