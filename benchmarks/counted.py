"""A rate with what is not known of it."""

from __future__ import annotations

from typing import NamedTuple

from scipy import stats


class Counted(NamedTuple):
    """How often something happened, of so many times. The bounds are one-sided, 95 %, by Clopper and Pearson."""

    hits: int
    of: int

    @property
    def rate(self) -> float:
        return self.hits / self.of

    @property
    def above(self) -> float:
        return 1.0 if self.hits == self.of else float(stats.beta.ppf(0.95, self.hits + 1, self.of - self.hits))

    @property
    def below(self) -> float:
        return 0.0 if not self.hits else float(stats.beta.ppf(0.05, self.hits, self.of - self.hits + 1))
