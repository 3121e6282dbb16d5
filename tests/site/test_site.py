"""ci_gpu.site: the files, read as a browser reads them."""

import base64
import hashlib
import re
from itertools import cycle

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from ci_gpu import site
from ci_gpu.model import ChangePoint, Series
from ci_gpu.reports import _text
from tests.reports import hostile
from tests.site import histories

LINKS = re.compile(
    r"#[a-z0-9-]+|\?q=[\w.~%-]*#metrics|series/[a-z0-9-]+\.html(#change-[0-9a-f]+)?|\.\./index\.html|data:,"
)
_OURS = ("better",)


def rendered(**changes):
    return site.render(*histories.history(), **{"title": "Images of acme", **changes})


def pages(files):
    return {name: lxml_html.document_fromstring(text) for name, text in files.items() if name.endswith(".html")}


def replaced(make):
    """A history with every text in it replaced, but for the empty ones: a masked run is not drawn like others."""
    found, changes = histories.history()

    def change(value, name=""):
        if isinstance(value, dict):
            return {key: change(item, key) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [change(item, name) for item in value]
        return make() if isinstance(value, str) and value and name not in _OURS else value

    series = [msgspec.convert(change(msgspec.to_builtins(one)), Series) for one in found[:2]]
    first = next(iter(changes.values()))[0]
    point = msgspec.convert(change(msgspec.to_builtins(first)), ChangePoint)
    here = msgspec.structs.replace(point, before=series[0].points[0].run, after=series[0].points[1].run)
    return series, {series[0].key: (here,)}


def elements(root):
    """Elements and the names of their attributes."""
    return [(str(one.tag), sorted(one.attrib)) for one in root.iter()]


class TestTheFiles:
    def test_are_an_index_and_a_page_a_series(self):
        files = rendered()
        assert sum(name.startswith("series/") for name in files) == 12
        assert set(files) - {name for name in files if name.startswith("series/")} == {"index.html", ".nojekyll"}

    def test_are_the_same_whatever_the_order_of_the_series(self):
        found, changes = histories.history()
        assert site.render(found[::-1], changes, title="t") == site.render(found, changes, title="t")

    def test_every_link_leads_somewhere(self):
        files = rendered()
        trees = pages(files)
        for name, root in trees.items():
            for link in root.xpath("//a/@href"):
                path, _, anchor = link.partition("#")
                path = path.partition("?")[0]
                target = "index.html" if path == "../index.html" else path or name
                assert target in trees
                assert not anchor or trees[target].xpath("//*[@id=$id]", id=anchor)

    def test_an_empty_history_is_a_page_that_says_so(self):
        (root,) = pages(site.render([], {}, title="t")).values()
        assert "There is no run in this history yet" in root.text_content()

    def test_a_series_without_points_has_no_page(self):
        files = site.render([msgspec.structs.replace(histories.series(), points=())], {}, title="t")
        assert set(files) == {"index.html", ".nojekyll"}

    def test_a_page_is_bounded_however_long_the_history(self):
        point = histories.point(0, image="x" * 500, run="y" * 500)
        points = tuple(msgspec.structs.replace(point, run=f"{index}") for index in range(1_500))
        files = site.render([msgspec.structs.replace(histories.series(), points=points)], {}, title="t")
        (page,) = (text for name, text in files.items() if name.startswith("series/"))
        assert page.count("<tr id=run-") == site.MOST
        assert "500 older or unusable points left out" in page

    def test_are_written_as_they_are(self, tmp_path):
        files = rendered()
        site.write(tmp_path / "new" / "site", files)
        found = {path.relative_to(tmp_path / "new/site").as_posix(): path for path in tmp_path.rglob("*.*")}
        assert {name: path.read_text("utf-8") for name, path in found.items() if path.is_file()} == files


class TestWhatIsForeign:
    @pytest.mark.parametrize(
        "trick", [trick for trick in hostile.SMUGGLES if _text.line(trick)], ids=lambda trick: trick[:12]
    )
    def test_changes_no_element_and_no_attribute(self, trick):
        found, expected = (
            [elements(root) for root in pages(site.render(*replaced(lambda text=text: text), title=text)).values()]
            for text in (trick, "benign")
        )
        assert found == expected

    @settings(max_examples=15, deadline=None)
    @given(st.lists(hostile.text.filter(lambda text: _text.line(text)), min_size=1, max_size=5))
    def test_makes_no_script_no_handler_and_no_link_of_its_own(self, texts):
        source = cycle(texts)
        for root in pages(site.render(*replaced(lambda: next(source)), title=texts[0])).values():
            assert len(root.xpath("//script")) <= 1
            assert not root.xpath("//img | //iframe | //object | //form | //base | //*[@src]")
            assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]
            assert all(LINKS.fullmatch(link) for link in root.xpath("//@href"))

    def test_is_shown_as_text(self):
        text = site.render(*replaced(lambda: "<b>@octocat</b>"), title="t")["index.html"]
        assert "&lt;b&gt;@octocat&lt;/b&gt;" in text


class TestThePolicy:
    def test_allows_the_style_and_the_script_that_are_there_and_nothing_else(self):
        for name, text in rendered().items():
            if not name.endswith(".html"):
                continue
            root = lxml_html.document_fromstring(text)
            (policy,) = root.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
            assert "unsafe" not in policy
            for inline in re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", text, re.DOTALL):
                assert base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode() in policy

    def test_no_element_has_a_style_of_its_own(self):
        assert not [name for name, root in pages(rendered()).items() if root.xpath("//*[@style]")]


@pytest.mark.parametrize("name", rendered())
def test_a_screen_reader_finds_its_way(name):
    if not name.endswith(".html"):
        return
    root = pages(rendered())[name]
    assert [len(root.xpath(f"//{landmark}")) for landmark in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    assert root.xpath("//th[not(@scope)]") == []
    assert all(table.xpath("./thead//th") for table in root.xpath("//table"))
    ids = root.xpath("//@id")
    assert len(set(ids)) == len(ids)
    assert {each for names in root.xpath("//@aria-labelledby") for each in names.split()} <= set(ids)
