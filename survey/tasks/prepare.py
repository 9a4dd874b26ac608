"""From a table to the arrays that are trained on: one-hot, 0/1 and min-max columns.

Source: the preparation of the BUTTER data set (Tripp et al., "The BUTTER Zone", 2022). Every column is prepared on the
whole data set, before any split: one distinct value: dropped; two: 1 where the value equals the first row's, else 0;
3 to 20, or not numeric: one-hot in sorted order; more, and numeric: min-max scaled to [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import TaskError
from survey.tasks.catalog import Kind
from survey.tasks.prepared import PreparedTask

if TYPE_CHECKING:
    import pandas as pd

    from survey.tasks.tables import Table

ONE_HOT_LIMIT = 20
"""Most distinct values of a numeric column that is still one-hot."""

CATEGORY_LIMIT = 1000
"""Most categories that a column, or classes that a target, may have."""

MINIMUM_ROWS = 5
"""Fewest rows that leave a training and a test set."""

_NUMERIC = {"integer", "floating", "boolean", "decimal", "mixed-integer-float"}


def prepare(table: Table, kind: Kind, pixel_maximum: float | None = None) -> PreparedTask:
    """Prepare a table.

    Args:
        table: Inputs and target as they were read.
        kind: A classification target is 0/1 for two classes and one-hot for more, whatever their number; a regression
            target follows the rule of an input.
        pixel_maximum: For images: the inputs are divided by it, and no column is dropped.

    Raises:
        TaskError: A value is missing, infinite or a string among numbers; there are too few rows, no input column with
            more than one value, no target with more than one value, or too many categories.
    """
    check_rows(table)
    target = _read_column(table, table.target, "target column")
    # The target first: it is cheap, and most likely to be wrong.
    targets = _classes(target) if kind == "classification" else _regression_target(target)
    inputs = _columns(table) if pixel_maximum is None else _pixels(table, pixel_maximum)
    return PreparedTask(table.task, kind, inputs, targets)


def guess_kind(table: Table) -> Kind:
    """Guess what a PMLB data set is for: classification where the target has strings or at most 20 whole numbers.

    Raises:
        TaskError: The target has a missing or infinite value, or a string among numbers.
    """
    check_rows(table)
    target = _read_column(table, table.target, "target column")
    whole = not target.numeric or bool(np.all(target.distinct == np.round(target.distinct)))
    few = not target.numeric or len(target.distinct) <= ONE_HOT_LIMIT
    return "classification" if whole and few else "regression"


def check_rows(table: Table) -> None:
    """Check that a training and a test set can be made.

    Raises:
        TaskError: The table has fewer than `MINIMUM_ROWS` rows.
    """
    rows = len(table.target)
    if rows < MINIMUM_ROWS:
        raise TaskError(
            f"task {table.task!r}: found {rows} rows; at least {MINIMUM_ROWS} are needed for a training and a test set"
        )


@dataclass(frozen=True)
class _Column:
    """A column whose values are all there: float64 [rows] or, where not numeric, strings [rows]."""

    where: str
    numeric: bool
    values: np.ndarray
    distinct: np.ndarray
    """The distinct values, sorted: numbers by value, strings by code point."""
    codes: np.ndarray
    """Index of each row's value among the distinct ones, [rows]."""


def _read_column(table: Table, series: pd.Series, what: str = "column") -> _Column:
    where = f"task {table.task!r}, {what} {series.name!r}"
    values = _values(table, series, where)
    distinct, codes = np.unique(values, return_inverse=True)
    return _Column(where, values.dtype.kind == "f", values, distinct, codes)


def _values(table: Table, series: pd.Series, where: str, *, numbers_only: bool = False) -> np.ndarray:
    """Return the values as float64, or, unless `numbers_only`, as strings where they are not numbers."""
    import pandas as pd

    from survey.tasks.tables import MISSING

    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    kind = pd.api.types.infer_dtype(series, skipna=True)
    missing = series.isna() | series.isin(MISSING) if kind == "string" else series.isna()
    if missing.any():
        place = table.place(int(missing.argmax()))
        raise TaskError(f"{where}, {place}: found a missing value; fill it in or leave the row or the column out")
    if kind in _NUMERIC:
        return _finite(table, series.to_numpy(dtype=np.float64), where)
    if kind != "string":
        raise TaskError(f"{where}: found values of type {kind}; expected numbers or strings")
    numbers = np.asarray(pd.to_numeric(series, errors="coerce"), dtype=np.float64)
    is_string = np.isnan(numbers)
    if not is_string.any():
        return _finite(table, numbers, where)
    if numbers_only or _is_mostly_numeric(series, is_string):
        row = int(is_string.argmax())
        raise TaskError(
            f"{where}, {table.place(row)}: found {series.iloc[row]!r} in a column of numbers; "
            "expected a number; correct the value or leave the row out"
        )
    return series.to_numpy(dtype=object)


def _finite(table: Table, values: np.ndarray, where: str) -> np.ndarray:
    infinite = ~np.isfinite(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise TaskError(
            f"{where}, {table.place(row)}: found {values[row]}; expected a finite number; correct the value"
        )
    return values


def _is_mostly_numeric(series: pd.Series, is_string: np.ndarray) -> bool:
    """Whether a column has too many values for one-hot and at least half are numbers: its strings are mistakes."""
    distinct, numbers = series.nunique(), series.loc[~is_string].nunique()
    return distinct > ONE_HOT_LIMIT and 2 * numbers >= distinct


def _columns(table: Table) -> np.ndarray:
    """Return the inputs, float32 [rows, num_inputs], column after column by the rule."""
    prepared = [_by_rule(_read_column(table, series)).astype(np.float32) for _, series in table.inputs.items()]
    columns = [part for part in prepared if part.shape[1]]
    if not columns:
        raise TaskError(
            f"task {table.task!r}: no usable input column among {len(prepared)}; a column with one value throughout is "
            "dropped; expected at least one column that varies, beside the target"
        )
    return np.concatenate(columns, axis=1)


def _pixels(table: Table, maximum: float) -> np.ndarray:
    """Return the inputs divided by `maximum`, float32 [rows, features]."""
    pixels = np.empty(table.inputs.shape, dtype=np.float32)
    for index, (_, series) in enumerate(table.inputs.items()):
        where = f"task {table.task!r}, column {series.name!r}"
        values = _values(table, series, where, numbers_only=True)
        wrong = (values < 0) | (values > maximum)
        if wrong.any():
            row = int(wrong.argmax())
            raise TaskError(f"{where}, {table.place(row)}: found {values[row]}; expected a pixel from 0 to {maximum:g}")
        pixels[:, index] = values / maximum
    return pixels


def _by_rule(column: _Column) -> np.ndarray:
    """Return the column by the rule of the inputs, float64 [rows, columns], with no column for a single value."""
    count = len(column.distinct)
    if count == 1:
        return np.empty((len(column.values), 0))
    if count == 2:
        return _equals_first(column)
    if column.numeric and count > ONE_HOT_LIMIT:
        return _min_max(column)
    return _one_hot(column)


def _equals_first(column: _Column) -> np.ndarray:
    return (column.codes == column.codes[0]).astype(np.float64)[:, np.newaxis]


def _min_max(column: _Column) -> np.ndarray:
    least, greatest = column.distinct[0], column.distinct[-1]
    # Halved only where the range would overflow; halving is exact there.
    half = 0.5 if greatest / 2 - least / 2 > np.finfo(np.float64).max / 2 else 1.0
    return ((column.values * half - least * half) / (greatest * half - least * half))[:, np.newaxis]


def _one_hot(column: _Column) -> np.ndarray:
    count = len(column.distinct)
    if count > CATEGORY_LIMIT:
        raise TaskError(
            f"{column.where}: found {count} categories, more than {CATEGORY_LIMIT}; it looks like an identifier; "
            "leave the column out, or group its values"
        )
    return (column.codes[:, np.newaxis] == np.arange(count)).astype(np.float64)


def _classes(target: _Column) -> np.ndarray:
    """Return the targets of a classification, 0/1 [rows, 1] for two classes, else one-hot [rows, classes]."""
    count = len(target.distinct)
    _refuse_constant(target)
    if target.numeric and count > CATEGORY_LIMIT:
        raise TaskError(
            f"{target.where}: found {count} classes, more than {CATEGORY_LIMIT}; "
            "a target that is a quantity makes the task a regression"
        )
    return _equals_first(target) if count == 2 else _one_hot(target)


def _regression_target(target: _Column) -> np.ndarray:
    """Return the targets of a regression, [rows, num_outputs], by the rule of an input."""
    _refuse_constant(target)
    count = len(target.distinct)
    if not target.numeric and count > ONE_HOT_LIMIT:
        raise TaskError(
            f"{target.where}: found {count} different strings, such as {target.distinct[0]!r}; expected numbers "
            f"(or at most {ONE_HOT_LIMIT} values) for a regression; a target of classes makes it a classification"
        )
    return _by_rule(target)


def _refuse_constant(target: _Column) -> None:
    if len(target.distinct) == 1:
        raise TaskError(
            f"{target.where}: found the one value {target.distinct[0]!s} in all rows; "
            "expected at least two; choose another target column"
        )
