"""ci_gpu.reports.junit"""

from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from ci_gpu.model import Policy
from ci_gpu.reports import junit
from tests import samples, trials
from tests.reports import hostile

SCHEMAS = {path.name: etree.XMLSchema(etree.parse(path)) for path in (Path(__file__).parent / "schemas").glob("*.xsd")}


def parsed(summary):
    return etree.fromstring(junit.render(summary).encode())


def assert_valid(root):
    assert len(SCHEMAS) == 2
    for schema in SCHEMAS.values():
        schema.assertValid(root)


def assert_fit_for_consumers(root):
    """What test-reporter, publish-unit-test-result, GitLab, Buildkite and Jenkins trip over."""
    assert not root.attrib
    for suite in root:
        cases = suite.findall("testcase")
        assert suite.get("name").strip()
        names = [(case.get("classname"), case.get("name")) for case in cases]
        assert all(classname.strip() and name.strip() for classname, name in names)
        assert len(set(names)) == len(names)
        assert int(suite.get("tests")) == len(cases)
        for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute)) == len(suite.findall(f"testcase/{element}"))
        for outcome in suite.findall("testcase/*"):
            assert outcome.text.strip()
            assert outcome.get("message").strip()
            assert outcome.tag == "skipped" or outcome.get("type").strip()
        assert "[[ATTACHMENT|" not in (suite.findtext("system-out") or "")


@pytest.mark.parametrize("name", samples.all_samples())
def test_every_ending_is_valid_against_both_schemas(name):
    root = parsed(samples.all_samples()[name])
    assert_valid(root)
    assert_fit_for_consumers(root)


@pytest.mark.parametrize("trick", hostile.SMUGGLES, ids=range(len(hostile.SMUGGLES)))
def test_every_trick_in_every_place_stays_valid(trick):
    root = parsed(hostile.everywhere(lambda: trick))
    assert_valid(root)
    assert_fit_for_consumers(root)


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile.text, min_size=1, max_size=12))
def test_any_text_in_any_field_stays_valid(texts):
    source = cycle(texts)
    root = parsed(hostile.everywhere(lambda: next(source)))
    assert_valid(root)
    assert_fit_for_consumers(root)


@example(float("nan"))
@example(float("inf"))
@example(-1.0)
@settings(deadline=None)
@given(st.floats())
def test_any_duration_stays_valid(seconds):
    image = samples.image_report(results=(samples.check_result(seconds=seconds),), seconds=seconds)
    assert_valid(parsed(samples.summary(images=(image,))))


@pytest.mark.parametrize(
    ("started", "stamp"),
    [
        ("2026-11-23T05:30:00Z", "2026-11-23T05:30:00"),
        ("2026-11-23T05:30:00.123456+02:00", "2026-11-23T03:30:00"),
        ("9999-12-31T23:59:59-14:00", "2026-11-23T05:30:00"),
        ("0001-01-01T00:00:00+14:00", "2026-11-23T05:30:00"),
        ("yesterday", "2026-11-23T05:30:00"),
    ],
)
def test_the_time_stamp_is_utc_without_a_zone_and_falls_back_to_that_of_the_run(started, stamp):
    root = parsed(samples.summary(images=(samples.image_report(started=started),)))
    assert_valid(root)
    assert root[0].get("timestamp") == stamp


def test_class_is_the_family_and_name_the_check():
    case = parsed(samples.red()).find("testsuite/testcase[2]")
    assert (case.get("classname"), case.get("name")) == ("ci_gpu.autograd", "polynomial")


def test_failure_error_and_skip_are_distinct():
    suite = parsed(samples.red())[0]
    assert [case[0].tag if len(case) else "passed" for case in suite.findall("testcase")] == [
        "passed",
        "failure",
        "passed",
        "error",
        "skipped",
    ]
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["5", "1", "1", "1"]


def test_a_failure_has_its_kind_its_remedy_its_facts_and_its_log():
    failure = parsed(samples.red()).find(".//failure")
    assert failure.get("type") == "wrong-value"
    for said in ("try: reinstall torch", "dz/dy = 30.69 (expected 31)", "AssertionError: dz/dy"):
        assert said in failure.text


def test_a_promised_check_without_a_result_is_an_error_of_type_missing():
    image = samples.image_report(planned=("autograd.polynomial", "cache.reuse"))
    root = parsed(samples.summary(images=(image,)))
    assert [error.get("type") for error in root.iter("error")] == ["missing"]
    assert root[0].get("errors") == "1"


def test_a_check_that_was_not_made_is_an_error_of_one_line_and_counts_as_one():
    suite = parsed(samples.cpu_build())[0]
    errors = list(suite.iter("error"))
    assert [error.get("type") for error in errors] == ["not-made"] * 4
    assert {error.get("message") for error in errors} == {"not made, because torch was built without CUDA"}
    assert {len(error.text.splitlines()) for error in errors} == {2}  # the cause, and what to try
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["5", "1", "4", "0"]


def test_an_image_that_was_not_pulled_has_one_error_that_says_so_even_if_no_check_was_promised():
    image = samples.image_report(results=(), planned=(), environment=None, failure=samples.pull_failure())
    root = parsed(samples.summary(images=(image,)))
    assert_valid(root)
    (error,) = root.iter("error")
    assert error.get("type") == "tag-not-found"
    assert "nearest tags: 2.9.0-cuda12.6" in error.text
    assert root[0].get("tests") == root[0].get("errors") == "1"


def test_two_results_of_one_name_are_both_seen():
    image = samples.image_report(results=(samples.check_result(), samples.failed()))
    root = parsed(samples.summary(images=(image,)))
    assert [case.get("name") for case in root.iter("testcase")] == ["polynomial", "polynomial (2)"]


def test_the_suite_has_what_ran_where_and_the_medians_as_properties():
    properties = {item.get("name"): item.get("value") for item in parsed(samples.red()).iter("property")}
    assert properties["ci-gpu"] == "1.0.0"
    assert properties["image"] == samples.IMAGE
    assert properties["digest"] == samples.DIGEST
    assert properties["engine"] == "docker"
    assert properties["driver"] == "580.95.05"
    assert properties["torch"] == "2.9.0+cu128"
    assert properties["cuda"] == "12.8"
    assert properties["gpu"] == "NVIDIA H100 80GB HBM3"
    assert properties["metric matmul.bfloat16/throughput"] == "690.8 TFLOP/s (median, 10 samples)"


def test_without_a_gpu_the_name_of_the_suite_and_its_output_begin_with_that():
    suite = parsed(samples.cpu())[0]
    assert suite.get("name").startswith("[NO GPU WAS CHECKED] ")
    assert suite.findtext("system-out").startswith("NO GPU WAS CHECKED")


def test_an_image_cannot_attach_files_of_the_workspace_in_gitlab():
    root = parsed(samples.summary(images=(samples.image_report(log="[[ATTACHMENT|/etc/passwd]]"),)))
    assert_fit_for_consumers(root)
    assert "ATTACHMENT" in root[0].findtext("system-out")


def compared(**changes):
    """The tests of the comparison, by name: the tag of the outcome and its message."""
    cases = parsed(samples.comparison(trial=trials.trial(**changes)))[-1].findall("testcase[@classname='comparison']")
    return {case.get("name"): (case[0].tag, case[0].get("message")) if len(case) else ("passed", "") for case in cases}


def test_a_gated_metric_is_a_test_and_what_is_worse_is_a_failure():
    found = compared()
    assert found["matmul.bfloat16/throughput"] == (
        "failure",
        "regressed: base 690.7 TFLOP/s, head 655.4 TFLOP/s, -5.1 % (-5.4 % to -4.9 %); "
        "-5.12 % worse in 6 pairs (margin 2 %, p 0.0003), not confirmed by further pairs",
    )
    assert found["convolution.float16/throughput"][0] == "failure"
    assert found["matmul.float8/throughput"] == found["attention.flash/forward"] == ("passed", "")
    assert "compile.inductor/first call" not in found
    assert len(found) == 10


@pytest.mark.parametrize(("rule", "tag"), [("pass", "skipped"), ("warn", "skipped"), ("fail", "failure")])
def test_the_policy_decides_what_an_inconclusive_metric_is(rule, tag):
    found, message = compared(policy=Policy(inconclusive=rule))["allocator.churn/cycle"]
    assert found == tag
    assert "about 16 pairs would settle it" in message


def test_a_comparison_that_concluded_nothing_has_an_error():
    assert compared(refused="the GPU is shared", metrics=()) == {"conclusive": ("error", "the GPU is shared")}


def test_metrics_of_the_comparison_that_share_a_name_are_both_seen():
    assert list(compared(metrics=(trials.comparison(), trials.comparison()))) == [
        "matmul.bfloat16/throughput",
        "matmul.bfloat16/throughput (2)",
    ]
