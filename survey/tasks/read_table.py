"""Reading a table from a file of any supported format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from survey.errors import SurveyError, TaskError, nearest_path
from survey.tasks.arrays import read_arrays
from survey.tasks.parquet_tables import read_parquet
from survey.tasks.table import Reading, Table, is_lfs_pointer, name_of, row_place, table_of
from survey.tasks.text_tables import read_text

FORMATS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".npz")
"""Endings of supported files."""

_PLAIN = Reading()


def read_table(task: str, path: Path, target: str, reading: Reading = _PLAIN) -> Table:
    """Read a table from a file.

    Args:
        task: Name of the task, for messages.
        path: A file with one of the endings `FORMATS`. Text files have a header line.
        target: Name of the target column; in an `.npz`, key of the target array.
        reading: How to read it.

    Raises:
        TaskError: The file is missing, empty, damaged, of another format or too large for memory, or lacks the target.
    """
    where = name_of(task, str(path))
    try:
        return _read(task, path, target, reading, where)
    except SurveyError:
        raise
    except MemoryError:
        raise TaskError(f"{where} does not fit into memory; remove rows or columns") from None
    except Exception as error:  # On damaged files, readers raise errors of any type.
        raise TaskError(f"{where} cannot be read: {_damage(path, error)}") from error


def _read(task: str, path: Path, target: str, reading: Reading, where: str) -> Table:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
        found += nearest_path(path, fits=Path.is_file)
        raise TaskError(f"task {task!r}: {path} {found}; expected a file ({', '.join(FORMATS)})")
    ending = next((ending for ending in sorted(FORMATS, key=len) if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise TaskError(f"task {task!r}: {path} has an unsupported format; expected {', '.join(FORMATS)}")
    if path.stat().st_size == 0:
        raise TaskError(f"{where} is empty; expected a header and rows")
    place, shape = row_place, ()
    if ending == ".npz":
        frame, shape = read_arrays(where, path, target, reading)
    elif ending == ".parquet":
        frame = read_parquet(where, path, target, reading)
    else:
        separator = reading.separator or ("\t" if ".tsv" in ending else ",")
        frame, place = read_text(where, path, target, reading, separator)
    return replace(table_of(where, task, frame, target, place, reading, str(path)), shape=shape)


def _damage(path: Path, error: Exception) -> str:
    try:
        if path.is_file() and is_lfs_pointer(path):
            return "it is a Git LFS pointer, not the table itself; run `git lfs pull` in its repository"
    except OSError:
        pass  # `error` says why
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}; check its permissions and its disk"
    text = " ".join(str(error).split())
    return f"{text[:300] or type(error).__name__}; repair or replace the file"
