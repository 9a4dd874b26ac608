"""The files of a table, found without listing the folders of which a filter says that they hold nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from analysis.filters import Condition

_NULL = "__HIVE_DEFAULT_PARTITION__"


def partition_files(filesystem: fs.FileSystem, root: str, schema: pa.Schema, condition: Condition) -> list[str]:
    """List the files of a hive-partitioned table that may hold rows that meet a condition.

    The folders are walked level by level for as long as the condition says something of the level's column, and listed
    at once below that: in an object store each listing is a request, and a table can have 100,000 folders.

    Args:
        filesystem: Of the table.
        root: Folder of the table in it.
        schema: Of the table, partition columns included.
        condition: What is asked of the rows.

    Returns:
        Paths of the files, in order. Names that begin with `_` or `.` are left out, as hidden.

    Raises:
        OSError: What the file system says.
    """
    folders = [root]
    known: dict[str, list[str | None]] = {}
    while folders:
        below = [info for folder in folders for info in _listed(filesystem, folder) if "=" in info.base_name]
        key = below[0].base_name.partition("=")[0] if below else ""
        if key not in schema.names or condition.of([*known, key]) is None or condition.of([key]) is None:
            break
        parents = {folder: row for row, folder in enumerate(folders)}
        rows = [parents[info.path.rpartition("/")[0]] for info in below]
        known = {name: [values[row] for row in rows] for name, values in known.items()}
        known[key] = [_value(info.base_name.partition("=")[2]) for info in below]
        kept = _rows_that_meet(condition, known, schema)
        folders = [below[row].path for row in kept]
        known = {name: [values[row] for row in kept] for name, values in known.items()}
    found = [info for folder in folders for info in _listed(filesystem, folder, recursive=True)]
    return sorted(
        info.path for info in found if info.type == fs.FileType.File and not _hidden(info.path.removeprefix(root))
    )


def partition_schema(files: Sequence[str], root: str, schema: pa.Schema) -> pa.Schema:
    """The columns that stand in the paths of the files, with their types."""
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
    return None if text == _NULL else unquote(text)


def _hidden(path: str) -> bool:
    return any(part.startswith(("_", ".")) and "=" not in part for part in path.split("/"))
