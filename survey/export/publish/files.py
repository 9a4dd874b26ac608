"""The files of a published data set, each made just before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.experiments_table import EXPERIMENTS, write_experiments
from survey.dataset.layout import EXECUTIVE, REPETITIONS, metadata_file, partition_file, partitions
from survey.dataset.reading import check_run_ids, open_table, read_schema
from survey.dataset.table_writer import TableWriter
from survey.errors import ExportError
from survey.text.names import inside

PERSONAL_COLUMNS = ("hostname",)
"""Columns that tell who made the data, or on which machine: published as null by default."""

FLAT = f"{EXECUTIVE}.parquet"
"""The executive summary as one file, with all columns in it."""

_FLAT_ROWS = 1000
"""Rows in a row group of that file: 36 MB with curves of 3000 epochs."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of the publication.

    Attributes:
        path: Path relative to the publication.
        make: Returns the file: either it writes to the path that it receives, or it returns an existing file.
    """

    path: str
    make: Callable[[Path], Path]


def table_pieces(dataset: Path, tables: Sequence[str], *, hostnames: bool) -> Iterator[Piece]:
    """Yield the files of the tables, unchanged except for `PERSONAL_COLUMNS`.

    Raises:
        InputError: A partition has an invalid name, or a file is a link that leads out of the data set.
    """
    for table in tables:
        folder = inside(dataset, table)
        yield Piece(f"{table}/_common_metadata", _as_it_is(metadata_file(dataset, table)))
        is_changed = table == REPETITIONS and not hostnames
        for partition in partitions(folder):
            file = partition_file(folder, partition)
            make = _without_personal(file) if is_changed else _as_it_is(file)
            yield Piece(str(file.relative_to(dataset)), make)


def flat_piece(dataset: Path) -> Piece:
    """Return the executive summary as one file, readable without its path."""
    return Piece(FLAT, lambda target: _write_flat(dataset, target))


def experiments_piece(dataset: Path) -> Piece:
    """Return the experiments as one file, that of the data set if it is up to date."""
    return Piece(EXPERIMENTS, lambda target: write_experiments(dataset, target=target))


def text_piece(path: str, text: str) -> Piece:
    """Return a file with a text."""

    def make(target: Path) -> Path:
        target.write_text(text, encoding="utf-8", newline="\n")
        return target

    return Piece(path, make)


def _as_it_is(file: Path) -> Callable[[Path], Path]:
    return lambda _: file


def _without_personal(file: Path) -> Callable[[Path], Path]:
    return lambda target: _write_without_personal(file, target)


def _write_without_personal(file: Path, target: Path) -> Path:
    try:
        with pq.ParquetFile(file) as source, TableWriter(target, source.schema_arrow) as writer:
            for number in range(source.num_row_groups):
                rows = source.read_row_group(number)
                check_run_ids(rows, file)
                for name in PERSONAL_COLUMNS:
                    index = rows.schema.get_field_index(name)
                    field = rows.schema.field(index)
                    rows = rows.set_column(index, field, pa.nulls(len(rows), field.type))
                writer.write(rows)
            writer.commit()
    except (pa.ArrowException, OSError) as error:
        raise ExportError(f"{file}: cannot be published: {error}; export again") from None
    return target


def _write_flat(dataset: Path, target: Path) -> Path:
    """Write all rows of the executive summary, with partition columns, in the order of the partitions."""
    try:
        schema, source = read_schema(dataset, EXECUTIVE), open_table(dataset, EXECUTIVE)
        with TableWriter(target, schema) as writer:
            waiting: list[pa.RecordBatch] = []
            for batch in source.to_batches():
                waiting.append(batch)
                if sum(map(len, waiting)) >= _FLAT_ROWS:
                    writer.write(pa.Table.from_batches(waiting))
                    waiting = []
            writer.write(pa.Table.from_batches(waiting, schema=schema))
            writer.commit()
    except (pa.ArrowException, OSError) as error:
        raise ExportError(f"{dataset / EXECUTIVE}: cannot be published: {error}; export again") from None
    return target
