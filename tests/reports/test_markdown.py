"""ci_gpu.reports.markdown, seen through the renderer that GitHub itself uses (cmark-gfm)."""

import re
from itertools import cycle

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import html

from ci_gpu.reports import _text, markdown
from tests import samples
from tests.reports import hostile

ROOM = 10**9
TAGS = {"div", "p", "h3", "h4", "strong", "em", "br", "ul", "li", "code", "pre", "details", "summary"} | {
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}


def page(text):
    """The page that GitHub's renderer makes of a text: raw HTML let through, as the safe subset of GitHub is."""
    rendered = cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)
    return html.fromstring(f"<div>{rendered}</div>")


def skeleton(element):
    """The page without what stands in code: GitHub looks for mentions and links in nothing else."""
    if element.tag == "code":
        return "code"
    children = [(skeleton(child), child.tail or "") for child in element]
    return (element.tag, sorted(element.attrib.items()), element.text or "", children)


def benign(trick_free="benign"):
    return skeleton(page(markdown.render(hostile.everywhere(lambda: trick_free), ROOM)))


@pytest.mark.parametrize(
    "trick", [trick for trick in hostile.SMUGGLES if _text.line(trick)], ids=lambda trick: trick[:12]
)
def test_a_trick_in_every_place_changes_nothing_but_what_stands_in_code(trick):
    assert skeleton(page(markdown.render(hostile.everywhere(lambda: trick), ROOM))) == benign()


@settings(max_examples=80, deadline=None)
@given(st.lists(hostile.text.filter(lambda text: _text.line(text)), min_size=1, max_size=6))
def test_any_texts_in_any_fields_make_only_our_own_elements(texts):
    source = cycle(texts)
    root = page(markdown.render(hostile.everywhere(lambda: next(source)), ROOM))
    assert {element.tag for element in root.iter()} <= TAGS
    assert not {name for element in root.iter() for name in element.attrib} - {"align", "class", "lang"}


def test_what_the_image_said_is_nowhere_but_in_code():
    root = page(markdown.render(hostile.everywhere(lambda: "@octocat #1 GH-1 0123456789abcdef x@y.example"), ROOM))
    for element in root.xpath("//code"):
        element.text = ""
    assert not re.search(r"@|#\d|GH-|0123456789abcdef|example", root.text_content())


def test_a_forged_marker_of_a_sticky_comment_is_not_in_the_raw_text():
    text = markdown.render(hostile.everywhere(lambda: "<!-- ci-gpu:comment v1 key=x -->"), ROOM)
    assert "<!--" not in text


def test_a_comment_that_is_opened_by_an_image_hides_nothing():
    root = page(markdown.render(hostile.everywhere(lambda: "<!--"), ROOM))
    assert "Environment" in root.text_content()


def test_the_first_line_carries_the_verdict_and_the_image():
    assert markdown.render(samples.red()).splitlines()[0] == (
        "### ❌ GPU image check failed – 5 checks: 2 passed, 1 failed, 1 error, 1 skipped in "
        "`docker.io/pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime`"
    )


def test_what_passed_is_folded_only_beside_what_did_not():
    assert "<summary>2 checks passed</summary>" in markdown.render(samples.red())
    assert "checks passed</summary>" not in markdown.render(samples.green())


class TestBudget:
    def big(self, **changes):
        results = [samples.failed(check=f"matmul.case_{index}", log="boom\n" * 2000, **changes) for index in range(80)]
        return samples.summary(images=(samples.image_report(results=tuple(results), log="said\n" * 5000),))

    @pytest.mark.parametrize("budget", [1_000_000, 60_000, 20_000, 12_000, 5_000, 3_000])
    def test_is_kept_in_bytes(self, budget):
        assert len(markdown.render(self.big(message="漢" * 500), budget).encode()) <= budget

    @pytest.mark.parametrize("budget", range(1_000, 100_000, 1_111))
    def test_never_cuts_a_table_or_leaves_a_section_open(self, budget):
        text = markdown.render(self.big(), budget)
        assert text.count("<details>") == text.count("</details>")
        assert text.count("```") % 2 == 0
        assert all(line.endswith(" |") for line in text.splitlines() if line.startswith("|"))
        assert text.startswith("### ❌ GPU image check failed")

    def test_sheds_logs_before_the_environment_and_the_outcomes_last(self):
        full = len(markdown.render(self.big(), ROOM).encode())
        shorter = markdown.render(self.big(), full - 1)
        assert "boom" not in shorter
        assert "Environment" in shorter
        assert "_Left out here for want of room: the logs." in shorter

    def test_says_nothing_of_room_where_there_was_enough(self):
        assert "want of room" not in markdown.render(samples.red())

    def test_keeps_the_first_reasons_where_nothing_else_fits(self):
        assert "matmul.case_0" in markdown.render(self.big(), 2_000)

    def test_never_gives_up_the_headline(self):
        assert markdown.render(self.big(), 10).startswith("### ❌ GPU image check failed")


@given(st.text(alphabet="`|\\ab <&", max_size=30))
def test_a_code_span_in_a_table_is_one_cell_whatever_it_holds(text):
    assume(text.strip())
    root = page(markdown.table(("a", "b"), [(markdown.code(text), markdown.code("next"))]))
    cells = root.xpath("//tbody//td")
    assert [len(cell.xpath(".//code")) for cell in cells] == [1, 1]
    assert cells[1].text_content() == "next"


def test_what_could_not_be_made_is_one_row_and_one_line_under_its_cause():
    text = markdown.render(samples.cpu_build())
    assert "| `matmul.float64` and 3 more | ⚠️ error (`not-made`) | `not made, because torch was" in text
    assert "<br>and 4 checks that could not be made because of it" in text
    assert text.count("built without CUDA") == 1
