"""From shape, size, depth, inputs and outputs to layer widths.

Source: the definitions of the BUTTER data set (Tripp et al., "The BUTTER Zone", 2022). The scale of a shape is found
by bisection over the integers, and the nearest in size of all networks tried on the way is taken. A plan needs hundreds
of thousands of them, so `layer_widths` finds the same network in fewer steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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

WIDTHS = "widths"
"""The shape of networks whose layer widths were given, and not found by a rule for a size."""

SIZE_TOLERANCE = 0.2
"""Relative difference from the target size beyond which an experiment is left out of a survey."""

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

    def network(scale: int) -> tuple[tuple[int, ...], int]:
        widths = _widths(base, scale, depth, num_outputs)
        return widths, num_free_parameters(widths, num_inputs)

    base = shape.removesuffix("_residual")
    # Parameters never become fewer as the scale grows, so the bisection ends between the last scale with too few and
    # the first with enough. It has tried both, and no other network is nearer.
    low, high = _crossing(lambda scale: network(scale)[1], size, -(-size // (num_inputs + 1)))
    smaller, larger = (network(scale) if 1 <= scale < _MAX_SCALE else None for scale in (low, high))
    if smaller is None or larger is None:
        found = smaller or larger
        assert found
        return found
    misses = size - smaller[1], larger[1] - size
    if misses[0] == misses[1]:
        return _first_seen(network, size, misses[0])
    return smaller if misses[0] < misses[1] else larger


def _crossing(count: Callable[[int], int], size: int, bound: int) -> tuple[int, int]:
    """Find the first scale with at least `size` parameters.

    Args:
        count: Parameters of a scale; grows at least as the scale does, and at most as its square.
        size: Parameters to reach.
        bound: A scale that has as many.

    Returns:
        The scale before it, or 0, and the scale itself; at most `_MAX_SCALE`, which is not tried.
    """
    low, high = 0, min(bound, _MAX_SCALE)
    scale = min(math.isqrt(size) + 1, high)
    while high - low > 1:
        scale = min(max(scale, low + 1), high - 1)
        reached = count(scale)
        low, high = (scale, high) if reached < size else (low, scale)
        scale = int(scale * math.sqrt(size / reached))
    return low, high


def _first_seen(network: Callable[[int], tuple[tuple[int, ...], int]], size: int, miss: int) -> tuple:
    """The first network that the bisection tries of those that differ from `size` by `miss`."""
    low, high = 1, _MAX_SCALE
    while True:
        scale = (low + high) // 2
        found = network(scale)
        if abs(found[1] - size) == miss:
            return found
        low, high = (scale + 1, high) if found[1] < size else (low, scale)


def within_tolerance(num_parameters: int, size: int) -> bool:
    """Whether a network of `num_parameters` counts as one of target `size`."""
    return abs(num_parameters - size) <= SIZE_TOLERANCE * size


def num_free_parameters(widths: Sequence[int], num_inputs: int, *, normalized: bool = False) -> int:
    """Count the weights and biases of dense layers of these widths, with gain and shift of each normalized unit."""
    count, fan_in = 2 * sum(widths[:-1]) if normalized else 0, num_inputs
    for fan_out in widths:
        count += (fan_in + 1) * fan_out
        fan_in = fan_out
    return count


def residual_layers(shape: str, widths: Sequence[int]) -> tuple[bool, ...]:
    """Return for each layer whether it adds its input to its output, after the activation.

    In a residual shape each hidden layer but the first does if the two widths are equal; in `wide_first` the second
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
        return tuple([round(scale - k * (scale - num_outputs) / steps) for k in range(depth)])
    if base == "exponential":
        ratio = num_outputs / scale
        return tuple([max(num_outputs, round(scale * ratio ** (k / steps))) for k in range(depth)])
    narrow = max(1, round(scale / int(base.removeprefix("wide_first_").removesuffix("x"))))
    return (scale,) + (narrow,) * (depth - 2) + (num_outputs,)
