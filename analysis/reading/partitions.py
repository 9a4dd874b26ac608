"""The files of a table, found without listing folders that the filters exclude."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from analysis.reading.filters import Condition
from survey.text.names import NULL, check_partition, inside


def partition_files(filesystem: fs.FileSystem, root: str, schema: pa.Schema, condition: Condition) -> list[str]:
    """List the files of a hive-partitioned table that may have rows that meet a condition.

    The folders are walked level by level while the condition restricts the level's column, and listed recursively below
    that: in an object store each listing is a request, and a table can have 100,000 folders.

    Args:
        filesystem: File system of the table.
        root: Folder of the table in it.
        schema: Schema of the table, including partition columns.
        condition: The filters on the rows.

    Returns:
        Sorted paths of the files that end in `.parquet`, in folders of the table's columns. Anything else is ignored,
        and so are names that begin with `_` or `.`.

    Raises:
        InputError: A folder has a value that its column cannot have, or a link leads out of the table.
        OSError: The file system fails.
    """
    folders, columns = [root], frozenset(schema.names)
    known: dict[str, list[str | None]] = {}
    while folders:
        below = [info for folder in folders for info in _folders(filesystem, folder, columns)]
        keys = {info.base_name.partition("=")[0] for info in below}
        key = keys.pop() if len(keys) == 1 else ""
        if not key or condition.of([*known, key]) is None or condition.of([key]) is None:
            break
        parents = {folder: row for row, folder in enumerate(folders)}
        rows = [parents[info.path.rpartition("/")[0]] for info in below]
        known = {name: [values[row] for row in rows] for name, values in known.items()}
        known[key] = [_value(info.base_name.partition("=")[2]) for info in below]
        kept = _rows_that_meet(condition, known, schema)
        folders = [below[row].path for row in kept]
        known = {name: [values[row] for row in kept] for name, values in known.items()}
    found = [info for folder in folders for info in _listed(filesystem, folder, recursive=True)]
    paths = sorted(info.path for info in found if info.type == fs.FileType.File)
    files = [path for path in paths if _is_of(path.removeprefix(f"{root}/"), columns)]
    _check(files, root, is_local=isinstance(filesystem, fs.LocalFileSystem))
    return files


def partition_schema(files: Sequence[str], root: str, schema: pa.Schema) -> pa.Schema:
    """Return the fields of the columns in the paths of the files."""
    keys = [part.partition("=")[0] for part in files[0].removeprefix(root).split("/") if "=" in part] if files else []
    return pa.schema([schema.field(key) for key in keys if key in schema.names])


def _rows_that_meet(condition: Condition, known: dict[str, list[str | None]], schema: pa.Schema) -> list[int]:
    arrays = {name: pa.array(values, pa.string()).cast(schema.field(name).type) for name, values in known.items()}
    numbers = pa.array(range(len(next(iter(known.values())))))
    return pa.table({**arrays, "": numbers}).filter(condition.of(known))[""].to_pylist()


def _listed(filesystem: fs.FileSystem, folder: str, *, recursive: bool = False) -> list[fs.FileInfo]:
    found: Any = filesystem.get_file_info(fs.FileSelector(folder, recursive=recursive))
    return found


def _value(text: str) -> str | None:
    return None if text == NULL else unquote(text)


def _folders(filesystem: fs.FileSystem, folder: str, columns: Collection[str]) -> list[fs.FileInfo]:
    """The folders in a folder that are those of values of a column."""
    found = [info for info in _listed(filesystem, folder) if info.type == fs.FileType.Directory]
    return [info for info in found if _is_value(info.base_name, columns)]


def _is_value(folder: str, columns: Collection[str]) -> bool:
    column, equals, _ = folder.partition("=")
    return bool(equals) and column in columns


def _is_of(path: str, columns: Collection[str]) -> bool:
    """Whether a file is one of a table, by its path there."""
    *folders, name = path.split("/")
    is_hidden = name.startswith(("_", "."))
    return name.endswith(".parquet") and not is_hidden and all(_is_value(folder, columns) for folder in folders)


def _check(files: Sequence[str], root: str, *, is_local: bool) -> None:
    """Refuse values that their column cannot have, and links that lead out of the table."""
    seen = {root}
    for file in files:
        path = file
        while path not in seen:
            seen.add(path)
            if is_local and os.path.islink(path):  # noqa: PTH114 (there may be hundreds of thousands)
                inside(Path(root), path.removeprefix(f"{root}/"))
            if path != file:
                check_partition([path.rpartition("/")[2]], root)
            path = path.rpartition("/")[0]
