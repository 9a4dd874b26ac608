"""Experiments with their curves condensed to a few numbers, so that a report on many fits into memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.labels import SETTINGS
from analysis.reading.tables import read, read_batches, schema_of
from survey.dataset.reading import sweeps_of
from survey.dataset.schema import columns_in
from survey.workloads.columns import Columns
from survey.workloads.registry import NETWORKS

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
"""Columns that describe an experiment on networks; those that a data set lacks are left out."""

_LOSS, _QUARTILES = "test_loss", ("q1", "median", "q3")
_SCALARS = (
    *(f"{_LOSS}_min_{what}_{part}" for what in ("value", "epoch") for part in _QUARTILES),
    "test_accuracy_max_value_median",
)
LAST = "value_at_last_epoch"
"""Column with the last value of the objective of a workload other than networks."""

_ROWS = 2000
"""Experiments in memory at once, with their curves."""


def experiments(dataset: Path) -> pd.DataFrame:
    """Read and condense all experiments of a data set, in bounded memory.

    Returns:
        A row per experiment in the order of the files, with the sweeps. For networks: `DESCRIPTION`, the scalars that
        slices need, and the columns of `condense`; for other workloads: what describes an experiment, `num_runs`, the
        statistics of the objective's best value and of its epoch, and the columns of `tallied`.

    Raises:
        InputError: The folder is not a data set, or has a sweep with an invalid name.
        ExportError: A file of the data set is damaged.
    """
    workload = columns_in(schema_of(dataset).metadata, dataset)
    objective = workload.metrics.objective.name
    if workload.workload == NETWORKS:
        described, short = (*DESCRIPTION, *_SCALARS), condense
    else:
        described, short = _described(workload), partial(tallied, name=objective)
    columns = known_columns(dataset, (*described, *_curves(objective)))
    columns += sweeps_of(schema_of(dataset), dataset)
    parts = [short(part) for part in read_batches(dataset, columns=columns, rows=_ROWS)]
    return pd.concat(parts, ignore_index=True) if parts else short(read(dataset, columns=columns))


def _described(columns: Columns) -> tuple[str, ...]:
    best = columns.metrics.objective
    statistics = [f"{best.name}_{best.best}_{what}_{part}" for what in ("value", "epoch") for part in _QUARTILES]
    return (*columns.experiment, "num_runs", *statistics)


def _curves(name: str) -> tuple[str, ...]:
    return (f"{name}_median", f"{name}_num_finite", "num")


def known_columns(dataset: Path, names: Iterable[str]) -> list[str]:
    """Return those of `names` that are columns of the summary."""
    there = set(schema_of(dataset).names)
    return [name for name in names if name in there]


def condense(frame: pd.DataFrame) -> pd.DataFrame:
    """Condense the curves of experiments on networks.

    Args:
        frame: Rows of a summary table with test_loss_median and, optionally, num and test_loss_num_finite.

    Returns:
        The frame without those curves, and in their place:
        least_loss: least finite value of the median test loss, float64; NaN if there is none.
        least_epoch: its first epoch, counted from 1, int64; 0 if there is none.
        final_loss, recorded, diverged: as in `tallied`.
    """
    least = [_least(_curve(values)) for values in frame[f"{_LOSS}_median"]]
    values, epochs = [value for value, _ in least], [epoch for _, epoch in least]
    condensed = frame.assign(least_loss=np.array(values, np.float64), least_epoch=np.array(epochs, np.int64))
    return tallied(condensed, _LOSS, last="final_loss")


def tallied(frame: pd.DataFrame, name: str, last: str = LAST) -> pd.DataFrame:
    """Count the epochs and the runs of experiments of any workload.

    Args:
        frame: Rows of a summary table with any of `num`, and the median and num_finite of a metric.
        name: The metric.
        last: How to name the column of its last values.

    Returns:
        The frame without those curves, and in their place:
        last: median at the last epoch, float64; NaN where it is not finite.
        recorded: number of epochs recorded, summed over runs, int64.
        diverged: number of runs in which the metric is not finite at the last epoch, int64.
    """
    medians, finite, nums = (
        frame[column] if column in frame.columns else [None] * len(frame) for column in _curves(name)
    )
    losses = [_curve(values) for values in medians]
    runs = frame["num_runs"].to_numpy(np.int64) if "num_runs" in frame.columns else np.ones(len(frame), np.int64)
    recorded = [
        run * len(loss) if num is None else int(np.sum(num)) for num, run, loss in zip(nums, runs, losses, strict=True)
    ]
    counted = frame.drop(columns=[column for column in _curves(name) if column in frame.columns])
    counted[last] = np.array([_last(loss) for loss in losses], np.float64)
    counted["recorded"] = np.array(recorded, np.int64)
    counted["diverged"] = np.array(
        [_diverged(curve, int(run)) for curve, run in zip(finite, runs, strict=True)], np.int64
    )
    return counted


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
    partitions = columns_in(schema_of(dataset).metadata, dataset).partition
    filters = [
        (name, "in", sorted(chosen[name].unique().tolist()))
        for name in partitions
        if name in chosen and chosen[name].notna().all()
    ]
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


def _diverged(finite: object, runs: int) -> int:
    curve = _curve(finite)
    return runs - int(curve[-1]) if len(curve) else 0
