"""A data set as a finished study of Optuna, for its dashboard, its plots and its importances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.conclusions.surveyed import surveyed
from analysis.exchange.settings import is_logarithmic, is_range, of_task, tool
from analysis.reading.axes import axis_values, varied_axes
from analysis.reading.best import Best, best_of
from analysis.reading.frames import records

_DIRECTIONS = {"min": "minimize", "max": "maximize"}


def to_optuna(dataset: str | Path, task: str = "", *, storage: str | None = None) -> Any:
    """Turn the experiments on a task into a finished study.

    A trial is an experiment. Its parameters are the axes that vary, its value is what the report compares: the median
    over the runs of each run's objective at its best epoch (`analysis.reading.best`). An experiment without a finite
    one is a failed trial. User attributes are `experiment_id`, `num_runs` and the median of the best epochs.

    Args:
        dataset: Folder of the data set.
        task: Name of the task; may be left out if there is but one, or if the workload has none.
        storage: Where the study is kept, such as `sqlite:///study.db` for Optuna's dashboard; in memory if None.

    Returns:
        The study, an `optuna.Study`. What is compared is in its user attribute `compared`. Axes of numbers have
        distributions of numbers, from the least surveyed value to the greatest; the others are categorical.

    Raises:
        InputError: Optuna is not installed, the folder is not a data set, or there is no such task.
        ExportError: A file of the data set is damaged.
    """
    optuna = _optuna()
    known = surveyed(dataset)
    rows = of_task(known, task)
    axes, best = varied_axes(rows, known.axes), best_of(known.columns.metrics, rows)
    distributions = {name: _distribution(axis_values(rows, name)) for name in axes}
    study = optuna.create_study(
        study_name=" ".join(part for part in (known.columns.workload, task) if part),
        direction=_DIRECTIONS[str(best.metric.best)],
        storage=storage,
    )
    study.set_user_attr("compared", best.sentence)
    study.add_trials([_trial(row, axes, best, distributions) for row in records(rows)])
    return study


def _optuna() -> Any:
    return tool("optuna", needed_by="to_optuna", packages="optuna")


def _distribution(values: Sequence[Any]) -> Any:
    """The range of an axis of numbers; all values of another one."""
    optuna = _optuna()
    if not is_range(values):
        return optuna.distributions.CategoricalDistribution(values)
    low, high, log = values[0], values[-1], is_logarithmic(values)
    if all(isinstance(value, int) for value in values):
        return optuna.distributions.IntDistribution(low, high, log=log)
    return optuna.distributions.FloatDistribution(low, high, log=log)


def _trial(row: dict[str, Any], axes: Sequence[str], best: Best, distributions: dict[str, Any]) -> Any:
    optuna = _optuna()
    value = float(row[best.value()])
    finite = bool(np.isfinite(value))
    return optuna.create_trial(
        state=optuna.trial.TrialState.COMPLETE if finite else optuna.trial.TrialState.FAIL,
        value=value if finite else None,
        params={name: row[name] for name in axes},
        distributions=distributions,
        user_attrs={
            "experiment_id": str(row["experiment_id"]),
            "num_runs": int(row["num_runs"]),
            "best_epoch": float(row[best.epoch()]),
        },
    )
