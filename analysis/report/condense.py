"""Experiments with their curves condensed to a few numbers, so that a report on many fits into memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.labels import SETTINGS
from analysis.reading.tables import read, read_batches, schema_of
from survey.dataset.reading import sweeps_of

DESCRIPTION = (
    "experiment_id",
    "dataset",
    "task",
    "shape",
    "depth",
    "size",
    "num_free_parameters",
    "widths",
    "num_runs",
    *SETTINGS,
)
"""Columns that describe an experiment; those that a data set lacks are left out."""

_CURVES = ("test_loss_median", "test_loss_num_finite", "num")
_SCALARS = (
    *(f"test_loss_min_{what}_{part}" for what in ("value", "epoch") for part in ("q1", "median", "q3")),
    "test_accuracy_max_value_median",
)
_ROWS = 2000
"""Experiments in memory at once, with their curves."""


def experiments(dataset: Path) -> pd.DataFrame:
    """Read and condense all experiments of a data set, in bounded memory.

    Returns:
        A row per experiment in the order of the files, with `DESCRIPTION`, the sweeps, the scalars that slices need,
        and the columns of `condense`.

    Raises:
        InputError: The folder is not a data set, or has a sweep with an invalid name.
        ExportError: A file of the data set is damaged.
    """
    columns = known_columns(dataset, (*DESCRIPTION, *_SCALARS, *_CURVES))
    columns += sweeps_of(schema_of(dataset), dataset)
    parts = [condense(part) for part in read_batches(dataset, columns=columns, rows=_ROWS)]
    return pd.concat(parts, ignore_index=True) if parts else condense(read(dataset, columns=columns))


def known_columns(dataset: Path, names: Iterable[str]) -> list[str]:
    """Return those of `names` that are columns of the summary."""
    there = set(schema_of(dataset).names)
    return [name for name in names if name in there]


def condense(frame: pd.DataFrame) -> pd.DataFrame:
    """Condense the curves of experiments.

    Args:
        frame: Rows of a summary table with test_loss_median and, optionally, num and test_loss_num_finite.

    Returns:
        The frame without those curves, and in their place:
        least_loss: least finite value of the median test loss, float64; NaN if there is none.
        least_epoch: its first epoch, counted from 1, int64; 0 if there is none.
        final_loss: median test loss at the last epoch, float64; NaN where it is not finite.
        recorded: number of epochs recorded, summed over runs, int64.
        diverged: number of runs whose test loss is not finite at the last epoch, int64.
    """
    losses = [_curve(values) for values in frame["test_loss_median"]]
    least = [_least(loss) for loss in losses]
    condensed = frame.drop(columns=[name for name in _CURVES if name in frame.columns])
    condensed["least_loss"] = np.array([value for value, _ in least], np.float64)
    condensed["least_epoch"] = np.array([epoch for _, epoch in least], np.int64)
    condensed["final_loss"] = np.array([_last(loss) for loss in losses], np.float64)
    runs = frame["num_runs"].to_numpy(np.int64) if "num_runs" in frame.columns else np.ones(len(frame), np.int64)
    lengths = np.array([len(loss) for loss in losses], np.int64)
    nums = frame["num"] if "num" in frame.columns else [None] * len(frame)
    recorded = [None if num is None else int(np.sum(num)) for num in nums]
    condensed["recorded"] = np.array(
        [run * length if each is None else each for each, run, length in zip(recorded, runs, lengths, strict=True)],
        np.int64,
    )
    condensed["diverged"] = _diverged(frame, runs)
    return condensed


def curves_of(dataset: Path, chosen: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Read curves of chosen experiments only.

    Args:
        dataset: Folder of the data set.
        chosen: Rows of `experiments`.
        columns: Names of per-epoch columns; those that the data set lacks are left out.

    Returns:
        `chosen`, in its order, with the curves as further columns.
    """
    # Filters on the partition columns keep the reader from opening all other files.
    partitions = [name for name in ("dataset", "shape", "depth", "learning_rate", "batch_size") if name in chosen]
    filters = [(name, "in", sorted(chosen[name].unique().tolist())) for name in partitions]
    filters.append(("experiment_id", "in", chosen["experiment_id"].tolist()))
    names = known_columns(dataset, columns)
    curves = read(dataset, filters=filters, columns=["experiment_id", *names])
    return chosen.merge(curves, on="experiment_id", how="left", validate="one_to_one")


def _curve(values: object) -> npt.NDArray[np.float64]:
    return np.empty(0) if values is None else np.asarray(values, np.float64)


def _least(loss: npt.NDArray[np.float64]) -> tuple[float, int]:
    finite = np.isfinite(loss)
    if not finite.any():
        return np.nan, 0
    epoch = int(np.where(finite, loss, np.inf).argmin())
    return float(loss[epoch]), epoch + 1


def _last(loss: npt.NDArray[np.float64]) -> float:
    return float(loss[-1]) if len(loss) and np.isfinite(loss[-1]) else np.nan


def _diverged(frame: pd.DataFrame, runs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if "test_loss_num_finite" not in frame.columns:
        return np.zeros(len(frame), np.int64)
    finite = [int(_curve(values)[-1]) if len(_curve(values)) else None for values in frame["test_loss_num_finite"]]
    return np.array([0 if each is None else run - each for each, run in zip(finite, runs, strict=True)], np.int64)
