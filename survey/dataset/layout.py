"""The layout of the data set: hive-partitioned Parquet as published, one file per partition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from survey.dataset.schema import PARTITION_COLUMNS
from survey.errors import ExportError
from survey.text.names import check_partition, inside, partition_folder, partition_problem
from survey.workloads.experiment import Experiment

REPETITIONS = "all_repetitions"
SUMMARY = "complete_summary"
EXECUTIVE = "complete_executive_summary"

_FILE = "part-0.parquet"
METADATA = "_common_metadata"
"""The file of a table with its full schema."""


def sweep_table(sweep: str) -> str:
    """Return the name of the table that summarises a sweep."""
    return f"{sweep}_summary"


def sweep_of(table: str) -> str:
    """Return the name of the sweep that a table summarises; an empty string for other tables."""
    return table.removesuffix("_summary") if table.endswith("_summary") else ""


def partition_of(experiment: Experiment) -> str:
    """Return the path of an experiment's partition, relative to its table, such as `dataset=mnist/.../depth=3`."""
    settings = {**experiment.to_dict(), "kernel_regularizer.type": experiment.kernel_regularizer_type}
    return "/".join(partition_folder(name, settings[name]) for name in PARTITION_COLUMNS)


def partitions(table: Path, task: str | None = None) -> Iterator[str]:
    """Yield the partitions of a table that have a file, in order; ignore other files and folders.

    Args:
        table: Folder of the table.
        task: Yield only those of this task.

    Raises:
        InputError: A folder has a value that its column cannot have, or a link leads out of the table.
        ExportError: A folder cannot be listed.
    """
    found = [""] if task is None else [f"{partition_folder('dataset', task)}/"]
    for column in PARTITION_COLUMNS[task is not None :]:
        found = [f"{above}{name}/" for above in found for name in _folders(table, above, column)]
    yield from sorted(each.rstrip("/") for each in found if _is_file(table, f"{each}{_FILE}"))


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
    names = PARTITION_COLUMNS[: PARTITION_COLUMNS.index("label_noise") + 1]
    for folder in (dataset / REPETITIONS).glob("/".join(f"{name}=*" for name in names)):
        for part in folder.parts[-len(names) :]:
            name, _, text = part.partition("=")
            if name in ("learning_rate", "label_noise"):
                with suppress(ValueError):  # null, or not written by us
                    yield name, float(text)


def partition_file(table: Path, partition: str) -> Path:
    """Return the file of a partition."""
    return table / partition / _FILE


def is_file_of_table(path: str) -> bool:
    """Whether a table can have a file of this path, relative to its folder."""
    *folders, name = path.split("/")
    if not folders:
        return name == METADATA
    columns = tuple(folder.partition("=")[0] for folder in folders)
    return name == _FILE and columns == PARTITION_COLUMNS and not any(map(partition_problem, folders))


def task_of(partition: str) -> str:
    """Return the task of a partition."""
    return unquote(partition.partition("/")[0].partition("=")[2])


def existing_tasks(dataset: Path) -> list[str]:
    """Return the tasks for which a data set has a folder, sorted."""
    table = dataset / REPETITIONS
    return sorted(task_of(folder) for folder in _folders(table, "", PARTITION_COLUMNS[0]))


def metadata_file(dataset: Path, name: str) -> Path:
    """Return the file of a table with its full schema.

    Raises:
        InputError: It is a link that leads out of the data set.
    """
    return inside(dataset, name, METADATA)
