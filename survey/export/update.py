"""From finished MLflow runs to the data set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from survey.dataset.completed_runs import CompletedRuns, partition_runs
from survey.dataset.experiments_table import write_experiments
from survey.dataset.layout import columns_of, partition_of
from survey.dataset.partition import fingerprint_of, stored_fingerprint, write_schemas
from survey.errors import ExportError
from survey.export.artifacts import Artifacts
from survey.export.mappers import Mapper
from survey.export.partition import PartitionJob, found_in, update_partition
from survey.output.folder import Output
from survey.spaces.search_space import sweep_of
from survey.system.files import disk_full_error, is_disk_full
from survey.tracking.finished import FinishedTrial
from survey.workloads.columns import Columns

if TYPE_CHECKING:
    from survey.tracking.store import TrackingStore


@dataclass(frozen=True)
class ExportResult:
    """What an export did.

    Attributes:
        num_new_runs: Number of runs that are new to the data set.
        num_partitions_written: Number of partitions that were rewritten.
        damaged: A message for each artifact that cannot be read; its runs count as missing.
        num_partitions_left: Number of partitions that were left out of date.
    """

    num_new_runs: int
    num_partitions_written: int
    damaged: tuple[str, ...]
    num_partitions_left: int = 0


def update_dataset(
    output: Output,
    store: TrackingStore,
    mapper: Mapper = map,
    *,
    artifacts: str | None = None,
    only_new_runs: bool = False,
) -> ExportResult:
    """Bring the data set of an output up to date with its finished MLflow runs.

    Args:
        output: The output.
        store: Its tracking store.
        mapper: How to share out the partitions.
        artifacts: URI of the location given by `--artifacts`, if any.
        only_new_runs: Leave partitions without new runs unchanged, even if their summaries or sweep flags are out of
            date, as all of them are after a new sweep.

    Raises:
        InputError: By the store, histories are in a location that nobody named.
        ExportError: The data set is damaged or cannot be written.
        TrackingError: The store cannot be read.
    """
    identity = output.identity
    contents, version = identity.contents, identity.training_version
    sweeps = {
        sweep_of(space): frozenset(each.experiment_id for each in space.experiments(contents, training_version=version))
        for space in output.search_spaces.read()
    }
    columns, before = output.workload.columns, columns_of(output.dataset)
    if columns.metrics.is_open and columns.workload == before.workload:
        columns = columns.recording(before.metrics.names)
    superseded = output.redo_log.superseded
    partitions, done = exported_partitions(output.dataset, sweeps, superseded)
    if columns.experiment.keys() - before.experiment.keys() and columns.metrics.is_open:
        for its in partitions.values():  # their rows lack an axis
            its.is_stale = True
    trials = store.finished.trials(done=done, superseded=superseded)
    all_jobs = _jobs(output, columns, trials, sweeps, partitions, Artifacts.of(output, store, artifacts))
    jobs = [job for job in all_jobs if job.trials or not only_new_runs]
    if columns.metrics.is_open:
        columns = columns.recording(name for names in mapper(found_in, jobs) for name in names or ())
        jobs = [replace(job, columns=columns) for job in jobs]
    _write_schemas(output.dataset, columns, sorted(sweeps))
    results = [result for result in mapper(update_partition, jobs) if result]
    changed = {job.partition for job in all_jobs}
    known = {name: its.fingerprint for name, its in partitions.items() if name not in changed}
    known |= {result.partition: result.fingerprint for result in results}
    write_experiments(output.dataset, known)
    return ExportResult(
        sum(result.num_new_runs for result in results),
        sum(bool(result.fingerprint) for result in results),
        tuple(message for result in results for message in result.damaged),
        len(all_jobs) - len(jobs),
    )


def _write_schemas(dataset: Path, columns: Columns, sweeps: Sequence[str]) -> None:
    """Write the schemas, before the partitions: the next export understands what an interrupted one has left."""
    try:
        write_schemas(dataset, columns, sweeps)
    except OSError as error:
        if is_disk_full(error):
            raise disk_full_error(dataset) from None
        raise ExportError(f"{dataset}: cannot be written: {error.strerror or error}") from None


@dataclass
class ExportedPartition:
    """The state of a partition.

    Attributes:
        experiment_ids: Ids of its experiments.
        superseded: MLflow runs whose rows are to be replaced.
        fingerprint: Fingerprint of its runs.
        is_stale: Whether its summaries are out of date.
    """

    experiment_ids: set[int] = field(default_factory=set)
    superseded: frozenset[str] = frozenset()
    fingerprint: str = ""
    is_stale: bool = False


def _jobs(
    output: Output,
    columns: Columns,
    trials: Iterable[FinishedTrial],
    sweeps: Mapping[str, frozenset[int]],
    partitions: dict[str, ExportedPartition],
    artifacts: Artifacts,
) -> list[PartitionJob]:
    """Find the partitions to update, those with the most trials first."""
    new: dict[str, list[FinishedTrial]] = {}
    for trial in trials:
        partition = partition_of(trial.experiment, columns)
        new.setdefault(partition, []).append(trial)
        partitions.setdefault(partition, ExportedPartition()).experiment_ids.add(trial.experiment.experiment_id)
    artifacts.check(trial for its in new.values() for trial in its)
    jobs = [
        PartitionJob(
            output.output_id,
            output.dataset,
            columns,
            partition,
            tuple(new.get(partition, ())),
            {name: ids & its.experiment_ids for name, ids in sweeps.items()},
            its.superseded,
            artifacts,
            its.is_stale,
        )
        for partition, its in partitions.items()
        if its.is_stale or partition in new
    ]
    return sorted(jobs, key=lambda job: (-len(job.trials), job.partition))


def exported_partitions(
    dataset: Path, sweeps: Mapping[str, frozenset[int]], superseded: Collection[str]
) -> tuple[dict[str, ExportedPartition], CompletedRuns]:
    """Read the state of each partition, and the completed runs of all, except those of `superseded` MLflow runs."""
    partitions: dict[str, ExportedPartition] = {}
    done = CompletedRuns()
    for runs in partition_runs(dataset):
        fingerprint = fingerprint_of(runs.experiment_ids, runs.repetitions, runs.mlflow_run_ids, sweeps)
        is_stale = fingerprint != stored_fingerprint(dataset, runs.partition)
        partitions[runs.partition] = ExportedPartition(
            experiment_ids=set(np.unique(runs.experiment_ids).tolist()),
            superseded=frozenset(superseded).intersection(runs.mlflow_run_ids),
            fingerprint=fingerprint,
            is_stale=is_stale,
        )
        done.add_partition(runs, superseded)
    return partitions, done
