"""Trends in the comment: drawn by the very mermaid that GitHub uses, and by nothing that an image could smuggle in."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from ci_gpu.model import Comparison, Point, Series, SeriesKey
from ci_gpu.reports import _trend, markdown
from tests import samples
from tests.chromium import Browser, library

MERMAID = "mermaid@11.12.0"
HOSTILE = 'x"]\n```\n<img src=x onerror=alert(1)> @octocat #1 --> | click x href "javascript:alert(1)"'


def compared(**changes: Any) -> Comparison:
    fields = {"metric": "matmul.bfloat16/throughput", "unit": "TFLOP/s", "better": "higher", "head": 655.0}
    return Comparison(**{**fields, "verdict": "regressed", "change": -0.05, **changes})


def series(metric: str = "matmul.bfloat16/throughput", count: int = 20, **point: Any) -> Series:
    fields = {"run": "r", "created": "2026-11-23", "image": "pytorch:2.8.0-cuda12.8", **point}
    points = tuple(Point(**{"value": 690.0 + number % 3, **fields}) for number in range(count))
    return Series(key=SeriesKey(metric=metric), unit="TFLOP/s", better="higher", points=points)


def test_a_changed_metric_is_drawn_with_this_run_last() -> None:
    (chart,) = _trend.charts([compared()], [series()])

    assert "xychart-beta" in chart
    assert chart.count('"') == 2 * (12 + 2)
    assert re.search(r"line \[(\S+, ){11}655\]", chart)
    assert '"12 this run"' in chart
    assert "12 runs" in chart


def test_what_did_not_change_or_has_no_history_is_not_drawn() -> None:
    assert _trend.charts([compared(verdict="unchanged")], [series()]) == []
    assert _trend.charts([compared()], [series(count=1)]) == []
    assert _trend.charts([compared()], [series("another/metric")]) == []
    assert _trend.charts([compared(version=2)], [series()]) == []
    assert _trend.charts([compared()], [series(masked="throttled")]) == []


def test_there_are_three_charts_at_most() -> None:
    names = [f"a.b/{number}" for number in range(9)]

    assert len(_trend.charts([compared(metric=name) for name in names], [series(name) for name in names])) == 3


def test_the_comment_has_the_trends_and_sheds_them_before_what_changed() -> None:
    summary = samples.comparison()
    trial = summary.report.trial
    assert trial is not None
    changed = next(one for one in trial.metrics if one.verdict == "regressed")
    known = series(changed.metric)
    whole = msgspec.structs.replace(summary, series=(known,))

    assert "<summary>Trends</summary>" in markdown.render(whole)
    assert "xychart" not in markdown.render(summary)
    sizes = range(len(markdown.render(whole).encode()), 2_000, -200)
    smaller = [markdown.render(whole, size) for size in sizes]
    assert any("xychart" not in text and changed.metric in text for text in smaller)
    assert all(changed.metric in text for text in smaller if "xychart" in text)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Browser:
    browser.open("data:text/html,<title>x</title><p id=out>")
    script = "const one = document.createElement('script'); one.textContent = arguments[0]; document.head.append(one)"
    browser.run(script, library(MERMAID, "dist/mermaid.min.js"))
    return browser


@pytest.mark.parametrize(
    ("metric", "known"),
    [
        (compared(), series()),
        (compared(head=690.0), series(value=690.0)),
        (compared(metric=HOSTILE, unit="TFLOP/s"), series(HOSTILE, image=f"a:{HOSTILE}")),
        (compared(head=1e-9), series(count=2)),
    ],
)
def test_mermaid_draws_it(page: Browser, metric: Comparison, known: Series) -> None:
    (chart,) = _trend.charts([metric], [known])
    source = chart.partition("```mermaid\n")[2].removesuffix("\n```")
    drawn = page.driver.execute_async_script(
        "const [source, done] = arguments;"
        "mermaid.render('chart', source).then((one) => done(one.svg), (error) => done('error: ' + error))",
        source,
    )

    assert drawn.startswith("<svg"), drawn
    assert "line-plot" in drawn or "<path" in drawn
    assert "<img" not in drawn
    assert "javascript:" not in drawn
    assert chart.count("```") == 2
