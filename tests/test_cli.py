"""The program as its users start it: words, files and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import module
from tests.processes import ends, written

module("torch")

LOCAL = ("run", "--engine", "local", "--device", "cpu")


def start(*arguments: str, cwd: Path, **env: str) -> subprocess.Popen[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("CI_GPU_", "GITHUB_"))}
    return subprocess.Popen(
        (sys.executable, "-m", "ci_gpu", *arguments),
        cwd=cwd,
        env={**clean, **env},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ci_gpu(*arguments: str, cwd: Path, **env: str) -> tuple[int, str, str]:
    process = start(*arguments, cwd=cwd, **env)
    stdout, stderr = process.communicate(timeout=300)
    return process.returncode, stdout, stderr


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str, str]:
    """All checks of ours on this interpreter's torch, once for all tests of what comes of it."""
    folder = tmp_path_factory.mktemp("whole-run")
    return folder, *ci_gpu(*LOCAL, "--report-dir", "report", cwd=folder)


def test_a_run_on_the_cpu_may_pass_and_says_in_its_first_line_that_no_gpu_was_checked(
    whole_run: tuple[Path, int, str, str],
) -> None:
    _, code, stdout, stderr = whole_run

    assert code == 0, stdout + stderr
    assert "NO GPU" in stdout.splitlines()[0].upper()


def test_all_reports_are_written_and_each_says_so_first(whole_run: tuple[Path, int, str, str]) -> None:
    report = whole_run[0] / "report"

    assert sorted(path.name for path in report.iterdir()) == ["junit.xml", "report.html", "run.json", "summary.md"]
    for path in report.iterdir():
        assert "NO GPU" in path.read_text()[:6000].upper(), path


def test_progress_is_told_in_timed_lines_where_there_is_no_terminal(whole_run: tuple[Path, int, str, str]) -> None:
    assert "✓ autograd.polynomial passed in" in whole_run[3]


def test_a_run_told_again_from_its_file_is_the_same(whole_run: tuple[Path, int, str, str]) -> None:
    folder = whole_run[0]
    code, stdout, stderr = ci_gpu("report", "report/run.json", "--format", "markdown", cwd=folder)

    assert code == 0, stderr
    assert stdout.strip() == (folder / "report/summary.md").read_text().strip()


def test_the_verdict_of_a_file_is_made_anew(whole_run: tuple[Path, int, str, str], tmp_path: Path) -> None:
    document = json.loads((whole_run[0] / "report/run.json").read_text())
    document["images"][0]["results"][0]["outcome"] = "failed"
    (tmp_path / "forged.json").write_text(json.dumps(document))
    _, stdout, _ = ci_gpu("report", "forged.json", "--format", "json", cwd=tmp_path)

    assert document["verdict"]["exit_code"] == 0
    assert json.loads(stdout)["verdict"]["exit_code"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run",), "no image was named"),
        (("run", "A B"), "not an image reference"),
        (("run", "--gpus", "x y", "a/b"), "--gpus cannot be"),
        (("run", "--no-such-option", "a/b"), "No such option"),
        (("run", "--config", "absent.toml"), "cannot be read"),
        (("report", "absent.json", "--format", "junit"), "cannot be read"),
        (("report", "absent.json", "--format", "sonnet"), "no report format"),
        (("comment", "absent.json"), "cannot be read"),
        (("no-such-command",), "No such command"),
    ],
)
def test_a_mistake_of_the_user_s_is_exit_2_and_one_clear_error(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    code, _, stderr = ci_gpu(*arguments, cwd=tmp_path)

    assert code == 2
    assert says in stderr
    assert "Traceback" not in stderr


def test_an_image_that_is_wrong_is_exit_1_with_what_failed_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/planted.py").write_text(
        "from ci_gpu.payload import Fail\n"
        "def check_fault(device):\n"
        '    """A fault is found."""\n'
        '    raise Fail("the product is off by 1 %", "do not merge this")\n'
    )
    code, stdout, _ = ci_gpu(*LOCAL, "--checks-dir", "mine", "--checks", "planted", cwd=tmp_path)

    assert code == 1
    assert "planted.fault" in stdout
    assert "the product is off by 1 %" in stdout
    assert "do not merge this" in stdout


def test_options_come_from_the_environment_too(tmp_path: Path) -> None:
    env = {"CI_GPU_ENGINE": "local", "CI_GPU_DEVICE": "cpu", "CI_GPU_CHECKS": "autograd.polynomial", "CI_GPU_GPUS": ""}
    code, stdout, stderr = ci_gpu("run", "--json", "run.json", cwd=tmp_path, **env)

    assert code == 0, stdout + stderr
    assert json.loads((tmp_path / "run.json").read_text())["images"][0]["planned"] == ["autograd.polynomial"]


LOSSY = """
import torch
exact = torch.Tensor.__matmul__
def ten_bits(x):
    return ((x.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)
torch.Tensor.__matmul__ = lambda a, b: exact(ten_bits(a), ten_bits(b)) if a.dtype == torch.float32 else exact(a, b)

def check_now(device):
    \"\"\"float32 products, where torch is as on a GPU with TF32.\"\"\"
    from ci_gpu.payload.checks import matmul
    return matmul.check_float32(device)
"""


@pytest.mark.parametrize(
    ("option", "file", "code"),
    [
        (("--tf32", "allow"), "", 0),
        ((), '[run]\ntf32 = "allow"', 0),
        (("--tf32", "forbid"), '[run]\ntf32 = "allow"', 1),
        ((), "", 1),
        (("--tf32", "perhaps"), "", 2),
    ],
)
def test_what_is_said_of_tf32_reaches_the_image(option: tuple[str, ...], file: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "lossy.py").write_text(LOSSY)
    (tmp_path / "ci-gpu.toml").write_text(file)
    found, stdout, _ = ci_gpu(*LOCAL, "--checks-dir", "mine", "--checks", "lossy", *option, cwd=tmp_path)

    assert found == code, stdout
    assert ("TF32" in stdout) == (code < 2)


def test_a_report_that_cannot_be_written_is_exit_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, stderr = ci_gpu(*LOCAL, "--checks", "autograd.polynomial", "--json", "file/run.json", cwd=tmp_path)

    assert code == 2
    assert "cannot be written" in stderr


def test_checks_lists_what_each_proves(tmp_path: Path) -> None:
    code, stdout, _ = ci_gpu("checks", cwd=tmp_path)

    assert code == 0
    assert "autograd.polynomial" in stdout


def test_completion_for_a_shell(tmp_path: Path) -> None:
    code, stdout, _ = ci_gpu(cwd=tmp_path, _CI_GPU_COMPLETE="bash_source")

    assert code == 0
    assert "complete" in stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interruption_is_exit_130_and_nothing_is_left(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/slow.py").write_text(
        "import pathlib, os, time\n"
        "def check_slow(device):\n"
        '    """Hangs."""\n'
        f"    pathlib.Path({str(tmp_path / 'pid')!r}).write_text(f'{{os.getpid()}}\\n')\n"
        "    time.sleep(600)\n"
    )
    process = start(*LOCAL, "--checks-dir", "mine", "--checks", "slow", cwd=tmp_path)
    (pid,) = written(tmp_path / "pid", process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=300)

    assert process.returncode == 130
    assert "interrupted" in stderr
    assert ends(pid)


def test_a_host_that_is_killed_takes_its_guest_with_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/slow.py").write_text(
        "import pathlib, os, time\n"
        "def check_slow(device):\n"
        '    """Hangs."""\n'
        f"    pathlib.Path({str(tmp_path / 'pid')!r}).write_text(f'{{os.getpid()}} {{os.getppid()}}\\n')\n"
        "    time.sleep(600)\n"
    )
    process = start(*LOCAL, "--checks-dir", "mine", "--checks", "slow", cwd=tmp_path)
    pids = written(tmp_path / "pid", process)
    process.kill()
    process.communicate()

    assert all(ends(pid) for pid in pids)


FAILS = """
from ci_gpu import cli
from ci_gpu.errors import ConfigError, GitHubError, ImageError, RunnerError

def fail(**_):
    raise ERROR

cli.cli.main = fail
cli.main()
"""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("ConfigError('what', why='why', remedy='remedy')", 2),
        ("RunnerError('what', why='why', remedy='remedy')", 3),
        ("ImageError('what', why='why', remedy='remedy')", 4),
        ("GitHubError('what', why='why', remedy='remedy')", 5),
        ("KeyboardInterrupt()", 130),
        ("ZeroDivisionError('a bug')", 70),
    ],
)
def test_every_way_out_has_its_code(error: str, code: int) -> None:
    """In a process of its own: the program's streams and signals are those of its process."""
    done = subprocess.run((sys.executable, "-c", FAILS.replace("ERROR", error)), capture_output=True, text=True)

    assert done.returncode == code
    assert ("why: why" in done.stderr) is (code in (2, 3, 4, 5))
    assert ("Traceback" in done.stderr) is (code == 70)


STEADY = """
from ci_gpu.payload import Metric

def check_count(device):
    \"\"\"A count that is the same each time.\"\"\"
    yield Metric("count", "1", "lower", (4.0,), exact=True)
"""


def test_two_interpreters_are_compared_without_a_container(tmp_path: Path) -> None:
    """Itself under two names: nothing differs, and each name stands for its own arm."""
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks/steady.py").write_text(STEADY)
    chosen = ("--checks-dir", "checks", "--checks", "steady", "--pairs", "2", "--json", "run.json")
    code, stdout, stderr = ci_gpu(*LOCAL, sys.executable, "--baseline", "local", *chosen, cwd=tmp_path)
    trial = json.loads((tmp_path / "run.json").read_text())["trial"]

    assert code == 0, stdout + stderr
    assert (trial["base"], trial["head"]) == ("local", sys.executable)
    assert re.fullmatch("(AB|BA){2}", trial["order"]), "drawn for each pair"
    assert {one["metric"]: one["verdict"] for one in trial["metrics"]}["steady.count/count"] == "unchanged"
    _, again, _ = ci_gpu("report", "run.json", "--format", "json", cwd=tmp_path)
    assert json.loads(again) == json.loads((tmp_path / "run.json").read_text())


def test_a_bound_holds_in_a_plain_run_and_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks/steady.py").write_text(STEADY)
    (tmp_path / "ci-gpu.toml").write_text('[metrics."steady.*"]\nceiling = "3 1"\n')
    chosen = ("--checks-dir", "checks", "--checks", "steady", "--json", "run.json")
    code, stdout, stderr = ci_gpu(*LOCAL, *chosen, cwd=tmp_path)
    _, told, _ = ci_gpu("report", "run.json", "--format", "json", cwd=tmp_path)
    (reason,) = json.loads(told)["verdict"]["reasons"]

    assert code == 1, stdout + stderr
    assert "4 1 is above the ceiling of 3 1" in stdout
    assert (reason["exit_code"], reason["message"]) == (1, "4 1 is above the ceiling of 3 1")


def test_calibrate_measures_this_interpreter_against_itself(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks/steady.py").write_text(STEADY)
    chosen = ("--checks-dir", "checks", "--checks", "steady", "--pairs", "3")
    argv = ("calibrate", "local", *LOCAL[1:], *chosen, "--history", "none")
    code, stdout, stderr = ci_gpu(*argv, cwd=tmp_path)

    assert code == 0, stdout + stderr
    assert "0 false alarms" in stdout


PLAINEST = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_MAX_CPU_ISA": "SSE41"}
"""As little as ATen and oneDNN can be told to take for the instructions of this processor."""


def test_no_check_of_values_is_red_on_the_plainest_processor(tmp_path: Path) -> None:
    values = "autograd,matmul.float64,matmul.float32,matmul.float16,matmul.bfloat16,matmul.identity"
    code, stdout, stderr = ci_gpu(*LOCAL, "--checks", values, "--json", "run.json", cwd=tmp_path, **PLAINEST)
    (image,) = json.loads((tmp_path / "run.json").read_text())["images"]

    assert code == 0, stdout + stderr
    assert {result["outcome"] for result in image["results"]} == {"passed"}
