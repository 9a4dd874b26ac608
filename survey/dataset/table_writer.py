"""Reading and writing Parquet tables of curves piece by piece; writing is atomic."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.schema import is_curve
from survey.system.files import remove_leftovers, replacing, sync, temporary_file

_BUFFER_BYTES = 2**18
"""What is written at once: a column of a small table is some hundred bytes."""


class Slices:
    """Rows of a Parquet file by position, with few row groups in memory; fastest if read in order.

    Args:
        file: The file.

    Raises:
        OSError, pyarrow.ArrowException: It cannot be read; from every method too.

    Attributes:
        num_rows: Number of rows of the file.
        schema: Its schema.
        metadata: Its key-value metadata.
    """

    def __init__(self, file: Path) -> None:
        self._file = pq.ParquetFile(file)
        about = self._file.metadata
        self.num_rows, self.schema = about.num_rows, self._file.schema_arrow
        self.metadata: Mapping[bytes, bytes] = about.metadata or {}
        self._bounds = np.cumsum([0, *(about.row_group(k).num_rows for k in range(about.num_row_groups))])
        self._groups = range(0)
        self._table = pa.table({})

    def rows(self, start: int, end: int) -> pa.Table:
        """Return the rows from `start` up to, but without, `end`."""
        first = int(np.searchsorted(self._bounds, start, side="right")) - 1
        last = int(np.searchsorted(self._bounds, end, side="left"))
        if self._groups != range(first, last):
            self._table = self._file.read_row_groups(list(range(first, last)))
            self._groups = range(first, last)
        offset = int(self._bounds[first])
        return self._table.slice(start - offset, end - start)


class TableWriter:
    """Writes a table beside its target and renames it, so that a reader finds either the old file or the new one.

    Floats of list columns are split by byte, which compresses curves best; texts have dictionaries. Numbers have none:
    they are few beside the curves, and to make one takes as long as all else about a small column.
    As a context manager it leaves nothing behind unless `commit` was called; the next writer of the same file removes
    the remains of a killed process.

    Args:
        file: The target.
        schema: Of the table.
        compression: `zstd`, by which large tables are some 3 % smaller, or `lz4`, which compresses small ones as well
            and does not take as long again to set itself up for each column.
    """

    def __init__(self, file: Path, schema: pa.Schema, *, compression: str = "zstd") -> None:
        self.file = file
        remove_leftovers(file)
        self._temporary = temporary_file(file)
        options: Any = {
            "use_byte_stream_split": [f"{field.name}.list.element" for field in schema if is_curve(field)],
            "use_dictionary": [field.name for field in schema if pa.types.is_string(field.type)],
        }
        self._sink = pa.output_stream(self._temporary, buffer_size=_BUFFER_BYTES)
        self._writer = pq.ParquetWriter(self._sink, schema, compression=compression, **options)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.discard()

    def write(self, table: pa.Table) -> None:
        """Write a table as one row group."""
        self._writer.write_table(table, row_group_size=max(1, len(table)))

    def commit(
        self, metadata: Mapping[str, str] | None = None, copies: Iterable[Path] = (), *, lasting: bool = True
    ) -> None:
        """Put the table in its place, with further metadata of the file. Copies of it are put in place first.

        Args:
            metadata: The further metadata.
            copies: Where to put copies.
            lasting: As for `survey.system.files.replacing`.
        """
        if metadata:
            self._writer.add_key_value_metadata(dict(metadata))
        self._close()
        for copy in copies:
            copy.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(copy)
            with replacing(copy) as temporary:
                shutil.copyfile(self._temporary, temporary)
        if lasting:
            sync(self._temporary)
        self._temporary.replace(self.file)

    def discard(self) -> None:
        """Remove what has been written and not committed."""
        try:
            self._close()
        finally:
            self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        with self._sink:
            self._writer.close()


def write_table(table: pa.Table, file: Path) -> None:
    """Write a table, as one row group, to a file that need not survive a power failure."""
    with TableWriter(file, table.schema, compression="lz4") as writer:
        writer.write(table)
        writer.commit(lasting=False)
