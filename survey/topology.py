"""From shape, size, depth, inputs and outputs to layer widths.

Source: the definitions of the BUTTER data set (Tripp et al., "The BUTTER Zone", 2022). The scale of a shape is found
by bisection over the integers, and of all networks looked at on the way the nearest in size is taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from survey.errors import InputError, nearest

BASE_SHAPES = (
    "rectangle",
    "trapezoid",
    "exponential",
    *(f"wide_first_{ratio}x" for ratio in (2, 4, 5, 8, 10, 16, 20)),
)
SHAPES = (*BASE_SHAPES, *(f"{shape}_residual" for shape in BASE_SHAPES))
"""All shapes that can be named."""

SIZE_TOLERANCE = 0.2
"""Relative miss of the target size beyond which an experiment is no part of a sweep."""

_MAX_SCALE = 1 << 30


@lru_cache(maxsize=1 << 20)
def layer_widths(shape: str, size: int, depth: int, num_inputs: int, num_outputs: int) -> tuple[tuple[int, ...], int]:
    """Find the network of a shape whose number of trainable parameters is nearest to `size`.

    Args:
        shape: One of `SHAPES`; `NAME_residual` has the widths of `NAME`.
        size: Target number of trainable parameters, at least 1.
        depth: Number of layers with weights, the output layer included, at least 2.
        num_inputs: Number of input features, at least 1.
        num_outputs: Number of outputs, at least 1.

    Returns:
        `(widths, num_free_parameters)`: one width per layer, the last being `num_outputs`; and the exact count.

    Raises:
        InputError: The shape is unknown, or a number is below its minimum.
    """
    if shape not in SHAPES:
        raise InputError(f"shape: {shape!r} is unknown{nearest(shape, SHAPES)}; known are {', '.join(SHAPES)}")
    for name, value, minimum in (
        ("size", size, 1),
        ("depth", depth, 2),
        ("num_inputs", num_inputs, 1),
        ("num_outputs", num_outputs, 1),
    ):
        if value < minimum:
            raise InputError(f"{name}: {value} is impossible; at least {minimum} is needed")

    base = shape.removesuffix("_residual")
    best: tuple[int, ...] = ()
    best_count, low, high = -1, 1, _MAX_SCALE
    while low < high:
        scale = (low + high) // 2
        widths = _widths(base, scale, depth, num_outputs)
        count = num_free_parameters(widths, num_inputs)
        if best_count < 0 or abs(count - size) < abs(best_count - size):
            best, best_count = widths, count
        if count == size:
            break
        if count < size:
            low = scale + 1
        else:
            high = scale
    return best, best_count


def within_tolerance(num_parameters: int, size: int, tolerance: float = SIZE_TOLERANCE) -> bool:
    """Whether a network of `num_parameters` counts as one of target `size`."""
    return abs(num_parameters - size) <= tolerance * size


def num_free_parameters(widths: Sequence[int], num_inputs: int) -> int:
    """Count the weights and biases of dense layers of these widths."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in zip((num_inputs, *widths), widths, strict=False))


def residual_layers(shape: str, widths: Sequence[int]) -> tuple[bool, ...]:
    """Say for each layer whether it adds its input to its output, after the activation.

    In a residual shape each hidden layer but the first does, where the two widths agree; for `wide_first` the second
    hidden layer does not either.
    """
    if not shape.endswith("_residual"):
        return (False,) * len(widths)
    first = 2 if shape.startswith("wide_first") else 1
    hidden = len(widths) - 1
    return tuple(first <= k < hidden and widths[k] == widths[k - 1] for k in range(len(widths)))


def _widths(base: str, scale: int, depth: int, num_outputs: int) -> tuple[int, ...]:
    """Widths of all layers for one scale; `round` is to nearest, ties to even, as the definition asks."""
    steps = depth - 1
    if base == "rectangle":
        return (scale,) * steps + (num_outputs,)
    if base == "trapezoid":
        return tuple(round(scale - k * (scale - num_outputs) / steps) for k in range(depth))
    if base == "exponential":
        ratio = num_outputs / scale
        return tuple(max(num_outputs, round(scale * ratio ** (k / steps))) for k in range(depth))
    match = re.fullmatch(r"wide_first_(\d+)x", base)
    assert match
    narrow = max(1, round(scale / int(match[1])))
    return (scale,) + (narrow,) * (depth - 2) + (num_outputs,)
