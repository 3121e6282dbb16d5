"""Who may push to the branch, or write to the database, can put anything there: it costs that record, and no other."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ci_gpu.cli import cli
from ci_gpu.errors import ConfigError
from ci_gpu.history import keeping, ndjson, stores
from ci_gpu.history.branch import Branch
from ci_gpu.history.series import Filter
from ci_gpu.history.stores.git import Git
from tests.history import records
from tests.history.git_data import REPOSITORY, Faulty
from tests.history.test_keeping import compared

GOOD = json.loads(ndjson.text([records.record(9)]))
BAD = {
    "newer format": {**GOOD, "format": 2},
    "newer field": {**GOOD, "added": "later"},
    "no record": [1],
    "a name that leaves the folder": {**GOOD, "run": "../up"},
    "of another place": {**GOOD, "pull": 7},
}


def on_branch(github: Faulty, content: Any, name: str = "v1/2026/11/zz-evil-99.json") -> Git:
    """A branch with a record of ours, and one more file."""
    branch = Branch("t", github.url, REPOSITORY, "ci-gpu-history", pause=lambda _: None)
    store = Git(branch)
    store.add(records.record(1))
    branch.add(name, content if isinstance(content, bytes) else json.dumps(content).encode(), "by hand")
    return store


@pytest.mark.attack
@pytest.mark.parametrize("content", [*BAD.values(), b"\xff no JSON"], ids=[*BAD, "no JSON"])
def test_one_bad_record_on_the_branch_does_not_stop_the_history(github: Faulty, content: Any) -> None:
    """Somebody who may push to the history branch adds one file that is no record of this release.

    Reading stopped there, and with it every trend and change point of the repository. Such a file is left out and
    told by its name.
    """
    store = on_branch(github, content)

    assert [record.run for record in store.records()] == ["run-2026-11-1"]
    assert [len(one.points) for one in store.series(Filter())] == [1]
    assert [len(one.points) for one in store.recent(3)] == [1]
    assert len(store.keys()) == 1
    (told,) = store.left_out()
    assert told.startswith("v1/2026/11/zz-evil-99.json: ")


@pytest.mark.attack
def test_bad_records_that_are_the_newest_hide_none_of_the_true_ones(github: Faulty) -> None:
    """Somebody adds a dozen broken files whose names sort behind all others, so that a run that looks back a dozen jobs
    would see only them. They are passed over until so many true records are found."""
    store = on_branch(github, b"{}")
    for number in range(12):
        store._branch.add(f"v1/9999/12/zz-{number}.json", b"{}", "by hand")

    assert [len(one.points) for one in store.recent(3)] == [1]
    assert len(store.left_out()) == 13


@pytest.mark.attack
def test_bad_records_without_end_do_not_spend_the_requests_of_a_job(
    github: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody fills the branch with thousands of broken files, and each is a request of every run.

    GitHub's limit would be spent, and the comment would then be refused as well. Behind a hundred files that are no
    records nothing more is asked for.
    """
    monkeypatch.setattr("ci_gpu.history.stores.git.SPARE", 4)
    store = on_branch(github, b"{}")
    for number in range(12):
        store._branch.add(f"v1/9999/12/zz-{number}.json", b"{}", "by hand")
    before = len(github.calls)

    assert store.recent(3) == ()
    assert len([call for call in github.calls[before:] if "/git/blobs/" in call]) == 7
    assert len(store.left_out()) == 7


@pytest.mark.attack
def test_a_packed_line_without_an_end_is_refused_while_it_is_unpacked() -> None:
    """Somebody overwrites a packed file of the history with a small one, which unpacks to one line of gigabytes.

    It would be held in memory as a whole. A line has a limit, which is looked at while it is unpacked.
    """
    bomb = gzip.compress(bytes(2 * ndjson.MAX_LINE))

    assert len(bomb) < 1 << 20
    with pytest.raises(ConfigError, match="a line of a packed file"):
        ndjson.split(bomb, "index/2026.ndjson.gz")


@pytest.mark.attack
def test_a_copy_of_a_true_record_at_another_place_hides_it_nowhere(github: Faulty) -> None:
    """Somebody copies a record of the main line into a pull request's folder, and the other way round.

    What a pull request measured would count for the main line, or the true record would be taken for the copy. A record
    counts only where its own content says that it lies.
    """
    store = on_branch(github, json.loads(ndjson.text([records.record(2, pull=7)])), "v1/2026/11/run-2026-11-2.json")
    store._branch.add("v1/2026/10/run-2026-11-1.json", github.files()["v1/2026/11/run-2026-11-1.json"], "by hand")

    assert [record.run for record in store.records()] == ["run-2026-11-1"]
    assert [told.partition(":")[0] for told in store.left_out()] == [
        "v1/2026/10/run-2026-11-1.json",
        "v1/2026/11/run-2026-11-2.json",
    ]


@pytest.mark.attack
def test_compaction_keeps_what_it_cannot_read(github: Faulty) -> None:
    """A record of a newer release lies among the others when an older one compacts the branch.

    It would be lost with the file that it is taken out of. What cannot be read stays, byte for byte.
    """
    newer = json.dumps({**GOOD, "format": 2}).encode()
    store = on_branch(github, newer)
    old = ndjson.pack([records.record(2, month=3)], [newer])
    store._branch.add("index/2026.ndjson.gz", old, "by a newer release")

    assert store.compact("2026-12") == 1
    files = github.files()
    assert files["v1/2026/11/zz-evil-99.json"] == newer
    assert newer in ndjson.split(files["index/2026.ndjson.gz"], "the index")
    assert [record.run for record in store.records()] == ["run-2026-3-2", "run-2026-11-1"]


@pytest.mark.attack
def test_a_year_s_file_that_is_no_gzip_is_left_out_and_left_alone(github: Faulty) -> None:
    """Somebody overwrites a year's packed file with something else: that year is gone, the rest of the history is read,
    and a compaction does not write over what is left of it."""
    store = on_branch(github, b"no gzip", "index/2026.ndjson.gz")

    assert [record.run for record in store.records()] == ["run-2026-11-1"]
    assert [told.partition(":")[0] for told in store.left_out()] == ["index/2026.ndjson.gz"]
    assert store.compact("2026-12") == 0
    assert github.files()["index/2026.ndjson.gz"] == b"no gzip"


@pytest.mark.attack
def test_one_bad_record_in_a_database_does_not_stop_the_export(tmp_path: Path) -> None:
    """Somebody who may write to the database changes one document in it: the export of all others went with it."""
    url = f"sqlite:///{tmp_path}/h.db"
    with closing(stores.open_store(url, {})) as store:
        store.add(records.record(1))
        store.add(records.record(2))
    with closing(sqlite3.connect(tmp_path / "h.db")) as connection, connection:
        connection.execute("UPDATE ci_gpu_run SET document = ? WHERE name = 'run-2026-11-1'", (b"{}",))
    exported = CliRunner().invoke(cli, ["history", "export", "--store", url])

    assert exported.exit_code == 0
    assert [json.loads(line)["run"] for line in exported.stdout.splitlines()] == ["run-2026-11-2"]
    assert "1 record could not be read and is left out" in exported.stderr
    assert "run-2026-11-1" in exported.stderr


@pytest.mark.parametrize("command", [("list",), ("show", "matmul.bfloat16/throughput"), ("site", "pages")])
def test_every_command_tells_what_it_left_out(
    github: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    on_branch(github, BAD["newer format"])
    env = {"GITHUB_TOKEN": "t", "GITHUB_API_URL": github.url, "CI_GPU_HISTORY": f"git:{REPOSITORY}"}
    done = CliRunner().invoke(cli, ["history", *command], env=env)

    assert done.exit_code == 0, done.output
    said = "1 record could not be read and is left out: v1/2026/11/zz-evil-99.json: format: 1 is expected"
    assert said in done.stderr


def test_many_are_counted_and_the_first_are_named(github: Faulty) -> None:
    store = on_branch(github, b"{}")
    for number in range(20):
        store._branch.add(f"v1/2026/11/zz-{number:02}.json", b"{}", "by hand")
    list(store.records())

    told = stores.told(store)
    assert told.startswith("21 records could not be read and are left out: v1/2026/11/zz-00.json: ")
    assert "and 16 more" in told
    assert len(told) < 2_000


def test_a_run_adds_its_record_and_tells_what_it_could_not_read(github: Faulty) -> None:
    on_branch(github, BAD["newer format"])
    env = {"GITHUB_TOKEN": "t", "GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": REPOSITORY}
    _, said = keeping.keep(compared("2026-11-23T08:00:00Z"), "git", env)

    assert "points added" in said
    assert "1 record could not be read and is left out: v1/2026/11/zz-evil-99.json" in said


@pytest.mark.parametrize("owner", ["octo_corp", "mona-cat_octo"])
def test_an_owner_with_an_underscore_is_one(owner: str) -> None:
    """GitHub gives managed users ``name_shortcode``: docs.github.com, Username considerations for external
    authentication."""
    store = stores.open_store(f"git:{owner}/repo", {"GITHUB_TOKEN": "t"})
    store.close()
    stores.open_store("git", {"GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": f"{owner}/repo"}).close()
