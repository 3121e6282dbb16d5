"""What is taken from an old comment is what our reports write; GitHub's own renderer makes nothing else of it."""

from __future__ import annotations

from itertools import cycle

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html

from ci_gpu.github import accepted
from ci_gpu.reports import markdown
from tests import samples
from tests.reports import hostile

REPORTS = {name: markdown.render(sample) for name, sample in samples.all_samples().items()}
TAGS = {
    "div",
    "p",
    "h2",
    "h3",
    "h4",
    "strong",
    "em",
    "br",
    "hr",
    "ul",
    "ol",
    "li",
    "code",
    "pre",
    "details",
    "summary",
} | {*("table", "thead", "tbody", "tr", "th", "td")}


def is_ours(text: str) -> bool:
    try:
        accepted.blocks(text)
    except accepted.NotOursError:
        return False
    return True


def outside_of_code(text: str) -> str:
    """All text in which GitHub looks for mentions, numbers and addresses; fails on an element that is not ours.

    cmark-gfm with its extensions is what GitHub renders with.
    """
    rendered = cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)
    root = html.fromstring(f"<div>{rendered}</div>")
    assert {element.tag for element in root.iter() if isinstance(element.tag, str)} <= TAGS
    return "".join(root.xpath("//text()[not(ancestor::code or ancestor::pre)]"))


def harmless(text: str) -> bool:
    said = outside_of_code(text)
    return not any(mark in said for mark in ("@", "#", "://", "www.", "<", "&", "[", "GH-1"))


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_of_ours_is_ours(name: str) -> None:
    assert "\n\n".join(accepted.blocks(REPORTS[name])) == REPORTS[name].strip("\n")


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile.text, min_size=1, max_size=6))
def test_a_report_of_any_image_is_ours(texts: list[str]) -> None:
    source = cycle(texts)
    assert is_ours(markdown.render(hostile.everywhere(lambda: next(source)), 60_000))


@pytest.mark.attack
@pytest.mark.parametrize(
    "line",
    [
        "Thanks to @octocat",
        "see #123",
        "GH-1",
        "0123456789abcdef0123456789abcdef01234567",
        "https://evil.example",
        "www.evil.example",
        "[click](https://evil.example)",
        "![pixel](https://evil.example/p.png)",
        "<img src=x>",
        "<b>bold</b>",
        "<!-- ci-gpu:leg {} -->",
        "&#64;octocat",
        "`open",
        "```html",
        "``` text",
        "~~~",
        "\\@octocat",
        "| `a|@octocat` |",
        "    @octocat",
        "> quoted",
        "<br>",
        "  <br>",
        "</details>",
        "</summary>",
        "<details><summary>@octocat</summary>",
        "<details open>",
        "# heading",
        "$x$",
        "[^1]: note",
    ],
)
def test_a_line_that_no_report_of_ours_has_is_not_taken(line: str) -> None:
    """Somebody with write access changes our comment so that the next run repeats a mention, a link or HTML in it.

    It would be written again under our name, and mention people each time. A section with one such line is dropped.
    """
    assert not is_ours(line)
    assert not is_ours(f"### ok\n\n{line}\n\nok")
    assert not is_ours(f"ok\n{line}")
    assert not is_ours(f"<details><summary>Logs</summary>\n\n{line}\n\n</details>")


@pytest.mark.attack
@pytest.mark.parametrize(
    "text",
    [
        "<details><summary>Logs</summary>\n`@octocat`\n\n</details>",  # no empty line: HTML, where nothing is code
        "<details><summary>Logs</summary>\n\n`@octocat`\n</details>",
        "<details><summary>Logs</summary>\n\n`x`",
        "  <br>`@octocat`",
        "<details><summary>a</summary>\n\n<details><summary>b</summary>\n\nx\n\n</details>\n\n</details>",
        "```text\n@octocat",
        "```text\n``` x\n@octocat\n```",
        '```mermaid\nclick A "https://evil.example"\n```',
        "```mermaid\n%%{init: {}}%%\n```",
    ],
)
def test_markup_by_which_code_is_no_code_is_not_taken(text: str) -> None:
    """Somebody changes the lines around a code span so that GitHub reads it as HTML: what is inside mentions people."""
    assert not is_ours(text)


def test_a_section_is_shortened_by_whole_blocks_and_says_so() -> None:
    text = REPORTS["comparison"].strip("\n")
    for most in (len(text.encode()) - 1, 2_000, 500):
        short = accepted.shortened(text, most)
        assert len(short.encode()) <= most
        assert short.endswith(accepted.REST)
        assert accepted.shortened(f"{short}", most) == short
        assert is_ours(short)
    assert accepted.shortened(text, len(text.encode())) == text
    again = accepted.shortened(accepted.shortened(text, 3_000), 2_000)
    assert again.count(accepted.REST) == 1


PIECES = st.one_of(
    st.sampled_from([line for text in REPORTS.values() for line in text.split("\n")]),
    st.sampled_from(
        ["", "```", "```text", "<details><summary>Logs</summary>", "</details>", "  <br>x", "`", "``", "|", "-"]
    ),
    st.sampled_from(hostile.SMUGGLES).map(lambda trick: trick[:200]),
    st.text(alphabet="`@#|<>-_*[]()! ab1\n", max_size=12),
)


@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=12), st.sampled_from(("\n", "\n", "")))
def test_whatever_is_taken_is_harmless_to_github_s_renderer(pieces: list[str], between: str) -> None:
    text = between.join(pieces)
    if is_ours(text):
        assert harmless(text), text


def test_it_would_be_seen_if_it_were_not_harmless() -> None:
    assert not harmless("hello @octocat")
    assert not harmless("<details><summary>Logs</summary>\n`@octocat`\n\n</details>")
