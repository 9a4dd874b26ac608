"""The axes of any workload's experiments: which there are, which vary, and their values in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.reading.frames import column, where
from survey.text.escaping import printable
from survey.workloads.columns import Columns, common
from survey.workloads.metrics import Metric

_PUNCTUATED = re.compile("[,:] ")
"""In a text that is a sentence, as those of the column `fused` are; commas between such would be read as its own."""

_IF_VARIED = ("epochs", "draws")
"""Columns of every workload that are axes where they vary; the others are none."""


def axes_of(columns: Columns, frame: pd.DataFrame) -> list[str]:
    """Return the axes of a workload by name: first its own columns, then number of epochs and draws where they vary.

    Args:
        columns: Columns of the workload.
        frame: Rows of a summary table, with `lists_as_text`; columns that it lacks are left out.
    """
    return [name for name in _own(columns) if name in frame] + varied_axes(frame, _IF_VARIED)


def _own(columns: Columns) -> list[str]:
    none = {*common(), *columns.derived, *columns.of_data, *columns.one_for_all, *columns.one_for_data}
    return [name for name in columns.experiment if name not in none]


def list_axes(columns: Columns) -> list[str]:
    """Return the axes whose values are lists, such as the widths of layers that a function takes."""
    return [name for name in _own(columns) if pa.types.is_nested(columns.experiment[name][0])]


def lists_as_text(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Write the lists of some columns as text, `[64, 32]`, so that they compare, sort and group as other values do."""
    texts = {name: [list_text(value) for value in frame[name]] for name in names if name in frame}
    return frame.assign(**{name: pd.Series(values, frame.index, object) for name, values in texts.items()})


def list_text(value: Any) -> str | None:
    """Write a list as JSON, which is how search spaces write it, too; None if it is null."""
    return json.dumps(np.asarray(value).tolist()) if np.ndim(value) else None


def varied_axes(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return those of some columns that take more than one value; null is a value."""
    return [name for name in names if name in frame and len(axis_values(frame, name)) > 1]


def axis_values(frame: pd.DataFrame, name: str) -> list[Any]:
    """Return the distinct values of an axis, sorted, None first if some are null."""
    values = column(frame, name)
    found = sorted(values.dropna().unique().tolist())
    return [None, *found] if values.isna().any() else found


def at(frame: pd.DataFrame, name: str, value: object) -> pd.DataFrame:
    """Return the rows with a value of an axis, which may be None."""
    values = column(frame, name)
    return where(frame, values.isna() if _is_null(value) else values.isin([value]))


def is_numeric(values: Sequence[Any]) -> bool:
    """Whether all values of an axis but null are finite numbers, and there are some."""
    known = [value for value in values if value is not None]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
    return bool(known) and numbers and bool(np.isfinite([float(value) for value in known]).all())


def words(name: str) -> str:
    """Write the name of a column for people."""
    return printable(name.replace("_", " "))


def metric_text(metric: Metric) -> str:
    """Write the name of a metric for people, with its meaning unless that says the same, as of `test_accuracy`."""
    name = words(metric.name)
    known = (*name.split(), "of", "the", "set")
    is_said = all(word.startswith(known) for word in words(metric.meaning).split())  # "train" begins "training"
    return name if is_said else f"{name} ({metric.meaning})"


def value_text(value: object, most: int = 60) -> str:
    """Write a value of an axis for people, with at most so many characters."""
    if _is_null(value):
        return "none"
    text = printable(f"{value:.6g}" if isinstance(value, float | np.floating) else str(value))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def values_text(values: Sequence[Any], most: int = 8) -> str:
    """List values of an axis; of more, the first and the last."""
    if len(values) <= most:
        texts = [value_text(value) for value in values]
        return ("; " if any(_PUNCTUATED.search(text) for text in texts) else ", ").join(texts)
    return f"{value_text(values[0])} to {value_text(values[-1])} ({len(values):,} values)"


def setting_text(row: Mapping[Any, Any], names: Sequence[str]) -> str:
    """Word the values of some axes: `step 0.5, drift 1`."""
    return ", ".join(f"{words(name)} {value_text(row[name])}" for name in names)


def _is_null(value: Any) -> bool:
    return value is None or bool(pd.isna(value))
