"""Training curves of experiments: from one list a row to a row per epoch, or to a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from survey.errors import InputError, nearest


def curves(frame: pd.DataFrame, statistics: Sequence[str], epochs: Iterable[int] | None = None) -> pd.DataFrame:
    """Turn curves into a table with a row per experiment (or run) and epoch.

    Args:
        frame: Table as `analysis.read` gives it.
        statistics: Names of its per-epoch columns, such as `test_loss_median`.
        epochs: Epochs to keep, counted from 1; all by default. An experiment that never reached one has no row for it.

    Returns:
        The columns of `frame` that hold no lists, repeated; `epoch`, int64 from 1; and a float32 column per statistic.
        In the order of `frame`, then of the epochs.

    Raises:
        InputError: A statistic is no per-epoch column of the frame, or two curves of a row differ in length.
    """
    lists = {name for name in frame.columns if _holds_lists(frame[name])}
    for name in statistics:
        if name not in frame.columns or (len(frame) and name not in lists):
            raise InputError(f"{name!r} is not a per-epoch column of the frame{nearest(name, lists)}")
    kept = None if epochs is None else np.unique(np.fromiter(epochs, dtype=np.int64))
    picked = [_epochs_of([frame[name].iloc[row] for name in statistics], kept) for row in range(len(frame))]

    repeated = np.repeat(np.arange(len(frame)), [len(chosen) for chosen in picked])
    long = (
        frame[[name for name in frame.columns if name not in lists.union(statistics)]]
        .iloc[repeated]
        .reset_index(drop=True)
    )
    long["epoch"] = np.concatenate(picked) if picked else np.empty(0, np.int64)
    for name in statistics:
        parts = [_curve(frame[name].iloc[row])[chosen - 1] for row, chosen in enumerate(picked)]
        long[name] = np.concatenate(parts) if parts else np.empty(0, np.float32)
    return long


def log_spaced_epochs(num_epochs: int, count: int = 100) -> npt.NDArray[np.int64]:
    """Choose epochs whose logarithms are evenly spaced, as the published contour maps do.

    Args:
        num_epochs: Last epoch, at least 1.
        count: Number of epochs before equal ones are joined, at least 2.

    Returns:
        Distinct epochs in increasing order from 1 to `num_epochs`, at most `count` of them.

    Raises:
        InputError: A number is below its minimum.
    """
    if num_epochs < 1 or count < 2:
        raise InputError(f"num_epochs {num_epochs} and count {count}: at least 1 and 2 are needed")
    return np.unique(np.rint(np.geomspace(1, num_epochs, count)).astype(np.int64))


def curve_matrix(column: Iterable[object], epochs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Gather the curves of a column at some epochs.

    Args:
        column: Per-epoch column of n rows; curves may differ in length or be missing.
        epochs: m epochs, counted from 1.

    Returns:
        Array (n, m); NaN where a curve does not reach the epoch or is not finite there.
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
    """Length of the longest curve of a per-epoch column; 0 where there is none."""
    return max((len(_curve(values)) for values in column), default=0)


def _epochs_of(row: list[object], kept: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
    lengths = {len(_curve(values)) for values in row}
    if len(lengths) > 1:
        raise InputError(f"curves of one row differ in length: {sorted(lengths)}; ask for them one by one")
    last = max(lengths, default=0)
    return np.arange(1, last + 1) if kept is None else kept[(kept >= 1) & (kept <= last)]


def _curve(values: object) -> npt.NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32) if isinstance(values, (np.ndarray, list)) else np.empty(0, np.float32)


def _holds_lists(column: Iterable[object]) -> bool:
    return any(isinstance(value, (np.ndarray, list)) for value in column)
