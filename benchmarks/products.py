"""GFLOP/s of a training step's products, by torch alone and by the core: `python -m benchmarks.products`."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.worker import pin
from survey.networks.training.network import columns
from survey.networks.training.products import has_small_kernels, product

_BATCH_SIZES = (32, 256, 1024)
_LAYERS = ((11, 18), (18, 18), (36, 36), (85, 85), (160, 160), (251, 251), (400, 400), (719, 719), (85, 7), (784, 82))
_REPEATS = 40
_BYTES = 5 << 18


def main() -> None:
    """Print a line for each layer and batch size; the least time of each counts."""
    pin(0, "cpu")
    print(f"small-matrix kernels: {'yes' if has_small_kernels() else 'no'}")
    print(f"{'batch':>6}{'fan-in':>8}{'fan-out':>9}{'forward':>16}{'by weights':>16}{'by inputs':>16}   (torch, core)")
    for batch_size in _BATCH_SIZES:
        for fan_in, fan_out in _LAYERS:
            runs = max(1, min(24, _BYTES // (12 * (max(fan_in, fan_out) + 1) * batch_size)))
            rates = "".join(_rates(*operands) for operands in _products(runs, fan_in, fan_out, batch_size))
            print(f"{batch_size:>6}{fan_in:>8}{fan_out:>9}{rates}", flush=True)


def _products(runs: int, fan_in: int, fan_out: int, rows: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The operands of a layer: forward, gradient by the weights, gradient by the inputs."""
    weight, inputs = torch.randn(runs, fan_out, columns(fan_in)), torch.randn(runs, columns(fan_in), rows)
    gradient, output = torch.randn(runs, fan_out, rows), torch.empty(runs, columns(fan_out), rows)[:, :fan_out]
    return [
        (weight[:, :, : fan_in + 1], inputs[:, : fan_in + 1], output),
        (gradient, inputs.transpose(1, 2), torch.empty_like(weight)),
        (weight[:, :, :fan_in].transpose(1, 2), gradient, torch.empty(runs, fan_in, rows)),
    ]


def _rates(a: Tensor, b: Tensor, out: Tensor) -> str:
    flops = 2.0 * a.shape[0] * a.shape[1] * a.shape[2] * b.shape[2]
    whole = torch.empty(out.shape)
    by_torch = flops / _least_s(lambda: torch.bmm(a, b, out=whole)) / 1e9
    return f"{by_torch:>10.0f}{flops / _least_s(product(a, b, out)) / 1e9:>6.0f}"


def _least_s(call: Callable[[], object]) -> float:
    call()
    least = float("inf")
    for _ in range(_REPEATS):
        began = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - began)
    return least


if __name__ == "__main__":
    main()
