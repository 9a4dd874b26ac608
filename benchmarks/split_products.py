"""Products of float32 numbers by three products of TF32 ones on the tensor cores. A part of `benchmarks.card`.

A number is split into its first 11 bits, rounded, and the rest, of which TF32 again takes 11: a = high + low, and

    a b = high_a high_b + high_a low_b + low_a high_b

without the product of both rests, which is below 2^-22 of a b. Sums are in float32 (Markidis et al., "NVIDIA tensor
core programmability, performance and precision", 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from benchmarks.cells import CELLS, Cell
from survey.networks.experiment import FLOAT32, TF32
from survey.networks.training.precision import products_in

_LARGE = CELLS[2:4]
_RUNS = {CELLS[2]: 120, CELLS[3]: 30}
_DROPPED_BITS = 13  # of the 23 of a float32 number's mantissa


def to_tf32(x: Tensor) -> Tensor:
    """Round float32 numbers to TF32, halves away from zero, as `cvt.rna.tf32.f32` of NVIDIA's GPUs does."""
    half, mask = 1 << (_DROPPED_BITS - 1), -(1 << _DROPPED_BITS)
    return x.view(torch.int32).add(half).bitwise_and_(mask).view(torch.float32)


def split(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return (high, low), both in TF32; their sum is x to 2^-22 of it, or exactly x where low has no more bits."""
    high = to_tf32(x)
    return high, to_tf32(x - high)


def product_of_parts(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor], out: Tensor) -> Tensor:
    """Set `out`, [runs, rows, columns], to the product of what was split; the small terms come first."""
    (high_a, low_a), (high_b, low_b) = a, b
    torch.bmm(low_a, high_b, out=out)
    torch.baddbmm(out, high_a, low_b, out=out)
    return torch.baddbmm(out, high_a, high_b, out=out)


def error(found: Tensor, a: Tensor, b: Tensor) -> float:
    """Return the greatest error of a product of a, [runs, rows, inner], and b, by the lengths of both vectors."""
    exact = torch.bmm(a.double(), b.double())
    lengths = a.double().norm(dim=2, keepdim=True) * b.double().norm(dim=1, keepdim=True)
    return float(((found - exact).abs() / lengths).max())


def compare(device: str, seconds: Callable[[Callable[[], Tensor]], float]) -> Iterator[str]:
    """Yield rates and errors of the products of a hidden layer: forward, by weights, and by inputs.

    Args:
        device: `cuda`, or `cpu` to try the command out, where all products are in float32.
        seconds: Measures a call on the device.
    """
    for cell in _LARGE:
        for name, a, b in _operands(cell, device):
            yield from _compare(f"{cell.name:24}{name:>12}", a, b, seconds)


def _operands(cell: Cell, device: str) -> Iterator[tuple[str, Tensor, Tensor]]:
    width, rows = cell.widths[1], cell.batch_size
    runs = _RUNS[cell] if device == "cuda" else 1
    random = torch.Generator(device).manual_seed(0)
    weight, inputs, gradient = (
        torch.randn(runs, *shape, generator=random, device=device)
        for shape in ((width, width), (width, rows), (width, rows))
    )
    yield "forward", weight, inputs
    yield "by weights", gradient, inputs.transpose(1, 2)
    yield "by inputs", weight.transpose(1, 2), gradient


def _compare(name: str, a: Tensor, b: Tensor, seconds: Callable[[Callable[[], Tensor]], float]) -> Iterator[str]:
    flops, out = 2.0 * a.shape[0] * a.shape[1] * a.shape[2] * b.shape[2], a.new_empty(*a.shape[:2], b.shape[2])
    once = split(a), split(b)
    ways: dict[str, tuple[str, Callable[[], Tensor]]] = {
        "float32": (FLOAT32, partial(torch.bmm, a, b, out=out)),
        "TF32": (TF32, partial(torch.bmm, a, b, out=out)),
        "three of TF32": (TF32, lambda: product_of_parts(split(a), split(b), out)),
        "... split before": (TF32, lambda: product_of_parts(*once, out)),
    }
    for way, (precision, multiply) in ways.items():
        with products_in(precision):
            rate = flops / seconds(multiply)
            multiply()
        yield f"{name}  {way:18}{rate / 1e12:>9.3g} TFLOP/s  greatest error {error(out[:4], a[:4], b[:4]):.1e}"
