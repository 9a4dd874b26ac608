"""Dropping artifacts with histories that are also in the data set, after comparing the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from survey.dataset.completed_runs import partition_runs
from survey.dataset.layout import REPETITIONS, columns_of, partition_file, partition_of
from survey.dataset.partition import OldRuns, conform, runs_schema
from survey.errors import ExportError
from survey.export.artifacts import Artifacts
from survey.export.mappers import Mapper
from survey.export.partition import PartitionJob
from survey.output.folder import Output, is_output
from survey.system.files import sync
from survey.tracking.finished import FinishedTrial
from survey.tracking.store import TrackingStore
from survey.workloads.columns import Columns


@dataclass(frozen=True)
class PruneResult:
    """The number of dropped artifacts, the bytes of those on a file system, and the number that may not be dropped."""

    num_artifacts: int
    num_bytes: int
    num_left: int = 0

    def __str__(self) -> str:
        left = f"; left {self.num_left:,} in a location without the marker of this output" if self.num_left else ""
        return (
            f"dropped {self.num_artifacts:,} artifacts ({self.num_bytes / 1e6:,.0f} MB) that the data set holds{left}"
        )


def prune_artifacts(
    output: Output, store: TrackingStore, mapper: Mapper = map, *, artifacts: str | None = None
) -> PruneResult:
    """Drop the history artifacts whose every row is in the data set.

    Rows are read back from both and compared value by value; an artifact with a missing or different row stays. MLflow
    runs are unchanged. Outside of the output nothing is dropped, unless the location has its marker.

    Args:
        output: The output.
        store: Its tracking store.
        mapper: How to share out the partitions.
        artifacts: URI of the location given by `--artifacts`, if any.

    Raises:
        ExportError: A file of the data set is damaged.
        TrackingError: The store cannot be read.
    """
    jobs, num_left = _jobs(output, store, Artifacts.of(output, store, artifacts))
    results = [result for result in mapper(prune_partition, jobs) if result]
    return PruneResult(sum(each.num_artifacts for each in results), sum(each.num_bytes for each in results), num_left)


def _jobs(output: Output, store: TrackingStore, artifacts: Artifacts) -> tuple[list[PartitionJob], int]:
    """Return the jobs, and the number of artifacts that may not be removed."""
    columns = columns_of(output.dataset)
    exported: dict[str, str] = {}
    for runs in partition_runs(output.dataset):
        exported |= dict.fromkeys(runs.mlflow_run_ids, runs.partition)
    trials: dict[str, list[FinishedTrial]] = {}
    num_left = 0
    candidates = (trial for trial in store.finished.trials() if trial.mlflow_run_id in exported)
    for trial in artifacts.existing(candidates):
        if artifacts.may_be_removed(trial):
            trials.setdefault(partition_of(trial.experiment, columns), []).append(trial)
        else:
            num_left += 1
    nothing: Mapping[str, frozenset[int]] = {}
    jobs = [
        PartitionJob(
            output.output_id, output.dataset, columns, name, tuple(its), nothing, frozenset(), artifacts, False
        )
        for name, its in sorted(trials.items())
    ]
    return jobs, num_left


def prune_partition(job: PartitionJob) -> PruneResult | None:
    """Drop the artifacts of a job's trials that are in the partition; return None on a machine without the output."""
    if not is_output(job.dataset.parent, job.output_id):
        return None
    file = partition_file(job.dataset / REPETITIONS, job.partition)
    runs = OldRuns(file)
    exported = set(runs.experiment_ids)
    for path in (file, *file.relative_to(job.dataset).parents):  # the data must survive a power failure
        sync(job.dataset / path)
    num_artifacts = num_bytes = 0
    for trial in sorted(job.trials, key=lambda trial: trial.experiment.experiment_id):
        experiment_id = trial.experiment.experiment_id
        if experiment_id not in exported:
            continue
        try:
            history = job.artifacts.read(trial)
        except ExportError:  # damaged: its content is unknown, so it stays
            continue
        if _holds(runs.of(experiment_id), history, trial.mlflow_run_id, job.columns):
            num_bytes += job.artifacts.remove(trial)
            num_artifacts += 1
    return PruneResult(num_artifacts, num_bytes)


def _holds(runs: pa.Table, history: pa.Table, mlflow_run_id: str, columns: Columns) -> bool:
    """Whether every row of a history is among the runs, with the same values: NaN equals NaN."""
    own = runs.filter(pa.array([each == mlflow_run_id for each in runs["mlflow_run_id"].to_pylist()]))
    schema = runs_schema(columns)
    own, history = (conform(each, schema, columns).sort_by("repetition") for each in (own, history))
    return len(own) == len(history) and all(_equal(own[name], history[name]) for name in own.column_names)


def _equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    if pa.types.is_list(one.type) and pa.types.is_float32(one.type.value_type):
        one_array, other_array = one.combine_chunks(), other.combine_chunks()
        lengths = one_array.offsets.to_numpy(), other_array.offsets.to_numpy()
        values = (each.flatten().to_numpy(zero_copy_only=False).view(np.int32) for each in (one_array, other_array))
        return np.array_equal(np.diff(lengths[0]), np.diff(lengths[1])) and np.array_equal(*values)
    return one.equals(other)
