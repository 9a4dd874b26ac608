"""Reading the tables of a data set, as published readers of BUTTER do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from analysis.reading.filters import Condition, Filter, Filters, column, dotted, of_test_set
from analysis.reading.first_epochs import FirstEpochs, check_epochs
from analysis.reading.partitions import partition_files, partition_schema
from analysis.reading.units import Units, check_units, in_target_units, needed
from survey.dataset.layout import REPETITIONS
from survey.dataset.location import Location, open_location
from survey.dataset.schema import columns_in
from survey.errors import InputError, nearest, nearest_path
from survey.text.names import is_of_system, is_word
from survey.workloads.columns import Columns

COMMON_METADATA = "_common_metadata"
"""File with the full schema of a table, including partition columns."""

SUMMARY = "complete_summary"

_RUNS = 1000
"""Runs read at once where only their first epochs are kept."""

_FILES = 200
"""Files open at once: an Arrow dataset keeps the metadata of its files, half a megabyte for each of a summary."""


def read(
    path_or_url: str | Path,
    sweep: str | None = None,
    filters: Filters | None = None,
    columns: Sequence[str] | None = None,
    *,
    table: str = SUMMARY,
    units: Units = "scaled",
    epochs: int | None = None,
) -> pd.DataFrame:
    """Read one table of a data set.

    Args:
        path_or_url: Folder of the data set, with `complete_summary/` and other tables in it: a local one, or one in an
            object store, such as `s3://oedi-data-lake/butter`, see `survey.dataset.location.open_location`.
        sweep: Name of a sweep: read its table `NAME_summary`, whatever `table` says.
        filters: A list of `(column, operator, value)` triples, all of which must hold; a list of such lists, any of
            which must hold; or a pyarrow expression. Operators: = == != < > <= >= in, not in. Values are first
            converted to the type of the column, so that 1e-4 finds the float32 learning rate 1e-4; None finds nulls.
            Files are skipped by the values in their paths, row groups by their statistics.
        columns: Columns to read, all by default; no others are fetched. `kernel_regularizer_l1` and
            `kernel_regularizer.l1` mean the same, whichever the data set has, and so do `test_loss` and `val_loss`, and
            all names of the test set.
        table: Name of the table: `all_repetitions`, `complete_summary`, `complete_executive_summary`.
        units: `scaled`, as in the data, or `target`: errors of a regression are converted to the unit of its target,
            see `analysis.reading.units.in_target_units`. Filters always apply to the values in the data.
        epochs: Cut rows of more epochs to their first `epochs`, see `analysis.reading.first_epochs`; with paired draws
            they are those of an experiment of so many. What a summary says of best epochs is computed again from the
            runs. Filters apply to the values in the data here, too.

    Returns:
        A row per experiment (or run) in the order of the files. Curves are object columns of float32 arrays of shape
        (epochs,), index 0 being epoch 1; other columns have the types of the data set (`survey.dataset.schema` for
        ours). The columns of the regularizer are named with dots, those of
        the test set as they were asked for.

    Raises:
        InputError: The folder is not a data set or lacks the table or a column, a filter or `epochs` is invalid, the
            store is out of reach or refuses access, errors cannot be converted to the unit of the target, or runs that
            `epochs` needs are missing.
        ExportError: A file of the table is damaged.
    """
    location = open_location(path_or_url)
    first = _first_epochs(location, epochs)
    parts, names, condition, about = _open(location, _table_name(sweep, table), filters, columns, units, first)
    with location.reading(location.path(_table_name(sweep, table))):
        found = pa.concat_tables(opened.to_table(columns=names, filter=condition.expression) for opened in parts)
    return _frame(found, about, columns, units, first)


def read_batches(  # noqa: PLR0913 - the arguments of `read`, and how many rows at a time
    path_or_url: str | Path,
    sweep: str | None = None,
    filters: Filters | None = None,
    columns: Sequence[str] | None = None,
    *,
    table: str = SUMMARY,
    rows: int = 1000,
    units: Units = "scaled",
    epochs: int | None = None,
) -> Iterator[pd.DataFrame]:
    """Read a table that may be larger than memory, some rows at a time.

    Args:
        path_or_url: As for `read`; so are `sweep`, `filters`, `columns`, `table`, `units` and `epochs`.
        rows: Rows of each frame; the last one may have fewer. A run of 3000 epochs with all its 20 curves takes 240 kB.

    Yields:
        Frames that together make the one that `read` returns. Besides one, memory holds a few row groups.

    Raises:
        InputError: As for `read`, or `rows` is less than 1. Raised on the first frame.
        ExportError: A file of the table is damaged.
    """
    if rows < 1:
        raise InputError(f"rows is {rows}; expected at least 1")
    location = open_location(path_or_url)
    first = _first_epochs(location, epochs)
    parts, names, condition, about = _open(location, _table_name(sweep, table), filters, columns, units, first)
    waiting: list[pa.RecordBatch] = []
    with location.reading(location.path(_table_name(sweep, table))):
        for batch in _batches(parts, names, condition, rows, remote=bool(location.host)):
            waiting.append(batch)
            while sum(map(len, waiting)) >= rows:
                whole = pa.Table.from_batches(waiting)
                yield _frame(whole.slice(0, rows), about, columns, units, first)
                waiting = whole.slice(rows).to_batches()
    if sum(map(len, waiting)):
        yield _frame(pa.Table.from_batches(waiting), about, columns, units, first)


def _batches(
    parts: Iterable[ds.Dataset], names: list[str] | None, condition: Condition, rows: int, *, remote: bool
) -> Iterator[pa.RecordBatch]:
    for opened in parts:
        # No reading ahead: the row groups of a table of curves are large.
        scanner = opened.scanner(
            columns=names,
            filter=condition.expression,
            batch_size=rows,
            batch_readahead=1,
            fragment_readahead=1,
            fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=remote),
        )
        yield from scanner.to_batches()


def schema_of(path_or_url: str | Path, table: str = SUMMARY) -> pa.Schema:
    """Read the schema of a table, including partition columns.

    Raises:
        InputError: The folder is not a data set or has no such table.
        ExportError: The table's `_common_metadata` is damaged.
    """
    return _schema(open_location(path_or_url), table)


def tables(path_or_url: str | Path) -> list[str]:
    """List the tables of a data set by name; empty if the folder is not a data set.

    Raises:
        InputError: The store of the folder is out of reach or refuses access.
    """
    return _tables(open_location(path_or_url))


def _first_epochs(location: Location, epochs: int | None) -> FirstEpochs | None:
    check_epochs(epochs)
    if epochs is None:
        return None

    def read_runs(filters: list[Filter], columns: list[str]) -> Iterator[pa.Table]:
        if REPETITIONS not in _tables(location):
            raise InputError(
                f"{location.name}: epochs={epochs}: the best epochs of longer experiments are found again from the "
                f"table {REPETITIONS}, which is missing; leave their columns out"
            )
        parts, names, condition, _ = _open(location, REPETITIONS, filters, columns, "scaled")
        with location.reading(location.path(REPETITIONS)):
            for batch in _batches(parts, names, condition, _RUNS, remote=bool(location.host)):
                yield pa.Table.from_batches([batch])

    return FirstEpochs(epochs, read_runs)


def _open(
    location: Location,
    table: str,
    filters: Filters | None,
    columns: Sequence[str] | None,
    units: Units,
    first: FirstEpochs | None = None,
) -> tuple[Iterator[ds.Dataset], list[str] | None, Condition, Columns]:
    """Open the files of a table in which rows may match the filters, `_FILES` of them at a time.

    Returns:
        The files, the columns to read, the condition on the rows, and what is known of the columns.
    """
    check_units(units)
    schema = _schema(location, table)
    about = columns_in(schema.metadata, location.name)
    names = None if columns is None else list(dict.fromkeys(column(name, schema) for name in columns))
    if units == "target":
        names = needed(names, schema)
    if first:
        names = first.needed(names, schema, about)
    condition = Condition(filters, schema)
    root = location.path(table)
    with location.reading(root):
        files = partition_files(location.filesystem, root, schema, condition)
        partitioning = ds.partitioning(partition_schema(files, root, schema), flavor="hive")
    parts = (
        ds.dataset(
            files[start : start + _FILES],
            schema=schema,
            format="parquet",
            filesystem=location.filesystem,
            partitioning=partitioning,
            partition_base_dir=root,
        )
        for start in range(0, max(len(files), 1), _FILES)
    )
    return parts, names, condition, about


def _table_name(sweep: str | None, table: str) -> str:
    return f"{sweep}_summary" if sweep else table


def _frame(
    table: pa.Table, about: Columns, columns: Sequence[str] | None, units: Units, first: FirstEpochs | None
) -> pd.DataFrame:
    if first:
        table = first.cut(table, about)
    frame = table.rename_columns([dotted(name) for name in table.column_names]).to_pandas()
    for name in about.before.keys() & set(frame):
        frame[name] = frame[name].fillna(about.before[name])
    asked = None if columns is None else [dotted(name) for name in columns]
    kept = None if asked is None else [name if name in frame else of_test_set(name) for name in asked]
    if units == "target":
        frame = in_target_units(frame, None if kept is None else list(dict.fromkeys(kept)))
    if asked is None or kept is None:
        return frame
    found = frame[kept]
    found.columns = pd.Index(asked)
    return found


def _schema(location: Location, table: str) -> pa.Schema:
    if not is_word(table):  # which might lead elsewhere
        raise _missing(location, table)
    path = location.path(table, COMMON_METADATA)
    with location.reading(path):
        try:
            with location.filesystem.open_input_file(path) as file:
                return pq.read_schema(file)
        except FileNotFoundError:
            pass
    raise _missing(location, table)


def _missing(location: Location, table: str) -> InputError:
    """Say why a table is missing."""
    there = _tables(location)
    if there:
        sweep = table.removesuffix("_summary")
        if table != sweep and sweep in there:
            return InputError(f"{location.name}: {sweep!r} is a table, not a search space; pass table={sweep!r}")
        return InputError(f"{location.name}: no table {table!r}{nearest(table, there)}; there are {', '.join(there)}")
    with location.reading(location.root):
        if location.filesystem.get_file_info(location.root).type != fs.FileType.Directory:
            meant = nearest_path(Path(location.name), fits=Path.is_dir)
            return InputError(
                f"{location.name}: no such folder{meant}; expected the folder of a data set, with {SUMMARY}/ in it"
            )
    found = [info.base_name for info in _entries(location) if not is_of_system(info.base_name)]
    listed = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
    return InputError(
        f"{location.name}: not a data set: no table with a {COMMON_METADATA} file in it; found "
        f"{listed or 'an empty folder'}"
    )


def _tables(location: Location) -> list[str]:
    found = _entries(location)
    folders = [info.base_name for info in found if info.type == fs.FileType.Directory and is_word(info.base_name)]
    with location.reading(location.root):
        metadata: Any = location.filesystem.get_file_info([location.path(name, COMMON_METADATA) for name in folders])
    return [name for name, info in zip(folders, metadata, strict=True) if info.type == fs.FileType.File]


def _entries(location: Location) -> list[fs.FileInfo]:
    with location.reading(location.root):
        if location.filesystem.get_file_info(location.root).type != fs.FileType.Directory:
            return []
        found: Any = location.filesystem.get_file_info(fs.FileSelector(location.root))
    return sorted(found, key=lambda info: info.base_name)
