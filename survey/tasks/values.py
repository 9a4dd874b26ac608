"""The values of a column: none missing, all numbers or all text, and as distinct as in the source."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import TaskError
from survey.tasks.advice import shown, written_another_way

if TYPE_CHECKING:
    import pandas as pd

    from survey.tasks.table import Table

ONE_HOT_LIMIT = 20
"""Most distinct values that a numeric column may have to be one-hot."""

LARGEST_EXACT = 2.0**53
"""float64 represents every whole number up to this one."""

NUMERIC = {"integer", "floating", "boolean", "decimal", "mixed-integer-float"}
"""Kinds of numeric columns, as `pandas.api.types.infer_dtype` names them."""


@dataclass(frozen=True)
class Column:
    """A column without missing values.

    Attributes:
        name: Name of the column.
        where: Task, file and column, for messages.
        numeric: Whether its values are numbers.
        values: [rows]: float64, or strings where not numeric; int64, uint64 or Python objects for numbers that float64
            cannot represent, such as 2^53 + 1.
        distinct: The distinct values, sorted: numbers by value, strings by code point.
        codes: Index of each row's value among the distinct ones, [rows].
    """

    name: str
    where: str
    numeric: bool
    values: np.ndarray
    distinct: np.ndarray
    codes: np.ndarray


def read_column(table: Table, series: pd.Series, what: str = "column") -> Column:
    """Read a column of a table.

    Raises:
        TaskError: A value is missing, infinite, a string among numbers, or neither a number nor a string.
    """
    where = f"{table.name}, {what} {shown(series.name)}"
    values = read_values(table, series, where)
    numeric = values.dtype.kind == "f"
    if numeric:
        values = _without_loss(series, values)
    distinct, codes = np.unique(values, return_inverse=True)
    return Column(str(series.name), where, numeric, values, distinct, codes)


def read_values(table: Table, series: pd.Series, where: str, *, numbers_only: bool = False) -> np.ndarray:
    """Return the values, [rows], as float64 or, where they are not numbers and `numbers_only` is not set, as strings.

    Raises:
        TaskError: As for `read_column`.
    """
    import pandas as pd

    kind = pd.api.types.infer_dtype(series, skipna=True)
    missing = series.isna()
    if missing.any():
        raise TaskError(_missing(table, where, missing))
    if kind in NUMERIC:
        return _finite(table, series.to_numpy(dtype=np.float64), where)
    if kind != "string":
        raise TaskError(_of_another_type(table, series, where, kind))
    numbers = np.asarray(pd.to_numeric(series, errors="coerce"), dtype=np.float64)
    is_string = np.isnan(numbers)
    if not is_string.any():
        return _finite(table, numbers, where)
    if numbers_only or _is_mostly_numeric(series, is_string):
        row = int(is_string.argmax())
        found = series.iloc[row]
        hint = written_another_way([found]) if table.is_own else None
        raise TaskError(
            f"{where}, {table.place(row)}: found {shown(found)} in a column of numbers; expected a number; "
            + (hint or "correct the value or remove the row")
        )
    return series.to_numpy(dtype=object)


def exact(value: object) -> object:
    """Return a number exactly as it was written: text as a Decimal, anything else unchanged."""
    try:
        return Decimal(value.strip()) if isinstance(value, str) else value
    except InvalidOperation:  # a notation that float reads and Decimal does not
        return float(value)  # pyright: ignore[reportArgumentType]


def _without_loss(series: pd.Series, numbers: np.ndarray) -> np.ndarray:
    """Return the numbers as float64, or as in the source where float64 cannot represent them all."""
    kind = series.dtype.kind  # O: text, Python's ints, or decimals
    is_large = np.abs(numbers).max(initial=0.0) >= LARGEST_EXACT
    if kind in "fb" or (kind in "iu" and not is_large):
        return numbers
    if kind in "iu":
        return series.to_numpy(dtype=f"{kind}8")
    import pandas as pd

    values = pd.Series([exact(value) for value in series], dtype=object)  # `map` would make float64 of ints and floats
    return values.to_numpy(dtype=object) if is_large or values.nunique() > len(np.unique(numbers)) else numbers


def _missing(table: Table, where: str, missing: pd.Series) -> str:
    place = table.place(int(missing.argmax()))
    if not table.is_own:
        return f"{where}, {place}: found a missing value; fill it in, or remove the row or the column"
    if missing.all():
        return f"{where}: found no value at all; leave the column out with `drop`"
    return (
        f"{where}, {place}: found a missing value; fill it in, or set `missing: drop_rows`, `mean` or `most_frequent`; "
        "if cells such as NA are text here, set `missing_values: []`"
    )


def _of_another_type(table: Table, series: pd.Series, where: str, kind: str) -> str:
    what = f"{where}: found values of type {kind}; expected numbers or strings"
    if not table.is_own:
        return what
    if kind.startswith("date"):
        return f"{what}; list the column under `dates` to turn it into numbers, or under `drop`"
    return f"{what}; convert them, or list the column under `drop`"


def _finite(table: Table, values: np.ndarray, where: str) -> np.ndarray:
    infinite = ~np.isfinite(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise TaskError(
            f"{where}, {table.place(row)}: found {values[row]}; expected a finite number; correct the value"
        )
    return values


def _is_mostly_numeric(series: pd.Series, is_string: np.ndarray) -> bool:
    """Whether a column has too many values for one-hot, at least half of them numbers: its strings are mistakes."""
    distinct, numbers = series.nunique(), series.loc[~is_string].nunique()
    return distinct > ONE_HOT_LIMIT and 2 * numbers >= distinct
