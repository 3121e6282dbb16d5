"""The comment as a person reads it, and as the next run reads it again, whatever somebody has made of it meanwhile."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_gpu.github import body, legs
from ci_gpu.github.body import FORK, marker
from ci_gpu.model import Summary
from ci_gpu.reports import markdown
from tests import samples
from tests.github.test_accepted import REPORTS
from tests.github.thread import HEAD, OLD, PAGE, leg, section, written
from tests.reports import hostile

RED, GREEN = section("red", text=REPORTS["red"], exit=1), section("green", text=REPORTS["green"])
LONG = "### ✅ long\n\n" + "\n\n".join(f"line {number} {'x' * 400}" for number in range(200))


def changed(comment: str, /, **fields: Any) -> str:
    """The comment with other fields in its first leg."""

    def edit(match: re.Match[str]) -> str:
        return f"<!-- ci-gpu:leg {json.dumps({**json.loads(match[1]), **fields})} -->"

    return re.sub(r"<!-- ci-gpu:leg (.*) -->", edit, comment, count=1)


def test_what_is_written_is_read_again() -> None:
    found = body.read(written(RED, GREEN))

    assert found == (
        msgspec.structs.replace(RED.leg, text=REPORTS["red"].strip("\n")),
        msgspec.structs.replace(GREEN.leg, text=REPORTS["green"].strip("\n")),
    )
    assert body.read(written(RED, GREEN).replace("\n", "\r\n")) == found


def test_what_is_read_again_is_written_as_it_was() -> None:
    text = written(RED, GREEN)

    assert body.write(PAGE, body.read(text), {}, 60_000) == text


def test_one_leg_is_told_without_a_table() -> None:
    text = written(RED)

    assert text.startswith(f"{marker(PAGE.key)}\n<!-- ci-gpu:leg ")
    assert "| Leg |" not in text
    assert f"_Commit `{HEAD[:7]}`, run [5](https://github.com/org/repo/actions/runs/5)._" in text


def test_a_section_for_which_there_is_room_is_whole() -> None:
    from tests.github.thread import leg

    one = leg("gpu")
    text = body.write(PAGE, (one,), {one.use: lambda budget: markdown.render(samples.red(), budget)}, 60_000)

    assert markdown.render(samples.red()).strip() in text
    assert "for want of room" not in text


def test_red_is_open_and_first_and_green_is_folded() -> None:
    text = written(GREEN, RED, section("not judged", exit=3))
    lines = text.split("\n")

    assert lines[1] == "## ❌ GPU image checks: 1 failed, 1 without a verdict, 1 passed of 3 legs"
    assert [line.split(" | ")[:2] for line in lines[5:8]] == [
        ["| ⚠️", "`not judged`"],
        ["| ❌", "`red`"],
        ["| ✅", "`green`"],
    ]
    assert "<details><summary>✅ <code>green</code>: passed</summary>" in text
    assert "<code>red</code>" not in text


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ((0, 0), "✅ GPU image checks: 2 of 2 legs passed"),
        ((1, 1), "❌ GPU image checks: 2 failed, 0 passed of 2 legs"),
        ((3, 0), "⚠️ GPU image checks: 1 without a verdict, 1 passed of 2 legs"),
    ],
)
def test_the_summary_counts_legs(codes: tuple[int, ...], said: str) -> None:
    text = written(*(section(f"leg {number}", exit=code) for number, code in enumerate(codes)))

    assert text.split("\n")[1] == f"## {said}"


@pytest.mark.attack
def test_a_leg_of_a_fork_s_run_is_said_first_to_be_one() -> None:
    """A fork's run posts a green report beside others: the first line that is seen says that nobody has verified it."""
    lines = written(section("a"), section("b", fork=True)).split("\n")

    assert lines[1] == f"**{FORK}**"
    assert FORK not in written(section("a"))


def test_a_key_of_any_length_and_letters_has_a_comment_of_its_own() -> None:
    keys = ["GPU", "gpu", "GPÜ", "GPÖ", "名前", "名", "a" * 150, "a" * 151, "a" * 150 + "b", "", "/", " ", "a-b", "a b"]

    assert len({marker(key) for key in keys}) == len(keys)
    for key in [*keys, "a --> <script>", "\ud800", "x\n--> y"]:
        assert re.fullmatch(r"<!-- ci-gpu:comment v2 key=[a-z0-9_./-]{1,40} [0-9a-f]{16} -->", marker(key))


@pytest.mark.attack
@pytest.mark.parametrize(
    "fields",
    [
        {"exit": -1},
        {"exit": "0"},
        {"exit": 256},
        {"id": "../../x"},
        {"id": "a" * 12 + "-1000"},
        {"seat": ""},
        {"use": "A" * 12},
        {"label": "x" * 500},
        {"label": "a\u202eb"},
        {"label": "a\nb"},
        {"run": -1},
        {"run": 2**60},
        {"attempt": 1.5},
        {"commit": "main"},
        {"created": "now @octocat"},
        {"fork": "no"},
        {"text": "### smuggled"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_leg_that_is_changed_to_what_we_never_write_is_dropped(fields: dict[str, Any]) -> None:
    """Somebody with write access changes the hidden part of our comment to take a red leg out, or to break a later run.

    Only what the schema of a leg takes is read again, and a run always replaces its own leg.
    """
    assert [one.label for one in body.read(changed(written(RED, GREEN), **fields))] == ["green"]


@pytest.mark.attack
def test_a_leg_that_claims_to_be_newer_than_any_run_is_replaced_by_the_next_one() -> None:
    """Somebody changes a leg of our comment to a passed one of a run far in the future, so that no later run replaces
    it. The leg of the run that writes always takes its place."""
    known = body.read(changed(written(section("gpu", exit=1)), exit=0, run=2**52, attempt=2**52))
    (found,) = legs.merged(known, [leg("gpu", exit=1, run=6)], HEAD)

    assert (found.exit, found.run) == (1, 6)


@pytest.mark.attack
@pytest.mark.parametrize(
    "line",
    ["@octocat", "[x](https://evil.example)", "<img src=x>", "<!-- ci-gpu:comment v2 -->", "https://evil.example"],
)
def test_a_section_that_is_changed_is_dropped_and_its_verdict_kept(line: str) -> None:
    """Somebody writes a mention or a link into a section of our comment: the next run would repeat it in our name."""
    text = written(RED, GREEN).replace("GPU image check failed", f"GPU image check failed\n\n{line}\n", 1)
    found = body.read(text)
    again = body.write(PAGE, found, {}, 60_000)

    assert [(one.label, one.exit, bool(one.text)) for one in found] == [("red", 1, False), ("green", 0, True)]
    assert line not in again
    assert "failed; no room for more here" in again


def test_the_end_of_one_leg_is_not_lost_in_the_next() -> None:
    text = written(RED, GREEN)
    found = body.read(text.replace("<!-- ci-gpu:end -->", "", 1))

    assert [(one.label, bool(one.text)) for one in found] == [("red", False)]


@pytest.mark.parametrize(
    "text", ["", "x" * 70_001, "<!-- ci-gpu:leg {} -->\n" * 3_000, "<!-- ci-gpu:leg " + "{" * 60_000]
)
def test_a_body_that_holds_no_leg_holds_none(text: str) -> None:
    assert body.read(text) == ()


@pytest.mark.parametrize("budget", [60_000, 30_000, 8_000])
def test_red_sections_are_kept_whole_first(budget: int) -> None:
    sections = [section("red", text=REPORTS["red"], exit=1), *(section(f"g{n}", text=LONG) for n in range(3))]
    several = legs.merged((), [each.leg for each in sections], HEAD)
    text = body.write(PAGE, several, {each.leg.use: each.render for each in sections}, budget)

    assert len(text.encode()) <= budget
    assert REPORTS["red"].strip("\n") in text
    assert text.count("| ✅ |") == 3


def test_red_sections_share_what_is_too_little_for_all() -> None:
    sections = [section(f"red {n}", text=LONG, exit=1) for n in range(4)]
    stored = [msgspec.structs.replace(each.leg, text=LONG) for each in sections]
    text = body.write(PAGE, legs.merged(stored, (), HEAD), {}, 60_000)
    sizes = [len(one.text) for one in body.read(text)]

    assert len(text.encode()) <= 60_000
    assert min(sizes) > 10_000
    assert text.count("left out here for want of room") == 4


def test_sixty_legs_have_room_for_their_lines_and_the_red_ones_stay() -> None:
    sections = [section(f"leg {n:03} {'é' * 100}", text=LONG, exit=int(n % 20 == 0)) for n in range(200)]
    several = legs.merged((), [each.leg for each in sections], HEAD)
    text = body.write(PAGE, several, {each.leg.use: each.render for each in sections}, 60_000)

    assert len(several) == legs.MOST
    assert sum(one.exit for one in several) == 10
    assert len(text.encode()) <= 60_000
    assert len(body.read(text)) == legs.MOST


@settings(max_examples=40, deadline=None)
@given(st.lists(hostile.text, min_size=1, max_size=4))
def test_a_leg_of_any_report_is_read_again(texts: list[str]) -> None:
    """Job, matrix and images are a stranger's words in a fork's run."""
    from itertools import cycle

    source = cycle(texts)
    summary = hostile.everywhere(lambda: next(source))
    one = legs.of(summary, legs.Job(run=5, attempt=1, commit=HEAD, fork=True))
    text = body.write(PAGE, (one,), {one.use: lambda budget: markdown.render(summary, budget)}, 60_000)

    assert [(found.id, found.label) for found in body.read(text)] == [(one.id, one.label)]
    assert text.count("<!--") == 3


def test_legs_differ_by_job_matrix_images_and_what_is_checked() -> None:
    from ci_gpu.origin import Origin

    def of(report: Any = None, **made: str) -> str:
        report = report or samples.run_report()
        report = msgspec.structs.replace(report, origin=Origin(**made))
        return legs.of(msgspec.structs.replace(samples.green(), report=report), legs.Job()).id

    other = samples.run_report(images=(samples.image_report(name="other"),))
    fewer = samples.run_report(images=(samples.image_report(planned=("a.b",)),))
    every = [of(), of(job="a"), of(job="a", matrix='{"gpu": 1}'), of(event="push"), of(other), of(fewer)]
    assert len(set(every)) == len(every)
    assert of(job="a", commit="b" * 40, run="7") == of(job="a")


@pytest.mark.attack
def test_a_fork_s_file_takes_the_place_of_no_leg_of_ours() -> None:
    """A fork's file names the job, the matrix and the images of a job of ours that posts under the same key.

    Its green leg would stand in the place of our red one. A leg of a fork's file is another leg, whatever that says.
    """
    red, green = (leg_of(summary, fork) for summary, fork in ((samples.red(), False), (samples.red(), True)))
    green = msgspec.structs.replace(green, exit=0, run=red.run + 1)

    assert {one.exit for one in legs.merged((red,), (green,), HEAD)} == {0, 1}


def leg_of(summary: Summary, fork: bool) -> legs.Leg:
    return legs.of(summary, legs.Job(run=5, attempt=1, commit=HEAD, fork=fork))


def test_a_leg_is_named_as_github_names_its_job() -> None:
    from ci_gpu.origin import Origin

    made = Origin(job="gpu", matrix=json.dumps({"cuda": 12.8, "gpu": "a100", "more": {"x": 1}}))
    report = samples.run_report(images=(samples.image_report(name="docker.io/pytorch/pytorch:2.9"),), origin=made)
    one = legs.of(msgspec.structs.replace(samples.green(), report=report), legs.Job())

    assert one.label == "gpu (12.8, a100): pytorch/pytorch:2.9"


def test_of_older_commits_only_the_newest_is_told_and_only_while_it_is_waited_for() -> None:
    older = [leg("a", commit="c" * 40, run=1), leg("gone", commit="c" * 40, run=1), leg("a2", commit=OLD, run=2)]
    assert [one.label for one in legs.merged(older, (), HEAD)] == ["a2"]
    moved = leg("new name", seat=leg("a2").seat)
    assert [one.label for one in legs.merged(older, [moved], HEAD)] == ["new name"]
