"""Matrix products: every element right, per type, and how fast a warm one is."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from typing import Any, Iterable, Iterator, List, Optional, Tuple

from .. import accumulation, freivalds, peaks, tf32, timing
from ..every_gpu import on_every_gpu
from ..probe import environment
from ..wire import Fact, Fail, Gpu, Metric, Note, Skip

TIMEOUT = 600

SHAPES: Tuple[Tuple[int, int, int], ...] = (
    (64, 64, 64),
    (1, 4096, 1),
    (257, 1, 129),
    (1023, 511, 1025),
    (256, 2048, 192),
)
"""m, k, n: square, a dot product, an outer product, odd sizes off every tile, and a long sum."""

UNIT_ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}

RELATIVE_ERROR = {"float64": 1e-13, "float32": 1e-5, "float16": 1e-3, "bfloat16": 8e-3}
"""Largest error in the Frobenius norm against the exact product of the same inputs: between the bands measured for
each type and the next worse one, so that a product in a lesser type is found (TF32 in float32 lies at 3e-4 to 8e-4)."""


@on_every_gpu
def check_float64(device: str) -> Iterable[Any]:
    """Products in float64 agree with exact ones element by element."""
    return _values(device, "float64")


@on_every_gpu
def check_float32(device: str) -> Iterable[Any]:
    """Products in float32 agree with float64 element by element, and no silent TF32 is in them."""
    try:
        yield from _values(device, "float32")
    except _Lossy:
        if not tf32.permission():
            raise
        yield from _in_tf32(device)


@on_every_gpu
def check_float16(device: str) -> Iterable[Any]:
    """Products in float16, summed in float32, agree with float64 element by element."""
    return _values(device, "float16")


@on_every_gpu
def check_bfloat16(device: str) -> Iterable[Any]:
    """Products in bfloat16, summed in float32, agree with float64 element by element."""
    return _values(device, "bfloat16")


@on_every_gpu
def check_identity(device: str) -> Iterable[Any]:
    """A product with the identity gives back every bit, plain and transposed."""
    import torch

    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        data = torch.randn(255, 255, device=device).to(dtype)
        eye = torch.eye(255, device=device).to(dtype)  # an old torch has no eye of every type
        try:
            with _strict(torch), tf32.off(torch) as exact, _implemented(device, _name(dtype)):
                products = {"plain": eye @ data, "transposed": (data.t() @ eye).t()}
        except Skip as skip:
            yield Note(str(skip))
            continue
        for name, product in products.items():
            rounding = 0.0 if exact or dtype != torch.float32 else 2 * tf32.UNIT_ROUNDOFF
            changed = int((~((product - data).abs() <= rounding * data.abs())).sum().item())  # NaN is a change
            yield Fact(f"{_name(dtype)} {name}: elements changed", changed, "0")
            if changed:
                raise Fail(f"a {_name(dtype)} product with the identity changes {changed} of {data.numel()} elements")


def check_throughput(device: str) -> Iterable[Any]:
    """How fast a warm, synchronised product of large square matrices is, and that it is right."""
    import torch

    gpu = environment().gpus[0] if device == "cuda" else None
    for dtype, size in _workload(torch, device):
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        product = torch.empty_like(left)
        multiply = functools.partial(torch.mm, left, right, out=product)
        with _strict(torch), tf32.off(torch):
            multiply()
            precision, relative = _precision(torch, left, right, product)
            yield Fact(f"relative error of {precision} {size}", relative, f"below {_allowed(precision):g}")
            times = timing.samples(multiply, device, 2.0, cold_l2=device == "cuda")
        limit = _limit(gpu, precision) if gpu else None
        if gpu:
            yield from map(Note, peaks.doubts(precision, os.environ))
        rates = tuple(2 * size**3 / each / 1e12 for each in times)
        cache = "_l2_cold" if device == "cuda" else ""
        yield Metric(f"throughput_{precision}_{size}{cache}", "TFLOP/s", "higher", rates, limit)


def _limit(gpu: Gpu, precision: str) -> Optional[float]:
    if peaks.emulation(precision, os.environ):
        return None
    return peaks.tflops(gpu.capability, gpu.multiprocessors, gpu.max_sm_mhz, precision, gpu.name)


def check_cold_call(device: str) -> Iterable[Any]:
    """What the very first product of a process costs, loading of libraries and kernels included."""
    import torch

    left, right = (torch.randn(1024, 1024).to(device) for _ in range(2))
    cold = timing.once(lambda: left @ right, device)
    warm = sorted(timing.once(lambda: left @ right, device) for _ in range(9))[4]
    yield Metric("cold_call", "ms", "lower", (cold * 1e3,))
    yield Fact("first call over a warm one", round(cold / warm, 1))


def _in_tf32(device: str) -> Iterable[Any]:
    """float32 products of an image whose TF32 is no fault: right to the precision of TF32."""
    import torch

    why = tf32.permission()
    yield Note(f"float32 products are in TF32, which keeps 10 bits of 23; {why} permits it")
    yield Fact("precision of float32 products", "TF32", f"TF32 or float32: {why}")
    worst, element = 0.0, 0.0
    for left, right in _inputs(torch, torch.float32, device):
        product = left @ right
        exact, bound = _reference(torch, left, right, "float32")
        bound = bound + _tf32_bound(torch, left, right)
        error = (product.double().cpu() - exact).abs()
        _require_finite(product, "TF32")
        worst = max(worst, _tf32_error(error, exact))
        _require_elements(error, bound, "TF32", left, right)
        element = max(element, (error / bound).max().item())
    yield Fact("relative error", worst, f"below {tf32.RELATIVE_ERROR:g}")
    yield Fact("worst element, as part of its bound", round(element, 4), "at most 1")


def _values(device: str, name: str) -> Iterable[Any]:
    import torch

    dtype = getattr(torch, name)
    worst, element, narrow = 0.0, 0.0, False
    for left, right in _inputs(torch, dtype, device):
        with _strict(torch), _implemented(device, name):
            product = left @ right
            in_own_type = accumulation.is_narrow(torch, left, right)
        exact, bound = _reference(torch, left, right, name, in_own_type)
        error = (product.double().cpu() - exact).abs()
        _require_finite(product, name)
        _require_elements(error, bound, name, left, right)
        element = max(element, (error / bound).max().item())
        if in_own_type:
            narrow = True
            _require_whole_numbers(torch, left, right, name)
        elif exact.numel() > 1:  # a single sum can be as near to zero as its error: its element's bound holds it
            worst = max(worst, (error.norm() / exact.norm()).item())
    yield Fact("relative error", worst, f"below {RELATIVE_ERROR[name]:g}")
    yield Fact("worst element, as part of its bound", round(element, 4), "at most 1")
    if narrow:
        yield Note(
            f"some {name} products are summed in {name}, as torch before 2.1 does on this CPU: held to its bounds"
        )
    if worst > RELATIVE_ERROR[name]:
        raise _lossy(name, worst)


def _inputs(torch: Any, dtype: Any, device: str) -> Iterable[Tuple[Any, Any]]:
    """Pairs of factors with zero mean, where TF32 cannot hide: every shape, the last one transposed, too."""
    for rows, inner, columns in SHAPES:
        yield torch.randn(rows, inner).to(device, dtype), torch.randn(inner, columns).to(device, dtype)
    yield torch.randn(inner, rows).to(device, dtype).t(), torch.randn(columns, inner).to(device, dtype).t()


def _reference(torch: Any, left: Any, right: Any, name: str, narrow: bool = False) -> Tuple[Any, Any]:
    """The product in float64 on the CPU, and how far each element may be from it.

    The product is a sum of outer products: no BLAS has a part in it, so that a broken one cannot vouch for itself.
    The bound is c·√k·u·‖row‖‖column‖, probabilistic after Higham and Mary (2019), with the roundoff u of the
    accumulator, plus the rounding of the result to its own type. ``narrow``: it is summed in its own type.
    """
    a, b = left.double().cpu(), right.double().cpu()
    exact = _exact(torch, a, b)
    magnitude = a.norm(dim=1).unsqueeze(1) * b.norm(dim=0).unsqueeze(0)
    accumulator = min(UNIT_ROUNDOFF[name], UNIT_ROUNDOFF["float32"])
    summing = 6 * math.sqrt(a.shape[1]) * accumulator * magnitude
    if narrow:
        summing = accumulation.bound(magnitude, UNIT_ROUNDOFF[name])
    bound = summing + 2 * UNIT_ROUNDOFF[name] * exact.abs()
    return exact, bound + torch.finfo(getattr(torch, name)).tiny


def _require_whole_numbers(torch: Any, left: Any, right: Any, name: str) -> None:
    """Small whole numbers are summed without rounding in any type: their product is exact or wrong."""
    left, right = accumulation.whole(left), accumulation.whole(right)
    exact, _ = _reference(torch, left, right, name)
    _require_elements(((left @ right).double() - exact).abs(), torch.full_like(exact, 0.5), name, left, right)


_KNOWN: List[Tuple[Any, Any, Any]] = []
"""Factors and exact products of this process: a check has its own, and multiplies the same on each GPU."""


def _exact(torch: Any, a: Any, b: Any) -> Any:
    known = (product for left, right, product in _KNOWN if torch.equal(left, a) and torch.equal(right, b))
    product = next(known, None)
    if product is None:
        product = _outer_products(torch, a, b)
        _KNOWN.append((a, b, product))
    return product


def _outer_products(torch: Any, a: Any, b: Any) -> Any:
    """Their sum. In one thread: thousands of short loops would spend their time waiting for one another."""
    total, threads = torch.zeros(a.shape[0], b.shape[1], dtype=torch.float64), torch.get_num_threads()
    torch.set_num_threads(1)
    for column, row in zip(a.unbind(1), b.unbind(0)):
        total.addcmul_(column.unsqueeze(1), row.unsqueeze(0))
    torch.set_num_threads(threads)
    return total


def _tf32_bound(torch: Any, left: Any, right: Any) -> Any:
    """What rounding the factors to TF32 adds to the error of each element of their product.

    Each term is off by up to 2·2u where bits are cut off, the terms of a row and a column independently of one another:
    6·2u·√(Σa²b²) is seven times the deviation of their sum.
    """
    squares = _outer_products(torch, left.double().cpu() ** 2, right.double().cpu() ** 2)
    return 6 * 2 * tf32.UNIT_ROUNDOFF * squares.sqrt()


def _tf32_error(error: Any, exact: Any) -> float:
    """In the Frobenius norm. A single sum can be as near to zero as its error: it says nothing in it."""
    if exact.numel() == 1:
        return 0.0
    found = float((error.norm() / exact.norm()).item())
    if found > tf32.RELATIVE_ERROR:
        raise Fail(
            f"float32 products have less than the precision of TF32: relative error {found:.2g}, "
            f"allowed {tf32.RELATIVE_ERROR:g}",
            "TF32 is permitted here, and this is a lesser type such as bfloat16: look for set_float32_matmul_precision",
        )
    return found


def _require_finite(product: Any, name: str) -> None:
    bad = int((~product.isfinite()).sum().item())
    if bad:
        raise Fail(f"{bad} of {product.numel()} elements of a {name} product are NaN or infinite")


def _require_elements(error: Any, bound: Any, name: str, left: Any, right: Any) -> None:
    beyond = int((error > bound).sum().item())
    if not beyond:
        return
    if beyond > error.numel() // 2 and name == "float32":
        raise _lossy(name, (error.norm() / (bound.norm() + error.norm())).item())
    row, column = divmod(int((error / bound).argmax().item()), error.shape[1])
    shape = f"{tuple(left.shape)} × {tuple(right.shape)}"
    raise Fail(
        f"{beyond} of {error.numel()} elements of a {name} product {shape} are wrong, the worst at [{row}, {column}]: "
        f"off by {error[row, column].item():.3g}, allowed {bound[row, column].item():.3g}",
        "a product with wrong elements is a broken library or a broken GPU: run the same image on another GPU",
    )


class _Lossy(Fail):
    """A whole product has less precision than its type."""


def _lossy(name: str, error: float) -> Fail:
    if name == "float32":
        cause = f"; {tf32.declared()} is set in the image" if tf32.declared() else ""
        return _Lossy(
            f"float32 products have only the precision of TF32 (or less): relative error {error:.2g}{cause}",
            f"unset {tf32.OVERRIDE} in the image, and look for allow_tf32 and set_float32_matmul_precision in what "
            'Python imports at its start; if TF32 is meant, say so: --tf32 allow, or tf32 = "allow" in ci-gpu.toml',
        )
    return _Lossy(f"{name} products are off by {error:.2g} in the Frobenius norm, allowed {RELATIVE_ERROR[name]:g}")


def _precision(torch: Any, left: Any, right: Any, product: Any) -> Tuple[str, float]:
    """The precision that a large product has, its type's or TF32, and its relative error; fails if it is wrong.

    TF32 is turned off where it is timed: where it is there all the same, and permitted, the metric has another name.
    """
    name = _name(left.dtype)
    _require_finite(product, f"{name} {len(left)} × {len(left)}")
    unit = freivalds.Roundoff(min(UNIT_ROUNDOFF[name], UNIT_ROUNDOFF["float32"]), UNIT_ROUNDOFF[name])
    found = freivalds.residual(torch, left, right, product, unit)
    if name == "float32" and found.relative > RELATIVE_ERROR[name] and tf32.permission():
        name, unit = "tf32", unit._replace(factors=2 * tf32.UNIT_ROUNDOFF)
        found = freivalds.residual(torch, left, right, product, unit)
    if found.relative > _allowed(name):
        raise Fail(
            f"a {name} product of {len(left)} × {len(left)} is off by {found.relative:.2g} in the Frobenius norm, "
            f"allowed {_allowed(name):g}",
            _LARGE,
        )
    _require_rows(found, name)
    return name, found.relative


def _require_rows(found: freivalds.Residual, name: str) -> None:
    wrong, size = int(found.wrong.sum().item()), len(found.error)
    if wrong:
        row = int((found.error / found.bound).argmax().item())
        raise Fail(
            f"{wrong} of {size} rows of a {name} product of {size} × {size} are wrong, the worst is row {row}: its sum "
            f"with random signs is off by {found.error[row].item():.3g}, allowed {found.bound[row].item():.3g}",
            _LARGE,
        )


_LARGE = (
    "small products are checked by matmul.float32 and its kind: where those pass, a kernel for large sizes is wrong, "
    "or the GPU's memory is; run the same image on another GPU"
)


def _allowed(precision: str) -> float:
    return tf32.RELATIVE_ERROR if precision == "tf32" else RELATIVE_ERROR[precision]


@contextlib.contextmanager
def _implemented(device: str, name: str) -> Iterator[None]:
    """A half type that this build has no product for on the CPU, as float16 before torch 2.2, cannot be wrong there.

    Nor can one whose kernels a variable of oneDNN's turns off. Every other product is in every build, on a GPU all.
    """
    try:
        yield
    except RuntimeError as error:
        refusal = accumulation.refusal(str(error))
        if not refusal and "not implemented for" not in str(error):
            raise
        if device.startswith("cuda") or not (refusal or name in ("float16", "bfloat16")):
            raise Fail(f"torch has no kernel for a {name} product on {device}: {error}", _NO_KERNEL) from None
        raise Skip(f"this build has no {name} product on this device: {refusal or error}") from None


_NO_KERNEL = "each build of torch has it: this one is damaged or cut down; reinstall torch, or choose another image"


class _strict:  # noqa: N801 - reads as a statement
    """Without the short cuts that torch takes by default: half types summed in half precision."""

    def __init__(self, torch: Any) -> None:
        self._switches = torch.backends.cuda.matmul
        self._before = {name: _switch(self._switches, name) for name in _SHORT_CUTS}

    def __enter__(self) -> None:
        for name, value in self._before.items():
            if value is not None:
                setattr(self._switches, name, False)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is not None:
                setattr(self._switches, name, value)


_SHORT_CUTS = ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")


def _switch(switches: Any, name: str) -> Any:
    try:
        return getattr(switches, name)
    except (AttributeError, AssertionError):  # torch 1.13 asserts that it knows every name
        return None


def _workload(torch: Any, device: str) -> Tuple[Tuple[Any, int], ...]:
    if device == "cpu":
        return ((torch.float32, 1024),)
    half = torch.bfloat16 if torch.cuda.get_device_capability()[0] >= 8 else torch.float16
    return ((torch.float32, 4096), (half, 8192))


def _name(dtype: Any) -> str:
    return str(dtype).partition(".")[2]
