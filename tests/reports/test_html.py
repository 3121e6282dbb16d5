"""ci_gpu.reports.html"""

from itertools import cycle, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from ci_gpu.reports import _text, html
from tests import samples
from tests.reports import hostile


def page(summary):
    return lxml_html.document_fromstring(html.render(summary))


def skeleton(element):
    """Elements and attributes, without any text but that of the style sheet."""
    text = element.text if element.tag == "style" else ""
    return (str(element.tag), sorted(element.attrib.items()), text, [skeleton(child) for child in element])


@pytest.mark.parametrize(
    "trick", [trick for trick in hostile.SMUGGLES if _text.line(trick)], ids=lambda trick: trick[:12]
)
def test_a_trick_in_every_place_changes_no_element_and_no_attribute(trick):
    assert skeleton(page(hostile.everywhere(lambda: trick))) == skeleton(page(hostile.everywhere(lambda: "benign")))


@settings(max_examples=50, deadline=None)
@given(st.lists(hostile.text.filter(lambda text: _text.line(text)), min_size=1, max_size=6))
def test_any_texts_in_any_fields_make_no_script_no_link_and_no_image(texts):
    source = cycle(texts)
    root = page(hostile.everywhere(lambda: next(source)))
    assert not root.xpath(
        "//script | //a | //img | //iframe | //object | //form | //link | //base | //*[@href or @src]"
    )
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]
    assert len(root.xpath("//style")) == 1


def test_only_elements_of_html_are_in_it():
    known = {"html", "head", "meta", "title", "style", "body", "header", "main", "section", "footer", "h1", "h2", "h3"}
    known |= {"p", "span", "strong", "code", "pre", "br", "ol", "li", "dl", "dt", "dd", "details", "summary", "div"}
    known |= {"table", "thead", "tbody", "tr", "th", "td", "svg", "line", "circle"}
    for summary in samples.all_samples().values():
        assert {element.tag for element in page(summary).iter()} <= known


def test_the_page_may_load_nothing():
    (policy,) = page(samples.red()).xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@pytest.mark.parametrize("name", samples.all_samples())
def test_a_screen_reader_finds_its_way(name):
    root = page(samples.all_samples()[name])
    assert root.get("lang") == "en"
    assert [len(root.xpath(f"//{landmark}")) for landmark in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    assert root.xpath("//th[not(@scope)]") == []
    ids = root.xpath("//@id")
    assert len(set(ids)) == len(ids)
    assert set(root.xpath("//@aria-labelledby")) <= set(ids)
    levels = [int(heading.tag[1]) for heading in root.xpath("//h1 | //h2 | //h3")]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_sample_is_a_dot_in_the_strip():
    first, second = page(samples.red()).xpath("//svg")
    assert len(first.xpath(".//circle")) == 10
    assert len(second.xpath(".//circle")) == 1
    assert first.get("aria-label") == "10 samples from 655.4 to 692.2"


def test_samples_at_the_ends_of_the_numbers_stay_in_the_picture():
    metric = samples.metric(samples=(-1.7e308, 1.7e308, float("inf"), None), limit=None)
    image = samples.image_report(results=(samples.check_result(metrics=(metric,)),))
    (plot,) = page(samples.summary(images=(image,))).xpath("//svg")
    assert [float(dot.get("cx")) for dot in plot.xpath(".//circle")] == [8.0, 232.0]


def test_what_did_not_pass_comes_first_and_its_facts_are_open():
    root = page(samples.red())
    outcomes = [cell.text_content().strip() for cell in root.xpath("//td/span[contains(@class, 'outcome')]")]
    assert [outcome.lstrip("✓✗!–") for outcome in outcomes] == ["failed", "error", "skipped", "passed", "passed"]
    assert root.xpath("//details[@open]/summary/text()") == ["2 facts"]


def test_logs_are_folded_and_keep_their_lines():
    (log, said) = page(samples.red()).xpath("//details[not(@open)]/pre")
    assert log.text_content() == "Traceback (most recent call last):\n  polynomial\nAssertionError: dz/dy"
    assert said.text_content() == "Welcome to the image\nready"
