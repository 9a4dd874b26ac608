"""A table as read, not yet prepared, and how to read one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from survey.errors import TaskError, nearest
from survey.tasks.advice import listed, shown
from survey.tasks.parts import PARTS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MISSING = ("", "NaN", "nan", "NA", "N/A", "n/a", "NULL", "null")
"""Cells that mean a missing value, by default."""

Missing = Literal["refuse", "drop_rows", "mean", "most_frequent"]
"""What to do with missing values, see `survey.tasks.cleaning.clean`."""

_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Table:
    """A table as read, not yet prepared.

    Attributes:
        task: Name of the task, for messages.
        inputs: The input columns, [rows, features], numbers or strings.
        target: The target column, [rows].
        place: Names the place of a row, counted from 0, in the source, such as `line 2`, the first row of a text file.
        source: The file, for messages; empty if there is none.
        is_own: Whether it is a user's own: messages then name the keys to set, and columns of text that were hardly
            meant as categories are refused.
        rows_dropped: Number of rows that were dropped because a value is missing.
        cells_filled: Number of missing values that were filled in.
        parts: int8 [rows], for which part each row is, if the table has a split of its own; see
            `survey.tasks.own_split`.
        shape: Shape of the inputs of a row, whose numbers are the columns in order; empty where they are columns.
    """

    task: str
    inputs: pd.DataFrame
    target: pd.Series
    place: Callable[[int], str]
    source: str = ""
    is_own: bool = False
    rows_dropped: int = 0
    cells_filled: int = 0
    parts: np.ndarray | None = None
    shape: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Task and file, for messages."""
        return name_of(self.task, self.source)


@dataclass(frozen=True)
class Reading:
    """How to read a table.

    Attributes:
        separator: Separator of the cells of a text file; None for that of its ending.
        decimal: Decimal sign of a text file.
        encoding: Encoding of a text file.
        missing_values: Cells that mean a missing value.
        columns: Names of the input columns to read; None for all.
        drop: Names of the input columns to leave out.
        is_own: As for `Table`.
        split: Name of the column that names each row's part; None if there is none.
    """

    separator: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    missing_values: tuple[str, ...] = MISSING
    columns: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    is_own: bool = False
    split: str | None = None

    def chosen(self, where: str, names: Sequence[str], target: str) -> list[str]:
        """Return the columns of a table to read, in its order, including the target and the split.

        Raises:
            TaskError: A name occurs twice, `columns` or `drop` names the target, the split or no column, or there is no
                target, or no split.
        """
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise TaskError(f"{where}: column {shown(repeated[0])} occurs twice; rename one of them")
        if target not in names:
            raise TaskError(f"{where} has no target column {not_among(target, names)}")
        split = () if self.split is None else (self.split,)
        for key, given in (("columns", self.columns or ()), ("drop", self.drop), ("split", split)):
            for name in given:
                if name not in names:
                    raise TaskError(f"{where}: `{key}`: there is no column {not_among(name, names)}")
                if name == target:
                    raise TaskError(f"{where}: `{key}` names {shown(name)}, which is the target; list only inputs")
                if name == self.split and key != "split":
                    raise TaskError(f"{where}: `{key}` names {shown(name)}, which is the `split`; list only inputs")
        wanted = names if self.columns is None else {*self.columns, target, *split}
        return [name for name in names if name in wanted and name not in self.drop]


def table_of(
    where: str,
    task: str,
    frame: pd.DataFrame,
    target: str,
    place: Callable[[int], str],
    reading: Reading,
    source: str = "",
) -> Table:
    """Split a frame of the chosen columns into inputs and target; cells that mean missing values become missing.

    Raises:
        TaskError: The frame has no column besides the target and the split, or that names another part than there are.
    """
    import pandas as pd

    # Categories become objects: references to the distinct values.
    categories = [name for name, column in frame.items() if isinstance(column.dtype, pd.CategoricalDtype)]
    frame = _with_missing(frame.astype(dict.fromkeys(categories, object)), reading.missing_values)
    inputs = frame.drop(columns=[name for name in (target, reading.split) if name is not None])
    if inputs.shape[1] == 0:
        raise TaskError(f"{where} has no column besides the target {shown(target)}; expected inputs")
    table = Table(task, inputs, frame.loc[:, target], place, source, reading.is_own)
    return replace(table, parts=_part_numbers(table, frame.loc[:, reading.split])) if reading.split else table


def _part_numbers(table: Table, column: pd.Series) -> np.ndarray:
    """The number of each row's part, int8 [rows], from its name."""
    import numpy as np

    wrong = ~column.isin(PARTS).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        found = column.iloc[row]
        what = "a missing value" if column.isna().iloc[row] else f"{shown(found)}{nearest(found, PARTS)}"
        raise TaskError(
            f"{table.name}, column {shown(column.name)}, which is the `split`, {table.place(row)}: found {what}; "
            f"expected one of {', '.join(PARTS)}"
        )
    return column.map({part: number for number, part in enumerate(PARTS)}).to_numpy(np.int8)


def name_of(task: str, source: str) -> str:
    """Name a task and its source, for messages."""
    return f"task {task!r} ({source})" if source else f"task {task!r}"


def not_among(name: str, names: Sequence[str]) -> str:
    """Word an unknown name for a message: `'x' (did you mean 'y'?); it has: y, z`."""
    return f"{shown(name)}{nearest(name, names)}; it has: {listed(names) or 'none'}"


def row_place(row: int) -> str:
    """Name the place of a row in a source without lines."""
    return f"row {row} (counted from 0)"


def is_lfs_pointer(path: Path) -> bool:
    """Whether the file is a pointer that Git LFS puts in place of a large file."""
    with path.open("rb") as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER


def _with_missing(frame: pd.DataFrame, missing_values: tuple[str, ...]) -> pd.DataFrame:
    """Mark cells as missing: texts in columns of text, and numbers such as -999 in columns of numbers."""
    import pandas as pd

    numbers: list[float] = pd.to_numeric(pd.Series(missing_values, dtype=object), errors="coerce").dropna().tolist()
    changed = {}
    for name, column in frame.items():
        kind = column.dtype.kind
        cells = [*missing_values, *numbers] if kind == "O" else numbers if kind in "iuf" else []
        means_missing = column.isin(cells) if cells else pd.Series(dtype=bool)
        if means_missing.any():
            # Integers stay integers: float64 cannot represent them all.
            changed[name] = (column.astype(object) if kind in "iu" else column).mask(means_missing)
    return frame.assign(**changed) if changed else frame
