"""A pull goes on while anything comes, however slowly; programs of this machine stand for the engines' clients."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ci_gpu import fetch, pull
from ci_gpu.errors import RunnerError
from ci_gpu.fetch import Fetched
from ci_gpu.model import ImageRef

# podman 4.3 without a terminal prints a line when a layer begins and one when it is there, and moves the bytes itself.
MOVES = """
import os
print("Copying blob sha256:1", flush=True)
nothing, null = open("/dev/zero", "rb"), open("/dev/null", "wb")
while not os.path.exists("enough"):
    null.write(nothing.read(1 << 20))
print("Copying blob sha256:1 done")
"""

# docker 28 tells the bytes of a layer to a terminal alone, and writes each such line over the one before.
TELLS = """
import os, sys, time
assert sys.stdout.isatty()
done = 0
while not os.path.exists("enough"):
    done += 1
    sys.stdout.write(f"\\x1b[1A\\x1b[2K\\rabc: Downloading {done}kB/5GB\\r\\x1b[1B")
    sys.stdout.flush()
    time.sleep(0.01)
sys.stdout.write("abc: Pull complete\\n")
sys.stderr.write("Error: told apart\\n")
"""

STANDS = """
import time
while True:
    print("abc: Downloading 12.1MB/5GB", flush=True)
    time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def _soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fetch, "SILENCE_SECONDS", 3.0)
    monkeypatch.setattr(fetch, "LOOK_SECONDS", 0.5)


class Teller:
    """Counts what is told, and says when it is enough: three times as long as a silence may be."""

    def __init__(self, enough: int = 18) -> None:
        self.told: list[str] = []
        self._enough = enough

    def __call__(self, text: str) -> None:
        self.told.append(text)
        if len(self.told) >= self._enough:
            Path("enough").touch()


def conducted(source: str, told: Teller, *, terminal: bool = False) -> Fetched:
    argv = (sys.executable, "-c", source)
    return fetch.conduct(argv, os.environ, told, lambda _: None, terminal=terminal)


def test_a_pull_that_says_nothing_goes_on_as_long_as_bytes_move() -> None:
    done = conducted(MOVES, told := Teller())

    assert done == Fetched(code=0, said="Copying blob sha256:1\nCopying blob sha256:1 done")
    assert sum("MB read and written so far" in text for text in told.told) >= 15


def test_a_pull_that_tells_bytes_to_a_terminal_goes_on() -> None:
    done = conducted(TELLS, told := Teller(), terminal=True)

    assert (done.code, sorted(done.said.splitlines())) == (0, ["Error: told apart", "abc: Pull complete"])
    assert all(text.startswith("abc: Downloading ") for text in told.told[:15])


@pytest.mark.attack
@pytest.mark.parametrize("terminal", [False, True])
def test_a_registry_that_keeps_the_connection_and_sends_nothing_ends_the_pull(terminal: bool) -> None:
    """A registry sends a part of a layer and then nothing, while the engine repeats its last word.

    The job would wait to its own end. A word is new or none, and bytes count from one MiB on.
    """
    done = conducted(STANDS, told := Teller(), terminal=terminal)

    assert done.code is None
    assert told.told == ["abc: Downloading 12.1MB/5GB"]


def test_a_silence_is_told_while_it_lasts() -> None:
    done = conducted("import time; time.sleep(1000)", told := Teller())

    assert done.code is None
    assert told.told
    assert all("given up after 3 s" in text for text in told.told)


# podman makes a folder storage* for what comes (containers/image, storage_dest.go), and leaves it when it is killed.
PODMAN = """#!/bin/sh
[ "$1" = pull ] || exit 125
mkdir "${TMPDIR:-/var/tmp}/storage4711"
echo "Copying blob" >&2
exec sleep 3600
"""


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/podman").write_text(PODMAN)
    (tmp_path / "bin/podman").chmod(0o755)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return {"TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path), "CONTAINERS_CONF": str(tmp_path / "conf")}


def pulled(env: dict[str, str]) -> RunnerError:
    ref = ImageRef.parse("localhost:1/a/b:1")
    with pytest.raises(RunnerError) as caught:
        pull.pull("podman", ref, policy="always", platform="", env=env, on_progress=lambda _: None)
    return caught.value


def test_what_a_pull_of_podman_s_leaves_is_removed_when_it_is_given_up(podman: dict[str, str]) -> None:
    error = pulled(podman)

    assert (error.kind, error.exit_code) == ("pull-stalled", 3)
    assert "nothing came for 3 s (the last word was: Copying blob)" in error.what
    assert list(Path(podman["TMPDIR"]).iterdir()) == []


def test_a_place_that_containers_conf_names_is_left_alone(podman: dict[str, str]) -> None:
    Path(podman["CONTAINERS_CONF"]).write_text('[engine]\nimage_copy_tmp_dir = "/big"\n')
    pulled(podman)

    assert [path.name for path in Path(podman["TMPDIR"]).iterdir()] == ["storage4711"]
