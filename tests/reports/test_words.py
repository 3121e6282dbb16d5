"""ci_gpu.reports._words"""

import pytest

from ci_gpu.reports import _words
from tests import samples


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (690.83, "690.8"),
        (41.9, "41.9"),
        (0.00031, "0.00031"),
        (0.0000031, "3.100e-06"),
        (123456.0, "123456"),
        (2.5e9, "2.500e+09"),
        (0.0, "0"),
        (None, "not a number"),
        (float("nan"), "not a number"),
    ],
)
def test_number(value, text):
    assert _words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (False, "no"),
        (None, "none"),
        (31, "31"),
        (30.69, "30.69"),
        ("sm_90", "sm_90"),
        (10**18, "more than 10^18"),
    ],
)
def test_fact_value(value, text):
    assert _words.fact_value(samples.Fact("f", value)) == text


def test_an_integer_that_python_refuses_to_write_is_shown_all_the_same():
    assert _words.fact_value(samples.Fact("f", 10**5000)) == "more than 10^18"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.41, "0.4 s"), (74.2, "74 s"), (372.0, "6 min 12 s"), (float("nan"), "unknown"), (-1, "unknown")],
)
def test_seconds(value, text):
    assert _words.seconds(value) == text


def test_the_tally_counts_each_outcome():
    assert _words.tally(samples.results()) == "5 checks: 2 passed, 1 failed, 1 error, 1 skipped"


def test_the_tally_of_one_outcome_is_a_sentence():
    assert _words.tally((samples.check_result(),) * 3) == "3 checks passed"


def test_a_check_without_a_result_is_counted_as_such():
    image = samples.image_report(planned=("autograd.polynomial", "cache.reuse"))
    assert _words.tally(_words.rows(image)) == "2 checks: 1 passed, 1 without a result"
    assert _words.counts(_words.rows(image)) == {"passed": 1, "failed": 0, "error": 1, "skipped": 0}


def test_an_outcome_that_is_no_word_of_ours_is_an_error_and_never_a_pass():
    assert _words.outcome(samples.check_result(outcome="PASSED")) == "error"


def test_equal_gpus_are_counted():
    image = samples.image_report(environment=samples.environment(gpus=(samples.gpu(), samples.gpu(index=1))))
    assert _words.gpu_names(image, samples.run_report()) == "2 × NVIDIA H100 80GB HBM3"


def test_a_median_says_its_unit_and_how_many_samples_are_no_numbers():
    metric = samples.metric(samples=(1.0, 3.0, None, 2.0))
    assert _words.median_text(metric) == "2 TFLOP/s"
    assert _words.samples_text(metric) == "4 samples, 1 not finite"


def test_what_was_not_made_has_a_word_of_its_own():
    rows = (samples.failed(check="a.a"), samples.not_made("a.b"), samples.not_made("a.c"))
    assert _words.tally(rows) == "3 checks: 1 failed, 2 not made"
    assert _words.tally(rows[1:]) == "2 checks not made"


def test_rows_are_folded_by_their_cause_alone():
    other = samples.check_result(check="a.d", outcome="error", message=samples.not_made("x.x").message)
    groups = _words.folded(
        (samples.not_made("a.b"), other, samples.not_made("a.c"), samples.failed(), samples.failed())
    )
    assert [[result.check for result in group] for group in groups] == [
        ["a.b", "a.c"],
        ["a.d"],
        ["autograd.polynomial"],
        ["autograd.polynomial"],
    ]


def test_a_reason_says_what_else_its_cause_did():
    results = (samples.not_made("a.b"), samples.not_made("a.c"), samples.failed(check="a.d", cause="cpu-build"))
    report = samples.run_report(images=(samples.image_report(results=results),))
    assert _words.because(samples.reason(), report) == ""
    assert _words.because(samples.reason(dependents=("a.b", "a.c", "a.d")), report) == (
        "and 2 checks that could not be made because of it and 1 check that ended for the same cause"
    )
    assert _words.because(samples.reason(dependents=("a.d",)), report) == "and 1 check that ended for the same cause"
