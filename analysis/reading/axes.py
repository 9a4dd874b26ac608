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
from survey.workloads.columns import Columns, GivenList, common
from survey.workloads.metrics import Metric

_PUNCTUATED = re.compile("[,:] ")
"""In a text that is a sentence, as those of the column `fused` are; commas between such would be read as its own."""

_IF_VARIED = ("epochs", "draws")
"""Columns of every workload that are axes where they vary; the others are none."""


def axes_of(columns: Columns, frame: pd.DataFrame) -> list[str]:
    """Return the axes of a workload by name.

    First those that experiments are given in place of others, such as widths of layers in place of a size; then its
    other columns, then number of epochs and draws where they vary.

    Args:
        columns: Columns of the workload.
        frame: Rows of a summary table, with `axes_as_text`; columns that it lacks are left out.
    """
    own = (*columns.given_lists, *_own(columns))
    return [name for name in own if name in frame] + varied_axes(frame, _IF_VARIED)


def _own(columns: Columns) -> list[str]:
    none = {*common(), *columns.derived, *columns.of_data, *columns.one_for_all, *columns.one_for_data}
    return [name for name in columns.experiment if name not in none]


def list_axes(columns: Columns) -> list[str]:
    """Return the axes whose values are lists, such as the widths of layers that a function takes."""
    return [name for name in _own(columns) if pa.types.is_nested(columns.experiment[name][0])]


def axes_as_text(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Write the axes whose values are lists as text, see `lists_as_text` and `given_lists_as_text`."""
    return given_lists_as_text(lists_as_text(frame, list_axes(columns)), columns)


def given_lists_as_text(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Write the lists that some experiments are given as text, without what follows from other things.

    Args:
        frame: Rows of a summary table.
        columns: Columns of its workload.

    Returns:
        The frame with text in these columns, such as `[64, 32]`, null for experiments that are not given the list.
    """
    texts = {name: _given_texts(frame, name, given) for name, given in columns.given_lists.items() if name in frame}
    return frame.assign(**{name: pd.Series(values, frame.index, object) for name, values in texts.items()})


def _given_texts(frame: pd.DataFrame, name: str, given: GivenList) -> list[str | None]:
    is_given = (frame[given.column] == given.value).to_numpy(np.bool_)
    return [
        list_text(values[: len(values) - given.derived]) if known and values is not None else None
        for values, known in zip(frame[name], is_given, strict=True)
    ]


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
    return name if is_said else f"{name} ({words(metric.meaning)})"


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
