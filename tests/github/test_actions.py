"""The runner hears what we mean, and nothing that an image says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.github import actions
from tests import samples

HOSTILE = "a%0A::error::x\r\n::set-output name=y::z\x1b[31m\x00ghadelimiter_"


def test_a_command_is_escaped_as_the_runner_unescapes_it() -> None:
    assert actions.command("error", "50 %\r\nof: a, b", title="a: b, c") == (
        "::error title=a%3A b%2C c::50 %25%0Aof: a, b"
    )


@given(st.text(), st.text())
def test_a_command_is_one_line_whatever_is_in_it(message: str, title: str) -> None:
    line = actions.command("error", message, title=title)

    assert "\n" not in line
    assert "\r" not in line
    assert line.count("::") >= 2


def test_untrusted_output_stands_between_fences_that_cannot_be_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with actions.untrusted_output():
            print("::error::x")
    lines = capsys.readouterr().err.split()
    tokens = [line.removeprefix("::stop-commands::") for line in lines if line.startswith("::stop-commands::")]

    assert len(set(tokens)) == 2
    assert [f"::{token}::" for token in tokens] == lines[1::2]


def test_the_fence_is_closed_even_where_the_block_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), actions.untrusted_output():
        raise ZeroDivisionError
    opened, closed = capsys.readouterr().err.split()

    assert opened.removeprefix("::stop-commands::") == closed.strip(":")


def test_outside_of_actions_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    actions.tell(samples.red(), {"GITHUB_OUTPUT": str(tmp_path / "output")}, {})

    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


def test_outputs_summary_and_annotations_of_a_failed_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_ENV": str(tmp_path / "env"),
        "GITHUB_PATH": str(tmp_path / "path"),
    }
    actions.tell(samples.red(), env, {"junit-file": "r/junit.xml"})
    outputs = parse((tmp_path / "output").read_text())

    assert outputs["conclusion"] == "failure"
    assert outputs["exit-code"] == "1"
    assert outputs["junit-file"] == "r/junit.xml"
    assert outputs["failure-class"]
    assert (tmp_path / "summary").read_text().strip()
    assert capsys.readouterr().err.startswith("::error title=ci-gpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output", "summary"]


def test_an_image_cannot_write_an_output_of_its_own() -> None:
    environment = samples.environment(torch=HOSTILE, driver=HOSTILE * 100)
    summary = samples.summary(report=samples.run_report(images=(samples.image_report(environment=environment),)))
    values = actions.outputs(summary)

    assert all("\n" not in value and "\x1b" not in value and len(value) <= 500 for value in values.values())


def test_more_reasons_than_the_runner_keeps_are_counted() -> None:
    verdict = samples.verdict(
        reasons=tuple(samples.reason(subject=f"a.b{number}") for number in range(30)), exit_code=1
    )
    lines = actions.error_commands(msgspec.structs.replace(samples.red(), verdict=verdict))

    assert len(lines) == actions.MAX_ANNOTATIONS
    assert "and 23 more: see the summary" in lines[-1]
    assert all(len(line) < 4096 for line in lines)


def test_a_comparison_is_counted_by_verdict_and_no_comparison_is_no_zero() -> None:
    compared, alone = actions.outputs(samples.comparison()), actions.outputs(samples.green())
    gated = [one.verdict for one in samples.comparison().report.trial.metrics if one.gated]
    words = ("regressed", "improved", "unchanged", "inconclusive", "missing")

    assert {word: compared[word] for word in words} == {word: str(gated.count(word)) for word in words}
    assert compared["regressed"] != "0"
    assert {alone[word] for word in words} == {""}


def parse(text: str) -> dict[str, str]:
    """As the runner reads the file: name, delimiter, value."""
    lines, outputs = iter(text.splitlines()), {}
    for line in lines:
        name, _, delimiter = line.partition("<<")
        outputs[name] = "\n".join(iter(lambda lines=lines: next(lines), delimiter))  # type: ignore[misc]
    return outputs


def test_an_annotation_says_what_else_its_cause_kept_from_being_made() -> None:
    (line,) = actions.error_commands(samples.cpu_build())

    assert (
        "compatibility.cuda_build: torch 2.9.0 is a CPU build, and 4 checks that could not be made because of it"
        in line
    )
