"""Files of strangers are read within a limit; our own are written whole, or what was there stays."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ci_gpu import cli, files
from ci_gpu.cli import reading, running
from ci_gpu.errors import ConfigError
from ci_gpu.model import Summary
from tests import samples

NULL, FULL = 3, 7
"""Minor numbers of /dev/null and /dev/full."""


@pytest.fixture
def verdict(monkeypatch: pytest.MonkeyPatch) -> Summary:
    """What the run that is asked for finds, without the run."""
    summary = samples.red()
    monkeypatch.setattr(running, "examined", lambda *_, **__: summary)
    return summary


def blocked(monkeypatch: pytest.MonkeyPatch, path: Path, summary: Summary) -> None:
    """The run finds this summary, and while it goes on something takes the place of a file or a folder."""

    def examined(*_: object, **__: object) -> Summary:
        shutil.rmtree(path, ignore_errors=True)
        path.touch()
        return summary

    monkeypatch.setattr(running, "examined", examined)


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def ci_gpu(*arguments: str) -> int:
    code: int = cli.cli.main(list(arguments), prog_name="ci-gpu", standalone_mode=False)
    return code


def run(*arguments: str) -> int:
    return ci_gpu("run", "local", "--engine", "local", "--device", "cpu", *arguments)


def test_a_report_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.json"
    files.write(path, "one")
    files.write(path, "two")

    assert path.read_text() == "two"
    assert names(path.parent) == ["run.json"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.attack
@pytest.mark.parametrize("minor", [NULL, FULL])
def test_a_device_is_written_into_and_never_replaced(minor: int, verdict: Summary, tmp_path: Path) -> None:
    """A workflow, or a path in a pull request's file, names a device as a report. It would have been replaced by a
    regular file, on a machine that lives on. It is written into, and the verdict stands.
    """
    device = tmp_path / "device"
    try:  # of our own: a defence that fails must not cost this machine its /dev/null
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        device.open("w").close()
    except PermissionError:
        pytest.skip("this user cannot make devices here")

    assert run("--json", str(device)) == verdict.verdict.exit_code
    assert device.is_char_device()
    assert names(tmp_path) == ["device"]


@pytest.mark.attack
def test_a_named_pipe_is_written_into(tmp_path: Path) -> None:
    """A named pipe stands where a report is to be written. Its reader would have got nothing, and the pipe would have
    been gone. The report is written into it.
    """
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    files.write(pipe, "report")
    reader.join(60)

    assert heard == ["report"]
    assert pipe.is_fifo()


@pytest.mark.attack
def test_a_link_that_a_checkout_brings_is_not_followed(tmp_path: Path) -> None:
    """A pull request brings a link under the name of a report. The report would be written over the file that it points
    to. The link itself is replaced.
    """
    victim, link = tmp_path / "victim", tmp_path / "run.json"
    victim.write_text("precious")
    link.symlink_to(victim)
    files.write(link, "report")

    assert (victim.read_text(), link.read_text()) == ("precious", "report")


@pytest.mark.attack
def test_a_report_that_cannot_be_written_changes_no_verdict(
    tmp_path: Path, verdict: Summary, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image, or a neighbour, fills the disk, or the folder of the reports is not writable. A failing verdict would
    end as a mistake in usage, and unseen. The verdict's words and exit code stand, and the error is said beside them.
    """
    blocked(monkeypatch, tmp_path / "taken", verdict)
    code = run("--report-dir", str(tmp_path / "taken" / "reports"))
    said = capsys.readouterr()

    assert code == verdict.verdict.exit_code == 1
    assert "Failed (exit code 1)" in said.out
    assert "the json report cannot be written" in said.err


def test_one_report_that_cannot_be_written_keeps_no_other_from_it(
    tmp_path: Path, verdict: Summary, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked(monkeypatch, tmp_path / "taken", verdict)
    run("--report-dir", str(tmp_path / "there"), "--json", str(tmp_path / "taken" / "run.json"))

    assert {"junit.xml", "report.html", "summary.md"} <= set(names(tmp_path / "there"))


def test_a_green_verdict_whose_report_is_lost_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked(monkeypatch, tmp_path / "taken", samples.green())

    assert run("--json", str(tmp_path / "taken" / "run.json")) == 2


ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from ci_gpu import files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    files.write(Path(sys.argv[1]), "x" * 100_000)
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.attack
def test_a_full_disk_leaves_nothing_behind_and_what_was_there(tmp_path: Path) -> None:
    """The disk fills while a report is written. A half report, or a temporary file a run, would be left. What was there
    before is still there, and nothing beside it.
    """
    path = tmp_path / "run.json"
    path.write_text("before")
    done = subprocess.run([sys.executable, "-c", ON_A_FULL_DISK, path], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "File too large"
    assert names(tmp_path) == ["run.json"]
    assert path.read_text() == "before"


@pytest.mark.attack
@pytest.mark.parametrize("command", [("report", "--format", "junit"), ("comment",), ("history", "import")])
def test_an_endless_file_is_refused_after_its_limit(command: tuple[str, ...], tmp_path: Path) -> None:
    """Somebody hands over a report of gigabytes, or one that never ends. It would have been read as a whole before its
    limit was looked at. Reading ends at the limit, with an error that says so.
    """
    name, *rest = command
    store = ("--store", f"sqlite:///{tmp_path / 'h.db'}") if name == "history" else ()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError) as caught:
        ci_gpu(name, *rest, "/dev/zero", *store)

    assert caught.value.kind == "too-big"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 200_000  # kB


@pytest.mark.attack
def test_a_pipe_without_a_writer_is_empty_and_nothing_waits(tmp_path: Path) -> None:
    """A pull request's artifact, or its checkout, holds a named pipe instead of a report. Reading it would wait for
    ever. It is read as the empty file that it is.
    """
    os.mkfifo(tmp_path / "run.json")

    with pytest.raises(ConfigError) as caught:
        reading.summary_of(tmp_path / "run.json")
    assert caught.value.kind == "bad-report"


@pytest.mark.attack
@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"schema": 1, "trial": ' + '{"a":' * 200_000])
def test_a_deep_file_is_an_error_in_words(text: str, tmp_path: Path) -> None:
    """A report is nested a million deep. The reader would overflow its stack, which is our bug. It is refused as
    damaged.
    """
    (tmp_path / "run.json").write_text(text)

    with pytest.raises(ConfigError):
        reading.summary_of(tmp_path / "run.json")
    with pytest.raises(ConfigError):
        ci_gpu("history", "import", str(tmp_path / "run.json"), "--store", f"sqlite:///{tmp_path / 'h.db'}")


def test_what_is_piped_in_is_read(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"four")
    os.close(write)

    assert files.read(Path(f"/dev/fd/{read}"), 4, "") == b"four"
    os.close(read)
