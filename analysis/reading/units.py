"""Losses of a regression in the unit of its target: what min-max scaling made of them is turned back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.reading.filters import column
from survey.errors import InputError

Units = Literal["scaled", "target"]

RANGE, PENALTY, DATASET = "target_range", "kernel_regularizer.type", "dataset"

_POWERS = {"loss": 2, "mean_squared_error": 2, "mean_absolute_error": 1, "root_mean_squared_error": 1}
"""By which power of the range of the target a statistic grows."""

_SCALED = re.compile(
    rf"(?:val_|test_|train_)?(?P<statistic>{'|'.join(_POWERS)})"
    r"(?:_min_value)?(?:_(?:min|q1|median|q3|max|avg|stddev))?"
)


def check_units(units: str) -> None:
    """Check that `units` is known.

    Raises:
        InputError: It is not.
    """
    if units not in ("scaled", "target"):
        raise InputError(f"units is {units!r}; expected 'scaled' or 'target'")


def needed(names: Sequence[str] | None, schema: pa.Schema) -> list[str] | None:
    """The columns to read so that those of `names`, or all, can be turned back.

    Raises:
        InputError: The table does not have them, as that of an older data set.
    """
    missing = [name for name in (RANGE, DATASET) if name not in schema.names]
    if missing:
        raise InputError(
            f"units='target': the table has no column {missing[0]}, by which losses are turned back: it was made by an "
            "older version, or is the published data set"
        )
    if names is None:
        return None
    return list(dict.fromkeys([*names, RANGE, DATASET, column(PENALTY, schema)]))


def in_target_units(frame: pd.DataFrame, names: Sequence[str] | None) -> pd.DataFrame:
    """Turn losses back, and keep the columns of `names` alone.

    Args:
        frame: Rows as `analysis.read` gives them, with the columns of `needed`.
        names: Columns to keep; None for all.

    Returns:
        Squared errors and losses times the square of the range of the target, absolute errors and their roots times the
        range, all in float64. Other columns are as they were.

    Raises:
        InputError: A row has a target that was not scaled, or a loss with a penalty, which is no error of the target.
    """
    kept = list(frame.columns) if names is None else list(names)
    unknown = frame.loc[frame[RANGE].isna(), DATASET]
    if len(unknown):
        raise InputError(
            f"units='target': the target of {', '.join(map(repr, sorted(set(unknown))))} was not scaled, as that of a "
            f"classification, or the runs are of an older version ({RANGE} is null); leave them out with a filter"
        )
    powers = {name: power for name in kept if (power := power_of(name))}
    losses = [name for name in powers if "loss" in name]
    if losses and frame[PENALTY].notna().any():
        raise InputError(
            f"units='target': {losses[0]} includes an L1 or L2 penalty in some rows, which has no unit of the target; "
            f"ask for mean_squared_error instead, or leave these rows out with the filter ('{PENALTY}', '=', None)"
        )
    changed = {
        name: [
            None if value is None else np.multiply(value, extent**power, dtype=np.float64)
            for value, extent in zip(frame[name], frame[RANGE], strict=True)
        ]
        for name, power in powers.items()
    }
    return frame.assign(**{name: pd.Series(values, index=frame.index) for name, values in changed.items()})[kept]


def power_of(name: str) -> int:
    """By which power of the range of the target a column grows: 0 for one that is no error of it."""
    match = _SCALED.fullmatch(name)
    return _POWERS[match["statistic"]] if match else 0
