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


def _data(benches: object, tool: str = "go", **entry: object) -> bytes:
    content = {"entries": {"suite": [{"date": 1579085981000, "tool": tool, "benches": benches, **entry}]}}
    return f"window.BENCHMARK_DATA = {json.dumps(content)}".encode()


@pytest.mark.parametrize(
    "head", ["window.BENCHMARK_DATA=", "\ufeffwindow.BENCHMARK_DATA  =\n", " \nwindow.BENCHMARK_DATA\t="]
)
@pytest.mark.parametrize("tail", ["", ";", " ;\r\n", "\n"])
def test_a_data_js_may_have_a_mark_and_any_space(head: str, tail: str) -> None:
    text = DATA_JS.replace("window.BENCHMARK_DATA = ", head) + tail

    assert _read(text.encode()) == _read(DATA_JS.encode())


def test_several_units_in_one_string_are_several_series() -> None:
    """As older versions of the action kept a line of ``go test -benchmem``."""
    bench = {
        "name": "BenchmarkX",
        "value": 1175,
        "unit": "ns/op\t     352 B/op\t      11 allocs/op",
        "extra": "9 times",
    }

    (kept,) = reading.records(_data([bench]), "data.js", salt="", env={})

    assert [(each.key.metric, each.value, each.unit) for each in kept.measurements] == [
        ("suite/BenchmarkX", 1175, "ns/op"),
        ("suite/BenchmarkX - B/op", 352, "B/op"),
        ("suite/BenchmarkX - allocs/op", 11, "allocs/op"),
    ]


def test_what_go_reports_per_second_is_better_higher() -> None:
    benches = [
        {"name": "BenchmarkX", "value": 5, "unit": "ns/op\t 71.86 MB/s\t 2 B/op"},
        {"name": "BenchmarkY - MB/s", "value": 7, "unit": "MB/s"},
    ]
    (kept,) = reading.records(_data(benches), "data.js", salt="", env={})

    assert [each.better for each in kept.measurements] == ["lower", "higher", "lower", "higher"]


def test_controls_in_a_name_and_a_unit_are_spaces_and_what_no_one_reads_may_be_anything() -> None:
    bench = {"name": "a\tb\nc", "value": 1, "unit": "us\t/iter", "range": 0.1, "extra": None}
    commit = {"id": None, "author": None, "url": 3, "message": "x\ty"}

    (kept,) = reading.records(_data([bench], tool="catch2", commit=commit), "data.js", salt="", env={})

    assert (kept.commit, kept.measurements[0].key.metric, kept.measurements[0].unit) == ("", "suite/a b c", "us /iter")


def test_a_value_may_be_zero_and_is_kept() -> None:
    (kept,) = reading.records(_data([{"name": "x - allocs/op", "value": 0, "unit": "allocs/op"}]), "f", salt="", env={})

    assert kept.measurements[0].value == 0


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (_data([{"name": "x", "unit": "ns"}]), "entries['suite'][0].benches[0]"),
        (_data([{"name": "x", "value": "fast"}]), "benches[0].value"),
        (_data([{"name": "", "value": 1}]), "benches[0].name"),
        (_data([], tool="abacus"), "entries['suite'][0].tool"),
        (_data([], date=10**40), "entries"),
        (_data([], date=10**17), "entries['suite'][0].date"),
        (_data([{"name": "x" * 5000, "value": 1}]), "entries['suite'][0]"),
    ],
)
def test_the_field_that_is_wrong_is_named(data: bytes, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(data)

    assert "file" in caught.value.what
    assert field in caught.value.what.replace("[1]", "[0]")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_every_text_may_begin_with_a_byte_order_mark(mark: bytes) -> None:
    assert _read(mark + json.dumps(PYTEST).encode()) == _read(json.dumps(PYTEST).encode())
    lines = ndjson.text([records.record(1)]).encode()
    assert _read(mark + lines) == _read(lines)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "null", '"x"', "true"])
def test_pytest_benchmark_s_values_are_numbers(value: str) -> None:
    text = json.dumps(PYTEST).replace('"median": 0.25', f'"median": {value}')

    with pytest.raises(ConfigError, match="file"):
        _read(text.encode())


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
