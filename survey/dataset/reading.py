"""Reading a data set: its tables, its files, and the sweeps in its schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.layout import REPETITIONS, columns_of, metadata_file, partition_file, partitions
from survey.dataset.schema import columns_in
from survey.dataset.sweep_names import sweep_problem
from survey.errors import ExportError, InputError, OutputError
from survey.text.names import NULL, clash, inside, is_run_id

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def open_table(dataset: Path, name: str) -> ds.Dataset:
    """Open a table of a data set, including partition columns: only the files of `partitions`.

    Raises:
        InputError: As for `partitions`.
        pa.ArrowException, OSError: Its schema cannot be read.
    """
    import pyarrow.dataset as ds

    table, schema = inside(dataset, name), read_schema(dataset, name)
    keys = pa.schema([schema.field(column) for column in columns_of(dataset).partition])
    return ds.dataset(
        [str(partition_file(table, partition)) for partition in partitions(table)],
        schema=schema,
        format="parquet",
        partitioning=ds.partitioning(keys, flavor="hive"),
        partition_base_dir=str(table),
    )


def read_schema(dataset: Path, name: str) -> pa.Schema:
    """Read the full schema of a table; errors as for `open_table`."""
    return pq.read_schema(metadata_file(dataset, name))


def sweeps_of(schema: pa.Schema, where: object) -> list[str]:
    """Return the names of the sweeps of a table, which are its boolean columns but the workload's own, in order.

    Args:
        schema: Schema of the table.
        where: Source of the schema, for messages.

    Raises:
        InputError: A name is invalid, or two differ only in capitals; the message says which. The workload is not
            installed.
    """
    columns = columns_in(schema.metadata, where)
    flags = (field.name for field in schema if pa.types.is_boolean(field.type))
    names = [name for name in flags if name not in columns.experiment]
    for name in names:
        if problem := sweep_problem(name, columns):
            raise InputError(
                f"{where}: has the boolean column {name!r}, which is not a valid name of a search space: {problem}"
            )
    if problem := clash(names, "search space"):
        raise InputError(f"{where}: {problem}")
    return names


def check_run_ids(runs: pa.Table, file: Path) -> None:
    """Check the ids of runs read from a file.

    Raises:
        InputError: One is invalid; the message says which.
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
            f"{file}: this file of the data set is damaged ({error}); remove it, and its runs are exported again from "
            f"their artifacts, or trained again"
        ) from None


def with_partition(rows: pa.Table, partition: str, schema: pa.Schema) -> pa.Table:
    """Return rows of a partition with the columns in its path."""
    for part in partition.split("/"):
        name, _, text = part.partition("=")
        value = pa.scalar(None if text == NULL else unquote(text), pa.string()).cast(schema.field(name).type)
        rows = rows.append_column(schema.field(name), pa.repeat(value, len(rows)))
    return rows


def check_task_digest(dataset: Path, task: str, digest: str) -> None:
    """Check that the data of a task are those of its runs in the data set, if that tells.

    Raises:
        OutputError: It has runs with another digest; the message names both.
    """
    if "task_digest" not in columns_of(dataset).experiment:
        return
    table = dataset / REPETITIONS
    for partition in partitions(table, task):
        for found in read_file(partition_file(table, partition), ["task_digest"])["task_digest"].unique().to_pylist():
            if found != digest:
                raise OutputError(
                    f"{dataset}: has runs of the task {task!r} on other data, with digest {found[:16]}..., now "
                    f"{digest[:16]}...; use another --out, or restore the original data"
                )
