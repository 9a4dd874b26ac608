"""Reading a table from a file: CSV, TSV, Parquet or NumPy arrays, into inputs and a target."""

from __future__ import annotations

import csv
import gzip
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from survey.errors import TaskError, nearest

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("", "NaN", "nan", "NA", "N/A", "n/a", "NULL", "null")
"""Cells that mean that a value is missing."""

FORMATS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".npz")
"""Endings of the files that can be read."""

_UNREADABLE = (OSError, ValueError, EOFError, NotImplementedError, zlib.error, zipfile.BadZipFile, csv.Error)
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Table:
    """A table as it was read, nothing prepared.

    Attributes:
        task: Name of the task, for messages.
        inputs: The input columns, [rows, features], numbers or strings.
        target: The target column, [rows].
        place: Where a row, counted from 0, stands in the source: `line 2` is the first row of a text file.
    """

    task: str
    inputs: pd.DataFrame
    target: pd.Series
    place: Callable[[int], str]


def read_table(task: str, path: Path, target: str) -> Table:
    """Read a table from a file.

    Args:
        task: Name of the task, for messages.
        path: A file with one of the endings `FORMATS`. Text files have a header line.
        target: Name of the target column; in an `.npz`, key of the target array.

    Raises:
        TaskError: The file is missing, empty, damaged or of another format, or has no such target.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise TaskError(f"task {task!r}: {path} {found}; expected a file ({', '.join(FORMATS)})")
    ending = next((ending for ending in sorted(FORMATS, key=len) if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise TaskError(f"task {task!r}: {path} is of a format that cannot be read; expected {', '.join(FORMATS)}")
    if path.stat().st_size == 0:
        raise TaskError(f"task {task!r}: {path} is empty; expected a header and rows")
    try:
        if ending == ".npz":
            return _read_arrays(task, path, target)
        if ending == ".parquet":
            return _read_parquet(task, path, target)
        return _read_text(task, path, target, "\t" if ".tsv" in ending else ",")
    except _UNREADABLE as error:
        raise TaskError(f"task {task!r}: {path} cannot be read: {_damage(path, error)}") from error


def is_lfs_pointer(path: Path) -> bool:
    """Whether the file is what Git keeps in place of a large file."""
    with path.open("rb") as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER


def _damage(path: Path, error: Exception) -> str:
    if path.is_file() and is_lfs_pointer(path):
        return "it is a Git LFS pointer, not the table itself; run `git lfs pull` where it comes from"
    return f"{' '.join(str(error).split()) or type(error).__name__}; mend the file or replace it"


def _read_text(task: str, path: Path, target: str, separator: str) -> Table:
    with _open_text(path) as file:
        _, header = next(_records(file, separator), (0, []))
    _refuse_repeated(task, path, header)
    frame = _read_frame(path, separator)
    return _split(task, path, frame, target, lambda row: f"line {_line_of(path, separator, row)}")


def _read_frame(path: Path, separator: str) -> pd.DataFrame:
    import pandas as pd

    with warnings.catch_warnings():
        # Without an index column, pandas cuts rows longer than the header and only warns.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                path,
                sep=separator,
                index_col=False,
                keep_default_na=False,
                na_values=list(MISSING),
                low_memory=False,
                **_exact_numbers(),
            )
        except pd.errors.ParserWarning as error:
            raise ValueError("its rows have more cells than its header has columns") from error


def _exact_numbers() -> dict[str, Any]:
    """Options that make pandas round every number correctly, so that all its versions give the same digest."""
    import pandas as pd

    version = tuple(int(part) for part in pd.__version__.split(".")[:2])
    # From 3.1 on it is the default, and asking for it is deprecated.
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _read_parquet(task: str, path: Path, target: str) -> Table:
    import pandas as pd

    frame = pd.read_parquet(path).reset_index(drop=True)
    return _split(task, path, frame.rename(columns=str), target, _row_place)


def _read_arrays(task: str, path: Path, target: str) -> Table:
    import numpy as np
    import pandas as pd

    if not zipfile.is_zipfile(path):
        raise ValueError("it is not an .npz archive")
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    _check_target(task, path, "array", target, list(arrays))
    others = [key for key in arrays if key != target]
    if "X" not in others and len(others) != 1:
        found = ", ".join(others) or "none"
        raise TaskError(f"task {task!r}: {path}: expected the inputs as array 'X' or as the only other; found {found}")
    key = "X" if "X" in others else others[0]
    x, y = arrays[key], arrays[target]
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if x.ndim != 2 or y.ndim != 1 or len(x) != len(y):
        raise TaskError(
            f"task {task!r}: {path}: expected arrays {key} [rows, features] and {target} [rows]; "
            f"found shapes {x.shape} and {arrays[target].shape}"
        )
    inputs = pd.DataFrame(x, columns=[f"{key}[:, {column}]" for column in range(x.shape[1])])
    return Table(task, inputs, pd.Series(y, name=target), _row_place)


def _split(task: str, path: Path, frame: pd.DataFrame, target: str, place: Callable[[int], str]) -> Table:
    _refuse_repeated(task, path, list(frame.columns))
    _check_target(task, path, "column", target, list(frame.columns))
    return Table(task, frame.drop(columns=[target]), frame.loc[:, target], place)


def _refuse_repeated(task: str, path: Path, columns: list[str]) -> None:
    repeated = [column for column, count in Counter(columns).items() if count > 1]
    if repeated:
        raise TaskError(f"task {task!r}: {path}: column {repeated[0]!r} occurs twice; rename one of them")


def _check_target(task: str, path: Path, what: str, target: str, names: list[str]) -> None:
    if target not in names:
        shown = ", ".join(names[:50]) + (f" and {len(names) - 50} more" if len(names) > 50 else "")
        raise TaskError(
            f"task {task!r}: {path} has no target {what} {target!r}{nearest(target, names)}; it has: {shown or 'none'}"
        )


def _row_place(row: int) -> str:
    return f"row {row} (counted from 0)"


def _open_text(path: Path) -> IO[str]:
    # utf-8-sig: spreadsheets begin a file with a byte order mark.
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _records(file: IO[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each record begins, from 1, and its cells; blank lines are skipped, as pandas does."""
    reader = csv.reader(file, delimiter=separator)
    line = 1
    for record in reader:
        if len(record) > 1 or "".join(record).strip():
            yield line, record
        line = reader.line_num + 1


def _line_of(path: Path, separator: str, row: int) -> int:
    with _open_text(path) as file:
        return next(line for number, (line, _) in enumerate(_records(file, separator)) if number == row + 1)
