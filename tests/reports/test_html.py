"""ci_gpu.reports.html"""

from itertools import cycle, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from ci_gpu.model import Policy
from ci_gpu.reports import _text, html
from tests import samples, trials
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
    known |= {"title", "desc", "rect", "path", "text", "ul"}
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
    assert {name for names in root.xpath("//@aria-labelledby") for name in names.split()} <= set(ids)
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


class TestAComparison:
    def test_the_headline_and_the_title_say_how_it_ended(self):
        root = page(samples.comparison())
        assert root.xpath("string(//h1)") == "failed: 1 metric regressed and 1 metric missing"
        assert root.findtext(".//title").startswith("failed – 1 metric regressed and 1 metric missing – ")

    def test_what_changed_stands_first_and_what_did_not_is_folded(self):
        tables = page(samples.comparison()).xpath("//table[@class='comparisons']")
        words = [[cell.text_content()[1:] for cell in table.xpath("./tbody/tr/td[last()]/span")] for table in tables]
        assert words[0] == ["regressed", "missing", "inconclusive", "not comparable", "improved", "new"]
        assert set(words[1]) == {"unchanged"}
        assert [len(table.xpath("ancestor::details[not(@open)]")) for table in tables] == [0, 1]

    def test_a_row_has_values_change_interval_and_reason(self):
        row = page(samples.comparison()).xpath("//table[@class='comparisons'][1]/tbody/tr[1]")[0]
        text = " ".join(row.text_content().split())
        for said in ("690.7 TFLOP/s", "655.4 TFLOP/s", "−5.1 %", "−5.4 % to −4.9 %", "higher is better", "margin 2 %"):
            assert said in text

    def test_a_process_is_a_dot_and_an_invalid_one_is_shown_as_such(self):
        first = page(samples.comparison()).xpath("//svg[@class='strip']")[0]
        assert [len(first.xpath(f".//circle[@class='{kind}']")) for kind in ("base", "head", "invalid")] == [6, 6, 1]
        assert len(first.xpath(".//line[@class='pair']")) == 6
        (said,) = first.xpath("./desc/text()")
        assert said.startswith(
            "base: 6 processes from 688.7 to 692.6, median 690.7 TFLOP/s. head: 6 processes from 653"
        )

    def test_the_blocks_have_their_order_clock_and_temperature(self):
        root = page(samples.comparison())
        (chart,) = root.xpath("//svg[@class='clocks']")
        assert "".join(chart.xpath(".//text[@class='on']/text()")) == "ABBAAB!BBAABBA"
        assert "SM clock 1365–1980 MHz; temperature 56–90 °C; invalid: block 6" in chart.findtext("desc")
        rows = root.xpath("//table[@class='blocks']/tbody/tr")
        assert [row.xpath("string(td[last()])").split(":")[0] for row in rows].count("no") == 1
        assert "hw-thermal-slowdown" in rows[5].text_content()

    def test_on_a_cpu_it_says_that_there_are_no_clocks(self):
        blocks = (trials.block(), trials.block(arm="head"))
        root = page(samples.comparison(device="cpu", trial=trials.trial(blocks=blocks)))
        assert "there are no GPU clocks and temperatures" in root.text_content()
        (chart,) = root.xpath("//svg[@class='clocks']")
        assert chart.xpath("./text[@class='on']/text()") == ["A", "B"]
        assert not chart.xpath("./path")

    def test_what_differs_between_the_images_is_a_table(self):
        rows = page(samples.comparison()).xpath("//table[@class='differences']/tbody/tr")
        told = [[cell.text_content() for cell in row] for row in rows]
        assert ["software: torch", "2.8.0+cu126", "2.9.0+cu128"] in told

    def test_it_says_what_to_do_about_each_verdict_there_is(self):
        said = page(samples.comparison()).xpath("//dl[@class='advice']/dt")
        assert len(said) == 6
        one = trials.trial(metrics=(trials.comparison(verdict="unchanged"),))
        assert not page(samples.comparison(trial=one)).xpath("//dl[@class='advice']")

    def test_a_row_of_the_comparison_is_not_told_again_as_a_reason(self):
        assert not page(samples.comparison()).xpath("//*[@id='todo']")

    @pytest.mark.parametrize("rule", ["pass", "warn", "fail"])
    def test_it_says_what_an_inconclusive_metric_does(self, rule):
        text = page(samples.comparison(trial=trials.trial(policy=Policy(inconclusive=rule)))).text_content()
        said = {"pass": "does not block the gate", "warn": "warns and does not block", "fail": "metric blocks the gate"}
        assert [word for word, sentence in said.items() if sentence in text] == [rule]

    def test_a_refusal_stands_above_everything(self):
        root = page(samples.comparison(trial=trials.trial(refused="the GPU is shared", metrics=())))
        assert root.xpath("string(//p[@class='notice'])") == "Nothing was concluded: the GPU is shared"
        assert root.xpath("string(//h1)") == "passed: nothing was concluded"

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e308, -1e308, 0.0])
    def test_numbers_that_are_none_do_not_break_it(self, value):
        one = trials.comparison(base=value, head=value, change=value, low=-value, high=value, margin=value)
        report = samples.comparison(trial=trials.trial(metrics=(one,), control=one))
        svgs = page(report).xpath("//table[@class='comparisons']//svg//@*[name() != 'class']")
        assert not [text for text in svgs if "nan" in text or "inf" in text]

    def test_a_hostile_unit_stays_text_in_the_plot(self):
        trick = "</desc><script>alert(1)</script>"
        one = trials.comparison(unit=trick)
        root = page(samples.comparison(trial=trials.trial(metrics=(one,))))
        assert not root.xpath("//script")
        assert trick in root.xpath("string(//svg[@class='strip']/desc)")

    def test_a_verdict_that_is_no_word_of_ours_is_not_comparable(self):
        root = page(samples.comparison(trial=trials.trial(metrics=(trials.comparison(verdict="<b>great</b>"),))))
        assert root.xpath("string(//table[@class='comparisons']//td[last()]/span)") == "≠not comparable"


def test_what_could_not_be_made_is_one_row_with_its_checks_folded():
    root = page(samples.cpu_build())
    rows = root.xpath("//table[contains(@class, 'checks')]/tbody/tr")
    assert len(rows) == 2
    assert [node.text_content() for node in rows[1].xpath("th//code")] == [
        "matmul.float64",
        "matmul.float32",
        "matmul.float16",
        "matmul.bfloat16",
    ]
    assert rows[1].xpath("th/details/summary/text()") == ["and 3 more"]
    (reason,) = root.xpath("//ol[@class='reasons']/li")
    assert reason.xpath("details/summary/text()") == ["and 4 checks that could not be made because of it"]
