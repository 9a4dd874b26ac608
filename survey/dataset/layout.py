"""The layout of the data set: hive-partitioned Parquet as published, one file per partition."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.schema import columns_in
from survey.errors import ExportError
from survey.text.names import check_partition, inside, partition_folder, partition_problem
from survey.workloads.columns import Columns
from survey.workloads.experiment import Experiment

REPETITIONS = "all_repetitions"
SUMMARY = "complete_summary"
EXECUTIVE = "complete_executive_summary"

_FILE = "part-0.parquet"
METADATA = "_common_metadata"
"""The file of a table with its full schema."""

_TASK = "dataset"
"""The column, if a workload has it among those in the paths, with the name of the task."""


def sweep_table(sweep: str) -> str:
    """Return the name of the table that summarises a sweep."""
    return f"{sweep}_summary"


def sweep_of(table: str) -> str:
    """Return the name of the sweep that a table summarises; an empty string for other tables."""
    return table.removesuffix("_summary") if table.endswith("_summary") else ""


def columns_of(dataset: Path) -> Columns:
    """Return the columns of the workload that a data set is of: networks, if it does not say.

    Raises:
        InputError: The workload is not installed, or the file that says so is a link that leads out of the data set.
        ExportError: That file is damaged.
    """
    file = metadata_file(dataset, REPETITIONS)
    try:
        metadata = pq.read_metadata(file).metadata
    except FileNotFoundError:
        metadata = None
    except (pa.ArrowException, OSError) as error:
        raise ExportError(f"{file}: cannot be read: {error}; export again") from None
    return columns_in(metadata, dataset)


def partition_of(experiment: Experiment, columns: Columns) -> str:
    """Return the path of an experiment's partition, relative to its table, such as `dataset=mnist/.../depth=3`."""
    return "/".join(partition_folder(name, getattr(experiment, field_of(name))) for name in columns.partition)


def field_of(column: str) -> str:
    """Return the field of an experiment that a column of the data set has."""
    return column.replace(".", "_")


def partitions(table: Path, task: str | None = None) -> Iterator[str]:
    """Yield the partitions of a table that have a file, in order; ignore other files and folders.

    Args:
        table: Folder of the table, in its data set.
        task: Yield only those of this task; all, if tasks are not in the paths.

    Raises:
        InputError: A folder has a value that its column cannot have, or a link leads out of the table.
        ExportError: A folder cannot be listed.
    """
    found = _below(table, columns_of(table.parent).partition, task)
    yield from sorted(each.rstrip("/") for each in found if _is_file(table, f"{each}{_FILE}"))


def _below(table: Path, columns: Sequence[str], task: str | None = None) -> list[str]:
    """The folders of a table at the depth of these columns, each with a slash at its end."""
    found = [""]
    for column in columns:
        if column == _TASK and task is not None:
            found = [f"{above}{partition_folder(column, task)}/" for above in found]
        else:
            found = [f"{above}{name}/" for above in found for name in _folders(table, above, column)]
    return found


def _folders(table: Path, above: str, column: str) -> Iterator[str]:
    try:
        with os.scandir(table / above) as entries:
            for entry in entries:
                if entry.name.startswith(f"{column}=") and entry.is_dir():
                    if entry.is_symlink():
                        inside(table, above, entry.name)
                    check_partition([entry.name], table)
                    yield entry.name
    except FileNotFoundError:
        return
    except OSError as error:
        raise ExportError(f"{table / above}: cannot be listed: {error.strerror or error}") from None


def _is_file(table: Path, path: str) -> bool:
    file = table / path
    return (inside(table, path) if file.is_symlink() else file).is_file()


def floats_in_paths(dataset: Path) -> Iterator[tuple[str, float]]:
    """Yield name and value of each hyperparameter that is float32 in the columns, from the paths of the partitions."""
    columns = columns_of(dataset)
    floats = {name for name in columns.partition if columns.experiment[name][0] == pa.float32()}
    names = columns.partition[: max((columns.partition.index(name) + 1 for name in floats), default=0)]
    for folder in (dataset / REPETITIONS).glob("/".join(f"{name}=*" for name in names)) if names else ():
        for part in folder.parts[-len(names) :]:
            name, _, text = part.partition("=")
            if name in floats:
                with suppress(ValueError):  # null, or not written by us
                    yield field_of(name), float(text)


def partition_file(table: Path, partition: str) -> Path:
    """Return the file of a partition."""
    return table / partition / _FILE


def is_file_of_table(path: str, columns: Columns) -> bool:
    """Whether a table can have a file of this path, relative to its folder."""
    *folders, name = path.split("/")
    if not folders:
        return name == METADATA
    names = tuple(folder.partition("=")[0] for folder in folders)
    return name == _FILE and names == tuple(columns.partition) and not any(map(partition_problem, folders))


def values_of(partition: str) -> dict[str, str]:
    """Return the values in the path of a partition, as text, by column."""
    parts = (part.partition("=") for part in partition.split("/"))
    return {name: unquote(text) for name, _, text in parts}


def task_of(partition: str) -> str:
    """Return the task of a partition; an empty string if tasks are not in the paths."""
    return values_of(partition).get(_TASK, "")


def existing_tasks(dataset: Path) -> list[str]:
    """Return the tasks for which a data set has a folder, sorted; none if tasks are not in the paths."""
    columns = columns_of(dataset).partition
    if _TASK not in columns:
        return []
    return sorted(
        {task_of(folder.rstrip("/")) for folder in _below(dataset / REPETITIONS, columns[: columns.index(_TASK) + 1])}
    )


def metadata_file(dataset: Path, name: str) -> Path:
    """Return the file of a table with its full schema.

    Raises:
        InputError: It is a link that leads out of the data set.
    """
    return inside(dataset, name, METADATA)
