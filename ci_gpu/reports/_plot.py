"""A strip of raw samples as inline SVG: every draw a dot, the median a line. Numbers only, no foreign text."""

from __future__ import annotations

import statistics

from markupsafe import Markup

from ci_gpu.payload.wire import Metric
from ci_gpu.reports import _words

WIDTH, HEIGHT, MARGIN = 240, 30, 8
DOTS = 400
"""Of more samples than this only the first are drawn; the figures beside the plot are of all."""

_LANES = (0, -5, 5, -2.5, 2.5)


def strip(metric: Metric) -> Markup:
    """The plot; nothing if no sample is a finite number."""
    samples = _words.finite(metric)
    if not samples:
        return Markup("")
    low, high = min(samples), max(samples)
    dots = "".join(
        f'<circle cx="{_place(sample, low, high):.1f}" cy="{HEIGHT / 2 + _LANES[index % len(_LANES)]}" r="2.6"/>'
        for index, sample in enumerate(samples[:DOTS])
    )
    middle = _place(statistics.median(samples), low, high)
    label = f"{len(samples)} samples from {_words.number(low)} to {_words.number(high)}"
    return Markup(  # noqa: S704  numbers only
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f'<line class="axis" x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{HEIGHT / 2}" y2="{HEIGHT / 2}"/>{dots}'
        f'<line class="median" x1="{middle:.1f}" x2="{middle:.1f}" y1="4" y2="{HEIGHT - 4}"/></svg>'
    )


def _place(value: float, low: float, high: float) -> float:
    """Where a value lies, in pixels; a single value in the middle."""
    # Halves, because the distance between two finite numbers need not be finite.
    reach = high / 2 - low / 2
    share = (value / 2 - low / 2) / reach if reach > 0 else 0.5
    return MARGIN + share * (WIDTH - 2 * MARGIN)
