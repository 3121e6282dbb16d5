"""ci_gpu.reports.json"""

import json
import os
from itertools import cycle
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_gpu import reports
from ci_gpu.errors import ConfigError
from ci_gpu.model import Summary
from ci_gpu.reports import json as report
from ci_gpu.verdict import judge
from tests import samples
from tests.reports import hostile

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "report.schema.json"


def document(**changes):
    """A good run.json as plain values, with changes at the top."""
    return {**json.loads(report.render(samples.red())), **changes}


def refusal(text):
    with pytest.raises(ConfigError) as caught:
        report.parse(text if isinstance(text, (str, bytes)) else json.dumps(text))
    assert caught.value.kind == "bad-report"
    assert caught.value.remedy
    return caught.value


def changed(path, value):
    """A good document with one value replaced: ``("images", 0, "name")``."""
    whole = place = document()
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return whole


def test_the_published_schema_is_that_of_the_code():
    text = json.dumps(report.schema(), indent=2) + "\n"
    if os.environ.get("CI_GPU_UPDATE_GOLDEN") == "1":
        SCHEMA_FILE.write_text(text, "utf-8")
    assert SCHEMA_FILE.read_text("utf-8") == text


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(report.schema())


@pytest.mark.parametrize("name", samples.all_samples())
def test_what_is_rendered_fits_the_schema_and_reads_back_as_it_was(name):
    summary = samples.all_samples()[name]
    text = report.render(summary)
    jsonschema.Draft202012Validator(report.schema()).validate(json.loads(text))
    assert report.parse(text) == summary.report
    assert report.parse(text.encode()) == summary.report


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("images", 0, "results", 0, "outcome"), "fine"),
        (("images", 0, "results", 0, "check"), "No Id"),
        (("schema",), 2),
        (("device",), "tpu"),
        (("verdict", "conclusion"), "great"),
    ],
)
def test_the_schema_refuses_what_is_no_run(path, value):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(report.schema()).validate(changed(path, value))


def test_the_keys_are_always_in_the_same_order():
    run = ["schema", "version", "created", "device", "asked_device", "gpus", "engine", "host"]
    keys = [*run, "images", "detour", "trial", "policy", "origin", "proposal", "counts", "verdict"]
    assert list(document()) == keys
    assert list(json.loads(report.render(samples.cpu()))) == ["notice", *keys]


def test_the_counts_tell_missing_results_too():
    assert json.loads(report.render(samples.not_pulled()))["counts"] == {
        "passed": 1,
        "failed": 0,
        "error": 2,
        "skipped": 0,
        "missing": 2,
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile.text, min_size=1, max_size=12))
def test_any_text_in_any_field_is_ascii_json_that_a_strict_reader_takes(texts):
    source = cycle(texts)
    text = report.render(hostile.everywhere(lambda: next(source)))
    assert text.isascii()
    assert "\x7f" not in text
    msgspec.json.decode(text)


def test_a_verdict_in_the_file_is_not_believed():
    forged = document(verdict={"exit_code": 0, "conclusion": "success", "reasons": []}, counts={}, notice="")
    assert judge(report.parse(json.dumps(forged))).conclusion == "failure"


class TestParseRefuses:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "null",
            "[]",
            "{",
            "[" * 100_000,
            '{"schema":1,"x":' + "[" * 100_000,
            '{"schema": NaN}',
            '{"schema": 1e999}',
            '{"schema": ' + "9" * 5_000 + "}",
            b"\xff\xfe{}",
            "\ud800",
            '{"schema": 1, "version": "\\ud800"}',
            '{"schema": true}',
        ],
        ids=range(13),
    )
    def test_what_is_no_report(self, text):
        refusal(text)

    def test_more_bytes_than_it_will_read(self):
        assert "and there are 67108865" in refusal(" " * ((64 << 20) + 1)).what

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("device",), "tpu"),
            (("images", 0, "planned", 0), "autograd"),
            (("images", 0, "planned", 0), "autograd.polynomial\n"),
            (("images", 0, "results", 0, "check"), "../../x.y"),
            (("images", 0, "results", 0, "check"), "A.B"),
            (("images", 0, "results", 0, "outcome"), "PASSED"),
            (("images", 0, "results", 0, "seconds"), -1.0),
            (("images", 0, "results", 0, "seconds"), "1"),
            (("images", 0, "results", 2, "metrics", 0, "better"), "brighter"),
            (("images", 0, "results", 2, "metrics", 0, "samples", 0), "fast"),
            (("images", 0, "results", 0, "message"), "x" * 200_001),
            (("images", 0, "results", 0, "notes"), ["x"] * 100_001),
            (("images", 0, "environment", "variables"), {"x" * 200_001: "y"}),
            (("policy", "rules"), [["x" * 201, {}]]),
            (("policy", "rules"), [["a.b/c", {}]] * 251),
            (("policy", "rules"), [["*" + "[a-z]" * 39, {}]] * 15),
            (("trial",), {"base": "a", "head": "b", "policy": {"rules": [["*a" * 5_000, {}]]}}),
            (("images",), None),
            (("images",), document()["images"] * 101),
            (("images", 0, "planned"), ["a.b"] * 5_001),
        ],
        ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
    )
    def test_what_no_run_can_have_written(self, path, value):
        refusal(changed(path, value))

    def test_infinity_in_the_samples(self):
        refusal(json.dumps(document()).replace("688.1", "1e999"))

    def test_another_format_and_says_which_release_reads_it(self):
        error = refusal(document(schema=2, version="3.1.0"))
        assert "format 2, and this ci-gpu reads format 1" in error.what
        assert "pip install 'ci-gpu==3.1.0'" in error.remedy

    def test_a_version_that_would_say_something_else(self):
        assert "rm -rf" not in refusal(document(schema=2, version="1'; rm -rf / #")).remedy


def test_a_field_of_a_later_release_of_the_same_format_is_passed_over():
    assert report.parse(json.dumps(document(colour="blue"))) == samples.red().report


def test_a_sample_that_was_no_number_is_read_as_none():
    read = report.parse(json.dumps(document()).replace("688.1", "null"))
    assert read.images[0].results[2].metrics[0].samples[0] is None


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(data):
    refusal(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | hostile.text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data(), values)
def test_a_good_file_with_anything_in_it_is_refused_in_words_or_shown_by_every_report(data, value):
    whole = place = document()
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.integers(0, 9)) == 0:
            break
        place = place[key]
    place[key] = value
    try:
        read = report.parse(json.dumps(whole))
    except ConfigError:
        return
    summary = Summary(report=read, verdict=judge(read))
    assert all(reports.load(name).render(summary).encode() for name in reports.names())
