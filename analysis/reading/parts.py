"""The files of a table, with what tells whether one has changed: for what is kept of each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from analysis.reading.filters import Condition, dotted
from analysis.reading.partitions import partition_files
from analysis.reading.tables import schema_of
from survey.dataset.location import Location, open_location
from survey.dataset.schema import columns_in
from survey.text.names import NULL

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


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of some files of a table, one file after the other.

    Attributes:
        table: The rows.
        counts: How many of them each file has.
    """

    table: pa.Table
    counts: list[int]

    def by_file(self) -> list[pa.Table]:
        """Return the rows of each file."""
        ends = accumulate(self.counts)
        return [self.table.slice(end - count, count) for end, count in zip(ends, self.counts, strict=True)]


def read_parts(dataset: str | Path, table: str, parts: Sequence[Part], columns: Sequence[str]) -> Rows:
    """Read columns of some files of a table.

    Args:
        dataset: Folder of the data set.
        table: Name of the table.
        parts: The files.
        columns: Columns as the table spells them.

    Returns:
        Their rows: columns in the types of the table's schema, named with dots; null where a file lacks one, or what
        older versions, which did not record it, would have recorded.

    Raises:
        InputError: The folder is not a data set, or has no such table.
        ExportError: A file is damaged, or has gone.
    """
    schema, location = schema_of(dataset, table), open_location(dataset)
    wanted, before = pa.schema([schema.field(name) for name in columns]), columns_in(schema.metadata, dataset).before
    read = [_Read(_stored(location, location.path(table, part.path), columns), _folders(part)) for part in parts]
    # What is done with many files at once takes hardly longer than with one: they are joined where they are alike.
    alike = [list(files) for _, files in groupby(read, key=lambda each: each.kind)]
    joined = [_conformed(files, wanted, before) for files in alike]
    empty = pa.schema([pa.field(dotted(field.name), field.type) for field in wanted]).empty_table()
    return Rows(pa.concat_tables([empty, *joined]).combine_chunks(), [len(each.rows) for each in read])


@dataclass(frozen=True, slots=True)
class _Read:
    """A file as it is stored, and the values of the columns in its path, as they are written there."""

    rows: pa.Table
    path: dict[str, str | None]

    @property
    def kind(self) -> tuple[pa.Schema, list[str]]:
        """What files have in common that can be joined as they are."""
        return self.rows.schema, list(self.path)


def _stored(location: Location, path: str, columns: Sequence[str]) -> pa.Table:
    """The rows of a file, with those of the columns that it has."""
    is_remote = bool(location.host)  # where each read takes long, so that many are made at once
    with location.reading(path), location.filesystem.open_input_file(path) as file:
        opened = pq.ParquetFile(file, pre_buffer=is_remote)
        empty = _empty(opened.metadata)
        rows = opened.read([name for name in columns if name not in empty], use_threads=False)
        return rows.replace_schema_metadata(None)


def _empty(metadata: pq.FileMetaData) -> set[str]:
    """Columns without any value, by what the file says of them: to read them would take long, as they are many.

    A list of nulls alone, of epochs that were not recorded, has no value either.
    """
    empty: set[str] | None = None
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        chunks = map(group.column, range(group.num_columns))
        here = {each.path_in_schema.partition(".list.")[0] for each in chunks if _is_empty(each)}
        empty = here if empty is None else empty & here
    return empty or set()


def _is_empty(chunk: pq.ColumnChunkMetaData) -> bool:
    told = chunk.statistics
    return told is not None and told.has_null_count and told.null_count == chunk.num_values


def _folders(part: Part) -> dict[str, str | None]:
    named = [folder.partition("=") for folder in part.path.split("/")[:-1]]
    return {name: None if text == NULL else unquote(text) for name, _, text in named}


def _conformed(files: Sequence[_Read], wanted: pa.Schema, before: Mapping[str, Any]) -> pa.Table:
    """The rows of files of one kind in the types of the table."""
    rows, places = pa.concat_tables([each.rows for each in files]), _places([len(each.rows) for each in files])
    recorded = set(rows.column_names)  # asked for once, as there are hundreds
    columns = {}
    for field in wanted:
        if field.name in files[0].path:
            texts = pa.array([each.path[field.name] for each in files], pa.string())
            values: Any = texts.cast(field.type).take(places)
        elif field.name in recorded:
            stored = rows[field.name]
            values = stored if stored.type == field.type else stored.cast(field.type)
        else:
            values = pa.nulls(len(rows), field.type)
        columns[dotted(field.name)] = values.fill_null(before[field.name]) if field.name in before else values
    return pa.table(columns)


def _places(counts: Sequence[int]) -> pa.Array:
    """For each row the number of its file."""
    return pa.array(np.repeat(np.arange(len(counts)), counts))


def _infos(location: Location, files: list[str]) -> list[fs.FileInfo]:
    found: Any = location.filesystem.get_file_info(files)
    return found
