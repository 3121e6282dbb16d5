"""What holds of every format that is found."""

import pytest

from ci_gpu import reports
from tests import samples
from tests.reports import hostile


def test_the_formats_are_the_files_without_an_underscore():
    assert reports.names() == ("html", "json", "junit", "markdown", "terminal")


@pytest.mark.parametrize("name", reports.names())
class TestEveryFormat:
    def test_has_a_suffix_of_its_own(self, name):
        assert reports.load(name).SUFFIX.startswith(".")
        assert [reports.load(other).SUFFIX for other in reports.names()].count(reports.load(name).SUFFIX) == 1

    def test_says_first_of_all_that_no_gpu_was_checked(self, name):
        text = reports.load(name).render(samples.cpu())
        body = text[text.find("<body") :] if name == "html" else text
        visible = body.find("NO GPU WAS CHECKED")
        assert 0 <= visible < min(body.index(word) for word in ("pytorch/pytorch", "1.0.0") if word in body)

    def test_does_not_say_so_of_a_run_on_a_gpu(self, name):
        assert "NO GPU" not in reports.load(name).render(samples.green())

    @pytest.mark.parametrize("word", ["passed", "failed", "error", "skipped"])
    def test_tells_the_four_outcomes_apart_in_words(self, name, word):
        text = reports.load(name).render(samples.red())
        assert {"junit": {"passed": "2 passed", "failed": "<failure", "error": "<error", "skipped": "<skipped"}}.get(
            name, {}
        ).get(word, word) in text

    @pytest.mark.parametrize(
        "said",
        ["dz/dy is 30.69 and not 31", "reinstall torch in the image", "30.69", "690", "TFLOP/s", "fell to 1845 MHz"],
    )
    def test_shows_messages_remedies_facts_metrics_and_notes(self, name, said):
        assert said in reports.load(name).render(samples.red())

    @pytest.mark.parametrize(
        "said", ["has no tag 2.9.0-cuda11.8-devel", "never built for CUDA 11.8", "nearest tags: 2.9.0-cuda12.6"]
    )
    def test_says_what_why_and_what_to_do_of_an_image_that_could_not_be_pulled(self, name, said):
        assert said in reports.load(name).render(samples.not_pulled())

    def test_names_a_promised_check_that_gave_no_result(self, name):
        image = samples.image_report(planned=("autograd.polynomial", "cache.reuse"))
        text = reports.load(name).render(samples.summary(images=(image,)))
        assert "reuse" in text
        assert "result" in text

    @pytest.mark.parametrize("trick", hostile.SMUGGLES, ids=range(len(hostile.SMUGGLES)))
    def test_takes_any_text_in_any_place_and_can_be_written_to_a_file(self, name, trick):
        text = reports.load(name).render(hostile.everywhere(lambda: trick))
        assert text.encode("utf-8")
        assert not set(text) & {chr(code) for code in (*range(9), 11, 12, 13, *range(14, 32), *range(127, 160))}
        assert not set(text) & set("\u202e\u2066\u200b\u200d\ufeff\u2028\ufffe\uffff")

    def test_survives_an_empty_run(self, name):
        assert reports.load(name).render(samples.summary(images=()))

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -1.0, 1e300])
    def test_survives_numbers_that_are_none(self, name, value):
        metric = samples.metric(samples=(value, None, 1e308, -1e308), limit=value)
        facts = (samples.Fact("f", value), samples.Fact("big", 10**5000), samples.Fact("none", None, expected="x"))
        result = samples.check_result(seconds=value, metrics=(metric, samples.metric(samples=())), facts=facts)
        image = samples.image_report(results=(result,), seconds=value)
        assert reports.load(name).render(samples.summary(images=(image,), verdict=samples.verdict()))


def test_printable_is_one_line_without_control_characters():
    assert reports.printable("  a\x1b[31mb\x1b[0m\r\nc\u202e  ") == "  ab c\ufffd"
