"""Reading a data set: its tables, its files, and the sweeps that its schema names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.layout import REPETITIONS, metadata_file, partition_file, partitions
from survey.dataset.schema import PARTITION_COLUMNS
from survey.dataset.sweep_names import sweep_problem
from survey.errors import ExportError, InputError, OutputError
from survey.text.names import NULL, clash, inside, is_run_id

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def open_table(dataset: Path, name: str) -> ds.Dataset:
    """Open a table of a data set, partition columns included: the files of `partitions`, and no others.

    Raises:
        InputError: As `partitions`.
        pa.ArrowException, OSError: Its schema cannot be read.
    """
    import pyarrow.dataset as ds

    table, schema = inside(dataset, name), read_schema(dataset, name)
    keys = pa.schema([schema.field(column) for column in PARTITION_COLUMNS])
    return ds.dataset(
        [str(partition_file(table, partition)) for partition in partitions(table)],
        schema=schema,
        format="parquet",
        partitioning=ds.partitioning(keys, flavor="hive"),
        partition_base_dir=str(table),
    )


def read_schema(dataset: Path, name: str) -> pa.Schema:
    """Read the full schema of a table; errors as of `open_table`."""
    return pq.read_schema(metadata_file(dataset, name))


def sweeps_of(schema: pa.Schema, where: object) -> list[str]:
    """Names of the sweeps of a table, which are its boolean columns, in order.

    Args:
        schema: Of the table.
        where: What the schema was read from, for messages.

    Raises:
        InputError: No sweep can have the name of one, or two are one but for capitals; the message says which.
    """
    names = [field.name for field in schema if pa.types.is_boolean(field.type)]
    for name in names:
        if problem := sweep_problem(name):
            raise InputError(
                f"{where}: has the boolean column {name!r}, which cannot be the name of a sweep: {problem}"
            )
    if problem := clash(names, "sweep"):
        raise InputError(f"{where}: {problem}")
    return names


def check_run_ids(runs: pa.Table, file: Path) -> None:
    """Check the names of runs that were read from a file.

    Raises:
        InputError: One of them is none; the message says which.
    """
    for run_id in runs["run_id"].to_pylist():
        if not is_run_id(run_id):
            raise InputError(f"{file}: {run_id!r} is no run_id; expected experiment and repetition")


def read_file(file: Path, columns: list[str] | None = None) -> pa.Table:
    """Read one file of a data set, without partition columns.

    Raises:
        ExportError: The file is damaged.
    """
    try:
        # Not `read_table`, which would take partition columns from the path.
        return pq.ParquetFile(file).read(columns)
    except (pa.ArrowException, OSError) as error:
        raise ExportError(
            f"{file}: this file of the data set is damaged ({error}); remove it, and its runs are taken again from "
            f"their artifacts or trained again"
        ) from None


def with_partition(rows: pa.Table, partition: str, schema: pa.Schema) -> pa.Table:
    """Return rows of a partition with the columns that stand in its path."""
    for part in partition.split("/"):
        name, _, text = part.partition("=")
        value = pa.scalar(None if text == NULL else unquote(text), pa.string()).cast(schema.field(name).type)
        rows = rows.append_column(schema.field(name), pa.repeat(value, len(rows)))
    return rows


def check_task_digest(dataset: Path, task: str, digest: str) -> None:
    """Refuse to go on with a task whose data are not those of the rows that the data set holds.

    Raises:
        OutputError: Rows of another digest are there; the message names both.
    """
    table = dataset / REPETITIONS
    for partition in partitions(table, task):
        for found in read_file(partition_file(table, partition), ["task_digest"])["task_digest"].unique().to_pylist():
            if found != digest:
                raise OutputError(
                    f"{dataset}: holds runs of the task {task!r} on other data: there with digest {found[:16]}..., now "
                    f"with {digest[:16]}...; use another --out, or bring back the data that it was made with"
                )
