"""The published relations between the size of a network and the landmarks of its learning curve, and their fits.

Source: Tripp et al., "The BUTTER Zone" (2022), equations 1 to 3, and its notebook of fits. Sigma is the number of
trainable parameters; all logarithms are to base 10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.fits.decays import fit_decays
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
    return fit_minimizing_epochs(sizes, np.asarray(epochs)[None], limit=limit)[0]


def fit_minimizing_epochs(
    sizes: npt.ArrayLike, epochs: npt.ArrayLike, *, limit: float = LIMIT
) -> list[MinimizingEpoch]:
    """Fit the minimizing epochs of k samples, (k, n), each as `fit_minimizing_epoch` does."""

    def solve(x: _Array, theta: _Array) -> _Array:
        chosen = _falling(theta, limit)
        line = _polynomials(x, theta ** (-1 / 3), chosen, 1)
        return np.where(chosen.sum(axis=1, keepdims=True) < 3, np.nan, line)

    return [MinimizingEpoch(*row) for row in _by_size(solve, 2, sizes, epochs)]


def fit_minimum_loss(sizes: npt.ArrayLike, losses: npt.ArrayLike) -> MinimumLoss:
    """Fit the minimum loss on all sizes by least squares in log(phi), with c, p and s0 at least zero.

    The publication's solver has a fixed start. Here the start is the best of a grid of p and s0, and c and f are solved
    for, as the relation is linear in them (`analysis.fits.decays`). The sum of squares is the same, but no start is
    bad.

    Args:
        sizes: Distinct numbers of parameters (n,), in any order.
        losses: Their minimum losses (n,); those that are NaN or not positive are ignored.

    Returns:
        The fit; NaN if no more than four points are left, through which a curve of four parameters passes.

    Raises:
        InputError: The arrays differ in length, or a size is not positive or occurs twice.
    """
    return fit_minimum_losses(sizes, np.asarray(losses)[None])[0]


def fit_minimum_losses(sizes: npt.ArrayLike, losses: npt.ArrayLike) -> list[MinimumLoss]:
    """Fit the minimum losses of k samples, (k, n), each as `fit_minimum_loss` does."""

    def solve(x: _Array, phi: _Array) -> _Array:
        return fit_decays(x, np.log10(phi)) if len(x) > 4 else np.full((len(phi), 4), np.nan)

    values = np.asarray(losses, dtype=np.float64)
    return [MinimumLoss(*row) for row in _by_size(solve, 4, sizes, np.where(values > 0, values, np.nan))]


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
    return fit_descent_slopes(sizes, np.asarray(epochs)[None], np.asarray(slopes)[None])[0]


def fit_descent_slopes(sizes: npt.ArrayLike, epochs: npt.ArrayLike, slopes: npt.ArrayLike) -> list[DescentSlope]:
    """Fit the descent slopes of k samples, (k, n), each as `fit_descent_slope` does."""

    def solve(x: _Array, theta: _Array, alpha: _Array) -> _Array:
        chosen = _falling(theta, np.inf) & (alpha != 0)
        count = chosen.sum(axis=1)
        a, b, c = _polynomials(x, alpha, chosen, 2).T
        with np.errstate(invalid="ignore", divide="ignore"):
            s1 = np.where(a < 0, -b / (2 * a), 0.0)
            a0 = np.where(a < 0, c - a * s1**2, (alpha * chosen).sum(axis=1) / count)
        return np.where(count[:, None] < 4, np.nan, np.column_stack([np.maximum(-a, 0.0), s1, a0]))

    return [DescentSlope(*row) for row in _by_size(solve, 3, sizes, epochs, slopes)]


def _by_size(
    solve: Callable[..., _Array], num_parameters: int, sizes: npt.ArrayLike, *values: npt.ArrayLike
) -> list[list[float]]:
    """Solve for the parameters of k samples, NaN without values.

    Args:
        solve: Takes increasing logarithms of sizes (m,) and values (k, m), all known; returns parameters, (k, ...).
        num_parameters: How many it returns.
        sizes: Distinct numbers of parameters (n,).
        values: Samples (k, n).
    """
    at, *arrays = (np.asarray(array, dtype=np.float64) for array in (sizes, *values))
    if {array.shape[1:] for array in arrays} != {(at.size,)}:
        shapes = ", ".join(str(array.shape[1:]) for array in arrays)
        raise InputError(f"found {at.size} sizes with values of shapes {shapes}; expected one value for each size")
    if (at <= 0).any() or len(np.unique(at)) < at.size:
        raise InputError("a size is not positive or occurs twice; expected distinct numbers of parameters")
    order = at.argsort()
    x, arrays = np.log10(at[order]), [array[:, order] for array in arrays]
    found = np.full((len(arrays[0]), num_parameters), np.nan)
    # Samples with the same known values (nearly all) are solved together.
    patterns, of_sample = np.unique(np.isfinite(arrays).all(axis=0), axis=0, return_inverse=True)
    for number, known in enumerate(patterns):
        samples = np.flatnonzero(of_sample.ravel() == number)
        if known.any():
            found[samples] = solve(x[known], *(array[np.ix_(samples, known)] for array in arrays))
    return found.tolist()


def _falling(theta: _Array, limit: float) -> npt.NDArray[np.bool_]:
    """Which sizes of each sample count: that of the least epoch, and smaller ones above the next; of shape (k, m)."""
    places, least = np.arange(theta.shape[1]), theta.argmin(axis=1)[:, None]
    falls = np.pad(theta[:, :-1] > theta[:, 1:], ((0, 0), (0, 1)))
    return (places == least) | (places < least) & falls & (theta < limit)


def _polynomials(x: _Array, y: _Array, chosen: npt.NDArray[np.bool_], degree: int) -> _Array:
    """Coefficients of the least-squares polynomial of each sample through its chosen points, (k, degree + 1)."""
    powers = np.vander(x, degree + 1) * chosen[:, :, None]
    solved = np.linalg.pinv(powers) @ np.where(chosen, y, 0.0)[:, :, None]
    return solved[:, :, 0].astype(np.float64, copy=False)
