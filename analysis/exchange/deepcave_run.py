"""A data set as a run of DeepCAVE, for its plots of budgets, importances and configurations.

What is written are the two tables of its converter `DataFrame`: version 1.4.1 fails to read the folders of its own
recorder. DeepCAVE is not imported, as it needs an older Python than this package.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.conclusions.surveyed import surveyed
from analysis.exchange.runs import ELAPSED, read_runs
from analysis.exchange.settings import is_logarithmic, is_range, of_task, varied
from analysis.reading.axes import axis_values
from analysis.reading.best import Best, best_of
from analysis.reading.frames import column, records
from survey.errors import InputError
from survey.system.files import write_text
from survey.workloads.metrics import at_epochs, best_epochs, log_spaced_epochs

_BUDGETS = 8
"""Number of budgets at most: the longer a table, the longer DeepCAVE reads, at some thousand rows a second."""

_OF_TRIALS = ("config_id", "budget", "seed", "start_time", "end_time", "status", "experiment_id")
"""Columns of the table of trials beside the axes and the objective."""


def to_deepcave(dataset: str | Path, task: str = "", *, folder: str | Path) -> Path:
    """Write the experiments on a task as a run that DeepCAVE reads.

    A trial is a run at a budget. Budgets are eight epochs, evenly spaced in the logarithm up to the last one of the
    longest run; seeds are repetitions. Its cost is the run's objective at the best epoch up to the budget, so at the
    greatest budget what the report compares (`analysis.reading.best`), of which DeepCAVE takes the mean over the seeds.
    A run starts when the one before has ended, as if all were trained one after the other.

    - Settings and repetitions may be missing: each run stands for itself.
    - A run that ended before a budget has what it had at its end.
    - A run without a finite value up to a budget is a crashed trial.
    - Of experiments that differ in `epochs` alone the longest counts.
    - Axes of numbers are ranges, logarithmic if they span a factor of 8 or more. Others are categorical, with "none"
      for null; a value that would be taken for something else, such as True or 10, stands in single quotes.

    Args:
        dataset: Folder of the data set.
        task: Name of the task; may be left out if there is but one, or if the workload has none.
        folder: Folder of the run, which must be new or empty. DeepCAVE shows its name.

    Returns:
        The folder, with `configspace.csv` and `trials.csv`.

    Raises:
        InputError: The folder is not empty, the data set is none, there is no such task, only one setting, an axis has
            the name of a column of DeepCAVE's, or the runs lack curves, times or finite values.
        ExportError: A file of the data set is damaged.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{folder}: exists and is not an empty folder; name a new one for the run of DeepCAVE")
    known = surveyed(dataset)
    rows = of_task(known, task).sort_values("epochs", ascending=False, kind="stable")
    axes = varied(known, rows, needed_by="to_deepcave")
    if taken := [name for name in axes if name in _OF_TRIALS]:
        raise InputError(f"{dataset}: DeepCAVE has columns of its own called {', '.join(taken)}; rename these axes")
    rows = rows.drop_duplicates(axes)
    best = best_of(known.columns.metrics, rows)
    trials = _trials(read_runs(dataset, rows, best), best)
    settings, space = _settings(rows, axes)
    table = trials.merge(settings, on="experiment_id", validate="many_to_one")
    table = table.rename(columns={"cost": _objective(table["cost"], best)})
    target.mkdir(parents=True, exist_ok=True)
    write_text(target / "configspace.csv", space.to_csv(index=False))
    write_text(target / "trials.csv", table.to_csv(index=False))
    return target


def _trials(runs: pd.DataFrame, best: Best) -> pd.DataFrame:
    """A row for each run and budget: experiment_id, seed, budget, cost, start_time and end_time in s, status."""
    budgets = log_spaced_epochs(max(map(len, runs[ELAPSED])), _BUDGETS)
    return pd.DataFrame(list(_trials_of(runs, best, budgets)))


def _trials_of(runs: pd.DataFrame, best: Best, budgets: Sequence[int] | npt.NDArray[np.int64]) -> Iterator[dict]:
    start = 0.0
    for run in records(runs):
        elapsed = run[ELAPSED]
        for budget in budgets:
            reached = min(int(budget), len(elapsed))
            cost = _cost(run, best, reached)
            yield {
                "experiment_id": run["experiment_id"],
                "seed": run["repetition"],
                "budget": int(budget),
                "cost": cost,
                "start_time": start,
                "end_time": start + elapsed[reached - 1],
                "status": "success" if np.isfinite(cost) else "crashed",
            }
        start += elapsed[-1]


def _cost(run: dict[str, Any], best: Best, reached: int) -> float:
    """The objective at the best of the first epochs."""
    chooser, judge = (run[metric.name][None, :reached] for metric in (best.chosen_by, best.metric))
    (value,) = at_epochs(judge, best_epochs(chooser, best.chosen_by))
    return float(value)


def _objective(costs: pd.Series, best: Best) -> str:
    """The name of the column of an objective, with its bounds, as DeepCAVE reads it."""
    finite = costs[np.isfinite(costs)]
    if finite.empty:
        raise InputError(f"to_deepcave needs finite values; no run has a finite {best.metric.name}")
    low, high = (np.format_float_positional(bound) for bound in (finite.min(), finite.max()))
    name = "".join(letter if letter.isalnum() else "_" for letter in best.metric.name)
    return f"metric:{name} [{low}; {high}] ({best.metric.best}imize)"


def _settings(rows: pd.DataFrame, axes: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The settings of each experiment with its number for DeepCAVE; a row for each axis: its range, or its values."""
    settings = pd.DataFrame({"experiment_id": column(rows, "experiment_id"), "config_id": range(len(rows))})
    space = []
    for name in axes:
        values = axis_values(rows, name)
        if is_range(values):
            settings[name] = column(rows, name)
            space.append(_range(name, values))
        else:
            settings[name] = column(rows, name).map(_word)
            space.append(_categories(name, [_word(value) for value in values]))
    return settings, pd.DataFrame(space)


def _range(name: str, values: Sequence[Any]) -> dict[str, Any]:
    kind = "integer" if all(isinstance(value, int) for value in values) else "float"
    bounds = {"lower": values[0], "upper": values[-1], "log": is_logarithmic(values)}
    return {"name": name, "type": kind, **bounds, "default": None, "ordered": False}


def _categories(name: str, words: Sequence[str]) -> dict[str, Any]:
    items = {f"item_{place}": word for place, word in enumerate(words)}
    return {
        "name": name,
        "type": "categorical",
        "lower": None,
        "upper": None,
        "log": False,
        "default": words[0],
        "ordered": False,
        **items,
    }


def _word(value: Any) -> str:
    """A value of a categorical axis, so written that pandas, with which DeepCAVE reads, finds the same text."""
    text = "none" if value is None else str(value)
    table = pd.DataFrame({"text": [text]}).to_csv(index=False)
    return text if pd.read_csv(io.StringIO(table))["text"].tolist() == [text] else f"'{text}'"
