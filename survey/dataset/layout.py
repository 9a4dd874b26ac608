"""The data set on disk: hive-partitioned Parquet in the published layout, one file for each partition."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.schema import PARTITION_COLUMNS
from survey.dataset.sweep_names import sweep_problem
from survey.errors import ExportError, InputError, OutputError
from survey.experiments.experiment import Experiment
from survey.system.files import replacing
from survey.text.names import NULL, check_partition, clash, inside, is_run_id, partition_folder, partition_problem

if TYPE_CHECKING:
    import pyarrow.dataset as ds

REPETITIONS = "all_repetitions"
SUMMARY = "complete_summary"
EXECUTIVE = "complete_executive_summary"

_FILE = "part-0.parquet"
_METADATA = "_common_metadata"


def sweep_table(sweep: str) -> str:
    """Name of the table that summarises a sweep."""
    return f"{sweep}_summary"


def sweep_of(table: str) -> str:
    """Name of the sweep that a table summarises; an empty string where it is not called so."""
    return table.removesuffix("_summary") if table.endswith("_summary") else ""


def partition_of(experiment: Experiment) -> str:
    """Path of the partition that holds an experiment, relative to its table, such as `dataset=mnist/.../depth=3`."""
    settings = {**experiment.to_dict(), "kernel_regularizer.type": experiment.kernel_regularizer_type}
    return "/".join(partition_folder(name, settings[name]) for name in PARTITION_COLUMNS)


def partitions(table: Path, task: str | None = None) -> Iterator[str]:
    """Yield the partitions of a table that have a file, in order; whatever else lies in its folder is left alone.

    Args:
        table: Folder of the table.
        task: Those of this task alone.

    Raises:
        InputError: A folder has a value that its column cannot hold, or a link leads out of the table.
        ExportError: A folder cannot be listed.
    """
    found = [""] if task is None else [f"{partition_folder('dataset', task)}/"]
    for column in PARTITION_COLUMNS[task is not None :]:
        found = [f"{above}{name}/" for above in found for name in _folders(table, above, column)]
    yield from sorted(each.rstrip("/") for each in found if _is_file(table, f"{each}{_FILE}"))


def _folders(table: Path, above: str, column: str) -> Iterator[str]:
    """Yield the folders of a column's values."""
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


def with_partition(rows: pa.Table, partition: str, schema: pa.Schema) -> pa.Table:
    """Return rows of a partition with the columns that stand in its path."""
    for part in partition.split("/"):
        name, _, text = part.partition("=")
        value = pa.scalar(None if text == NULL else unquote(text), pa.string()).cast(schema.field(name).type)
        rows = rows.append_column(schema.field(name), pa.repeat(value, len(rows)))
    return rows


def floats_held(dataset: Path) -> Iterator[tuple[str, float]]:
    """Yield names and values of the hyperparameters in the paths of its partitions that its columns hold as float32."""
    names = PARTITION_COLUMNS[: PARTITION_COLUMNS.index("label_noise") + 1]
    for folder in (dataset / REPETITIONS).glob("/".join(f"{name}=*" for name in names)):
        for part in folder.parts[-len(names) :]:
            name, _, text = part.partition("=")
            if name in ("learning_rate", "label_noise"):
                with suppress(ValueError):  # null, or nothing that we have written
                    yield name, float(text)


def partition_file(table: Path, partition: str) -> Path:
    """The one file of a partition."""
    return table / partition / _FILE


def is_file_of_table(path: str) -> bool:
    """Whether a table can have a file of this path, relative to its folder."""
    *folders, name = path.split("/")
    if not folders:
        return name == _METADATA
    columns = tuple(folder.partition("=")[0] for folder in folders)
    return name == _FILE and columns == PARTITION_COLUMNS and not any(map(partition_problem, folders))


def task_of(partition: str) -> str:
    """The task of a partition."""
    return unquote(partition.partition("/")[0].partition("=")[2])


def tasks_held(dataset: Path) -> list[str]:
    """The tasks that a data set has a folder for."""
    table = dataset / REPETITIONS
    return sorted(task_of(folder) for folder in _folders(table, "", PARTITION_COLUMNS[0]))


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


def metadata_file(dataset: Path, name: str) -> Path:
    """The file of a table that has its full schema.

    Raises:
        InputError: It is a link that leads out of the data set.
    """
    return inside(dataset, name, _METADATA)


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


def write_common_metadata(table: Path, schema: pa.Schema) -> None:
    """Write `_common_metadata`, the full schema with the partition columns, if it is not there as it should be."""
    file = table / _METADATA
    if file.exists() and pq.read_schema(file).equals(schema, check_metadata=True):
        return
    table.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        pq.write_metadata(schema, temporary)


@dataclass(frozen=True)
class PartitionRuns:
    """The runs that a partition holds, in the order of its file.

    Attributes:
        partition: Path of the partition, relative to its table.
        experiment_ids: uint64 [runs].
        repetitions: uint16 [runs].
        mlflow_run_ids: [runs], the MLflow run of the trial that trained each.
    """

    partition: str
    experiment_ids: np.ndarray
    repetitions: np.ndarray
    mlflow_run_ids: tuple[str, ...]

    def add_to(self, done: dict[int, set[int]], replaced: Collection[str] = ()) -> None:
        """Add the repetitions to those of each experiment_id, but for those of `replaced` MLflow runs."""
        for experiment_id, repetition, mlflow_run_id in zip(
            self.experiment_ids.tolist(), self.repetitions.tolist(), self.mlflow_run_ids, strict=True
        ):
            if mlflow_run_id not in replaced:
                done.setdefault(experiment_id, set()).add(repetition)


def runs_held(dataset: Path) -> Iterator[PartitionRuns]:
    """Yield the runs that the data set holds, partition by partition.

    Raises:
        ExportError: A file is damaged.
    """
    table = dataset / REPETITIONS
    for partition in partitions(table):
        rows = read_file(partition_file(table, partition), ["experiment_id", "repetition", "mlflow_run_id"])
        ids, repetitions = rows["experiment_id"].to_numpy(), rows["repetition"].to_numpy()
        yield PartitionRuns(partition, ids, repetitions, tuple(rows["mlflow_run_id"].to_pylist()))


def runs_done(dataset: Path, replaced: Collection[str] = ()) -> dict[int, set[int]]:
    """Return the repetitions that the data set holds, by experiment_id, but for those of `replaced` MLflow runs."""
    done: dict[int, set[int]] = {}
    for held in runs_held(dataset):
        held.add_to(done, replaced)
    return done


class TrainedRuns(NamedTuple):
    """Repetitions of an experiment, and the MLflow run of the trial that trained them."""

    mlflow_run_id: str
    experiment_id: int
    repetitions: tuple[int, ...]


def runs_trained(dataset: Path, experiment_ids: Collection[int]) -> Iterator[TrainedRuns]:
    """Yield the rows of some experiments, one by one, with what trained them."""
    for held in runs_held(dataset):
        for run in zip(held.mlflow_run_ids, held.experiment_ids.tolist(), held.repetitions.tolist(), strict=True):
            mlflow_run_id, experiment_id, repetition = run
            if experiment_id in experiment_ids:
                yield TrainedRuns(mlflow_run_id, experiment_id, (repetition,))


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
