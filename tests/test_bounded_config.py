"""Files and options that are made to exhaust ci-gpu: each ends as a user's mistake, at once and with little memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ci_gpu import catalogue, policy
from ci_gpu.config import targets
from ci_gpu.errors import ConfigError

IMAGE = "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime"
_KINDS = (
    *("array", "table", "header", "key", "quoted", "digits", "hexadecimal"),
    *("share", "float", "bytes", "images", "name"),
)
DIGITS = "9" * 5_000


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.attack
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = " + "[" * 5_000, "nested more than 16 deep"),
        ("a = " + "{a=" * 5_000, "nested more than 16 deep"),
        ("[" + "a." * 2_000 + "a]\n", "key of more than 16 parts"),
        ("a . " * 2_000 + "a = 1\n", "key of more than 16 parts"),
        ('"a".' * 2_000 + "a = 1\n", "key of more than 16 parts"),
        (f"[run]\ntimeout = {DIGITS}\n", "cannot be read|wrong type"),
        (f"[run]\ntimeout = 0x{'f' * 5_000}\n", "more than 64 bits"),
        (f"[metrics.'*']\nmin-effect = 0x{'f' * 5_000}\n", "more than 64 bits"),
        ("[run]\ntimeout = 1e400\n", "wrong type"),
        ("# " + "a" * (256 << 10), "too big"),
        ("".join(f"[images.a{number}]\n" for number in range(101)), "names 101 images"),
        ("[run]\n" + f'"{"k" * 100_000}" = 1\n', "unknown key"),
    ],
    ids=_KINDS,
)
def test_a_file_that_is_beyond_all_bounds_is_refused_before_it_is_read(text: str, says: str) -> None:
    """A pull request brings a ci-gpu.toml of nested tables, of keys with thousands of parts, or of thousands of images.

    Reading it took gigabytes or minutes, or ended as a bug of ours. Bytes, depth and images are bounded first.
    """
    Path("ci-gpu.toml").write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        targets((IMAGE,), {}, None)

    assert caught.value.exit_code == 2
    assert len(caught.value.what) < 400


@pytest.mark.attack
def test_the_longest_key_that_a_file_has_room_for_takes_little_memory() -> None:
    """A pull request brings a ci-gpu.toml with one dotted key of 60 kB, which a parser takes 5 GB for.

    The runner would be out of memory. The parts of a key are counted before it is parsed.
    """
    Path("ci-gpu.toml").write_text("a." * 30_000 + "a = 1\n")
    limit = 1 << 30
    done = subprocess.run(
        (sys.executable, "-m", "ci_gpu", "run", "a/b"),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )

    assert done.returncode == 2, done.stderr
    assert "key of more than 16 parts" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        '[metrics."a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t/*"]\nfloor = "1 s"\n',
        f"{'# [[[[[[[[[[[[[[[[[[[[ a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r'}\n[metrics.a]\n",
        "[run]\nchecks = ['a.b', \"\"\"[[[[[[[[[[[[[[[[[[\"\"\", '''{{{{{{{{{{{{{{{{{{''']\n",
    ],
)
def test_what_stands_in_a_text_or_a_comment_is_not_counted(text: str) -> None:
    Path("ci-gpu.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"covers no metric|there is no check"):
        targets((IMAGE,), {}, None)


@pytest.mark.attack
@pytest.mark.parametrize("value", [DIGITS, "1e9", "-1", "0x10", "٣", "9" * 30, "1 000"])
@pytest.mark.parametrize("name", ["timeout", "pairs", "pids_limit"])
def test_a_number_that_cannot_be_meant_is_a_mistake(name: str, value: str) -> None:
    """A variable of the job holds a number of thousands of digits, or one in other digits.

    It would end as a bug of ours. Each number is read with its bounds.
    """
    with pytest.raises(ConfigError) as caught:
        targets((IMAGE,), {name: value, "baseline": IMAGE}, None)

    assert len(caught.value.what) < 400


@pytest.mark.attack
@pytest.mark.parametrize(
    "source",
    [
        f"TIMEOUT = {DIGITS}\n",
        f"TIMEOUT = 0x{'f' * 5_000}\n",
        "TIMEOUT = 0\n",
        "TIMEOUT = True\n",
        "TIMEOUT = 100_000\n",
        f"a = {'-' * 100_000}1\n",
        f"a = {'(' * 100_000}1\n",
        f"a = {'+'.join('1' * 50_000)}\n",
        f"a = b{'.c' * 50_000}\n",
        "\0",
    ],
    ids=["digits", "hex", "zero", "true", "days", "minus", "brackets", "sum", "attributes", "nul"],
)
def test_a_file_of_checks_that_nobody_can_read_is_a_mistake(source: str) -> None:
    """A pull request brings a file of checks with an expression of 50,000 levels, or a TIMEOUT of 5,000 digits.

    It would end as a bug of ours. What Python cannot parse, and a TIMEOUT beyond a day, is the file's mistake.
    """
    with pytest.raises(ConfigError) as caught:
        catalogue.read({"mine": f"{source}\ndef check_one(device): ...\n"})

    assert caught.value.exit_code == 2
    assert "mine.py" in caught.value.what
    assert len(caught.value.what) < 400


@pytest.mark.attack
def test_as_many_patterns_as_may_be_are_known_or_unknown_within_a_moment() -> None:
    """A pull request brings 250 patterns of 200 characters, and a folder of checks that none of them fits.

    Comparing them took many seconds. Each is followed along the names of the checks once.
    """
    checks = [f"{'a' * 30}{number}.{'b' * 30}" for number in range(50)]
    patterns = [f"z{number}" + "[ab]" * 49 for number in range(100, 350)]
    begun = time.process_time()
    with pytest.raises(ConfigError, match="covers no metric"):
        policy.require_known(patterns, checks)

    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "arguments", [("run", "--engine", "local", "--device", "cpu"), ("checks",), ("run", "a/b"), ("history", "list")]
)
def test_a_folder_that_is_gone_is_told(arguments: tuple[str, ...], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ("sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', gone, sys.executable, "-m", "ci_gpu", *arguments),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )

    assert done.returncode == 2, done.stderr
    assert "the current folder cannot be read" in done.stderr
