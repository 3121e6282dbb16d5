"""Every store gives the same answers, and a doubled write changes none of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ci_gpu.errors import ConfigError
from ci_gpu.history import stores
from ci_gpu.history.series import Filter, gather, listed
from tests.history import records

Place = tuple[str, dict[str, str]]

KEPT = (
    records.record(3),
    records.record(1, measurements=(records.measurement(value=1.0), records.measurement(value=2.0, image="base"))),
    records.record(2, branch="feature", measurements=(records.measurement(uuid="0b" * 8, masked="throttled"),)),
    records.record(4, measurements=(records.measurement(metric="Ärger", unit="s", change=0.01, change_error=0.002),)),
    records.record(5, month=9, measurements=(records.measurement(unit="GFLOP/s"),)),
    records.record(6, pull=7),
    records.record(7, measurements=()),
)
FILTERS = (
    Filter(),
    Filter(metric="matmul.bfloat16/throughput"),
    Filter(metric="none"),
    Filter(uuid="0b" * 8),
    Filter(gpu=records.GPU, last=1),
    Filter(branch="main"),
    Filter(since="2026-11-04T00:00:00Z"),
    Filter(pull=7),
    Filter(key=KEPT[0].measurements[0].key),
)


def test_what_goes_in_comes_out_in_the_order_of_time(place: Place) -> None:
    store = stores.open_store(*place)
    assert [store.add(each) for each in KEPT] == [True] * len(KEPT)
    assert list(store.records()) == sorted(KEPT, key=lambda each: each.created)
    store.close()


def test_a_second_write_of_a_run_is_nothing(place: Place) -> None:
    store = stores.open_store(*place)
    assert [store.add(KEPT[0]), store.add(KEPT[0])] == [True, False]
    store.close()
    again = stores.open_store(*place)
    assert list(again.records()) == [KEPT[0]]
    again.close()


def test_every_filter_gives_the_series_that_reading_all_records_gives(place: Place) -> None:
    store = stores.open_store(*place)
    for each in KEPT:
        store.add(each)
    for wanted in FILTERS:
        assert store.series(wanted) == gather(KEPT, wanted), wanted
    assert store.keys() == listed(gather(KEPT, Filter()))
    store.close()


def test_an_empty_store_is_empty(place: Place) -> None:
    store = stores.open_store(*place)
    assert (store.series(Filter()), store.keys(), list(store.records())) == ((), (), [])
    store.close()


def test_a_record_that_could_not_be_read_back_is_refused_by_all(place: Place) -> None:
    store = stores.open_store(*place)
    with pytest.raises(ConfigError):
        store.add(records.record(run="../up"))
    assert list(store.records()) == []
    store.close()


def test_points_of_pull_requests_are_no_part_of_the_main_series() -> None:
    values = {point.value for one in gather(KEPT, Filter()) for point in one.points}
    assert 696.0 not in values
    assert 696.0 in {point.value for one in gather(KEPT, Filter(pull=7)) for point in one.points}


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("mysql://x", "kind"),
        ("", "kind"),
        ("_extra:x", "kind"),
        ("git", "names no repository"),
        ("git:octo/../x", "names no repository"),
        ("git:octo/x", "no token"),
        ("sqlite:////nonexistent/folder/x.db", "cannot be used"),
        ("postgresql://nobody:secret@127.0.0.1:1/x", "cannot be used"),
        ("postgresql://[", "cannot be used"),
    ],
)
def test_a_store_that_is_none_is_one_clear_error_without_the_password(url: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        stores.open_store(url, {})
    assert "secret" not in f"{caught.value.what}{caught.value.why}{caught.value.remedy}"
    assert caught.value.remedy


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(ConfigError, match="cannot be used"):
        stores.open_store(f"sqlite:///{tmp_path}/x.db", {})


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    import sqlite3

    url = f"sqlite:///{tmp_path}/x.db"
    stores.open_store(url, {}).close()
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("INSERT INTO ci_gpu_schema VALUES (2)")
    connection.close()
    with pytest.raises(ConfigError, match="schema 2"):
        stores.open_store(url, {})


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match="needs psycopg") as caught:
        stores.open_store("postgresql://x", {})
    assert "ci-gpu[history]" in caught.value.remedy
