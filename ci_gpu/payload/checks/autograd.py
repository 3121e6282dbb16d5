"""Gradients: exact where mathematics knows the answer, against finite differences where it does not."""

from __future__ import annotations

from typing import Any, Iterable

from .. import tf32
from ..every_gpu import on_every_gpu
from ..wire import Fact, Fail, Note

TIMEOUT = 600


@on_every_gpu
def check_polynomial(device: str) -> Iterable[Any]:
    """The derivatives of x² + 2xy + y³ at (2, 3) are 10 and 31, its Hessian is [[2, 2], [2, 18]]."""
    import torch

    x, y = (torch.tensor(value, dtype=torch.float64, device=device, requires_grad=True) for value in (2.0, 3.0))
    z = x**2 + 2 * x * y + y**3
    first = torch.autograd.grad(z, (x, y), create_graph=True)
    rows = [torch.autograd.grad(slope, (x, y), retain_graph=True, allow_unused=True) for slope in first]
    found = {"z": z, "dz/dx": first[0], "dz/dy": first[1]}
    found.update({f"d²z/d{a}d{b}": rows[i][j] for i, a in enumerate("xy") for j, b in enumerate("xy")})
    wanted = {"z": 43, "dz/dx": 10, "dz/dy": 31, "d²z/dxdx": 2, "d²z/dxdy": 2, "d²z/dydx": 2, "d²z/dydy": 18}
    facts = [Fact(name, None if value is None else value.item(), str(wanted[name])) for name, value in found.items()]
    yield from facts
    wrong = [f"{fact.name} = {fact.value}, not {fact.expected}" for fact in facts if fact.value != float(fact.expected)]
    if wrong:
        raise Fail("; ".join(wrong), "a wrong derivative trains wrong models: do not use this image")


@on_every_gpu
def check_gradcheck(device: str) -> Iterable[Any]:
    """Gradients of layers and attention agree with finite differences in float64."""
    import torch

    torch.manual_seed(1)
    for name, function, inputs in _functions(torch, device):
        try:
            # The tolerances are gradcheck's own. Convolution backward may use atomics on a GPU, whose order varies.
            torch.autograd.gradcheck(function, inputs, nondet_tol=0.0 if device == "cpu" else 1e-12)
        except _gradcheck_error() as error:
            raise Fail(f"the gradient of {name} is wrong: {_first_line(error)}") from None
        yield Fact(name, "agrees", "finite differences within 1e-5 + 1e-3 relative")


@on_every_gpu
def check_double_backward(device: str) -> Iterable[Any]:
    """Second derivatives agree with finite differences of the first in float64."""
    import torch

    x = torch.linspace(0.2, 1.8, 8, dtype=torch.float64, device=device, requires_grad=True)
    try:
        torch.autograd.gradgradcheck(lambda value: value.tanh() * value.pow(3) + value.log(), (x,))
    except _gradcheck_error() as error:
        raise Fail(f"a second derivative is wrong: {_first_line(error)}") from None
    yield Fact("tanh(x)·x³ + ln x", "agrees", "finite differences")


@on_every_gpu
def check_accumulation(device: str) -> Iterable[Any]:
    """A second backward adds to the gradient: twice the work is exactly twice the gradient."""
    import torch

    weight = torch.randn(64, 64, dtype=torch.float64, device=device, requires_grad=True)
    data = torch.randn(16, 64, dtype=torch.float64, device=device)
    (data @ weight).square().sum().backward()
    once = weight.grad.clone()
    (data @ weight).square().sum().backward()
    off = (weight.grad - 2 * once).abs().max().item()
    yield Fact("largest deviation from 2×", off, "0")
    yield Fact("largest gradient", once.abs().max().item())
    if not off <= 1e-9 * once.abs().max().item() or not once.abs().max().item() > 0:
        raise Fail(f"after two backward passes the gradient is off by {off:.3g} from twice the first")


def check_no_grad(device: str) -> Iterable[Any]:
    """Under no_grad no graph is kept, and outside of it one is."""
    import torch

    weight = torch.randn(32, 32, device=device, requires_grad=True)
    with torch.no_grad():
        inside = weight @ weight
    outside = weight @ weight
    yield Fact("graph under no_grad", inside.grad_fn is not None or inside.requires_grad, "False")
    yield Fact("graph outside", outside.grad_fn is not None, "True")
    if inside.grad_fn is not None or inside.requires_grad:
        raise Fail("a graph is kept under no_grad", "inference would take the memory of training")
    if outside.grad_fn is None:
        raise Fail("no graph is kept outside of no_grad", "nothing could be trained")


@on_every_gpu
def check_matches_float64(device: str) -> Iterable[Any]:
    """The float32 gradients of a small network agree with those of float64 on the CPU."""
    import torch

    worst = 0.0
    with tf32.off(torch) as is_off:  # whether the default is TF32 is for matmul.float32 to say
        gradients = _network_gradients(torch, device, torch.float32)
    for mine, exact in zip(gradients, _network_gradients(torch, "cpu")):
        off = (mine.double().cpu() - exact).norm() / exact.norm()
        worst = max(worst, off.item()) if off == off else float("inf")
    allowed = 1e-4 if is_off else 5e-3
    yield Fact("largest relative error", worst, f"below {allowed:g}")
    if not worst < allowed:
        raise Fail(f"float32 gradients are off by {worst:.2g} from float64", "look for TF32 or another lossy mode")
    if worst == 0.0:
        yield Note("float32 and float64 gradients are the same to the last bit, which is unusual")


def _functions(torch: Any, device: str) -> Iterable[Any]:
    """Name, function and float64 inputs, small: gradcheck evaluates twice per element."""

    def random(*shape: int) -> Any:
        return torch.randn(*shape, dtype=torch.float64, device=device, requires_grad=True)

    nn = torch.nn.functional
    yield "linear", nn.linear, (random(3, 4), random(5, 4), random(5))
    yield "conv2d", nn.conv2d, (random(1, 2, 5, 5), random(3, 2, 3, 3), random(3))
    yield "layer_norm", lambda x, w, b: nn.layer_norm(x, (4,), w, b), (random(3, 4), random(4), random(4))
    yield "softmax", lambda x: nn.softmax(x, -1), (random(3, 5),)
    if hasattr(nn, "scaled_dot_product_attention"):  # torch >= 2.0
        yield "attention", nn.scaled_dot_product_attention, (random(1, 2, 3, 4), random(1, 2, 3, 4), random(1, 2, 3, 4))
    yield "a function of one's own", _cube(torch).apply, (random(6),)


def _cube(torch: Any) -> Any:
    class Cube(torch.autograd.Function):  # type: ignore[misc]
        """x³ with a backward written by hand, as users write them."""

        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            context.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            (x,) = context.saved_tensors
            return 3 * x**2 * gradient

    return Cube


def _network_gradients(torch: Any, device: str, dtype: Any = None) -> Any:
    generator = torch.Generator().manual_seed(7)
    shapes = ((32, 64), (64, 64), (64, 16))

    def random(shape: Any) -> Any:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    weights = [
        (random(shape) / shape[0] ** 0.5).to(device, dtype or torch.float64).requires_grad_() for shape in shapes
    ]
    value = random((48, 32)).to(device, dtype or torch.float64)
    for weight in weights:
        value = (value @ weight).tanh()
    return torch.autograd.grad(value.square().mean(), weights)


def _gradcheck_error() -> Any:
    from torch.autograd.gradcheck import GradcheckError  # as an attribute, the name of the module is the function's

    return GradcheckError


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")[:300]
