"""A file that cannot be imported is refused in one sentence: the file, the field, and what is expected there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ci_gpu.errors import ConfigError
from ci_gpu.history import document, ndjson, reading
from tests.history import records

BENCH = {"name": "fib", "value": 1.0, "unit": "ns"}
ENTRY = {"tool": "cargo", "benches": [BENCH, BENCH], "date": 1700000000000}
PYTEST = {
    "benchmarks": [{"fullname": "x::y", "stats": {"median": 1.0}}],
    "datetime": "2026-01-01T00:00:00",
    "machine_info": {},
}
LINE = json.loads(ndjson.text([records.record(1)]))


def js(**changes: Any) -> str:
    return "window.BENCHMARK_DATA = " + json.dumps({"entries": {"Go 1": [ENTRY, {**ENTRY, **changes}]}})


def bench(**changes: Any) -> str:
    return js(benches=[BENCH, {**BENCH, **changes}])


def line(**changes: Any) -> str:
    return json.dumps({**LINE, **changes})


def measured(**changes: Any) -> str:
    return line(measurements=[*LINE["measurements"], {**LINE["measurements"][0], **changes}])


def key(**changes: Any) -> str:
    return measured(key={**LINE["measurements"][0]["key"], **changes})


def pytest_json(**changes: Any) -> str:
    return json.dumps({**PYTEST, **changes})


AT = "f: entries['Go 1'][1]"
LAST = f"measurements[{len(LINE['measurements'])}]"

SENTENCES = {
    "js-cut": (
        "window.BENCHMARK_DATA = {",
        "f: it is not JSON behind window.BENCHMARK_DATA = (input data was truncated)",
    ),
    "js-empty": ("window.BENCHMARK_DATA = {}", "f: entries is missing"),
    "js-list": ("window.BENCHMARK_DATA = []", "f: an object is expected, and there is a list"),
    "js-entries": ('window.BENCHMARK_DATA = {"entries": []}', "f: entries: an object is expected, and there is a list"),
    "js-suite": (
        'window.BENCHMARK_DATA = {"entries": {"s": 1}}',
        "f: entries['s']: a list is expected, and there is a number",
    ),
    "js-value": (bench(value="1 ns"), f"{AT}.benches[1].value: a number is expected, and there is a text"),
    "js-no-value": (js(benches=[{"name": "a"}]), f"{AT}.benches[0].value is missing"),
    "js-no-name": (js(benches=[{"value": 1}]), f"{AT}.benches[0].name is missing"),
    "js-name": (bench(name=" \t"), f"{AT}.benches[1].name: the name of a benchmark is expected, and it is empty"),
    "js-long": (
        bench(name="x" * 5000),
        f"{AT}.benches[1].name: at most 4096 characters are read of suite and name, and there are 5005",
    ),
    "js-unit": (bench(unit="x" * 5000), f"{AT}.benches[1].unit: at most 4096 characters are read, and there are 5000"),
    "js-infinite": (
        js(benches=[BENCH]).replace("1.0", "1e999"),
        "f: entries['Go 1'][0].benches[0].value: number out of range",
    ),
    "js-nan": (bench(value=float("nan")), "f: it is not JSON behind window.BENCHMARK_DATA ="),
    "js-tool": (
        js(tool="abacus"),
        f"{AT}.tool: 'abacus' is not known, so nobody knows which way is better; expected is one of bench",
    ),
    "js-no-tool": (js(tool=None), f"{AT}.tool: a text is expected, and there is null"),
    "js-no-date": (
        js(date=None),
        f"{AT}.date: milliseconds since 1970 are expected, or a time in commit.timestamp, and there is neither",
    ),
    "js-date": (js(date=10**17), f"{AT}.date: milliseconds since 1970 are expected, and {10**17} is no time"),
    "js-date-text": (js(date="now"), f"{AT}.date: a number or null is expected, and there is a text"),
    "js-timestamp": (
        js(date=None, commit={"timestamp": "now"}),
        f"{AT}.commit.timestamp: a time such as 2026-11-23T05:30:00Z is expected, and 'now' is none",
    ),
    "pytest-cut": (pytest_json()[:-1], "f: it is not JSON (input data was truncated)"),
    "pytest-date": (
        pytest_json(datetime="now"),
        "f: datetime: a time such as 2026-11-23T05:30:00Z is expected, and 'now' is none",
    ),
    "pytest-median": (
        pytest_json(benchmarks=[{"fullname": "x", "stats": {}}]),
        "f: benchmarks[0].stats.median is missing",
    ),
    "pytest-null": (
        pytest_json(benchmarks=[{"fullname": "x", "stats": {"median": None}}]),
        "f: benchmarks[0].stats.median: a number is expected, and there is null",
    ),
    "pytest-name": (
        pytest_json(benchmarks=[{"fullname": "", "stats": {"median": 1}}]),
        "f: benchmarks[0].fullname: the name of a benchmark is expected, and it is empty",
    ),
    "pytest-long": (
        pytest_json(benchmarks=[{"fullname": "x" * 5000, "stats": {"median": 1}}]),
        "f: benchmarks[0].fullname: at most 4096 characters are read, and there are 5000",
    ),
    "pytest-branch": (
        pytest_json(commit_info={"branch": "x" * 5000}),
        "f: commit_info.branch: at most 4096 characters are read, and there are 5000",
    ),
    "record-format": (line(format=99), "f, line 1: format: 1 is expected, and there is 99"),
    "record-field": ('{"measurements": [], "format": 1}', "f, line 1: run is missing"),
    "record-run": (
        line(run="../x"),
        "f, line 1: run: a name of letters, digits, dots, dashes and underscores is expected",
    ),
    "record-created": (line(created="now"), "f, line 1: created: a time such as 2026-11-23T05:30:00Z is expected"),
    "record-pull": (line(pull=-1), "f, line 1: pull: a number from 0 to 2147483648 is expected"),
    "record-digest": (
        line(images=[{"name": "a", "digest": "x"}]),
        "f, line 1: images[0].digest: sha256: and 64 hexadecimal digits are expected",
    ),
    "record-machine": (line(machine={"id": "!"}), "f, line 1: machine.id: up to 64 hexadecimal digits are expected"),
    "record-branch": (line(branch="\x1b["), "f, line 1: branch: a text without control characters is expected"),
    "record-long": (line(branch="x" * 5000), "f, line 1: branch: at most 4096 characters are read, and there are 5000"),
    "record-better": (measured(better="sideways"), f"f, line 1: {LAST}.better: higher or lower is expected"),
    "record-verdict": (measured(verdict="fine"), f"f, line 1: {LAST}.verdict: one of "),
    "record-deviation": (measured(deviation=-1.0), f"f, line 1: {LAST}.deviation: 0 or more is expected"),
    "record-processes": (
        measured(processes=0),
        f"f, line 1: {LAST}.processes: a number from 1 to 2147483647 is expected",
    ),
    "record-metric": (key(metric=""), f"f, line 1: {LAST}.key.metric: a name is expected, and it is empty"),
    "record-power": (
        key(power_limit=-1),
        f"f, line 1: {LAST}.key.power_limit: a number from 0 to 2147483647 is expected",
    ),
    "record-second": (line() + "\n\n" + line(run=1), "f, line 3: run: a text is expected, and there is a number"),
    "report-schema": ('{"schema": "x"}', "f: schema: a whole number is expected, and there is a text"),
    "report-field": ('{"schema": 1, "version": "1"}', "f: "),
    "gzip": ("\x1f", "f: it is none of the files that are read: "),
    "nothing": ("", "f: it is none of the files that are read: "),
    "foreign": ('{"a": 1}', "f: it is none of the files that are read: "),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_file_the_field_and_what_is_expected_are_one_sentence(name: str) -> None:
    text, sentence = SENTENCES[name]

    with pytest.raises(ConfigError) as caught:
        list(reading.records(text.encode(), "f", salt="", env={}))

    assert caught.value.what.startswith(sentence)
    assert "\n" not in caught.value.what
    assert "`" not in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (js(tool="abacus"), "github-action-benchmark"),
        (pytest_json(datetime="now"), "--benchmark-json"),
        (line(format=99), "ci-gpu that wrote it"),
        ('{"schema": "x"}', "ci-gpu run IMAGE --json"),
        ("", "run.json"),
    ],
)
def test_what_to_try_is_of_the_kind_of_file(data: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(reading.records(data.encode(), "f", salt="", env={}))

    assert remedy in caught.value.remedy


def test_every_record_that_is_read_can_be_written(tmp_path: Path) -> None:
    """Else a file would fail when a part of it has been added."""
    for text in (js(), pytest_json(), line(), pytest_json(benchmarks=[{"fullname": "a\tb", "stats": {"median": 1}}])):
        for kept in reading.records(text.encode(), "f", salt="", env={}):
            assert document.decode(document.encode(kept)) == kept
