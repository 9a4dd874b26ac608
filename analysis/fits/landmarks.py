"""Landmarks of learning curves: where the smoothed test loss is least, how low it is, and how steeply it falls to it.

Source: Tripp et al., "The BUTTER Zone" (2022), and the notebook of its generalization statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import convolve1d, uniform_filter1d

from analysis.reading.curves import curve_matrix, holds_lists, num_epochs
from survey.errors import InputError

LANDMARKS = ("minimizing_epoch", "minimum_loss", "descent_slope")
"""Columns: an epoch, from 1, possibly fractional; a loss; and a loss per epoch, zero or less."""

POINTS = 3000
"""Points of a resampled curve, evenly spaced in the logarithm of the epoch."""

NEAR = 1.1
"""Greatest multiple of the minimum that counts as near it."""

_CHUNK = 500  # rows smoothed at a time: 12 MB an array
_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """Window, in points, and order of the polynomial of a Savitzky-Golay filter."""

    window: int
    order: int


USUAL = Smoothing(101, 1)
FOR_EPOCH = {"529_pollen": Smoothing(901, 2)}
"""Tasks whose curves are smoothed otherwise than by `USUAL` for minimizing epoch and descent slope."""


def landmarks(
    curves: pd.DataFrame | npt.ArrayLike,
    *,
    statistic: str = "test_loss_median",
    epochs: Iterable[int] | None = None,
    dataset: str | None = None,
) -> pd.DataFrame:
    """Find the landmarks of learning curves, as the published notebook does.

    The base-10 logarithm of the loss is resampled linearly at `POINTS` epochs evenly spaced in the logarithm, then
    smoothed. (The publication smooths the epochs too, which leaves them unchanged.) Losses that are missing, not finite
    or not positive are ignored.

    Args:
        curves: Rows of a summary as `analysis.read` returns them, or the same from `analysis.curves` (which need
            `experiment_id`), or an array (n, epochs) of losses.
        statistic: The curve, if `curves` is a frame.
        epochs: Epochs of the columns of an array, increasing; 1, 2, ... by default.
        dataset: Name of the task, for `FOR_EPOCH`, unless there is a column of this name.

    Returns:
        A row per experiment, in order, with the columns of `LANDMARKS` after those of the frame without curves. The
        minimizing epoch is the first with the least smoothed loss, and the minimum loss is that loss. The descent slope
        is (loss_k - loss_min) / (epoch_k - epoch_min), with k the last point before the minimum whose loss is more than
        `NEAR` times the minimum, or 0 if there is none. All are NaN for a curve without a usable loss.

    Raises:
        InputError: A frame lacks the statistic or `experiment_id`, or the epochs do not match the array.
    """
    if not isinstance(curves, pd.DataFrame):
        return pd.DataFrame(_of_matrix(*_matrix(curves, epochs), dataset), columns=list(LANDMARKS))
    if statistic not in curves.columns:
        raise InputError(f"the frame lacks {statistic}; read the table with this column")
    if "epoch" in curves.columns:
        return _of_long(curves, statistic, dataset)
    found = np.full((len(curves), len(LANDMARKS)), np.nan)
    for name, places in _by_dataset(curves, dataset):
        found[places] = _of_column([curves[statistic].iloc[place] for place in places], name)
    return _described(curves, found)


def needed_epochs(last: int) -> npt.NDArray[np.int64]:
    """Return the epochs, of 1 to `last`, on which the landmarks of a complete curve depend."""
    epochs = np.arange(1, last + 1)
    right, _ = _between(np.log10(epochs), _grid(np.log10(epochs)))
    return np.unique(np.concatenate([epochs[right - 1], epochs[right]])) if last > 1 else epochs


def smooth(losses: npt.ArrayLike, epochs: npt.ArrayLike, smoothing: Smoothing = USUAL) -> tuple[_Array, _Array]:
    """Resample and smooth curves.

    Args:
        losses: Array (n, m), finite and positive.
        epochs: Their m epochs, increasing.
        smoothing: Parameters of the filter.

    Returns:
        Epochs (POINTS,) and smoothed losses (n, POINTS).
    """
    x = np.log10(np.asarray(epochs, dtype=np.float64))
    y = np.log10(np.atleast_2d(np.asarray(losses, dtype=np.float64)))
    return 10 ** _grid(x), 10 ** _smooth_logs(x, y, smoothing)


def _matrix(curves: npt.ArrayLike, epochs: Iterable[int] | None) -> tuple[_Array, _Array]:
    losses = np.asarray(curves, dtype=np.float64)
    if losses.ndim != 2:
        raise InputError(f"found an array of shape {losses.shape}; expected (experiments, epochs)")
    at = np.arange(1, losses.shape[1] + 1) if epochs is None else np.fromiter(epochs, dtype=np.int64)
    if at.shape != losses.shape[1:] or (at < 1).any() or (np.diff(at) <= 0).any():
        raise InputError(f"{len(at)} epochs for {losses.shape[1]} columns; expected one each, increasing from 1 on")
    return losses, at.astype(np.float64)


def _of_long(long: pd.DataFrame, statistic: str, dataset: str | None) -> pd.DataFrame:
    if "experiment_id" not in long.columns:
        raise InputError("the frame lacks experiment_id, which tells curves apart; read the table with this column")
    described = long.drop_duplicates("experiment_id").drop(columns=["epoch", statistic]).reset_index(drop=True)
    table = long.pivot(index="experiment_id", columns="epoch", values=statistic)
    matrix = table.reindex(described["experiment_id"]).to_numpy(np.float64)
    found = np.full((len(described), len(LANDMARKS)), np.nan)
    for name, places in _by_dataset(described, dataset):
        found[places] = _of_matrix(matrix[places], table.columns.to_numpy(np.float64), name)
    return _described(described, found)


def _by_dataset(frame: pd.DataFrame, dataset: str | None) -> list[tuple[str | None, npt.NDArray[np.intp]]]:
    """Names of the tasks, and the rows of each."""
    if "dataset" not in frame.columns:
        return [(dataset, np.arange(len(frame)))]
    groups = frame.groupby("dataset", sort=False).indices
    return [(str(name), np.asarray(rows, dtype=np.intp)) for name, rows in groups.items()]


def _described(frame: pd.DataFrame, found: _Array) -> pd.DataFrame:
    lists = [name for name in frame.columns if holds_lists(frame[name])]
    return frame.drop(columns=lists).assign(**{name: found[:, place] for place, name in enumerate(LANDMARKS)})


def _of_column(column: Sequence[object], dataset: str | None) -> _Array:
    epochs = np.arange(1, num_epochs(column) + 1)
    parts = [
        _of_matrix(curve_matrix(column[start : start + _CHUNK], epochs), epochs.astype(np.float64), dataset)
        for start in range(0, len(column), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(LANDMARKS)))


def _of_matrix(losses: _Array, epochs: _Array, dataset: str | None) -> _Array:
    """Landmarks (n, 3) of curves (n, m)."""
    found = np.full((len(losses), len(LANDMARKS)), np.nan)
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(losses) & (losses > 0)
    # Curves usable at the same epochs (nearly all) are smoothed together.
    patterns, of_row = np.unique(np.packbits(usable, axis=1), axis=0, return_inverse=True)
    for number in range(len(patterns)):
        rows = np.flatnonzero(of_row.ravel() == number)
        columns = np.flatnonzero(usable[rows[0]])
        if len(columns):
            x = np.log10(epochs[columns])
            for start in range(0, len(rows), _CHUNK):
                some = rows[start : start + _CHUNK]
                found[some] = _of_logs(x, np.log10(losses[np.ix_(some, columns)]), dataset)
    return found


def _of_logs(x: _Array, y: _Array, dataset: str | None) -> _Array:
    usual = _smooth_logs(x, y, USUAL)
    smoothed = _smooth_logs(x, y, FOR_EPOCH[dataset]) if dataset in FOR_EPOCH else usual
    rows, grid = np.arange(len(y)), _grid(x)
    least = smoothed.argmin(axis=1)
    low = smoothed[rows, least]
    far = (smoothed > low[:, None] + np.log10(NEAR)) & (np.arange(POINTS) < least[:, None])
    last = POINTS - 1 - far[:, ::-1].argmax(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (10 ** smoothed[rows, last] - 10**low) / (10 ** grid[last] - 10 ** grid[least])
    return np.column_stack([10 ** grid[least], 10 ** usual.min(axis=1), np.where(far.any(axis=1), slope, 0.0)])


def _smooth_logs(x: _Array, y: _Array, smoothing: Smoothing) -> _Array:
    if len(x) == 1:
        return np.repeat(y, POINTS, axis=1)
    right, weight = _between(x, _grid(x))
    resampled = y[:, right - 1] * (1 - weight) + y[:, right] * weight
    return _savitzky_golay(resampled, smoothing)


def _savitzky_golay(values: _Array, smoothing: Smoothing) -> _Array:
    """Smooth rows (n, m) as `scipy.signal.savgol_filter`, which is slow to import, does by itself.

    Each value becomes that of the polynomial fitted to the window around it. Those near an end, which have no such
    window, become those of the polynomial fitted to the window at that end.
    """
    half = smoothing.window // 2
    powers = np.vander(np.arange(-half, half + 1) / half, smoothing.order + 1)  # (window, order + 1)
    fitting = powers @ np.linalg.pinv(powers)  # (window, window): fitted values from those in the window
    if smoothing.order == 1:  # a line is its mean in its middle, and a moving mean is much faster
        smoothed = np.asarray(uniform_filter1d(values, smoothing.window, axis=1))
    else:
        smoothed = np.asarray(convolve1d(values, fitting[half], axis=1))  # symmetric: its direction does not matter
    smoothed[:, :half] = values[:, : smoothing.window] @ fitting[:half].T
    smoothed[:, -half:] = values[:, -smoothing.window :] @ fitting[-half:].T
    return smoothed


def _grid(x: _Array) -> _Array:
    return np.linspace(x[0], x[-1], POINTS)


def _between(x: _Array, grid: _Array) -> tuple[npt.NDArray[np.int64], _Array]:
    """Index of the x to the right of each point of the grid, and its weight, from 0 to 1, in the interpolation."""
    right = np.searchsorted(x, grid).clip(1, max(len(x) - 1, 1))
    if len(x) == 1:
        return right, np.ones(len(grid))
    return right, (grid - x[right - 1]) / (x[right] - x[right - 1])
