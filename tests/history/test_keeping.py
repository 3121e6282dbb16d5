"""What a run does with the history: it remembers, adds, and never decides."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import msgspec

from ci_gpu import pipeline
from ci_gpu.history import keeping
from ci_gpu.history.record import Record
from ci_gpu.history.series import Filter
from ci_gpu.history.stores import open_store
from tests import samples

ENV = {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "gpu", "GITHUB_REPOSITORY": "octo-org/octo-repo"}
HEAD = samples.comparison().report.trial.head


def compared(created: str):
    """The sample, with the head first, as a run has it."""
    summary = samples.comparison()
    images = sorted(summary.report.images, key=lambda image: image.name != HEAD)
    report = msgspec.structs.replace(summary.report, created=created, images=tuple(images))
    return msgspec.structs.replace(summary, report=report)


def kept(url: str) -> list[Record]:
    with closing(open_store(url, {})) as store:
        return list(store.records())


def test_a_run_sees_what_was_there_before_it_and_one_point_a_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    first, said = keeping.keep(compared("2026-11-23T08:00:00Z"), url, ENV)
    second, _ = keeping.keep(compared("2026-11-24T08:00:00Z"), url, ENV)

    assert first.series == ()
    assert "points added" in said
    assert {len(each.points) for each in second.series} == {1}
    changes = {one.metric for one in second.report.trial.metrics if one.change is not None}
    assert {each.points[0].image for each in second.series if each.key.metric in changes} == {HEAD}


def test_the_time_is_kept_as_a_run_writes_it(tmp_path: Path) -> None:
    """A report has +00:00 where a record has Z."""
    url = f"sqlite:///{tmp_path}/history.db"
    _, said = keeping.keep(compared(pipeline._now()), url, ENV)

    assert "points added" in said
    assert kept(url)[0].created.endswith("Z")


def test_the_same_report_is_kept_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    said = [keeping.keep(compared("2026-11-23T08:00:00Z"), url, ENV)[1] for _ in range(2)]

    assert "were there already" in said[1]
    assert len(kept(url)) == 1


def test_what_a_pull_request_measured_is_no_part_of_the_series(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": 12}}))
    for env in (
        {**ENV, "GITHUB_EVENT_PATH": str(tmp_path / "event.json")},
        {**ENV, "GITHUB_REF": "refs/pull/12/merge"},
    ):
        keeping.keep(compared(f"2026-11-23T08:00:0{len(env)}Z"), url, env)

    assert {record.pull for record in kept(url)} == {12}
    with closing(open_store(url, {})) as store:
        assert store.series(Filter()) == ()


def test_a_history_that_cannot_be_written_is_told_and_decides_nothing() -> None:
    summary = compared("2026-11-23T08:00:00Z")
    known, said = keeping.keep(summary, "sqlite:////nonexistent/folder/x.db", ENV)

    assert known == summary
    assert said.startswith("nothing was added to the history: ")


def test_a_run_that_measured_nothing_leaves_the_store_alone() -> None:
    summary = samples.not_pulled()

    assert keeping.keep(summary, "sqlite:////nonexistent/x.db", ENV) == (summary, "")
