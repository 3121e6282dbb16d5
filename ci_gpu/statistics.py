"""The few distributions and tests that a comparison rests on: standard library only, and exact where it can be.

A difference is a number per pair of processes, positive where the head is worse. Nothing here knows what it measures.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from statistics import fmean, median

import msgspec

EXACT_PAIRS = 24
"""Up to so many pairs all sign assignments are counted (2^12 times 2, sorted, not 2^24)."""

MOST_PAIRS = 999


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The mean of paired differences, with its standard error, beside the Hodges-Lehmann estimate of the same."""

    mean: float
    error: float
    pairs: int
    hodges_lehmann: float

    @property
    def deviation(self) -> float:
        """Standard deviation of one difference."""
        return self.error * math.sqrt(self.pairs)

    @property
    def p_above(self) -> float:
        """One-sided probability of such a mean, or a larger one, if the true one is 0."""
        return t_sf(_in_errors(self.mean, self.error**2), self.pairs - 1)

    def interval(self, confidence: float) -> tuple[float, float]:
        reach = t_quantile((1 + confidence) / 2, self.pairs - 1) * self.error
        return self.mean - reach, self.mean + reach


def paired_t(differences: Sequence[float], floor: float = 0.0) -> Estimate:
    """Estimate the mean of at least two differences; their standard deviation is taken as ``floor`` at least."""
    deviation = max(math.sqrt(variance(differences)), floor)
    return Estimate(
        mean=fmean(differences),
        error=deviation / math.sqrt(len(differences)),
        pairs=len(differences),
        hodges_lehmann=hodges_lehmann(differences),
    )


def welch_p(low: Sequence[float], high: Sequence[float], floor: float = 0.0) -> float:
    """One-sided p-value of the mean of ``high`` lying above that of ``low``, by Welch's t, unpaired.

    ``floor`` is the least standard deviation of a difference of one value of each.
    """
    errors = variance(low) / len(low), variance(high) / len(high)
    fewest = min(len(low), len(high))
    least = floor * floor / fewest
    if sum(errors) <= least:
        return t_sf(_in_errors(fmean(high) - fmean(low), least), fewest - 1)
    df = sum(errors) ** 2 / (errors[0] ** 2 / (len(low) - 1) + errors[1] ** 2 / (len(high) - 1))
    return t_sf(_in_errors(fmean(high) - fmean(low), sum(errors)), df)


def _in_errors(shift: float, squared_error: float) -> float:
    """A shift in units of its standard error, also where there is none."""
    if squared_error > 0.0:
        return shift / math.sqrt(squared_error)
    return math.copysign(math.inf, shift) if shift else 0.0


def variance(values: Sequence[float]) -> float:
    """Of at least two values, unbiased; many times faster than `statistics.variance`, which reckons in fractions."""
    mean = fmean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def hodges_lehmann(differences: Sequence[float]) -> float:
    """The median of the means of all pairs of differences, each with itself too: one wild value cannot move it far."""
    return median((left + right) / 2 for at, left in enumerate(differences) for right in differences[at:])


def sign_flip_p(differences: Sequence[float]) -> float:
    """One-sided exact probability of so large a sum, if each difference could as well have the other sign.

    Raises:
        ValueError: more than `EXACT_PAIRS` differences.
    """
    if len(differences) > EXACT_PAIRS:
        raise ValueError(f"{len(differences)} differences are too many to count all signs")
    total = math.fsum(differences)
    slack = 1e-12 * math.fsum(map(abs, differences))  # sums in another order differ in their last bits
    half = len(differences) // 2
    left, right = sorted(_signed_sums(differences[:half])), _signed_sums(differences[half:])
    as_large = sum(len(left) - bisect_left(left, total - slack - value) for value in right)
    return float(as_large / 2 ** len(differences))


def _signed_sums(values: Sequence[float]) -> list[float]:
    sums = [0.0]
    for value in values:
        sums = [total + signed for total in sums for signed in (value, -value)]
    return sums


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values: below alpha, all together are wrong with probability alpha at most."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    scaled = (min(1.0, p_values[at] * (len(order) - rank)) for rank, at in enumerate(order))
    adjusted = dict(zip(order, accumulate(scaled, max), strict=True))
    return tuple(adjusted[at] for at in range(len(order)))


def within(estimate: Estimate, margin: float, alpha: float) -> bool:
    """Two one-sided tests (TOST): the true mean lies within ±margin, wrongly said with probability alpha at most."""
    low, high = estimate.interval(1 - 2 * alpha)
    return -margin < low and high < margin


def pairs_needed(deviation: float, effect: float, alpha: float, power: float = 0.8) -> int:
    """The fewest pairs that show a mean of ``effect`` with this power; `MOST_PAIRS` stands for that or more."""
    low, high = 2, MOST_PAIRS
    while low < high:
        middle = (low + high) // 2
        reach = t_quantile(1 - alpha, middle - 1) + t_quantile(power, middle - 1)
        if reach * deviation <= effect * math.sqrt(middle):
            high = middle
        else:
            low = middle + 1
    return low


def t_cdf(t: float, df: float) -> float:
    """Student's distribution function."""
    return t_sf(-t, df)


def t_sf(t: float, df: float) -> float:
    """The upper tail of Student's distribution, with its digits far out too."""
    if math.isnan(t):
        return math.nan
    square = t * t
    if square <= min(df, 9.0):  # near the middle the tail is taken from the half: no digits are lost in 1 - x
        tail = 0.5 - 0.5 * beta_cdf(square / (df + square), 0.5, df / 2)
    else:
        tail = 0.5 * beta_cdf(df / (df + square), df / 2, 0.5)
    return tail if t >= 0 else 1.0 - tail


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: float) -> float:
    """The value below which Student's distribution has the share ``p``, by bisection to the last bit."""
    if not 0.0 < p < 1.0:
        raise ValueError(f"no quantile of {p}")
    if p < 0.5:
        return -t_quantile(1.0 - p, df) if p > 1e-3 else -_upper_quantile(p, df)
    return _upper_quantile(1.0 - p, df)


def _upper_quantile(tail: float, df: float) -> float:
    low, high = 0.0, 1.0
    while t_sf(high, df) > tail:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if t_sf(middle, df) > tail else (low, middle)
    return low


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1) / (a + b + 2):  # there the fraction of the other tail converges faster
        return 1.0 - beta_cdf(1.0 - x, b, a)
    front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) / a * _fraction(_beta_terms(x, a, b))


def _beta_terms(x: float, a: float, b: float) -> Iterator[float]:
    for m in range(10_000):
        yield -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        m += 1
        yield m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))


def _fraction(terms: Iterator[float]) -> float:
    """1/(1 + d1/(1 + d2/(1 + ...))) by the modified Lentz method."""
    value = c = 1.0
    d = 0.0
    for term in terms:
        d = 1.0 / _away_from_zero(1.0 + term * d)
        c = _away_from_zero(1.0 + term / c)
        value *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return 1.0 / value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300
