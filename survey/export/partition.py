"""Updates one partition of the data set experiment by experiment, in bounded memory.

`survey.dataset.partition` puts the runs in place first and the summary with their fingerprint last, so the next export
finishes one that was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from survey.dataset.layout import REPETITIONS, partition_file
from survey.dataset.partition import OldRuns, PartitionWriter, conform, filled_in, groups, runs_schema
from survey.dataset.schema import found_metrics
from survey.errors import ExportError
from survey.export.artifacts import Artifacts
from survey.output.folder import is_output
from survey.system.files import disk_full_error, is_disk_full
from survey.tracking.finished import FinishedTrial
from survey.workloads.columns import Columns


@dataclass(frozen=True)
class PartitionJob:
    """A partition to update.

    Attributes:
        output_id: Identity of the output.
        dataset: Folder of its data set.
        columns: Columns of its workload.
        partition: Path of the partition, relative to its tables.
        trials: Its finished trials to add, oldest first.
        sweeps: Experiments of this partition that belong to each sweep.
        superseded: MLflow runs whose rows are to be replaced.
        artifacts: Where the histories of the trials are.
        is_stale: Whether to write its summaries even if no run is new.
    """

    output_id: str
    dataset: Path
    columns: Columns
    partition: str
    trials: tuple[FinishedTrial, ...]
    sweeps: Mapping[str, frozenset[int]]
    superseded: frozenset[str]
    artifacts: Artifacts
    is_stale: bool


@dataclass(frozen=True)
class PartitionResult:
    """What an update did.

    Attributes:
        partition: The partition.
        num_new_runs: Number of its new runs.
        fingerprint: Fingerprint of its runs if it was written, else empty.
        damaged: A message for each damaged artifact.
    """

    partition: str
    num_new_runs: int
    fingerprint: str
    damaged: tuple[str, ...]


def found_in(job: PartitionJob) -> list[str]:
    """Return the names of the metrics that the new trials of a partition have found.

    There are none on a machine without the output, nor in a history that is damaged, which `update_partition` tells.
    """
    names: dict[str, None] = {}
    for trial in job.trials if is_output(job.dataset.parent, job.output_id) else ():
        with suppress(ExportError):
            names |= dict.fromkeys(found_metrics(job.artifacts.schema(trial)))
    return list(names)


def update_partition(job: PartitionJob) -> PartitionResult | None:
    """Update a partition; return None on a machine without the output.

    Raises:
        ExportError: Its file is damaged, or cannot be written.
        DiskFullError: The disk is full.
    """
    if not is_output(job.dataset.parent, job.output_id):
        return None
    source, fingerprint = _Runs(job), ""
    try:
        with ExitStack() as stack:
            target = PartitionWriter(job.dataset, job.columns, job.partition, job.sweeps, stack)
            for group in groups(source, job.columns):
                target.write(group)
            if (source.num_new_runs or job.is_stale) and target.num_runs > 0:
                fingerprint = target.commit()
    except (OSError, pa.ArrowException) as error:
        where = partition_file(job.dataset / REPETITIONS, job.partition)
        if is_disk_full(error):
            raise disk_full_error(where) from None
        raise ExportError(f"{where}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    return PartitionResult(job.partition, source.num_new_runs, fingerprint, tuple(source.damaged))


class _Runs:
    """All runs of a partition, old and new, as a table for each experiment, sorted by id."""

    def __init__(self, job: PartitionJob) -> None:
        self._job = job
        self._old = OldRuns(partition_file(job.dataset / REPETITIONS, job.partition))
        self._trials: dict[int, list[FinishedTrial]] = {}
        for trial in job.trials:
            self._trials.setdefault(trial.experiment.experiment_id, []).append(trial)
        self._schema = runs_schema(job.columns)
        self.num_new_runs = 0
        self.damaged: list[str] = []

    def __iter__(self) -> Iterator[pa.Table]:
        old = set(self._old.experiment_ids)
        for experiment_id in sorted({*old, *self._trials}):
            runs = self._merged(
                self._old.of(experiment_id) if experiment_id in old else None, self._trials.get(experiment_id, ())
            )
            if len(runs):
                numbers = runs["repetition"].to_numpy()
                yield runs if (numbers[1:] > numbers[:-1]).all() else runs.sort_by("repetition")

    def _merged(self, old: pa.Table | None, trials: Iterable[FinishedTrial]) -> pa.Table:
        """The runs of an experiment, old and new; superseded ones are dropped if they were trained again."""
        fresh, taken = [], set()
        if old is not None:
            stays = pa.array([run not in self._job.superseded for run in old["mlflow_run_id"].to_pylist()])
            taken = set(old.filter(stays)["repetition"].to_pylist())
        for trial in trials:
            table = self._read(trial)
            if table is not None:
                numbers = table["repetition"].to_pylist()
                if not taken.isdisjoint(numbers):
                    table = table.filter(pa.array([number not in taken for number in numbers]))
                taken.update(numbers)
                fresh.append(conform(table, self._schema, self._job.columns))
        new = pa.concat_tables(fresh or [self._schema.empty_table()])
        self.num_new_runs += len(new)
        if old is None:
            return new
        gone = np.isin(old["repetition"].to_numpy(), new["repetition"].to_numpy())
        kept = old.filter(pa.array(~gone))
        columns = self._job.columns
        return filled_in(pa.concat_tables([conform(kept, self._schema, columns), new]), columns)

    def _read(self, trial: FinishedTrial) -> pa.Table | None:
        try:
            return self._job.artifacts.read(trial)
        except ExportError as error:
            self.damaged.append(str(error))
            return None
