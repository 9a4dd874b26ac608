"""The rate of batched matrix products that this core reaches at the widths of a cell, to compare ours with."""

from __future__ import annotations

import time
from functools import partial

import torch

from benchmarks.cells import Cell
from survey.networks.training.products import Product, product

_BATCH_COUNTS = (1, 4, 8, 16, 30, 64)
_MEASURE_S = 0.15


def best_rate(cell: Cell, device: str = "cpu") -> float:
    """Return FLOP/s of all matrix products of an epoch, each at the best rate over layouts and numbers of runs."""
    pairs = list(zip((cell.num_inputs, *cell.widths), cell.widths, strict=False))
    flops = time_s = 0.0
    num_test = -(-cell.num_rows // 5)
    with_test = cell.num_rows / (cell.num_rows - num_test)
    for k, (fan_in, fan_out) in enumerate(pairs):
        # Forward, gradient of the weights and, but for the first layer, gradient of the input.
        products = [(fan_out, fan_in, cell.batch_size), (fan_out, cell.batch_size, fan_in)]
        products += [(fan_in, fan_out, cell.batch_size)] if k else []
        for number, shape in enumerate(products):
            # The forward product is that of the test set too.
            work = 2.0 * shape[0] * shape[1] * shape[2] * (1.0 if number else with_test)
            flops += work
            time_s += work / _best_product_rate(*shape, device)
    return flops / time_s


def _best_product_rate(rows: int, inner: int, columns: int, device: str) -> float:
    """FLOP/s of [rows, inner] x [inner, columns], the best over layouts of the operands and of the result."""
    best = 0.0
    for count in _BATCH_COUNTS:
        for layout in range(8):
            a = torch.randn(count, inner, rows, device=device).mT if layout & 1 else torch.randn(count, rows, inner)
            b = (
                torch.randn(count, columns, inner, device=device).mT
                if layout & 2
                else torch.randn(count, inner, columns)
            )
            out = (
                torch.empty(count, columns, rows, device=device).mT if layout & 4 else torch.empty(count, rows, columns)
            )
            a, b, out = a.to(device), b.to(device), out.to(device)
            # By torch, and as the core does it.
            for multiply in (partial(torch.bmm, a, b, out=out), product(a, b, out)):
                best = max(best, 2.0 * count * rows * inner * columns / _seconds(multiply, is_cuda=a.is_cuda))
    return best


def _seconds(multiply: Product, *, is_cuda: bool) -> float:
    """Least time of a product over repeated calls."""
    multiply()
    # A GPU is given many at once, so that it does not wait for the calls.
    calls = 50 if is_cuda else 1
    best, ends = float("inf"), time.perf_counter() + _MEASURE_S / 16
    while time.perf_counter() < ends:
        began = time.perf_counter()
        for _ in range(calls):
            multiply()
        if is_cuda:
            torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - began) / calls)
    return best
