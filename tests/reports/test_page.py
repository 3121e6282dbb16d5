"""The HTML report in the real Chromium, and the colours that all pages share."""

import re
from importlib import resources

import pytest

from ci_gpu.reports import html
from tests import samples
from tests.chromium import PHONE, WIDE

STYLE = (resources.files("ci_gpu.reports") / "templates" / "style.css.j2").read_text("utf-8")
TEXT = ("ink", "soft", "passed", "failed", "error", "skipped", "accent")
GROUND = ("paper", "card", "faint")


def colours(scheme):
    """The variables of the light, the dark and the printed page."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    found = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", blocks[0]))
    return found | dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", blocks[scheme]))


def luminance(colour):
    """Relative luminance of WCAG 2.2."""
    full = "".join(digit * 2 for digit in colour[1:]) if len(colour) == 4 else colour[1:]
    parts = [int(full[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", range(3), ids=["light", "dark", "print"])
@pytest.mark.parametrize("ground", GROUND)
@pytest.mark.parametrize("text", TEXT)
def test_every_text_has_a_contrast_of_four_and_a_half(scheme, ground, text):
    found = colours(scheme)
    low, high = sorted((luminance(found[ground]), luminance(found[text])))
    assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The address of each sample's page."""
    folder = tmp_path_factory.mktemp("pages")
    for name, summary in samples.all_samples().items():
        (folder / f"{name}.html").write_text(html.render(summary), "utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in samples.all_samples()}


@pytest.mark.browser
class TestInChromium:
    @pytest.mark.parametrize("name", samples.all_samples())
    def test_it_asks_for_nothing_and_nothing_is_complained_of(self, browser, pages, name):
        browser.open(pages[name])
        assert browser.requests() == [pages[name]]
        assert browser.complaints() == []

    @pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
    @pytest.mark.parametrize("width", [WIDE, PHONE])
    @pytest.mark.parametrize("name", ["comparison", "red"])
    def test_axe_finds_nothing_wrong_and_it_fits_the_screen(self, browser, pages, name, width, dark):
        browser.open(pages[name], width=width, dark=dark)
        browser.unfold()
        assert browser.faults() == []
        assert browser.overflow() <= 0

    def test_the_dark_page_is_dark(self, browser, pages):
        script = "return getComputedStyle(document.body).backgroundColor"
        browser.open(pages["comparison"], dark=True)
        assert browser.run(script) == "rgb(21, 24, 27)"
        browser.open(pages["comparison"])
        assert browser.run(script) == "rgb(253, 253, 251)"

    def test_every_picture_has_a_name_and_a_description(self, browser, pages):
        browser.open(pages["comparison"])
        named = "[...document.querySelectorAll('svg[role=img]')].map((one) => [one.querySelector('title')?.textContent"
        found = browser.run(f"return {named}, one.querySelector('desc')?.textContent])")
        assert len(found) > 10
        assert all(title and said for title, said in found)

    def test_the_unchanged_metrics_open_with_a_key(self, browser, pages):
        from selenium.webdriver.common.keys import Keys

        browser.open(pages["comparison"])
        browser.run("document.querySelector('#same').focus()")
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        assert browser.run("return document.querySelector('#same').parentNode.open") is True

    def test_axe_finds_a_fault_that_is_there(self, browser, tmp_path):
        page = tmp_path / "bad.html"
        page.write_text(
            "<html lang=en><title>x</title><main><h1>x</h1><p style='color:#bbb'>pale<svg role=img></svg></p></main>"
        )
        browser.open(page.as_uri())
        assert {fault.split(":")[0] for fault in browser.faults()} == {"color-contrast", "svg-img-alt"}
