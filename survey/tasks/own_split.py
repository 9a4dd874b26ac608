"""A split of a user's own: which rows of a table are for training, for validation and for the test.

A column names the part of each row, or the test rows are a second table with the same columns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from survey.errors import TaskError
from survey.tasks.advice import shown
from survey.tasks.parts import PARTS
from survey.tasks.table import Table

if TYPE_CHECKING:
    import pandas as pd


def with_test_rows(table: Table, test: Table) -> Table:
    """Return the rows of a table for training, and after them those of a table for the test.

    Raises:
        TaskError: They have other columns; the message names both files.
    """
    import numpy as np
    import pandas as pd

    for one, other in ((table, test), (test, table)):
        lacking = [name for name in other.inputs.columns if name not in one.inputs.columns]
        if lacking:
            raise TaskError(
                f"{one.name} has no column {shown(lacking[0])}, which {other.source} has; expected the same columns in "
                "both files; add it, or list those to use as `columns`"
            )
    if table.shape != test.shape:
        raise TaskError(
            f"{table.name} has inputs of the shape {table.shape}, {test.source} of {test.shape}; expected the same"
        )
    rows, place = len(table.target), table.place

    def place_of(row: int) -> str:
        return place(row) if row < rows else f"{test.place(row - rows)} of {test.source}"

    inputs = [_joined(table.inputs[name], test.inputs[name]) for name in table.inputs.columns]
    return replace(
        table,
        inputs=pd.concat(inputs, axis=1),
        target=_joined(table.target, test.target),
        place=place_of,
        parts=np.repeat(np.array([0, PARTS.index("test")], np.int8), [rows, len(test.target)]),
    )


def _joined(column: pd.Series, test: pd.Series) -> pd.Series:
    """Both, one after the other; as objects where their types differ, so that no number is rounded."""
    import pandas as pd

    kind = column.dtype if column.dtype == test.dtype else object
    return pd.concat([column.astype(kind), test.astype(kind)], ignore_index=True)


def check_parts(table: Table) -> None:
    """Check that a table with a split of its own has rows to train on, and rows for the test.

    Raises:
        TaskError: It lacks one.
    """
    if table.parts is None:
        return
    for number, part in enumerate(PARTS):
        if part != "validation" and not (table.parts == number).any():
            dropped = f" after {table.rows_dropped:,} with missing values were dropped" if table.rows_dropped else ""
            raise TaskError(f"{table.name}: its split has no row for {part}{dropped}; expected one at least")
