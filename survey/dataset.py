"""The data set on disk: hive-partitioned Parquet in the published layout, one file for each partition."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.errors import ExportError, OutputError
from survey.experiment import Experiment
from survey.files import replacing
from survey.schema import PARTITION_COLUMNS

REPETITIONS = "all_repetitions"
SUMMARY = "complete_summary"
EXECUTIVE = "complete_executive_summary"

_FILE = "part-0.parquet"
_NULL = "__HIVE_DEFAULT_PARTITION__"


def sweep_table(sweep: str) -> str:
    """Name of the table that summarises a sweep."""
    return f"{sweep}_summary"


def partition_of(experiment: Experiment) -> str:
    """Path of the partition that holds an experiment, relative to its table, such as `dataset=mnist/.../depth=3`."""
    settings = {**experiment.to_dict(), "kernel_regularizer.type": experiment.kernel_regularizer_type}
    values = [_NULL if settings[name] is None else quote(str(settings[name]), safe="") for name in PARTITION_COLUMNS]
    return "/".join(f"{name}={value}" for name, value in zip(PARTITION_COLUMNS, values, strict=True))


def partitions(table: Path) -> Iterator[str]:
    """Yield the partitions of a table that have a file, in order."""
    yield from sorted(str(file.parent.relative_to(table)) for file in table.glob(f"*/**/{_FILE}"))


def with_partition(rows: pa.Table, partition: str, schema: pa.Schema) -> pa.Table:
    """Return rows of a partition with the columns that stand in its path."""
    for part in partition.split("/"):
        name, _, text = part.partition("=")
        value = pa.scalar(None if text == _NULL else unquote(text), pa.string()).cast(schema.field(name).type)
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
    file = table / "_common_metadata"
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
    for folder in table.glob(f"dataset={quote(task, safe='')}"):
        for file in folder.rglob(_FILE):
            for found in read_file(file, ["task_digest"])["task_digest"].unique().to_pylist():
                if found != digest:
                    raise OutputError(
                        f"{dataset}: holds runs of the task {task!r} on other data: there with digest {found[:16]}..., "
                        f"now with {digest[:16]}...; use another --out, or bring back the data that it was made with"
                    )
