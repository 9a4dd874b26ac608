"""Experiments with their curves condensed to a few numbers, so that a report on many fits into memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.axes import list_axes, lists_as_text
from analysis.reading.best import best_of, columns_of_best
from analysis.reading.chosen import read_chosen
from analysis.reading.labels import SETTINGS
from analysis.reading.quality import columns_of_quality
from analysis.reading.tables import read, read_batches, schema_of, tables
from survey.dataset.layout import REPETITIONS
from survey.dataset.reading import sweeps_of
from survey.dataset.schema import columns_in
from survey.workloads.metrics import Metric, Metrics
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

_QUARTILES = ("q1", "median", "q3")

LAST = "value_at_last_epoch"
"""Column with the last value of the objective."""

_ROWS = 2000
"""Experiments in memory at once, with their curves."""


def experiments(dataset: Path) -> pd.DataFrame:
    """Read and condense all experiments of a data set, in bounded memory.

    Returns:
        A row per experiment in the order of the files, with the sweeps: what describes an experiment (`DESCRIPTION` for
        networks), `num_runs`, quartiles of the values and epochs that experiments are compared by
        (`analysis.reading.best`), and the columns of `tallied`; for networks, quality in other terms, too.

    Raises:
        InputError: The folder is not a data set, or has a sweep with an invalid name.
        ExportError: A file of the data set is damaged.
    """
    workload = columns_in(schema_of(dataset).metadata, dataset)
    objective = workload.metrics.objective.name
    described = (
        (*DESCRIPTION, *columns_of_quality()) if workload.workload == NETWORKS else (*workload.experiment, "num_runs")
    )
    compared = columns_of_best(workload.metrics, _QUARTILES)
    columns = known_columns(dataset, dict.fromkeys((*described, *compared, *_curves(objective))))
    short = partial(tallied, name=objective)
    columns += sweeps_of(schema_of(dataset), dataset)
    parts = [short(part) for part in read_batches(dataset, columns=columns, rows=_ROWS)]
    found = pd.concat(parts, ignore_index=True) if parts else short(read(dataset, columns=columns))
    return lists_as_text(found, list_axes(workload))


def _curves(name: str) -> tuple[str, ...]:
    return (f"{name}_median", f"{name}_num_finite", "num")


def known_columns(dataset: Path, names: Iterable[str]) -> list[str]:
    """Return those of `names` that are columns of the summary."""
    there = set(schema_of(dataset).names)
    return [name for name in names if name in there]


def tallied(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Count the epochs and the runs of experiments of any workload.

    Args:
        frame: Rows of a summary table with any of `num`, and the median and num_finite of a metric.
        name: The metric.

    Returns:
        The frame without those curves, and in their place:
        value_at_last_epoch: median at the last epoch, float64; NaN where it is not finite.
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
    counted[LAST] = np.array([_last(loss) for loss in losses], np.float64)
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
    curves = read_chosen(dataset, chosen, ["experiment_id", *columns])
    return chosen.merge(curves, on="experiment_id", how="left", validate="one_to_one")


def recorded(dataset: Path, experiments: pd.DataFrame, metrics: Metrics) -> list[Metric]:
    """Return the metrics that are recorded, the objective first.

    Left out are those of which the best experiment has no finite value: such as those of a validation set, if there is
    none.

    Args:
        dataset: Folder of the data set.
        experiments: All its experiments, as `experiments` returns them.
        metrics: The metrics of its workload.
    """
    best = best_of(metrics, experiments)
    first = experiments.iloc[best.order(experiments)[:1]]
    medians = {metric: f"{metric.name}_median" for metric in metrics.all}
    found = curves_of(dataset, first, list(medians.values()))
    of_runs = [metric for metric, name in medians.items() if name not in found]
    runs = _curves_of_runs(dataset, first, of_runs)
    known = [metrics.objective, *(metric for metric in metrics.all if metric != metrics.objective)]
    return [
        metric
        for metric in known
        if metric == metrics.objective or _has_values(found, medians[metric]) or _has_values(runs, metric.curve)
    ]


def _curves_of_runs(dataset: Path, chosen: pd.DataFrame, metrics: Sequence[Metric]) -> pd.DataFrame:
    """The curves of the runs of some experiments, as far as the data set has them."""
    there = set(schema_of(dataset, REPETITIONS).names) if REPETITIONS in tables(dataset) else set[str]()
    names = [metric.curve for metric in metrics if metric.curve in there]
    return read_chosen(dataset, chosen, ["experiment_id", *names], REPETITIONS) if names else pd.DataFrame()


def _has_values(frame: pd.DataFrame, name: str) -> bool:
    return name in frame and any(bool(np.isfinite(_curve(values)).any()) for values in frame[name])


def _curve(values: object) -> npt.NDArray[np.float64]:
    return np.empty(0) if values is None else np.asarray(values, np.float64)


def _last(loss: npt.NDArray[np.float64]) -> float:
    return float(loss[-1]) if len(loss) and np.isfinite(loss[-1]) else np.nan


def _diverged(finite: object, runs: int) -> int:
    curve = _curve(finite)
    return runs - int(curve[-1]) if len(curve) else 0
