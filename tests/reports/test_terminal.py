"""ci_gpu.reports.terminal"""

import io
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_gpu.reports import terminal
from tests import samples, trials
from tests.reports import hostile


def test_one_failing_check_takes_twelve_lines_at_most():
    image = samples.image_report(results=(samples.check_result(check="matmul.float32"), samples.failed()))
    assert len(terminal.render(samples.summary(images=(image,))).splitlines()) <= 12


def test_a_green_run_takes_five_lines_at_most():
    assert len(terminal.render(samples.green()).splitlines()) <= 5


@pytest.mark.parametrize("name", samples.all_samples())
def test_no_line_is_wider_than_the_screen(name):
    assert max(map(len, terminal.render(samples.all_samples()[name]).splitlines())) <= 100


def test_a_hundred_failures_do_not_fill_the_screen():
    results = tuple(samples.failed(check=f"matmul.case_{index}") for index in range(100))
    text = terminal.render(samples.summary(images=(samples.image_report(results=results),)))
    assert len(text.splitlines()) <= 25
    assert "and 95 reasons more, in the reports" in text


def test_the_last_line_is_the_verdict_with_its_exit_code():
    assert terminal.render(samples.red()).splitlines()[-1] == (
        "Failed (exit code 1). 5 checks: 2 passed, 1 failed, 1 error, 1 skipped."
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(hostile.text, min_size=1, max_size=6))
def test_the_runner_of_github_obeys_nothing_in_it(texts):
    source = cycle(texts)
    text = terminal.render(hostile.everywhere(lambda: next(source)))
    assert "##[" not in text
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]


def test_a_command_that_lands_at_the_start_of_a_folded_line_is_muted():
    message = "x" * 88 + " ::error::forged " + "y" * 60
    result = samples.failed(message=message)
    text = terminal.render(samples.summary(images=(samples.image_report(results=(result,)),)))
    assert "error" in text
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]


@pytest.mark.parametrize("trick", ["::error::x", "##[error]x", "a ##[group]x"])
def test_a_command_in_every_place_is_muted(trick):
    text = terminal.render(hostile.everywhere(lambda: trick))
    assert "##[" not in text
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]


def test_markup_of_rich_is_shown_and_not_obeyed():
    from rich.console import Console

    summary = hostile.everywhere(lambda: "[bold]b[/bold] [link=https://evil.example]x[/link]")
    stream = io.StringIO()
    Console(file=stream, force_terminal=True, width=300).print(terminal.render_rich(summary))
    assert "[bold]b[/bold]" in stream.getvalue()
    assert "\x1b]8;" not in stream.getvalue()


def test_colour_adds_nothing_to_the_words():
    assert terminal.render_rich(samples.red()).plain == terminal.render(samples.red())
    assert terminal.render_rich(samples.red()).spans


class TestAComparison:
    def test_tells_what_is_worse_with_its_numbers_and_counts_the_rest(self):
        text = terminal.render(samples.comparison())
        row = "FAILED   matmul.bfloat16/throughput regressed: 690.7 became 655.4 TFLOP/s, -5.1 % (-5.4 % to -4.9 %)"
        assert row in text.splitlines()
        folded = " ".join(text.split())
        assert "allocator.churn/cycle inconclusive: 41.49 became 42.9 µs, +2.9 % (-2.3 % to +8.4 %); about 16" in folded
        assert "6 pairs of processes, control +0.03 %: 1 regressed, 1 missing, 1 inconclusive" in folded
        assert text.splitlines()[-1] == (
            "Failed (exit code 1). 1 metric regressed and 1 metric missing. 2 checks passed."
        )

    def test_of_equals_it_takes_eight_lines(self):
        trial = trials.trial(metrics=tuple(trials.comparison(metric=f"a.b/{n}", verdict="unchanged") for n in range(9)))
        lines = terminal.render(samples.comparison(trial=trial)).splitlines()
        assert len(lines) <= 8
        assert "all 9 metrics unchanged" in lines[-1].lower()

    def test_a_hundred_regressions_do_not_fill_the_screen(self):
        trial = trials.trial(metrics=tuple(trials.comparison(metric=f"a.b/{index}") for index in range(100)))
        text = terminal.render(samples.comparison(trial=trial))
        assert len(text.splitlines()) <= 25
        assert "and 95 metrics more, in the reports" in text

    def test_a_refusal_is_said_in_place_of_any_metric(self):
        text = terminal.render(samples.comparison(trial=trials.trial(refused="the GPU is shared")))
        assert "unsure   nothing was concluded: the GPU is shared" in text
        assert "regressed" not in text

    def test_an_ungated_regression_fails_nothing(self):
        one = trials.comparison(gated=False)
        text = terminal.render(samples.comparison(trial=trials.trial(metrics=(one,))))
        assert "matmul.bfloat16/throughput regressed" not in text
        assert "no gated metric regressed" in text.lower()
