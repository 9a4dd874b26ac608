"""A data set as a finished study of Optuna, for its dashboard, its plots and its importances."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.conclusions.surveyed import Surveyed, surveyed
from analysis.reading.axes import axis_values, is_numeric, varied_axes
from analysis.reading.best import Best, best_of
from analysis.reading.frames import equal, records
from survey.errors import InputError, nearest

_LOGARITHMIC = 8.0
"""An axis is searched on a logarithmic scale if its values are positive and span this factor or more."""

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
    rows = _of_task(known, task)
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
    """Optuna, which few need, and which is therefore not installed with this package."""
    try:
        return import_module("optuna")
    except ImportError:
        raise InputError("to_optuna needs Optuna, which is not installed; run: pip install optuna") from None


def _of_task(known: Surveyed, task: str) -> pd.DataFrame:
    column = known.columns.task_column
    there = sorted(set(known.experiments[column])) if column else []
    if task:
        if task not in there:
            raise InputError(
                f"no task is called {task!r}{nearest(task, there)}; there are {', '.join(there) or 'none'}"
            )
        return equal(known.experiments, column, task)
    if len(there) > 1:
        raise InputError(f"the data set has several tasks, whose scores do not compare; name one: {', '.join(there)}")
    return known.experiments


def _distribution(values: Sequence[Any]) -> Any:
    """The range of an axis of numbers; all values of another one."""
    optuna = _optuna()
    if None in values or not is_numeric(values):
        return optuna.distributions.CategoricalDistribution(values)
    low, high = values[0], values[-1]
    log = low > 0 and high / low >= _LOGARITHMIC
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
        params={name: None if pd.isna(row[name]) else row[name] for name in axes},
        distributions=distributions,
        user_attrs={
            "experiment_id": str(row["experiment_id"]),
            "num_runs": int(row["num_runs"]),
            "best_epoch": float(row[best.epoch()]),
        },
    )
