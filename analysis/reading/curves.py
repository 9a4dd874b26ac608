"""Training curves: from a list in each row to a row per epoch, or to a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from survey.errors import InputError, nearest
from survey.workloads.metrics import log_spaced_epochs


def curves(
    frame: pd.DataFrame,
    statistics: Sequence[str] | None = None,
    epochs: Iterable[int] | None = None,
    *,
    log_spaced: int | None = None,
) -> pd.DataFrame:
    """Turn curves into a table with a row per experiment (or run) and epoch.

    Args:
        frame: Table as `analysis.read` returns it.
        statistics: Names of per-epoch columns, such as `test_loss_median`; by default all.
        epochs: Epochs to keep, counted from 1; all by default. An experiment has no row for an epoch that it did not
            reach.
        log_spaced: Instead of `epochs`: keep about this many, evenly spaced in the logarithm up to the last epoch of
            the longest curve (`survey.workloads.metrics.log_spaced_epochs`).

    Returns:
        The columns of `frame` without lists, repeated; `epoch`, int64, from 1; and a column per statistic, with the
        dtype of its curves, NaN in rows that lack it. Ordered as `frame`, then by epoch.

    Raises:
        InputError: A statistic is not a per-epoch column of the frame, curves of a row differ in length, or both
            `epochs` and `log_spaced` are given.
    """
    if epochs is not None and log_spaced is not None:
        raise InputError("epochs and log_spaced are both given; expected one of them")
    lists = [str(name) for name in frame.columns if holds_lists(frame[name])]
    names = [name for name in lists if name != "widths"] if statistics is None else list(statistics)
    for name in names:
        if name not in frame.columns or (len(frame) and name not in lists):
            raise InputError(f"{name!r} is not a per-epoch column of the frame{nearest(name, lists)}")
    columns = {name: [_curve(values) for values in frame[name]] for name in names}
    if log_spaced is not None:
        last = max((num_epochs(column) for column in columns.values()), default=0)
        epochs = log_spaced_epochs(last, log_spaced) if last else []
    kept = None if epochs is None else np.unique(np.fromiter(epochs, dtype=np.int64))
    lengths = [{len(column[row]) for column in columns.values()} - {0} for row in range(len(frame))]
    picked = [_epochs_of(found, kept) for found in lengths]

    repeated = np.repeat(np.arange(len(frame)), [len(chosen) for chosen in picked])
    described = frame[[name for name in frame.columns if name not in {*lists, *names}]]
    long = described.iloc[repeated].reset_index(drop=True)
    long["epoch"] = np.concatenate(picked) if picked else np.empty(0, np.int64)
    for name, column in columns.items():
        parts = [
            curve[chosen - 1] if len(curve) else np.full(len(chosen), np.nan, curve.dtype)
            for curve, chosen in zip(column, picked, strict=True)
        ]
        long[name] = np.concatenate(parts) if parts else np.empty(0, np.float32)
    return long


def curve_matrix(column: Iterable[object], epochs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Gather the curves of a column at some epochs.

    Args:
        column: Per-epoch column of n rows; curves may differ in length or be missing.
        epochs: m epochs, counted from 1.

    Returns:
        Array (n, m), float64; NaN where a curve does not reach the epoch or is not finite.
    """
    rows = list(column)
    matrix = np.full((len(rows), len(epochs)), np.nan)
    for row, values in enumerate(rows):
        curve = _curve(values)
        reached = epochs <= len(curve)
        matrix[row, reached] = curve[epochs[reached] - 1]
    matrix[~np.isfinite(matrix)] = np.nan
    return matrix


def num_epochs(column: Iterable[object]) -> int:
    """Return the length of the longest curve of a per-epoch column; 0 if there is none."""
    return max((len(_curve(values)) for values in column), default=0)


def holds_lists(column: Iterable[object]) -> bool:
    """Whether any row of a column has a curve or another list."""
    return any(isinstance(value, (np.ndarray, list)) for value in column)


def _epochs_of(lengths: set[int], kept: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
    if len(lengths) > 1:
        raise InputError(f"curves of one row differ in length: {sorted(lengths)}; request them one by one")
    last = max(lengths, default=0)
    return np.arange(1, last + 1) if kept is None else kept[(kept >= 1) & (kept <= last)]


def _curve(values: object) -> npt.NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    return np.asarray(values, dtype=np.float32) if isinstance(values, list) else np.empty(0, np.float32)
