"""What other tools write is read, and what is written for them they read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.errors import ConfigError
from ci_gpu.history import ndjson, reading
from ci_gpu.history.formats import github_action_benchmark, otava
from ci_gpu.history.series import Filter, gather
from tests.history import records
from tests.needs import module

SERIES = gather([records.record(n) for n in range(1, 21)], Filter())
DATA_JS = """window.BENCHMARK_DATA = {
  "lastUpdate": 1579090000000, "repoUrl": "https://github.com/octo-org/octo-repo",
  "entries": {"Go Benchmark": [{
    "commit": {"author": {"name": "a"}, "id": "d5c1c0c", "message": "m", "timestamp": "2020-01-15T20:00:00+09:00"},
    "date": 1579085981000, "tool": "go",
    "benches": [{"name": "BenchmarkFib10", "value": 325, "unit": "ns/op", "extra": "5000000 times"}]
  }]}
}"""
PYTEST = {
    "machine_info": {"node": "secret-host", "machine": "x86_64", "system": "Linux", "cpu": {"brand_raw": "EPYC"}},
    "commit_info": {"id": "ab12", "branch": "main", "dirty": False},
    "benchmarks": [{"fullname": "tests/test_x.py::test_y", "name": "test_y", "stats": {"median": 0.25, "mean": 0.3}}],
    "datetime": "2026-11-23T05:30:00.123456+00:00",
    "version": "5.2.3",
}


def _read(data: bytes) -> list[object]:
    return list(reading.records(data, "file", salt="s", env={}))


def test_a_data_js_is_read_with_the_direction_of_its_tool() -> None:
    (kept,) = reading.records(DATA_JS.encode(), "data.js", salt="", env={})
    (measured,) = kept.measurements
    assert (kept.created, kept.commit, kept.repository) == ("2020-01-15T10:59:41Z", "d5c1c0c", "octo-org/octo-repo")
    assert (measured.key.metric, measured.value, measured.unit, measured.better) == (
        "Go Benchmark/BenchmarkFib10",
        325,
        "ns/op",
        "lower",
    )


def test_our_data_js_is_read_back_with_the_same_values() -> None:
    text = github_action_benchmark.write(SERIES)
    found = gather(reading.records(text.encode(), "data.js", salt="", env={}), Filter())
    assert [point.value for point in found[0].points] == [point.value for point in SERIES[0].points]
    assert [point.created for point in found[0].points] == [point.created for point in SERIES[0].points]


def test_the_custom_tools_get_the_newest_value_of_their_direction() -> None:
    bigger = json.loads(github_action_benchmark.write_custom(SERIES, "higher"))
    assert [(each["value"], each["unit"]) for each in bigger] == [(710.0, "TFLOP/s")]
    assert {type(each[name]) for each in bigger for name in ("name", "unit", "range", "extra")} == {str}
    assert json.loads(github_action_benchmark.write_custom(SERIES, "lower")) == []


def test_otava_reads_our_csv(tmp_path: Path) -> None:
    module("otava", "apache-otava")
    from otava.csv_options import CsvOptions
    from otava.data_selector import DataSelector
    from otava.importer import CsvImporter
    from otava.test_config import CsvMetric, CsvTestConfig

    file = tmp_path / "history.csv"
    file.write_text(otava.write(SERIES))
    column = github_action_benchmark.name(SERIES[0].key)
    metric = CsvMetric(name="throughput", direction=1, scale=1.0, column=column)
    config = CsvTestConfig("x", str(file), CsvOptions(), "time", [metric], ["commit", "branch"])
    selector = DataSelector()
    selector.since_time = selector.since_time.replace(year=2000)
    selector.until_time = selector.until_time.replace(year=2100)
    found = CsvImporter().fetch_data(config, selector)
    assert found.data["throughput"] == [point.value for point in SERIES[0].points]
    assert found.time == [github_action_benchmark.milliseconds(point.created) // 1000 for point in SERIES[0].points]


def test_otava_gets_no_empty_cell() -> None:
    other = gather([records.record(99, measurements=(records.measurement(metric="b"),))], Filter())
    with pytest.raises(ConfigError, match="no run with a value of every one"):
        otava.write((*SERIES, *other))


def test_pytest_benchmark_is_read_and_its_host_name_hashed() -> None:
    (kept,) = reading.records(json.dumps(PYTEST).encode(), "b.json", salt="s", env={})
    (measured,) = kept.measurements
    assert (measured.key.metric, measured.value, measured.unit) == ("tests/test_x.py::test_y", 0.25, "s")
    assert (kept.created, kept.commit, kept.branch) == ("2026-11-23T05:30:00Z", "ab12", "main")
    assert "secret-host" not in ndjson.text([kept])


def test_records_are_read_back_packed_and_plain() -> None:
    kept = [records.record(n) for n in range(1, 4)]
    assert _read(ndjson.text(kept).encode()) == kept
    assert _read(ndjson.pack(kept)) == kept


def test_the_same_file_makes_the_same_runs() -> None:
    assert _read(DATA_JS.encode()) == _read(DATA_JS.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x1f\x8b damaged",
        DATA_JS.replace('"go"', '"abacus"').encode(),
        DATA_JS.replace("1579085981000", "1e40").encode(),
        DATA_JS.encode()[:-40],
        b'{"schema": 1}',
        b'{"machine_info": 1, "benchmarks": []}',
        ndjson.text([records.record(1)]).encode() + b"{}",
    ],
)
def test_a_damaged_file_is_one_clear_error(data: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(data)
    assert caught.value.remedy


@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_our_bug(data: bytes) -> None:
    for head in (
        b"",
        b"window.BENCHMARK_DATA = ",
        b'{"machine_info":{},"benchmarks":[],',
        b"\x1f\x8b",
        b'{"measurements"',
    ):
        with pytest.raises(ConfigError):
            _read(head + b"\x00" + data)
