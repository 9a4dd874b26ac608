"""Experiments of one task with their settings as plain values, which other tools can keep, and the tools themselves."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from analysis.conclusions.surveyed import Surveyed
from analysis.reading.axes import is_numeric, varied_axes
from analysis.reading.frames import column, equal
from survey.errors import InputError, nearest

_LOGARITHMIC = 8.0
"""An axis is searched on a logarithmic scale if its values are positive and span this factor or more."""


def tool(module: str, *, needed_by: str, packages: str) -> Any:
    """Import another tool, which few need, and which is therefore not installed with this package.

    Args:
        module: The module to import.
        needed_by: The function that needs it, for the message.
        packages: What to install, for the message.

    Raises:
        InputError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        missing = error.name or module
        raise InputError(f"{needed_by} needs {missing}, which is not installed; run: pip install {packages}") from None


def of_task(known: Surveyed, task: str) -> pd.DataFrame:
    """Return the rows of the experiments on a task.

    Args:
        known: The experiments of a data set.
        task: Name of the task; empty if there is but one, or if the workload has none.

    Returns:
        Rows as in `known.experiments`; values of axes are plain Python values, those of float32 the shortest decimals
        that round to them, nulls None.

    Raises:
        InputError: There is no such task, or there are several and none is named.
    """
    name = known.columns.task_column
    there = sorted(set(known.experiments[name])) if name else []
    if task and task not in there:
        raise InputError(f"no task is called {task!r}{nearest(task, there)}; there are {', '.join(there) or 'none'}")
    if not task and len(there) > 1:
        raise InputError(f"the data set has several tasks, whose scores do not compare; name one: {', '.join(there)}")
    rows = equal(known.experiments, name, task) if task else known.experiments
    return rows.assign(**{axis: _plain(column(rows, axis)) for axis in known.axes})


def varied(known: Surveyed, rows: pd.DataFrame, *, needed_by: str) -> list[str]:
    """Return the axes that vary, but `epochs`: for tools with fidelities it is one.

    Raises:
        InputError: None does.
    """
    axes = [name for name in varied_axes(rows, known.axes) if name != "epochs"]
    if not axes:
        raise InputError(f"{known.dataset}: {needed_by} needs settings that differ; all experiments have the same")
    return axes


def is_logarithmic(values: Sequence[Any]) -> bool:
    """Whether an axis of numbers, given by its sorted values, is searched on a logarithmic scale."""
    return values[0] > 0 and values[-1] / values[0] >= _LOGARITHMIC


def is_range(values: Sequence[Any]) -> bool:
    """Whether an axis is one of numbers, without null."""
    return None not in values and is_numeric(values)


def _plain(values: pd.Series) -> pd.Series:
    found = [float(str(value)) for value in values.to_numpy()] if values.dtype == np.float32 else values.tolist()
    return pd.Series([None if pd.isna(value) else value for value in found], index=values.index, dtype=object)
