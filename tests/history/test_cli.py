"""``ci-gpu history`` as a user meets it: the real program, its words and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ci_gpu.reports import json as json_report
from tests import samples
from tests.history import git_data, test_formats


def _ci_gpu(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    foreign = ("GITHUB_", "CI_GPU_", "COLUMNS")  # a process of pytest-xdist has a width
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    command = (sys.executable, "-m", "ci_gpu", "history", *arguments)
    return subprocess.run(command, env={**clean, **env}, capture_output=True, text=True, timeout=60)


RUN_AND_TELL = """
import importlib.metadata, sys
from ci_gpu.cli import main
code = 0
try:
    main()
except SystemExit as end:
    code = end.code
owners = importlib.metadata.packages_distributions()
used = {owner for module in set(sys.modules) - {"_distutils_hack"} for owner in owners.get(module, ())}
print("USED", code or 0, *sorted(used))
"""


def _core() -> set[str]:
    """What `pip install ci-gpu` installs, without any extra."""
    names, asked = set(), ["ci-gpu"]
    while asked:
        name = asked.pop()
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and canonicalize_name(requirement.name) not in names:
                names.add(canonicalize_name(requirement.name))
                asked.append(requirement.name)
    return names | {"ci-gpu"}


@pytest.mark.parametrize("command", [("list",), ("export",), ("import", "run.json")])
def test_the_default_store_needs_no_extra(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json_report.render(samples.red()))
    done = subprocess.run(
        (sys.executable, "-c", RUN_AND_TELL, "history", *command), cwd=tmp_path, capture_output=True, text=True
    )
    last = done.stdout.splitlines()[-1].split()

    assert (last[0], last[1]) == ("USED", "0"), done.stderr
    assert "sqlalchemy" in {canonicalize_name(name) for name in last[2:]}, "the store was really opened"
    assert {canonicalize_name(name) for name in last[2:]} - _core() == set()


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A file with one run."""
    (tmp_path / "run.json").write_text(json_report.render(samples.red()))
    url = f"sqlite:///{tmp_path}/h.db"
    done = _ci_gpu("import", str(tmp_path / "run.json"), "--store", url, GITHUB_REF_NAME="main", GITHUB_SHA="abc")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 added, 0 were there already" in done.stdout
    return url


def test_a_second_import_adds_nothing(store: str, tmp_path: Path) -> None:
    again = _ci_gpu("import", str(tmp_path / "run.json"), "--store", store, GITHUB_REF_NAME="main", GITHUB_SHA="abc")
    assert "0 added, 1 were there already" in again.stdout


def test_list_and_show_have_the_values(store: str) -> None:
    listed = _ci_gpu("list", CI_GPU_HISTORY=store)
    assert "matmul.bfloat16/throughput" in listed.stdout
    shown = _ci_gpu("show", "matmul.bfloat16/throughput", "--store", store, "--last", "1", "--branch", "main")
    assert "690.75" in shown.stdout
    assert "higher is better" in shown.stdout


def test_a_metric_that_is_not_there_is_said(store: str) -> None:
    assert "nothing there" in _ci_gpu("show", "none", "--store", store).stderr


def test_records_move_to_a_git_store_and_back_unchanged(store: str, tmp_path: Path) -> None:
    with git_data.serve() as github:
        git = {"CI_GPU_HISTORY": f"git:{git_data.REPOSITORY}", "GITHUB_TOKEN": "t", "GITHUB_API_URL": github.url}
        first = _ci_gpu("export", "--store", store)
        (tmp_path / "all.ndjson").write_text(first.stdout)
        assert _ci_gpu("import", str(tmp_path / "all.ndjson"), **git).returncode == 0
        compacted = _ci_gpu("compact", "--before", "2027-01", **git)
        assert "1 files were put together" in compacted.stdout
        assert _ci_gpu("export", **git).stdout == first.stdout
        assert "t" not in json.loads(first.stdout)["branch"]


@pytest.mark.parametrize("name", ["data.js", "smaller", "bigger", "otava"])
def test_each_format_is_written(store: str, name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = _ci_gpu("export", "--store", store, "--format", name, "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert "matmul.bfloat16/" in out.read_text()


def test_a_foreign_file_is_imported(store: str, tmp_path: Path) -> None:
    (tmp_path / "data.js").write_text(test_formats.DATA_JS)
    assert "1 added" in _ci_gpu("import", str(tmp_path / "data.js"), "--store", store).stdout


def test_a_file_with_one_bad_entry_adds_nothing_and_names_it(store: str, tmp_path: Path) -> None:
    good = json.loads(test_formats.DATA_JS.removeprefix("window.BENCHMARK_DATA = "))
    good["entries"]["bad"] = [{"date": 1, "tool": "abacus", "benches": []}]
    (tmp_path / "bad.js").write_text("window.BENCHMARK_DATA = " + json.dumps(good))
    before = _ci_gpu("export", "--store", store).stdout

    done = _ci_gpu("import", str(tmp_path / "bad.js"), "--store", store)

    assert done.returncode == 2
    assert "bad.js" in done.stderr
    assert "entries['bad'][0].tool" in done.stderr
    assert _ci_gpu("export", "--store", store).stdout == before


def test_of_two_files_of_which_one_is_bad_none_is_added(store: str, tmp_path: Path) -> None:
    (tmp_path / "data.js").write_text(test_formats.DATA_JS)
    (tmp_path / "bad.js").write_text("window.BENCHMARK_DATA = {")
    before = _ci_gpu("export", "--store", store).stdout

    done = _ci_gpu("import", str(tmp_path / "data.js"), str(tmp_path / "bad.js"), "--store", store)

    assert done.returncode == 2
    assert _ci_gpu("export", "--store", store).stdout == before


def test_values_without_a_logarithm_are_kept_and_said(store: str, tmp_path: Path) -> None:
    (tmp_path / "data.js").write_text(test_formats.DATA_JS.replace('"value": 325', '"value": 0'))

    done = _ci_gpu("import", str(tmp_path / "data.js"), "--store", store)

    assert "1 added, 0 were there already; 1 value of 0 or below is kept and has no change points" in done.stdout


def test_the_margins_of_the_project_s_file_are_those_of_the_history(tmp_path: Path) -> None:
    benches = [[{"name": "x", "value": 1.0 + 0.05 * (n >= 20) + 0.001 * (n % 3), "unit": "s"}] for n in range(40)]
    entries = [{"date": 10**12 + n * 10**6, "tool": "go", "benches": each} for n, each in enumerate(benches)]
    (tmp_path / "data.js").write_text("window.BENCHMARK_DATA=" + json.dumps({"entries": {"s": entries}}))
    store = f"sqlite:///{tmp_path}/m.db"
    _ci_gpu("import", str(tmp_path / "data.js"), "--store", store)
    (tmp_path / "ci-gpu.toml").write_text('[metrics."s/*"]\nmin-effect = "10%"\n')

    plain = _ci_gpu("show", "s/x", "--store", store)
    wide = _ci_gpu("show", "s/x", "--store", store, "--config", str(tmp_path / "ci-gpu.toml"))

    assert "confirmed: +5" in plain.stdout
    assert (wide.returncode, wide.stderr) == (0, "")
    assert "confirmed" not in wide.stdout


@pytest.mark.parametrize("command", [("show", "s/x"), ("site", "PAGES")])
def test_a_pattern_that_covers_no_metric_of_the_history_is_a_mistake(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "ci-gpu.toml").write_text('[metrics."matmull.*"]\nmin-effect = "10%"\n')
    store = f"sqlite:///{tmp_path}/m.db"

    command = tuple(str(tmp_path) if word == "PAGES" else word for word in command)
    done = _ci_gpu(*command, "--store", store, "--config", str(tmp_path / "ci-gpu.toml"))

    assert done.returncode == 2
    assert '[metrics."matmull.*"] covers no metric' in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("list", "--store", "ftp://x"), "no history store"),
        (("list", "--store", "git"), "names no repository"),
        (("import", "/nonexistent", "--store", "sqlite://"), "cannot be read"),
        (("import",), "Missing argument"),
        (("compact", "--store", "sqlite://"), "only a git store"),
        (("compact", "--before", "soon"), "no month"),
        (("export", "--format", "xls"), "Invalid value"),
        (("export", "--format", "otava", "--store", "sqlite://"), "no run with a value"),
    ],
)
def test_a_mistake_is_exit_2_and_one_message(arguments: tuple[str, ...], word: str, tmp_path: Path) -> None:
    done = _ci_gpu(*arguments, CI_GPU_HISTORY=f"sqlite:///{tmp_path}/h.db")
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refusal_of_github_is_exit_5(tmp_path: Path) -> None:
    with git_data.serve() as github:
        github.fault = lambda method, path, number: git_data.Fault(401, {"message": "Bad credentials"})
        done = _ci_gpu("list", "--store", "git:o/r", GITHUB_TOKEN="t", GITHUB_API_URL=github.url)
    assert done.returncode == 5
    assert "Bad credentials" in done.stderr
