"""The site in the real Chromium, over HTTP as Pages serves it."""

import functools
import http.server
import threading

import pytest

from ci_gpu import site
from tests.chromium import PHONE, WIDE
from tests.site import histories

pytestmark = pytest.mark.browser

VISIBLE = "return [...document.querySelectorAll('#list tbody tr')].filter((row) => row.offsetParent !== null).length"


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def files():
    return site.render(*histories.history(), title="Images of acme")


@pytest.fixture(scope="module")
def root(files, tmp_path_factory):
    """The address of the site."""
    folder = tmp_path_factory.mktemp("site")
    site.write(folder, files)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def line(files):
    """The page of the metric that regressed."""
    return next(name for name in files if name.startswith("series/matmul-bfloat16-throughput-nvidia-h100"))


def keys(browser, *pressed):
    browser.driver.switch_to.active_element.send_keys(*pressed)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("which", ["index", "line"])
def test_axe_finds_nothing_wrong_and_it_fits_the_screen(browser, root, line, which, width, dark):
    browser.open(root + ("index.html" if which == "index" else line), width=width, dark=dark)
    assert browser.faults() == []
    assert browser.overflow() <= 0


def test_a_page_asks_for_itself_alone_and_nothing_is_complained_of(browser, root, files):
    for name in [name for name in files if name.endswith(".html")]:
        browser.open(root + name)
        asked = [address for address in browser.requests() if not address.startswith("data:")]
        assert (asked, browser.complaints()) == ([root + name], [])


class TestTheFilter:
    def test_shows_the_rows_that_have_all_words_and_says_how_many(self, browser, root):
        browser.open(root + "index.html")
        assert browser.run(VISIBLE) == 12
        browser.run("document.getElementById('filter').focus()")
        keys(browser, "A100 matmul")
        assert browser.run(VISIBLE) == 2
        assert browser.run("return document.getElementById('found').textContent") == "2 of 12 shown"

    def test_is_in_the_address_so_it_can_be_sent_to_somebody(self, browser, root):
        browser.open(root + "index.html")
        browser.run("document.getElementById('filter').focus()")
        keys(browser, "churn")
        address = browser.driver.current_url
        assert address == root + "index.html?q=churn"
        browser.open(address)
        assert browser.run(VISIBLE) == 2
        browser.run("document.getElementById('filter').focus()")
        keys(browser, *["\ue003"] * 5)
        assert (browser.run(VISIBLE), browser.driver.current_url) == (12, root + "index.html")

    def test_a_family_in_the_matrix_leads_to_its_metrics(self, browser, root):
        browser.open(root + "index.html")
        browser.run("[...document.querySelectorAll('.matrix a')].find((a) => a.textContent === 'matmul').click()")
        assert browser.run("return document.getElementById('filter').value").startswith("matmul. NVIDIA")
        assert browser.run(VISIBLE) == 2

    def test_obeys_nothing_in_an_address(self, browser, root):
        browser.open(root + "index.html?q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
        assert browser.run(VISIBLE) == 0
        assert browser.run("return document.images.length") == 0

    def test_without_scripts_all_rows_are_there_and_no_dead_box(self, browser, root):
        browser.open(root + "index.html?q=churn", script=False)
        assert browser.run(VISIBLE) == 12
        assert browser.run("return document.getElementById('filtering').offsetParent") is None
        browser.open("about:blank")


class TestALink:
    def test_to_a_run_shows_its_row_marked(self, browser, root, line):
        browser.open(root + line)
        anchor = browser.run("return document.querySelectorAll('.runs tbody th a')[80].getAttribute('href')")
        browser.open(root + line + anchor)
        top = "const box = document.querySelector('.runs tr:target').getBoundingClientRect(); return box.top"
        assert 0 <= browser.run(top) < 900
        outline = "return getComputedStyle(document.querySelector('.runs tr:target')).outlineStyle"
        assert browser.run(outline) == "solid"

    def test_of_a_change_leads_from_the_index_to_its_row(self, browser, root, line):
        browser.open(root + "index.html")
        browser.run("[...document.querySelectorAll('main a')].find((a) => a.textContent.includes('bfloat16')).click()")
        assert browser.driver.current_url.startswith(root + line + "#change-")
        assert "−5.0 %" in browser.run("return document.querySelector('tr:target').textContent")

    def test_stays_when_the_history_grows(self, files):
        found, changes = histories.history()
        grown = [histories.series(121, key=one.key, unit=one.unit, better=one.better) for one in found]
        again = site.render(grown, changes, title="Another title")
        assert again.keys() == files.keys()
        (name,) = (name for name in files if "bfloat16-throughput-nvidia-h100" in name)
        anchors = {part.split(">")[0].split()[0] for part in files[name].split("<tr id=")[1:]}
        assert anchors
        assert all(f"<tr id={anchor}" in again[name] for anchor in anchors)


class TestTheKeyboard:
    def test_the_first_stop_skips_to_the_content(self, browser, root):
        browser.open(root + "index.html")
        browser.driver.find_element("tag name", "body").send_keys("\ue004")
        assert browser.run("return document.activeElement.textContent") == "Skip to the content"
        assert browser.run("return document.activeElement.getBoundingClientRect().left >= 0")

    def test_every_stop_has_a_name_and_a_visible_outline_and_the_end_is_reached(self, browser, root):
        browser.open(root + "index.html")
        browser.driver.find_element("tag name", "body").send_keys("\ue004")
        seen = []
        for _ in range(80):
            tag, name, outline = browser.run(
                "const one = document.activeElement, by = one.getAttribute('aria-labelledby');"
                "const label = one.labels && one.labels[0] || by && document.getElementById(by);"
                "return [one.tagName, (label || one).textContent.trim(), getComputedStyle(one).outlineStyle]"
            )
            if tag == "BODY":
                break
            seen.append((tag, name))
            assert name
            assert outline != "none"
            keys(browser, "\ue004")
        assert ("INPUT", "Filter") in seen
        assert seen[-1] == ("A", "matmul.float32/throughput")

    def test_a_wide_table_can_be_scrolled_with_it(self, browser, root, line):
        browser.open(root + line, width=PHONE)
        browser.run("document.querySelector('.figure').focus()")
        before = browser.run("return document.querySelector('.figure').scrollWidth > 400")
        keys(browser, "\ue014")
        moved = browser.driver.execute_async_script(
            "const done = arguments[0], box = document.querySelector('.figure');"
            "const look = () => box.scrollLeft > 0 ? done(true) : requestAnimationFrame(look); look()"
        )
        assert (before, moved) == (True, True)


def test_the_dark_page_is_dark(browser, root):
    browser.open(root + "index.html", dark=True)
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"
