"""A data set as a tabular blackbox of Syne Tune, on which its schedulers tune as if they trained."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.conclusions.full_grid import largest_grid
from analysis.conclusions.surveyed import surveyed
from analysis.exchange.runs import ELAPSED, metrics_of, read_runs
from analysis.exchange.settings import is_logarithmic, is_range, of_task, tool, varied
from analysis.reading.axes import axis_values
from analysis.reading.best import best_of
from analysis.reading.frames import column, where
from survey.errors import InputError
from survey.text.counting import counted
from survey.workloads.metrics import Metric

_SHARED = 0.9
"""A repetition is a seed if at least this share of the experiments has it."""

_SECOND = "workload"
"""A second axis, of one value, for settings of a single one, which Syne Tune 0.16 fails to look up."""


def to_blackbox(dataset: str | Path, task: str = "") -> Any:
    """Turn the experiments on a task into a tabular blackbox of Syne Tune.

    Configurations are settings, seeds are repetitions, fidelities are epochs. Objectives are the objective, the metric
    by which the best epoch is chosen where that is another, and `elapsed_time`, the seconds that a run took to the end
    of the epoch.

    A blackbox has each combination of values with all seeds at all fidelities. Therefore:

    - Seeds are the repetitions that nine in ten of the experiments have; an experiment that lacks one is left out.
    - Configurations are the largest full grid that is found (`analysis.conclusions.full_grid`). An axis that another
      determines is none of the blackbox. Beside a single axis there is a second one, the name of the workload, as Syne
      Tune cannot look up settings of one. Of experiments that differ in `epochs` alone the longest counts.
    - A run that ended before the last epoch keeps its last values, and its time stands still.
    - A value that is not finite counts as the worst finite one in the blackbox, from which schedulers stay away.

    Args:
        dataset: Folder of the data set.
        task: Name of the task; may be left out if there is but one, or if the workload has none.

    Returns:
        A `syne_tune.blackbox_repository.blackbox_tabular.BlackboxTabular`. An axis of numbers is ordinal, on a
        logarithmic scale if it spans a factor of 8 or more; any other is a choice, with "none" for null.

    Warns:
        UserWarning: Some experiments are left out; it says how many, and why.

    Raises:
        InputError: Syne Tune is not installed, the folder is not a data set, there is no such task, only one setting is
            left, or the runs lack curves, times or finite values.
        ExportError: A file of the data set is damaged.
    """
    tabular, spaces = _syne_tune("blackbox_repository.blackbox_tabular"), _syne_tune("config_space")
    known = surveyed(dataset)
    rows = of_task(known, task).sort_values("epochs", ascending=False, kind="stable")
    best = best_of(known.columns.metrics, rows)
    runs = read_runs(dataset, rows, best)
    complete, seeds = _with_all_seeds(rows, runs)
    grid = largest_grid(complete, varied(known, complete, needed_by="to_blackbox"))
    if not grid.axes:
        raise InputError(f"{dataset}: to_blackbox needs settings that differ; of a full grid but one is left")
    if told := ", ".join(_left_out(rows, complete, grid.experiments)):
        warnings.warn(f"to_blackbox leaves out {told}", stacklevel=2)
    values = _table(runs, column(grid.experiments, "experiment_id").tolist(), seeds, metrics_of(best))
    settings = pd.DataFrame({name: _worded(column(grid.experiments, name)) for name in grid.axes})
    if len(grid.axes) == 1:
        settings[_SECOND] = known.columns.workload
    return tabular.BlackboxTabular(
        hyperparameters=settings,
        configuration_space={name: _domain(spaces, axis_values(settings, name)) for name in map(str, settings)},
        fidelity_space={"epoch": spaces.randint(1, values.shape[2])},
        objectives_evaluations=values,
        fidelity_values=np.arange(1, values.shape[2] + 1),
        objectives_names=[*(metric.name for metric in metrics_of(best)), ELAPSED],
    )


def _syne_tune(module: str) -> Any:
    return tool(f"syne_tune.{module}", needed_by="to_blackbox", packages="syne-tune huggingface_hub")


def _with_all_seeds(rows: pd.DataFrame, runs: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
    """The experiments that have all seeds, and the repetitions that are these."""
    there = pd.crosstab(runs["experiment_id"], runs["repetition"]).gt(0)
    there = there.reindex(column(rows, "experiment_id"), fill_value=False)
    shared = there.loc[:, there.mean() >= _SHARED]
    if shared.empty:
        raise InputError("to_blackbox needs repetitions that the settings share; no repetition is in nine of ten")
    return where(rows, shared.all(axis=1)), shared.columns.to_numpy().tolist()


def _left_out(rows: pd.DataFrame, complete: pd.DataFrame, kept: pd.DataFrame) -> Iterator[str]:
    if len(complete) < len(rows):
        yield f"{counted(len(rows) - len(complete), 'setting')} without the runs that most have"
    if len(kept) < len(complete):
        yield f"{counted(len(complete) - len(kept), 'setting')} outside the largest full grid"


def _table(
    runs: pd.DataFrame, ids: Sequence[int], seeds: Sequence[int], metrics: Sequence[Metric]
) -> npt.NDArray[np.float64]:
    """Objectives [settings, seeds, epochs, metrics and time], all finite."""
    found = runs.set_index(["experiment_id", "repetition"]).reindex(pd.MultiIndex.from_product([ids, seeds]))
    epochs = max(map(len, found[ELAPSED]))
    names = [*(metric.name for metric in metrics), ELAPSED]
    table = np.stack([_held(found[name], epochs) for name in names], axis=-1)
    for place, metric in enumerate(metrics):
        table[..., place] = _with_the_worst(table[..., place], metric)
    return table.reshape(len(ids), len(seeds), epochs, len(names))


def _held(curves: pd.Series, epochs: int) -> npt.NDArray[np.float64]:
    """Curves as a matrix: those that are shorter keep their last value."""
    return np.stack([np.pad(curve, (0, epochs - len(curve)), mode="edge") for curve in curves])


def _with_the_worst(values: npt.NDArray[np.float64], metric: Metric) -> npt.NDArray[np.float64]:
    """Values with the worst finite one where they are not finite."""
    finite = np.isfinite(values)
    if not finite.any():
        raise InputError(f"to_blackbox needs finite values; no run has a finite {metric.name}")
    worst = values[finite].min() if metric.best == "max" else values[finite].max()
    return np.where(finite, values, worst)


def _worded(values: pd.Series) -> list[Any]:
    """Values of an axis; those of one that is no range as words, if some are null."""
    if not values.isna().any():
        return values.tolist()
    return ["none" if value is None else str(value) for value in values]


def _domain(spaces: Any, values: Sequence[Any]) -> Any:
    if not is_range(values):
        return spaces.choice(list(values))
    return spaces.ordinal(list(values), kind="nn-log" if is_logarithmic(values) else "nn")
