"""The files of a table one by one, with what tells whether one has changed: for what is kept of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from analysis.reading.filters import Condition, dotted
from analysis.reading.partitions import partition_files
from analysis.reading.tables import schema_of
from survey.dataset.location import Location, open_location
from survey.dataset.reading import with_partition
from survey.dataset.schema import columns_in

_BATCH = 500
"""Files that are asked for at once when their sizes are looked up."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a table.

    Attributes:
        path: Its path, relative to the folder of the table.
        size: Its size in bytes.
        modified_ns: When it was last written, in nanoseconds since 1970.
    """

    path: str
    size: int
    modified_ns: int


def parts_of(dataset: str | Path, table: str) -> list[Part]:
    """List the files of a table, in the order in which `analysis.read` has their rows.

    Raises:
        InputError: The folder is not a data set, has no such table, or a link leads out of it.
    """
    schema, location = schema_of(dataset, table), open_location(dataset)
    root = location.path(table)
    with location.reading(root):
        files = partition_files(location.filesystem, root, schema, Condition(None, schema))
        infos = [info for start in range(0, len(files), _BATCH) for info in _infos(location, files[start:][:_BATCH])]
    return [Part(info.path.removeprefix(f"{root}/"), info.size, info.mtime_ns or 0) for info in infos]


def read_parts(dataset: str | Path, table: str, parts: Sequence[Part], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read columns of some files of a table, one file after the other.

    Args:
        dataset: Folder of the data set.
        table: Name of the table.
        parts: The files.
        columns: Columns as the table spells them.

    Yields:
        For each file its rows: columns in the types of the table's schema, named with dots; null where the file lacks
        one, or what older versions, which did not record it, would have recorded.

    Raises:
        InputError: The folder is not a data set, or has no such table.
        ExportError: A file is damaged, or has gone.
    """
    schema, location = schema_of(dataset, table), open_location(dataset)
    wanted, names = [schema.field(name) for name in columns], set(columns)
    before = columns_in(schema.metadata, dataset).before
    for part in parts:
        path = location.path(table, part.path)
        with location.reading(path), location.filesystem.open_input_file(path) as file:
            opened = pq.ParquetFile(file)
            rows = opened.read([name for name in opened.schema_arrow.names if name in names], use_threads=False)
            yield _conformed(rows, part.path.rpartition("/")[0], schema, wanted, before)


def _conformed(
    rows: pa.Table, partition: str, schema: pa.Schema, wanted: Sequence[pa.Field], before: Mapping[str, Any]
) -> pa.Table:
    found = with_partition(rows, partition, schema) if partition else rows
    there, columns = dict(zip(found.column_names, found.columns, strict=True)), {}
    for field in wanted:
        values: Any = there[field.name] if field.name in there else pa.nulls(len(rows), field.type)
        values = values if values.type == field.type else values.cast(field.type)
        columns[dotted(field.name)] = values.fill_null(before[field.name]) if field.name in before else values
    return pa.table(columns)


def _infos(location: Location, files: list[str]) -> list[fs.FileInfo]:
    found: Any = location.filesystem.get_file_info(files)
    return found
