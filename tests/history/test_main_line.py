"""The main series is what the default branch measured: nobody gets into it by opening a branch or a queue."""

from __future__ import annotations

import json
import shlex
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from ci_gpu import origin
from ci_gpu.cli import cli
from ci_gpu.errors import ConfigError
from ci_gpu.history import branch, document, keeping, stores
from ci_gpu.history.series import Filter, gather
from ci_gpu.history.stores.git import Git
from ci_gpu.model import Summary
from ci_gpu.reports import json as json_report
from tests import samples
from tests.history import git_data, records
from tests.history.test_keeping import compared, kept

MAIN = {"repository": {"default_branch": "main"}}
JOB = {"GITHUB_REPOSITORY": "octo-org/octo-repo", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "gpu"}


def measured(folder: Path, number: int, **env: str) -> tuple[Summary, dict[str, str]]:
    """A run in a workflow, as the pipeline makes it, and the workflow's variables."""
    (folder / "event.json").write_text(json.dumps(MAIN))
    env = {**JOB, "GITHUB_RUN_ID": str(number), "GITHUB_EVENT_PATH": str(folder / "event.json"), **env}
    report = msgspec.structs.replace(compared(f"2026-11-23T08:00:{number:02}Z").report, origin=origin.of(env))
    return json_report.read(json_report.render(msgspec.structs.replace(samples.comparison(), report=report))), env


def runs(url: str, wanted: Filter) -> set[str]:
    with closing(stores.open_store(url, {})) as store:
        return {point.run.partition("-")[0] for one in store.series(wanted) for point in one.points}


@pytest.mark.attack
@pytest.mark.parametrize(
    ("event", "ref"),
    [
        ("push", "refs/heads/topic"),
        ("push", "refs/tags/v1"),
        ("merge_group", "refs/heads/gh-readonly-queue/main/pr-12-0123"),
        ("workflow_dispatch", "refs/heads/main"),
        ("repository_dispatch", "refs/heads/main"),
    ],
)
def test_what_no_push_of_the_default_branch_measured_is_no_part_of_the_main_series(
    tmp_path: Path, event: str, ref: str
) -> None:
    """Somebody who may push a topic branch, queue a merge or start a workflow by hand runs an image that is slow.

    Its points lay in the main series, moved its level and hid or made change points. They have a series of their own,
    and only pushes of the default branch and schedules count for the main one.
    """
    url = f"sqlite:///{tmp_path}/h.db"
    for number, env in enumerate(
        ({"GITHUB_EVENT_NAME": event, "GITHUB_REF": ref}, {"GITHUB_EVENT_NAME": "schedule"}), 1
    ):
        summary, env = measured(tmp_path, number, **env)
        keeping.keep(summary, url, env)

    assert runs(url, Filter()) == {"2"}
    assert runs(url, Filter(apart=event)) == {"1", "2"}


@pytest.mark.attack
def test_the_remedy_that_is_printed_puts_a_run_where_it_belongs(tmp_path: Path) -> None:
    """A run of a merge queue lost the race for the branch and prints `ci-gpu history import run.json`, which somebody
    carries out elsewhere.

    Without the workflow around it the record went into the main series, with no branch and no commit. The report says
    where it was made, so that an import keeps what the run itself would have kept.
    """
    summary, env = measured(
        tmp_path, 1, GITHUB_EVENT_NAME="merge_group", GITHUB_REF_NAME="gh-readonly-queue/main/x", GITHUB_SHA="ab" * 20
    )
    keeping.keep(summary, f"sqlite:///{tmp_path}/run.db", env)
    (tmp_path / "run.json").write_text(json_report.render(summary))
    url = f"sqlite:///{tmp_path}/import.db"
    done = CliRunner().invoke(cli, ["history", "import", str(tmp_path / "run.json"), "--store", url])

    assert done.exit_code == 0, done.output
    assert kept(url) == kept(f"sqlite:///{tmp_path}/run.db")
    assert runs(url, Filter()) == set()
    assert runs(url, Filter(apart="merge_group")) == {"1"}


def test_the_remedy_is_a_command_that_does_it(
    tmp_path: Path, github: git_data.Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Carried out as it is printed, elsewhere: without a workflow, and without another --store or --salt."""
    summary, env = measured(tmp_path, 1, GITHUB_EVENT_NAME="schedule", GITHUB_REF_NAME="main")
    env |= {"GITHUB_TOKEN": "t", "GITHUB_API_URL": github.url}
    monkeypatch.setattr(branch, "TRIES", 1)
    github.fault = lambda method, path, number: (
        git_data.Fault(409, {"message": "Conflict"}) if method == "PATCH" else None
    )
    with closing(stores.open_store("git#other", {**env, "GITHUB_REPOSITORY": git_data.REPOSITORY})) as store:
        store.add(records.record(1))
    _, said = keeping.keep(summary, "git#other", env)
    github.fault = lambda method, path, number: None
    (tmp_path / "run.json").write_text(json_report.render(summary))
    monkeypatch.chdir(tmp_path)
    words = shlex.split(said.rpartition("ci-gpu ")[2].rstrip(")"))
    done = CliRunner().invoke(cli, words, env={"GITHUB_TOKEN": "t", "GITHUB_API_URL": github.url})

    assert done.exit_code == 0, done.output
    with closing(stores.open_store("git#other", env)) as store:
        assert keeping.of_this_run(summary, env) in list(store.records())


@pytest.mark.attack
def test_a_pull_request_s_report_is_imported_as_one(tmp_path: Path) -> None:
    """A pull request's run.json is imported by hand: it was taken for the main line unless somebody said `--pull`."""
    summary, _ = measured(tmp_path, 1, GITHUB_EVENT_NAME="pull_request", GITHUB_REF="refs/pull/12/merge")
    (tmp_path / "run.json").write_text(json_report.render(summary))
    url = f"sqlite:///{tmp_path}/h.db"
    CliRunner().invoke(cli, ["history", "import", str(tmp_path / "run.json"), "--store", url])

    assert {record.pull for record in kept(url)} == {12}
    assert runs(url, Filter()) == set()


@pytest.mark.attack
@pytest.mark.parametrize("kind", ["run.json", "records"])
def test_a_fork_s_file_is_not_imported_into_the_main_line(tmp_path: Path, kind: str) -> None:
    """A fork's artifact calls itself a push of the main line, and the second workflow imports it.

    Its numbers would become the history that others are compared with. After a fork's run the job itself says where it
    belongs, and only a run.json is imported.
    """
    summary, _ = measured(tmp_path, 1)
    files = {"run.json": json_report.render(summary), "records": document.encode(records.record(1)).decode()}
    (tmp_path / "file").write_text(files[kind])
    head = {"full_name": "stranger/repo", "owner": {"login": "stranger"}}
    event = {"workflow_run": {"event": "pull_request", "head_branch": "main", "head_repository": head}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    env = {"GITHUB_EVENT_NAME": "workflow_run", "GITHUB_REPOSITORY": "org/repo"}
    env["GITHUB_EVENT_PATH"] = str(tmp_path / "event.json")
    url = f"sqlite:///{tmp_path}/h.db"
    done = CliRunner().invoke(cli, ["history", "import", str(tmp_path / "file"), "--store", url], env=env)

    assert runs(url, Filter()) == set()
    assert {record.apart for record in kept(url)} == ({"workflow_run"} if kind == "run.json" else set()), done.output


KEPT = (records.record(1), records.record(2, apart="merge_group"), records.record(3, pull=7))


def test_each_place_is_a_series_of_its_own() -> None:
    every = gather(KEPT, Filter(apart="merge_group", pull=7))

    assert [(one.key.apart, len(one.points)) for one in every] == [("", 1), ("merge_group", 1), ("pull request 7", 1)]


def test_on_the_branch_they_lie_apart_and_a_run_that_looks_back_reads_none_of_them(github: git_data.Faulty) -> None:
    from ci_gpu.history.branch import Branch

    store = Git(Branch("t", github.url, git_data.REPOSITORY, "ci-gpu-history"))
    for each in KEPT:
        store.add(each)
    assert "apart/merge_group/2026/11/run-2026-11-2.json" in github.files()
    before = len(github.calls)
    assert [point.run for one in store.recent(5) for point in one.points] == ["run-2026-11-1"]
    assert len(github.calls) - before == 3 + 1
    every = list(store.records())

    assert store.compact("2026-12") == 3
    assert sorted(github.files()) == [
        "index/2026.ndjson.gz",
        "index/apart-2026.ndjson.gz",
        "index/pulls-2026.ndjson.gz",
    ]
    assert list(store.records()) == every
    assert store.left_out() == ()


@pytest.mark.parametrize("apart", ["../up", "Merge", "x" * 41, "a b"])
def test_a_place_that_is_no_event_is_no_record(apart: str) -> None:
    with pytest.raises(ConfigError, match="apart"):
        document.encode(records.record(1, apart=apart))


@pytest.mark.attack
def test_a_measurement_says_nothing_of_its_own_about_where_it_belongs() -> None:
    """A forged record gives one of its measurements the key of another place than the record's. Such a document is
    refused.
    """
    key = msgspec.structs.replace(KEPT[0].measurements[0].key, apart="merge_group")
    moved = msgspec.structs.replace(KEPT[0].measurements[0], key=key)
    with pytest.raises(ConfigError, match=r"measurements\[0\]\.key\.apart"):
        document.encode(records.record(1, measurements=(moved,)))


def test_list_show_and_site_keep_them_apart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/h.db"
    with closing(stores.open_store(url, {})) as store:
        for each in KEPT:
            store.add(each)
    run = lambda *words: CliRunner().invoke(cli, ["history", *words, "--store", url], env={"COLUMNS": "220"})  # noqa: E731
    listed = run("list", "--apart", "merge_group", "--pull", "7").stdout
    shown = run("show", "matmul.bfloat16/throughput", "--apart", "merge_group").stdout
    run("site", str(tmp_path / "pages"), "--pull", "7")

    assert run("list").stdout.count("matmul") == 1
    assert listed.count("matmul") == 3
    assert "pull request 7" in listed
    assert shown.count("matmul.bfloat16/throughput [") == 2
    assert "merge_group" in shown
    assert len(list((tmp_path / "pages/series").iterdir())) == 2
    assert "pull request 7" in (tmp_path / "pages/index.html").read_text()


def test_only_the_main_series_has_change_points() -> None:
    from ci_gpu.cli.history import _changes
    from ci_gpu.model import Policy

    level = [100.0 + number % 3 / 10 for number in range(12)]
    several = tuple(
        records.record(number + 1, apart=apart, month=month, measurements=(records.measurement(value=value),))
        for month, apart in ((10, ""), (11, "merge_group"))
        for number, value in enumerate([*level, *(value * 0.8 for value in level)])
    )
    main, beside = gather(several, Filter(apart="merge_group"))

    assert len(_changes(main, Policy())) == 1
    assert _changes(beside, Policy()) == ()
