"""Losses of a regression in the unit of its target: min-max scaling undone."""

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
"""The power of the target's range with which a statistic scales."""

_SCALED = re.compile(
    rf"(?:val_|test_|train_|validation_)?(?P<statistic>{'|'.join(_POWERS)})"
    r"(?:(?:_at_validation_loss)?_min_value)?(?:_(?:min|q1|median|q3|max|avg|stddev))?"
)


def check_units(units: str) -> None:
    """Check `units`.

    Raises:
        InputError: It is neither `scaled` nor `target`.
    """
    if units not in ("scaled", "target"):
        raise InputError(f"units is {units!r}; expected 'scaled' or 'target'")


def needed(names: Sequence[str] | None, schema: pa.Schema) -> list[str] | None:
    """Return the columns to read to convert those of `names`; None for all.

    Raises:
        InputError: The table lacks them, because its data set is older.
    """
    missing = [name for name in (RANGE, DATASET) if name not in schema.names]
    if missing:
        raise InputError(
            f"units='target': the table has no column {missing[0]}, which the conversion needs: it is of an older "
            "version, or of the published data set"
        )
    if names is None:
        return None
    return list(dict.fromkeys([*names, RANGE, DATASET, column(PENALTY, schema)]))


def in_target_units(frame: pd.DataFrame, names: Sequence[str] | None) -> pd.DataFrame:
    """Convert losses to the unit of the target, and keep only the columns of `names`.

    Args:
        frame: Rows as `analysis.read` returns them, with the columns of `needed`.
        names: Columns to keep; None for all.

    Returns:
        Squared errors and losses times the square of the target's range, absolute and root-mean-square errors times the
        range, all in float64. Other columns are unchanged.

    Raises:
        InputError: A row has a target that was not scaled, or a loss that includes a penalty.
    """
    kept = list(frame.columns) if names is None else list(names)
    unknown = frame.loc[frame[RANGE].isna(), DATASET]
    if len(unknown):
        raise InputError(
            f"units='target': the target of {', '.join(map(repr, sorted(set(unknown))))} was not scaled, as in a "
            f"classification, or the runs are of an older version ({RANGE} is null); exclude them with a filter"
        )
    powers = {name: power for name in kept if (power := power_of(name))}
    losses = [name for name in powers if _statistic(name) == "loss"]
    if losses and frame[PENALTY].notna().any():
        raise InputError(
            f"units='target': {losses[0]} includes an L1 or L2 penalty in some rows, which is not in that unit; "
            f"read mean_squared_error instead, or exclude these rows with the filter ('{PENALTY}', '=', None)"
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
    """Return the power of the target's range with which a column scales; 0 if it is not an error of the target."""
    return _POWERS.get(_statistic(name), 0)


def _statistic(name: str) -> str:
    """The statistic of a column that is an error of the target; empty for another."""
    match = _SCALED.fullmatch(name)
    return match["statistic"] if match else ""
