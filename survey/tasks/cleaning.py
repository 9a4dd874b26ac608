"""Cleaning of a user's own table: dates become numbers, missing values are dropped or filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import TaskError
from survey.tasks.advice import are_dates, shown
from survey.tasks.table import Missing, Table, not_among
from survey.tasks.values import NUMERIC

if TYPE_CHECKING:
    import pandas as pd


def clean(table: Table, dates: Sequence[str], missing: Missing) -> Table:
    """Turn columns of dates into numbers, then drop or fill in missing values.

    Args:
        table: As it was read.
        dates: Names of the columns that become whole numbers: the microseconds since 1970 (UTC).
        missing: `drop_rows` drops rows with a missing value. `mean` fills columns of numbers with their mean, and
            others with their most frequent value, as `most_frequent` does. A target is never filled in.

    Raises:
        TaskError: A column does not exist, has values that are not dates, or no value at all; or the target lacks one.
    """
    names = [*map(str, table.inputs.columns), str(table.target.name)]
    for name in dates:
        if name not in names:
            raise TaskError(f"{table.name}: `dates`: there is no column {not_among(name, names)}")
    inputs = table.inputs.assign(
        **{name: _as_number(table, table.inputs[name]) for name in dates if name in table.inputs.columns}
    )
    target = _as_number(table, table.target) if table.target.name in dates else table.target
    table = replace(table, inputs=inputs, target=target)
    if missing == "refuse":
        return table  # `prepare` finds missing values
    for name, column in table.inputs.items():
        if len(column) and column.isna().all():
            raise TaskError(
                f"{table.name}, column {shown(name)}: found no value at all; leave the column out with `drop`"
            )
    return _without_rows(table) if missing == "drop_rows" else _filled(table, missing)


def _as_number(table: Table, series: pd.Series) -> pd.Series:
    """Dates as microseconds since 1970 (UTC), Python ints; NaN where one is missing."""
    import pandas as pd

    values = series.astype(object)
    present = ~values.isna()
    found = values[present].map(_as_date)
    try:
        # Year first: otherwise 01/02 could be January or February.
        moments = pd.to_datetime(found, format="ISO8601", utc=True, errors="raise")
    except (ValueError, TypeError, OverflowError):
        row = _first_wrong(found)
        raise TaskError(
            f"{table.name}, column {shown(series.name)}, {table.place(row)}: found {shown(values.iloc[row])}; expected "
            "a date such as 2020-12-31, optionally with a time; convert it, or remove the column from `dates`"
        ) from None
    numbers = values.copy()
    numbers[~present] = np.nan
    numbers[present] = moments.dt.as_unit("us").astype("int64").astype(object)
    return numbers


def _as_date(value: object) -> object:
    """What pandas reads as a date: text in ISO 8601, also of digits alone, such as 20201231."""
    if isinstance(value, (str, int, float)):
        text = f"{value:.0f}" if isinstance(value, float) else str(value).strip()
        return text if are_dates([text]) or re.fullmatch(r"\d{8}", text) else "no date"
    return value


def _first_wrong(values: pd.Series) -> int:
    """Row of the first value that is not a date."""
    import pandas as pd

    def is_wrong(value: object) -> bool:
        try:
            pd.to_datetime(pd.Series([value]), format="ISO8601", utc=True)
        except (ValueError, TypeError, OverflowError):
            return True
        return False

    return next((int(row) for row, value in zip(values.index, values, strict=True) if is_wrong(value)), 0)


def _without_rows(table: Table) -> Table:
    whole = ~(table.inputs.isna().any(axis=1) | table.target.isna())
    rows, place = np.flatnonzero(whole), table.place
    return replace(
        table,
        inputs=table.inputs[whole].reset_index(drop=True),
        target=table.target[whole].reset_index(drop=True),
        parts=None if table.parts is None else table.parts[whole.to_numpy()],
        place=lambda row: place(int(rows[row])),
        rows_dropped=len(whole) - len(rows),
    )


def _filled(table: Table, missing: Missing) -> Table:
    lacking = table.target.isna()
    if lacking.any():
        raise TaskError(
            f"{table.name}, target column {shown(table.target.name)}, {table.place(int(lacking.argmax()))}: found a "
            "missing value, and a target is never filled in; set `missing: drop_rows`, or remove the row"
        )
    gaps = {name: column.isna() for name, column in table.inputs.items()}
    filled = {str(name): _fill(table.inputs[name], missing) for name, is_missing in gaps.items() if is_missing.any()}
    cells = sum(int(is_missing.sum()) for is_missing in gaps.values())
    return replace(table, inputs=table.inputs.assign(**filled), cells_filled=cells)


def _fill(series: pd.Series, missing: Missing) -> pd.Series:
    """Fill in the missing values of one column."""
    import pandas as pd
    from sklearn.impute import SimpleImputer

    numbers = _numbers(series) if missing == "mean" else None
    values = (series.astype(object).where(~series.isna(), np.nan) if numbers is None else numbers).to_numpy()
    imputer = SimpleImputer(strategy="most_frequent" if numbers is None else "mean")
    filled: Any = imputer.fit_transform(values[:, np.newaxis])
    return pd.Series(filled[:, 0], index=series.index, name=series.name).infer_objects()


def _numbers(series: pd.Series) -> pd.Series | None:
    """The column as float64, NaN where a value is missing; None where it is not numeric."""
    import pandas as pd

    kind = pd.api.types.infer_dtype(series, skipna=True)
    present = series[series.notna()].astype(object)
    if kind == "string":
        numbers = pd.to_numeric(present, errors="coerce")
    elif kind in NUMERIC and kind != "boolean":
        numbers = present.astype("float64")
    else:
        return None
    return numbers.astype("float64").reindex(series.index) if numbers.notna().all() else None
