"""The experiments of a data set once more as one file, `experiments.parquet`, which every reader of Parquet takes.

A row for each, in the order of the partitions: the columns of the executive summary but for lists, typed, and with the
partition columns in it. The file says which summaries it is made of, so that after a change only what has changed is
read again. Nothing else is taken from it: where it is missing or damaged, it is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.layout import EXECUTIVE, SUMMARY, columns_of, partition_file, partitions
from survey.dataset.partition import conform, stored_fingerprint
from survey.dataset.reading import with_partition
from survey.dataset.schema import experiments_schema
from survey.dataset.table_writer import Slices, TableWriter
from survey.errors import ExportError
from survey.system.files import disk_full_error, is_disk_full
from survey.text.names import inside
from survey.workloads.columns import Columns

EXPERIMENTS = "experiments.parquet"

_PARTS = "survey.partitions"
_GROUP_ROWS = 10_000
"""Rows of a row group, or some more, as it ends with a partition: 20 MB in memory."""

_MOST_TABLES = 100
"""Tables of partitions that wait to be joined to one: each takes 100 kB, however few rows it has."""

_UNKNOWN = "?"
"""Stands for a partition whose summary does not say what it is made of: its rows are always read again."""

Bounds = tuple[int, int]
"""The first row, and the one after the last."""


class _DamagedError(Exception):
    """The rows of an earlier file cannot be read."""


def write_experiments(dataset: Path, known: Mapping[str, str] = {}, target: Path | None = None) -> Path:
    """Bring the file up to date.

    Args:
        dataset: Folder of the data set.
        known: Fingerprints of the summaries of partitions; others are read from their files.
        target: Where to write it; in the data set if None.

    Returns:
        The file of the data set if it is up to date, else the one that has been written.

    Raises:
        InputError: The file is a link that leads out of the data set.
        ExportError: A file of the executive summary is damaged, or the file cannot be written.
        DiskFullError: There is no room left for it.
    """
    own = inside(dataset, EXPERIMENTS)
    old, schema = _Earlier.read(own), _schema(dataset)
    keys = {
        name: _key(name, known.get(name) or stored_fingerprint(dataset, name))
        for name in partitions(dataset / EXECUTIVE)
    }
    if old.is_of(schema, list(keys.values())):
        return own
    file = target or own
    try:
        try:
            _write(file, dataset, keys, schema, old)
        except _DamagedError:
            _write(file, dataset, keys, schema, _Earlier())
    except (OSError, pa.ArrowException) as error:
        if is_disk_full(error):
            raise disk_full_error(file) from None
        raise ExportError(f"{file}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    return file


def _schema(dataset: Path) -> pa.Schema:
    file = dataset / EXECUTIVE / "_common_metadata"
    try:
        return experiments_schema(pq.read_schema(file))
    except (OSError, pa.ArrowException) as error:
        raise ExportError(f"{file}: cannot be read: {error}; export again") from None


def _key(partition: str, fingerprint: str | None) -> str:
    """What stands for a partition and the state of its summary."""
    return hashlib.sha256(f"{partition}\n{fingerprint}".encode()).hexdigest()[:32] if fingerprint else _UNKNOWN


class _Earlier:
    """The file as an earlier export has left it; without rows where there is none that is whole.

    Attributes:
        bounds: Where the rows of each partition are, by its key.
    """

    def __init__(self, rows: Slices | None = None, parts: str = "") -> None:
        self._rows = rows
        self.bounds: dict[str, Bounds] = {}
        end = 0
        for key, count in (line.split() for line in parts.splitlines()):
            self.bounds[key] = (end, end := end + int(count))
        if end != (rows.num_rows if rows else 0):
            raise ValueError("its partitions have other rows than the file")
        self.bounds.pop(_UNKNOWN, None)

    @classmethod
    def read(cls, file: Path) -> _Earlier:
        try:
            rows = Slices(file)
            return cls(rows, rows.metadata[_PARTS.encode()].decode())
        except (OSError, pa.ArrowException, KeyError, ValueError):
            return cls()

    def is_of(self, schema: pa.Schema, keys: list[str]) -> bool:
        """Whether it is made of these summaries."""
        same = self._rows is not None and self._rows.schema.equals(schema, check_metadata=True)
        return same and list(self.bounds) == keys

    def rows(self, start: int, end: int) -> pa.Table:
        """Some of its rows.

        Raises:
            _DamagedError: They cannot be read.
        """
        assert self._rows is not None
        try:
            return self._rows.rows(start, end)
        except (OSError, pa.ArrowException) as error:
            raise _DamagedError from error


def _write(file: Path, dataset: Path, keys: Mapping[str, str], schema: pa.Schema, old: _Earlier) -> None:
    """Write the file; row groups end with the same partitions however many have changed."""
    parts: list[str] = []
    columns = columns_of(dataset)
    group = _Group(schema, columns, old)
    with TableWriter(file, schema) as writer:
        for partition, key in keys.items():
            rows = old.bounds.get(key) or _read(dataset, partition, schema)
            parts.append(f"{key} {group.add(rows)}")
            if group.num_rows >= _GROUP_ROWS:
                writer.write(group.table())
                group = _Group(schema, columns, old)
        if group.num_rows or not parts:
            writer.write(group.table())
        writer.commit({_PARTS: "\n".join(parts)})


class _Group:
    """The rows of some partitions: read anew, or taken from the earlier file, in which many stand one after the other.

    Attributes:
        num_rows: How many they are.
    """

    def __init__(self, schema: pa.Schema, columns: Columns, old: _Earlier) -> None:
        self._schema, self._columns, self._old = schema, columns, old
        self._tables = [schema.empty_table()]
        self._fresh: list[pa.Table] = []
        self._old_bounds: Bounds | None = None
        self.num_rows = 0

    def add(self, rows: pa.Table | Bounds) -> int:
        """Add the rows of a partition, and return how many they are."""
        if isinstance(rows, pa.Table):
            if self._old_bounds or len(self._fresh) == _MOST_TABLES:
                self._settle()
            self._fresh.append(rows)
            count = len(rows)
        else:
            if self._old_bounds and self._old_bounds[1] == rows[0]:
                self._old_bounds = (self._old_bounds[0], rows[1])
            else:
                self._settle()
                self._old_bounds = rows
            count = rows[1] - rows[0]
        self.num_rows += count
        return count

    def _settle(self) -> None:
        """Make one table in the schema of what waits; what a partition of an older version does not have is null."""
        waiting = [self._old.rows(*self._old_bounds)] if self._old_bounds else self._fresh
        joined = pa.concat_tables([self._schema.empty_table(), *waiting], promote_options="default")
        self._tables.append(conform(joined, self._schema, self._columns).combine_chunks())
        self._fresh, self._old_bounds = [], None

    def table(self) -> pa.Table:
        """All rows."""
        self._settle()
        return pa.concat_tables(self._tables).combine_chunks()


def _read(dataset: Path, partition: str, schema: pa.Schema) -> pa.Table:
    """The rows of a partition from the executive summary."""
    file = partition_file(dataset / EXECUTIVE, partition)
    wanted = set(schema.names)
    try:
        with pq.ParquetFile(file) as source:
            rows = source.read([name for name in source.schema_arrow.names if name in wanted])
    except (OSError, pa.ArrowException) as error:
        summary = partition_file(dataset / SUMMARY, partition)
        raise ExportError(
            f"{file}: this file of the data set is damaged ({error}); remove {summary} and export again: all summaries "
            f"of the partition are made again then"
        ) from None
    return with_partition(rows, partition, schema)
