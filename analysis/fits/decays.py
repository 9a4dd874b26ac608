"""Least-squares fits of the decay y = c (x - s0)^(-p) + f to many samples at once, with c, p and s0 at least zero.

For given p and s0 the relation is linear in c and f, which are then solved for, so that only p and s0 are searched:
variable projection, after Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
problems whose variables separate" (1973), with steps as by Marquardt (1963). The search begins at the best of a grid,
so that no start is bad.

It is over log(p) and log(x_1 - s0), with x_1 the least x. With t = (x - s0) / (x_1 - s0), the relation is
y = b (t^(-p) - 1) + constant, in which the term in parentheses is 0 at x_1 and falls to no less than -1, whatever p and
s0. It is called decay below.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LEAST_P, _MOST_P = 1e-7, 300.0
"""Bounds of p: at the lower one the decay is a logarithm, at the upper one nearly all of it is between x_1 and x_2."""

_NEAREST = 1e-6
"""Least distance of s0 from x_1, as a part of x_1: there the relation is undefined."""

_STEPS = 200
"""Most steps. A sample that needs more is in a valley so flat that it does not determine the parameters."""

_CLOSE = 1e-8
"""Length of a step, in the logarithms, at which a search ends."""

_DAMPING, _FACTOR = 1e-3, 10.0
"""Damping of the first step, relative to the curvature; how far it falls after a good step and rises after a bad."""

_Array = npt.NDArray[np.float64]


def fit_decays(x: _Array, y: _Array) -> _Array:
    """Fit the relation to k samples.

    Args:
        x: Positive and increasing, (n,); at least five.
        y: The samples, (k, n), finite.

    Returns:
        c, p, s0 and f of each sample, (k, 4). Where no decay is better than a constant, c is 0.
    """
    beyond, centred = x - x[0], _centred(y)
    bounds = np.log([[_LEAST_P, _NEAREST * x[0]], [_MOST_P, x[0]]])
    at = _search(beyond, centred, _start(x, centred), bounds)
    decay = _decay(beyond, at)
    b = _slope(_centred(decay), centred)
    p, distance = np.exp(at).T
    constant = (y - b[:, None] * (decay + 1)).mean(axis=1)
    return np.column_stack([b * distance**p, p, np.maximum(x[0] - distance, 0), constant])


def _start(x: _Array, centred: _Array) -> _Array:
    """The best of a grid of log(p) and log(x_1 - s0) for each sample, (k, 2)."""
    p, distance = np.meshgrid(np.geomspace(0.05, 50, 16), x[0] * (1 - np.r_[0:0.9:7j, 0.95, 0.99]))
    grid = np.log(np.column_stack([p.ravel(), distance.ravel()]))
    decay = _centred(_decay(x - x[0], grid))
    product = np.einsum("kn,gn->kg", centred, decay)  # not by a library, whose sums depend on the number of samples
    explained = np.maximum(product, 0) ** 2 / (decay**2).sum(axis=1)
    return grid[explained.argmax(axis=1)]


def _search(beyond: _Array, centred: _Array, start: _Array, bounds: _Array) -> _Array:
    """Descend from a start for each sample, (k, 2), to the least sum of squares between bounds, (2, 2)."""
    found, damping = start.clip(*bounds), np.full(len(start), _DAMPING)
    squares = _squares(beyond, centred, found)
    going = np.arange(len(start))
    for _ in range(_STEPS):
        at, y = found[going], centred[going]
        step = _step(beyond, y, at, damping[going], bounds)
        there = (at + step).clip(*bounds)
        then = _squares(beyond, y, there)
        is_better = then < squares[going]
        found[going] = np.where(is_better[:, None], there, at)
        squares[going] = np.where(is_better, then, squares[going])
        damping[going] *= np.where(is_better, 1 / _FACTOR, _FACTOR)
        going = going[np.abs(there - at).max(axis=1) > _CLOSE]
        if not len(going):
            break
    return found


def _step(beyond: _Array, centred: _Array, at: _Array, damping: _Array, bounds: _Array) -> _Array:
    """The step of each sample: a damped one of Gauss and Newton, (k, 2), along bounds that it would cross."""
    residuals, slopes = _residuals(beyond, centred, at)
    gradient = np.einsum("ikn,kn->ki", slopes, residuals)
    curvature = np.einsum("ikn,jkn->kij", slopes, slopes)
    is_free = ((at > bounds[0]) | (gradient < 0)) & ((at < bounds[1]) | (gradient > 0))
    # Relative to its diagonal, the matrix is at least the damping, and can be inverted.
    scale = np.sqrt(np.einsum("kii->ki", curvature))
    unit = np.where(is_free & (scale > 0), 1 / np.where(scale > 0, scale, 1), 0)
    relative = curvature * unit[:, :, None] * unit[:, None, :] + damping[:, None, None] * np.eye(2)
    return -unit * np.linalg.solve(relative, (unit * gradient)[:, :, None])[:, :, 0]


def _residuals(beyond: _Array, centred: _Array, at: _Array) -> tuple[_Array, _Array]:
    """Residuals (k, n) with the best b and constant, and their derivatives by the two logarithms, (2, k, n)."""
    p, distance = np.exp(at).T[:, :, None]
    log_t = np.log1p(beyond / distance)
    slope_of_power = -p * np.exp(-p * log_t)
    decay = _centred(np.expm1(-p * log_t))
    moved = _centred(np.stack([slope_of_power * log_t, slope_of_power * np.expm1(-log_t)]))
    b = _slope(decay, centred)[:, None]
    # b = <decay, y> / <decay, decay> moves too.
    b_moved = ((moved * centred).sum(-1) - 2 * b.T * (moved * decay).sum(-1)) / (decay**2).sum(-1)
    return b * decay - centred, np.where(b > 0, b_moved[:, :, None] * decay + b * moved, 0)


def _squares(beyond: _Array, centred: _Array, at: _Array) -> _Array:
    decay = _centred(_decay(beyond, at))
    return ((_slope(decay, centred)[:, None] * decay - centred) ** 2).sum(axis=1)


def _decay(beyond: _Array, at: _Array) -> _Array:
    """t^(-p) - 1 without loss of digits, (k, n)."""
    p, distance = np.exp(at).T[:, :, None]
    return np.expm1(-p * np.log1p(beyond / distance))


def _slope(decay: _Array, centred: _Array) -> _Array:
    """The best b, zero or more, (k,)."""
    return np.maximum((decay * centred).sum(axis=1), 0) / (decay**2).sum(axis=1)


def _centred(values: _Array) -> _Array:
    return values - values.mean(axis=-1, keepdims=True)
