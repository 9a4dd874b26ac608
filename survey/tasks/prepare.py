"""From a table to the arrays for training: one-hot, 0/1 and min-max columns.

Source: the preparation of the BUTTER data set (Tripp et al., "The BUTTER Zone", 2022). Every column is prepared on the
whole data set, before any split. By its number of distinct values: 1: dropped; 2: 1 where the value equals the first
row's, else 0; 3 to 20, or not numeric: one-hot in sorted order; more, and numeric: min-max scaled to [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import TaskError
from survey.tasks.advice import shown
from survey.tasks.catalog import Kind
from survey.tasks.own_columns import refuse_names, refuse_text
from survey.tasks.prepared import Preparation, PreparedTask
from survey.tasks.sizes import check_memory
from survey.tasks.values import ONE_HOT_LIMIT, Column, read_column, read_values

if TYPE_CHECKING:
    from survey.tasks.table import Table

CATEGORY_LIMIT = 1000
"""Most categories that a column, or classes that a target, may have."""

MINIMUM_ROWS = 5
"""Fewest rows that can be split into a training and a test set."""


def prepare(table: Table, kind: Kind, pixel_maximum: float | None = None) -> PreparedTask:
    """Prepare a table.

    Args:
        table: Inputs and target as read.
        kind: A classification target is 0/1 for two classes and one-hot for more, up to `CATEGORY_LIMIT`; a regression
            target is prepared like an input.
        pixel_maximum: For images: the inputs are divided by it, and no column is dropped.

    Raises:
        TaskError: A value is missing, infinite or a string among numbers; no input, or not the target, has more than
            one value; there are too few rows or too many categories; or the table is too large for memory.
    """
    check_rows(table)
    target = read_column(table, table.target, "target column")
    if table.is_own and kind == "classification":
        refuse_names(target)
    # The target first: it is cheap to prepare, and most likely to be wrong.
    targets = _classes(target) if kind == "classification" else _regression_target(target)
    inputs, made = _inputs(table, pixel_maximum)
    minimum, extent = _units(target) if kind == "regression" and _is_scaled(target) else (None, None)
    made = replace(made, classes=() if _is_scaled(target) and kind == "regression" else _counts(target))
    return PreparedTask(
        table.task,
        kind,
        inputs,
        targets,
        preparation=replace(made, rows_dropped=table.rows_dropped, cells_filled=table.cells_filled),
        target_minimum=minimum,
        target_range=extent,
        parts=table.parts,
    )


def guess_kind(table: Table) -> Kind:
    """Guess the kind: classification where the target has strings or at most 20 distinct whole numbers.

    Raises:
        TaskError: The target has a missing or infinite value, or a string among numbers.
    """
    check_rows(table)
    target = read_column(table, table.target, "target column")
    few = not target.numeric or len(target.distinct) <= ONE_HOT_LIMIT
    return "classification" if _is_whole(target) and few else "regression"


def check_rows(table: Table) -> None:
    """Check that the table is large enough for a training and a test set.

    Raises:
        TaskError: The table has fewer than `MINIMUM_ROWS` rows.
    """
    rows = len(table.target)
    if rows < MINIMUM_ROWS:
        dropped = f" after {table.rows_dropped:,} with missing values were dropped" if table.rows_dropped else ""
        raise TaskError(
            f"{table.name}: found {rows} rows{dropped}; a training and a test set need at least {MINIMUM_ROWS}"
        )


def _columns(table: Table) -> tuple[np.ndarray, Preparation]:
    """Return the inputs, float32 [rows, num_inputs], each column by the rule, and how they were made."""
    rows, width = len(table.target), 0
    parts: list[np.ndarray] = []
    made = Preparation()
    for _, series in table.inputs.items():
        column = read_column(table, series)
        if table.is_own:
            refuse_text(column, table)
        _refuse_identifier(column)
        made = _with(made, column)
        width += _width(column)
        # The columns, and the matrix that joins them.
        check_memory(2 * 4 * rows * width, table.name, f"{rows:,} rows make {width:,} inputs or more")
        parts.append(_by_rule(column))
    columns = [part for part in parts if part.shape[1]]
    if not columns:
        raise TaskError(
            f"{table.name}: no usable input column among {len(parts)}; a column with a single value is dropped; "
            "expected at least one column that varies, besides the target"
        )
    return np.concatenate(columns, axis=1), made


def _with(made: Preparation, column: Column) -> Preparation:

    width = _width(column)
    if width == 0:
        return replace(made, dropped=(*made.dropped, column.name))
    if width > 1:
        return replace(made, one_hot=made.one_hot + 1, one_hot_inputs=made.one_hot_inputs + width)
    if _is_scaled(column):
        return replace(made, scaled=made.scaled + 1)
    return replace(made, binary=made.binary + 1)


def _inputs(table: Table, pixel_maximum: float | None) -> tuple[np.ndarray, Preparation]:
    if table.shape:
        return _scaled_together(table)
    return _columns(table) if pixel_maximum is None else _pixels(table, pixel_maximum)


def _scaled_together(table: Table) -> tuple[np.ndarray, Preparation]:
    """Return inputs of a shape, such as images, min-max scaled by the range of them all: float32 [rows, *shape]."""
    rows, names = len(table.target), list(table.inputs.columns)
    check_memory(3 * 8 * rows * len(names), table.name, f"{rows:,} rows of the shape {table.shape}")
    values = np.empty((rows, len(names)), dtype=np.float64)
    for index, name in enumerate(names):
        where = f"{table.name}, {name}"
        values[:, index] = read_values(table, table.inputs[name], where, numbers_only=True)
    least, greatest = float(values.min()), float(values.max())
    if least == greatest:
        raise TaskError(f"{table.name}: found {least:g} in all inputs; expected at least two values")
    scaled = (values - least) / (greatest - least)
    return scaled.astype(np.float32).reshape(rows, *table.shape), Preparation(scaled=len(names))


def _pixels(table: Table, maximum: float) -> tuple[np.ndarray, Preparation]:
    """Return the inputs divided by `maximum`, float32 [rows, features]."""
    pixels = np.empty(table.inputs.shape, dtype=np.float32)
    for index, (_, series) in enumerate(table.inputs.items()):
        where = f"{table.name}, column {shown(series.name)}"
        values = read_values(table, series, where, numbers_only=True)
        wrong = (values < 0) | (values > maximum)
        if wrong.any():
            row = int(wrong.argmax())
            raise TaskError(f"{where}, {table.place(row)}: found {values[row]}; expected a pixel from 0 to {maximum:g}")
        pixels[:, index] = values / maximum
    return pixels, Preparation(scaled=pixels.shape[1])


def _width(column: Column) -> int:
    """Number of inputs that the rule makes of a column."""
    count = len(column.distinct)
    return count - 1 if count <= 2 else 1 if _is_scaled(column) else count


def _is_scaled(column: Column) -> bool:
    return column.numeric and len(column.distinct) > ONE_HOT_LIMIT


def _by_rule(column: Column) -> np.ndarray:
    """Return the column by the rule of the inputs, float32 [rows, columns], with no column for a single value."""
    count = len(column.distinct)
    if count == 1:
        return np.empty((len(column.values), 0), dtype=np.float32)
    if count == 2:
        return _equals_first(column)
    return _min_max(column) if _is_scaled(column) else _one_hot(column)


def _equals_first(column: Column) -> np.ndarray:
    return (column.codes == column.codes[0]).astype(np.float32)[:, np.newaxis]


def _min_max(column: Column) -> np.ndarray:
    least, greatest = column.distinct[0], column.distinct[-1]
    if column.values.dtype.kind != "f":
        exact = column.distinct.astype(object)  # Python numbers do not overflow
        return ((exact - exact[0]) / (exact[-1] - exact[0])).astype(np.float32)[column.codes, np.newaxis]
    # Halved only where the range would overflow; halving is exact there.
    half = 0.5 if greatest / 2 - least / 2 > np.finfo(np.float64).max / 2 else 1.0
    scaled = (column.values * half - least * half) / (greatest * half - least * half)
    return scaled.astype(np.float32)[:, np.newaxis]


def _one_hot(column: Column) -> np.ndarray:
    return (column.codes[:, np.newaxis] == np.arange(len(column.distinct))).astype(np.float32)


def _refuse_identifier(column: Column) -> None:
    if _width(column) > CATEGORY_LIMIT:
        raise TaskError(
            f"{column.where}: found {len(column.distinct)} categories, more than {CATEGORY_LIMIT}; it looks like an "
            "identifier; leave the column out, or group its values"
        )


def _classes(target: Column) -> np.ndarray:
    """Return the targets of a classification, 0/1 [rows, 1] for two classes, else one-hot [rows, classes]."""
    count = len(target.distinct)
    _refuse_constant(target)
    if target.numeric and count > ONE_HOT_LIMIT and not _is_whole(target):
        raise TaskError(
            f"{target.where}: found {count} different numbers that are not whole, such as {target.distinct[0]!s}; "
            "each would be a class; set `kind: regression`, or choose a target of classes"
        )
    if target.numeric and count > CATEGORY_LIMIT:
        raise TaskError(
            f"{target.where}: found {count} classes, more than {CATEGORY_LIMIT}; if the target is a quantity, the task "
            "is a regression"
        )
    if count == 2:
        return _equals_first(target)
    _refuse_identifier(target)
    return _one_hot(target)


def _regression_target(target: Column) -> np.ndarray:
    """Return the targets of a regression, [rows, num_outputs], by the rule of an input."""
    _refuse_constant(target)
    count = len(target.distinct)
    if not target.numeric and count > ONE_HOT_LIMIT:
        raise TaskError(
            f"{target.where}: found {count} different strings, such as {shown(target.distinct[0])}; expected numbers "
            f"(or at most {ONE_HOT_LIMIT} values) for a regression; with a target of classes it is a classification"
        )
    return _by_rule(target)


def _refuse_constant(target: Column) -> None:
    if len(target.distinct) == 1:
        raise TaskError(
            f"{target.where}: found {target.distinct[0]!s} in all rows; expected at least two values; choose another "
            "target column"
        )


def _is_whole(column: Column) -> bool:
    """Whether all numbers of a column are whole; true for text."""
    if not column.numeric:
        return True
    if column.distinct.dtype.kind in "iuf":
        return bool(np.all(column.distinct == np.round(column.distinct)))
    return all(value == int(value) for value in column.distinct)


def _units(target: Column) -> tuple[float, float] | tuple[None, None]:
    """Minimum and range of a min-max scaled target, by which it is scaled back."""
    minimum = float(target.distinct[0])
    extent = float(target.distinct[-1]) - minimum
    return (minimum, extent) if math.isfinite(extent) else (None, None)


def _counts(target: Column) -> tuple[tuple[str, int], ...]:
    """Distinct values and their numbers of rows, the most frequent first."""
    rows = np.bincount(target.codes)
    order = np.argsort(-rows, kind="stable")
    return tuple((_label(target.distinct[code]), int(rows[code])) for code in order)


def _label(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e16 else str(value)
