"""The published relations between the size of a network and the landmarks of its learning curve, and their fits.

Source: Tripp et al., "The BUTTER Zone" (2022), equations 1 to 3, and its notebook of fits. Sigma is the number of
trainable parameters; all logarithms are to base 10.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from survey.errors import InputError

LIMIT = 2900.0
"""A minimizing epoch from here on, of 3000, may belong to a curve that was still falling at its end."""

_Array = npt.NDArray[np.float64]


class MinimizingEpoch(NamedTuple):
    """theta^(-1/3) = m log(sigma) + b, with theta the minimizing epoch."""

    m: float
    b: float

    def predict(self, sizes: npt.ArrayLike) -> _Array:
        """Predict minimizing epochs for sizes; infinite where the right-hand side is zero or less."""
        root = self.m * np.log10(np.asarray(sizes, dtype=np.float64)) + self.b
        with np.errstate(divide="ignore"):
            return np.where(np.isnan(root), np.nan, np.maximum(root, 0.0) ** -3)


class MinimumLoss(NamedTuple):
    """log(phi) = c (log(sigma) - s0)^(-p) + f, with phi the minimum loss; c, p and s0 are zero or more."""

    c: float
    p: float
    s0: float
    f: float

    def predict(self, sizes: npt.ArrayLike) -> _Array:
        """Predict minimum losses for sizes; NaN where log(sigma) is s0 or less."""
        x = np.log10(np.asarray(sizes, dtype=np.float64)) - self.s0
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return np.where(x > 0, 10 ** (self.c * x**-self.p + self.f), np.nan)


class DescentSlope(NamedTuple):
    """alpha = -l (log(sigma) - s1)^2 + a0, with alpha the descent slope; l is zero or more."""

    l: float  # noqa: E741 - the publication's letter
    s1: float
    a0: float

    def predict(self, sizes: npt.ArrayLike) -> _Array:
        """Predict descent slopes for sizes, as loss per epoch."""
        return self.a0 - self.l * (np.log10(np.asarray(sizes, dtype=np.float64)) - self.s1) ** 2


def fit_minimizing_epoch(sizes: npt.ArrayLike, epochs: npt.ArrayLike, *, limit: float = LIMIT) -> MinimizingEpoch:
    """Fit the minimizing epoch by least squares in theta^(-1/3).

    The points are the size of the least minimizing epoch, and all smaller sizes whose minimizing epoch is below `limit`
    and above that of the next larger size.

    Args:
        sizes: Distinct numbers of parameters (n,), in any order.
        epochs: Their minimizing epochs (n,); NaN is ignored.
        limit: `LIMIT` for curves of 3000 epochs.

    Returns:
        The fit; NaN if fewer than three points are left, as two determine the line whatever they are.

    Raises:
        InputError: The arrays differ in length, or a size is not positive or occurs twice.
    """
    x, theta = _by_size(sizes, epochs)
    chosen = _falling(theta, limit)
    if chosen.sum() < 3:
        return MinimizingEpoch(np.nan, np.nan)
    m, b = np.polyfit(x[chosen], theta[chosen] ** (-1 / 3), 1)
    return MinimizingEpoch(float(m), float(b))


def fit_minimum_loss(sizes: npt.ArrayLike, losses: npt.ArrayLike) -> MinimumLoss:
    """Fit the minimum loss on all sizes by least squares in log(phi), with c, p and s0 at least zero.

    The publication's solver has a fixed start. Here the start is the best of a grid of p and s0, and c and f are solved
    for, as the relation is linear in them: the sum of squares is the same, but no start is bad.

    Args:
        sizes: Distinct numbers of parameters (n,), in any order.
        losses: Their minimum losses (n,); those that are NaN or not positive are ignored.

    Returns:
        The fit; NaN if no more than four points are left, through which a curve of four parameters passes.

    Raises:
        InputError: The arrays differ in length, or a size is not positive or occurs twice.
    """
    values = np.asarray(losses, dtype=np.float64)
    x, phi = _by_size(sizes, np.where(values > 0, values, np.nan))
    if len(x) < 5:
        return MinimumLoss(np.nan, np.nan, np.nan, np.nan)
    y = np.log10(phi)
    # The relation is undefined at s0 and below.
    most = float(x[0]) * (1 - 1e-6)
    p, s0 = (grid.ravel() for grid in np.meshgrid(np.geomspace(0.05, 50, 16), most * np.r_[0:0.9:7j, 0.95, 0.99]))
    best = int((_misfit(x, y, p[:, None], s0[:, None]) ** 2).sum(axis=1).argmin())
    solved = least_squares(
        lambda at: _misfit(x, y, at[0], at[1]),
        (p[best], s0[best]),
        bounds=([0, 0], [np.inf, most]),
        x_scale=(max(1.0, p[best]), 1.0),
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    p_best, s0_best = map(float, solved.x)
    c, f = (value.item() for value in _linear(x, y, p_best, s0_best))
    return MinimumLoss(c, p_best, s0_best, f)


def fit_descent_slope(sizes: npt.ArrayLike, epochs: npt.ArrayLike, slopes: npt.ArrayLike) -> DescentSlope:
    """Fit the descent slope by least squares, with l at least zero.

    The points are those of `fit_minimizing_epoch` without a limit, except those whose slope is zero.

    Args:
        sizes: Distinct numbers of parameters (n,), in any order.
        epochs: Their minimizing epochs (n,), which select the points.
        slopes: Their descent slopes (n,). Sizes whose epoch or slope is NaN are ignored.

    Returns:
        The fit; NaN if no more than three points are left. If the best l would be negative, because the points bend the
        other way, l and s1 are 0 and a0 is the mean slope.

    Raises:
        InputError: The arrays differ in length, or a size is not positive or occurs twice.
    """
    x, theta, alpha = _by_size(sizes, epochs, slopes)
    chosen = _falling(theta, np.inf) & (alpha != 0)
    if chosen.sum() < 4:
        return DescentSlope(np.nan, np.nan, np.nan)
    a, b, c = map(float, np.polyfit(x[chosen], alpha[chosen], 2))
    if a >= 0:
        return DescentSlope(0.0, 0.0, float(alpha[chosen].mean()))
    s1 = -b / (2 * a)
    return DescentSlope(-a, s1, c - a * s1**2)


def _by_size(sizes: npt.ArrayLike, *values: npt.ArrayLike) -> list[_Array]:
    """Logarithms of the sizes, increasing, and the values, where all are finite."""
    arrays = [np.asarray(array, dtype=np.float64) for array in (sizes, *values)]
    if {array.shape for array in arrays} != {(arrays[0].size,)}:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise InputError(f"found arrays of shapes {shapes}; expected one value for each size")
    if (arrays[0] <= 0).any() or len(np.unique(arrays[0])) < arrays[0].size:
        raise InputError("a size is not positive or occurs twice; expected distinct numbers of parameters")
    order = arrays[0].argsort()
    known = np.all(np.isfinite(np.stack(arrays)), axis=0)
    order = order[known[order]]
    return [np.log10(arrays[0][order]), *(array[order] for array in arrays[1:])]


def _falling(theta: _Array, limit: float) -> npt.NDArray[np.bool_]:
    if not len(theta):
        return np.zeros(0, dtype=bool)
    least = int(theta.argmin())
    chosen = np.r_[(theta[:-1] > theta[1:]) & (theta[:-1] < limit), False]
    chosen[least] = True
    chosen[least + 1 :] = False
    return chosen


def _linear(x: _Array, y: _Array, p: float | _Array, s0: float | _Array) -> tuple[_Array, _Array]:
    """The best c (zero or more) and f for given p and s0: for one of each, (1,); for columns of n, (n, 1)."""
    with np.errstate(over="ignore"):
        u = (x - s0) ** -np.asarray(p)
    known = np.isfinite(u).all(axis=-1, keepdims=True)
    # Scaled, because u can have any magnitude.
    scale = np.where(known, u.max(axis=-1, keepdims=True), 1.0)
    v = np.where(known, u, 0.0) / scale
    centred = v - v.mean(axis=-1, keepdims=True)
    spread = (centred**2).sum(axis=-1, keepdims=True)
    c = np.maximum(0.0, (centred * y).sum(axis=-1, keepdims=True) / np.where(spread > 0, spread, np.inf))
    return c / scale, y.mean() - c * v.mean(axis=-1, keepdims=True)


def _misfit(x: _Array, y: _Array, p: float | _Array, s0: float | _Array) -> _Array:
    c, f = _linear(x, y, p, s0)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(c > 0, c * (x - s0) ** -np.asarray(p), 0.0) + f - y
