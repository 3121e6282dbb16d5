"""What an image might say to get out of the place where its words are put, and the way to put it into every field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from ci_gpu.model import RunReport, Summary, Verdict
from tests import samples, trials

SMUGGLES = (
    "@octocat and @org/team",
    "#123 GH-1 org/repo#5 org/repo@0123456789abcdef0123456789abcdef01234567",
    "0123456789abcdef0123456789abcdef01234567",
    "https://evil.example/x www.evil.example mail@evil.example <https://evil.example>",
    "[click](https://evil.example) ![pixel](https://evil.example/p.png) [ref]: https://evil.example",
    "a | b | c\n| --- | --- |",
    "\\| \\\\| a\\",
    "` `` ``` ```` ~~~ ~~~~",
    "```\n@octocat\n# heading",
    "~~~\n</details>\n@octocat",
    "\n\n# heading\n\n- item\n\n> quote\n\n---\n\n1. one",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "</script></style></title></pre></textarea><svg onload=alert(1)>",
    "</code></td></tr></table></details><b>@octocat</b>",
    "<!-- ci-gpu:comment v1 key=x --> <!-- open",
    "-->]]><![CDATA[ &lt;b&gt; &#64;octocat &amp;",
    "$`x`$ $$x$$ :smile: $x$",
    "**bold** __bold__ ~~gone~~ _em_ [^1]: note",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\ \x9b2J \x1bc",
    "\x1b]52;c;ZXZpbA==\x07\x1bPq#0\x1b\\ \x1b[2J\x1b[H",
    "\x00\x01\x08\x0b\x0c\x1f\x7f\x80\x9f",
    "\ud800 \udfff \ufffe \uffff \U0001fffe \U0010ffff \ufdd0",
    "\u202eevil\u202c \u2066x\u2069 \u200bzero\u200d\ufeff\u00ad \u2028 \u2029",
    "[bold red]markup[/bold red] [link=https://evil.example]x[/link]",
    "::error::x\n::set-output name=a::b\n##[error]x ##vso[task]",
    "\r\nbefore\rafter",
    "{{ 7 * 7 }} {% include 'x' %} ${x} %s {0}",
    "x" * 70_000,
    "",
    "   \t\n  ",
)
"""One a trick. Tests that must name a trick look it up by its words."""

_OURS = ("outcome", "device", "better", "conclusion", "arm", "verdict")
"""Fields that hold a few words of ours, without which nothing is shown where the trick should be."""

text = st.one_of(
    st.sampled_from(SMUGGLES),
    st.text(alphabet=st.characters(codec=None), max_size=60),
    st.text(alphabet="`|\\<>@#*_[]()!~-=&;:/\n\r\t \x1b\x00a1", max_size=40),
)


def everywhere(make: Callable[[], str], summary: Summary | None = None) -> Summary:
    """The summary with every text in it, in the values of its report and its verdict, replaced; our few words stay."""
    summary = summary or full()
    report = _replaced(msgspec.to_builtins(summary.report), make)
    verdict = _replaced(msgspec.to_builtins(summary.verdict), make)
    return Summary(report=msgspec.convert(report, RunReport), verdict=msgspec.convert(verdict, Verdict))


def full() -> Summary:
    """A summary in which no field is empty: every outcome, a failure with all its parts, logs and metrics."""
    image = samples.image_report(
        results=tuple(samples.check_result(**_filled(result)) for result in samples.results()),
        planned=(*(result.check for result in samples.results()), "cache.missing"),
        environment=samples.environment(gpu_error="none", variables={"A": "b"}),
        failure=samples.pull_failure(),
        log="log",
    )
    summary = samples.summary(images=(image,), trial=trials.trial(refused="the control drifts"))
    return msgspec.structs.replace(
        summary, verdict=samples.verdict(exit_code=3, conclusion="error", reasons=(samples.reason(),))
    )


def _filled(result: Any) -> dict[str, Any]:
    fields = msgspec.to_builtins(result)
    texts = {name: fields[name] or "text" for name in ("message", "hint", "kind", "log")}
    facts, metrics = result.facts, result.metrics
    return {**fields, **texts, "facts": facts, "metrics": metrics, "notes": ("note",)}


def _replaced(value: Any, make: Callable[[], str], name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, make, key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replaced(item, make, name) for item in value]
    return make() if isinstance(value, str) and name not in _OURS else value
