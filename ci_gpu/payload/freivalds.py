"""Whether a large product is right, for the price of three products with a vector.

C = A·B is asked as C·x = A·(B·x), with a random x of ±1, in float64 on the CPU, by sums of our own: no BLAS has a part
in it, and a GPU that is broken cannot vouch for itself. An error anywhere in a row of C shows in that row of C·x, but
for chance cancellation; the norm of the difference estimates that of the whole error.

Source: R. Freivalds, Probabilistic machines can use less running time, IFIP Congress 1977.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

ROWS = 512
"""Rows that are converted at a time: 8192 × 8192 elements in float64 would take half a gigabyte."""


class Residual(NamedTuple):
    """Of each row of C·x: how far it is off, how far it may be, and its exact value."""

    error: Any
    bound: Any
    exact: Any

    @property
    def wrong(self) -> Any:
        """Which rows are beyond their bound: an error in one place is in few of them."""
        return self.error > self.bound

    @property
    def relative(self) -> float:
        """The error of the rows within their bound in the Frobenius norm: a lesser precision is in all of them."""
        return float(self.error[~self.wrong].norm() / self.exact.norm())


class Roundoff(NamedTuple):
    """The unit roundoff of the sums, of the elements of the result, and of the factors as they are multiplied."""

    sums: float
    result: float
    factors: float = 0.0


def residual(torch: Any, left: Any, right: Any, product: Any, unit: Roundoff) -> Residual:
    """How far a square product is off.

    An element is off by at most 6·√k·u·‖a‖‖b‖ from its sum (the bound of `checks.matmul`), 2u|c| from its rounding, and
    6·2u·√(Σa²b²) from that of its factors. Over a row their signs are random: twice the root of the squares is ten
    times the deviation.
    """
    signs = torch.randint(0, 2, (right.shape[1],)).double() * 2 - 1
    inner, of_right = _rows(torch, right, signs)
    exact, of_left = _rows(torch, left, inner)
    found, of_product = _rows(torch, product, signs)
    sums = 6 * math.sqrt(left.shape[1]) * unit.sums * of_left * of_right.norm()
    factors = 12 * unit.factors * of_left * of_right.max()
    return Residual((found - exact).abs(), 2 * (sums + 2 * unit.result * of_product + factors), exact)


def _rows(torch: Any, matrix: Any, vector: Any) -> Any:
    """The product with the vector, and the norm of each row."""
    products, norms = [], []
    for block in matrix.split(ROWS):
        values = block.cpu().double()
        products.append((values * vector).sum(1))
        norms.append(values.norm(dim=1))
    return torch.cat(products), torch.cat(norms)
