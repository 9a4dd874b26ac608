"""One partition of the data set, brought up to date experiment by experiment, in bounded memory.

Its runs are rewritten in order, a row group of a few whole experiments at a time, and its summaries with them. All
files are written beside their targets; the runs are put in place first and the complete summary, which carries a
fingerprint of the runs that it is made of, last. So an export that was cut short is finished by the next one, and the
same runs give the same bytes, in one step or several.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset import EXECUTIVE, REPETITIONS, SUMMARY, partition_file, read_file, sweep_table
from survey.errors import ExportError
from survey.export.artifacts import Artifacts
from survey.files import full, is_full
from survey.output import is_output
from survey.parquet import TableWriter
from survey.schema import PARTITION_COLUMNS, executive_schema, history_schema, repetition_schema, summary_schema
from survey.summary import summarise
from survey.tracking.finished import FinishedTrial

_FINGERPRINT = "survey.fingerprint"

_GROUP_RUN_EPOCHS = 400_000
"""Epochs, summed over runs, after which a row group ends: 32 MB of curves. It decides the bytes of a file."""


@dataclass(frozen=True)
class PartitionJob:
    """What there is to do in a partition.

    Attributes:
        output_id: Identity of the output.
        dataset: Folder of its data set.
        partition: Path of the partition, relative to its tables.
        trials: The finished trials that are concerned, oldest first.
        sweeps: Experiments of this partition that belong to each sweep.
        replaced: MLflow runs whose rows give way to new ones.
        artifacts: Where the histories of the trials are.
        is_stale: Whether its summaries are to be written even if no run is new.
    """

    output_id: str
    dataset: Path
    partition: str
    trials: tuple[FinishedTrial, ...]
    sweeps: Mapping[str, frozenset[int]]
    replaced: frozenset[str]
    artifacts: Artifacts
    is_stale: bool


@dataclass(frozen=True)
class PartitionResult:
    """What has been done in a partition: runs that are new, whether it was written, and artifacts that are damaged."""

    num_new_runs: int
    is_written: bool
    damaged: tuple[str, ...]


def update_partition(job: PartitionJob) -> PartitionResult | None:
    """Bring a partition up to date; return None on a machine that does not have the output.

    Raises:
        ExportError: Its file is damaged, or cannot be written.
        DiskFullError: There is no room left for it.
    """
    if not is_output(job.dataset.parent, job.output_id):
        return None
    source = _Runs(job)
    try:
        with ExitStack() as stack:
            target = _Target(job, stack)
            for group in _groups(source):
                target.write(group)
            is_written = bool(source.num_new_runs or job.is_stale) and target.num_runs > 0
            if is_written:
                target.commit()
    except (OSError, pa.ArrowException) as error:
        where = partition_file(job.dataset / REPETITIONS, job.partition)
        if is_full(error):
            raise full(where) from None
        raise ExportError(f"{where}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    return PartitionResult(source.num_new_runs, is_written, tuple(source.damaged))


def fingerprint_of(
    experiment_ids: np.ndarray,
    repetitions: np.ndarray,
    mlflow_run_ids: Iterable[str],
    sweeps: Mapping[str, frozenset[int]],
) -> str:
    """SHA-256 of what a summary hangs on: the runs in order, what trained them, and the sweeps that they belong to."""
    digest = hashlib.sha256(repr(sorted(sweeps)).encode())
    for experiment_id in np.unique(experiment_ids).tolist():
        digest.update("".join("01"[experiment_id in sweeps[name]] for name in sorted(sweeps)).encode())
    digest.update(experiment_ids.astype("<u8").tobytes() + repetitions.astype("<u2").tobytes())
    digest.update("\n".join(mlflow_run_ids).encode())
    return digest.hexdigest()


def stored_fingerprint(dataset: Path, partition: str) -> str | None:
    """The fingerprint of the runs that a partition's summary is made of, or None where there is no whole summary."""
    try:
        metadata = pq.read_metadata(partition_file(dataset / SUMMARY, partition)).metadata or {}
    except (pa.ArrowException, OSError):
        return None
    return metadata.get(_FINGERPRINT.encode(), b"").decode()


class OldRuns:
    """The runs of a partition's file, an experiment at a time, with few row groups in memory."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._rows: dict[int, tuple[int, int]] = {}
        if not file.exists():
            return
        ids = read_file(file, ["experiment_id"])["experiment_id"].to_numpy()
        starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
        ends = np.r_[starts[1:], len(ids)]
        self._rows = dict(zip(ids[starts].tolist(), zip(starts.tolist(), ends.tolist(), strict=True), strict=True))
        self._file = pq.ParquetFile(file)
        sizes = [self._file.metadata.row_group(k).num_rows for k in range(self._file.num_row_groups)]
        self._bounds = np.cumsum([0, *sizes])
        self._groups: tuple[int, ...] = ()
        self._table = pa.table({})

    @property
    def experiment_ids(self) -> list[int]:
        """The experiments that have runs here, in order."""
        return list(self._rows)

    def of(self, experiment_id: int) -> pa.Table:
        """The runs of one of these experiments.

        Raises:
            ExportError: The file is damaged.
        """
        start, end = self._rows[experiment_id]
        first = int(np.searchsorted(self._bounds, start, side="right")) - 1
        last = int(np.searchsorted(self._bounds, end, side="left"))
        if self._groups != tuple(range(first, last)):
            self._groups = tuple(range(first, last))
            try:
                self._table = self._file.read_row_groups(list(self._groups))
            except (pa.ArrowException, OSError):
                self._table = read_file(self._path)  # raises, and says what to do
        offset = int(self._bounds[first])
        return self._table.slice(start - offset, end - start)


class _Runs:
    """All runs of a partition, old and new, as a table for each experiment in the order of their ids."""

    def __init__(self, job: PartitionJob) -> None:
        self._job = job
        self._old = OldRuns(partition_file(job.dataset / REPETITIONS, job.partition))
        self._trials: dict[int, list[FinishedTrial]] = {}
        for trial in job.trials:
            self._trials.setdefault(trial.experiment.experiment_id, []).append(trial)
        self._schema = runs_schema()
        self.num_new_runs = 0
        self.damaged: list[str] = []

    def __iter__(self) -> Iterator[pa.Table]:
        old = set(self._old.experiment_ids)
        for experiment_id in sorted({*old, *self._trials}):
            runs = self._merged(
                self._old.of(experiment_id) if experiment_id in old else None, self._trials.get(experiment_id, ())
            )
            if len(runs):
                yield runs.sort_by("repetition")

    def _merged(self, old: pa.Table | None, trials: Iterable[FinishedTrial]) -> pa.Table:
        """The runs of an experiment: those that it has, but for replaced ones that are trained again, and new ones."""
        fresh, taken = [], set()
        if old is not None:
            stays = pa.array([run not in self._job.replaced for run in old["mlflow_run_id"].to_pylist()])
            taken = set(old.filter(stays)["repetition"].to_pylist())
        for trial in trials:
            table = self._read(trial)
            if table is not None:
                table = table.filter(pa.array([number not in taken for number in table["repetition"].to_pylist()]))
                taken.update(table["repetition"].to_pylist())
                fresh.append(conform(table, self._schema))
        new = pa.concat_tables([self._schema.empty_table(), *fresh])
        self.num_new_runs += len(new)
        if old is None:
            return new
        gone = np.isin(old["repetition"].to_numpy(), new["repetition"].to_numpy())
        kept = old.filter(pa.array(~gone))
        return pa.concat_tables([conform(kept, self._schema), new])

    def _read(self, trial: FinishedTrial) -> pa.Table | None:
        try:
            return self._job.artifacts.read(trial)
        except ExportError as error:
            self.damaged.append(str(error))
            return None


class _Target:
    """The files of a partition in all tables, written group by group and put in place together at the end."""

    def __init__(self, job: PartitionJob, stack: ExitStack) -> None:
        self._job, self._stack = job, stack
        self._names = sorted(job.sweeps)
        self._writers: dict[str, TableWriter] = {}
        self._ids: list[np.ndarray] = []
        self._repetitions: list[np.ndarray] = []
        self._mlflow_run_ids: list[str] = []

    @property
    def num_runs(self) -> int:
        """Runs that have been written."""
        return len(self._mlflow_run_ids)

    def write(self, runs: pa.Table) -> None:
        """Write the runs of whole experiments, and every summary of them."""
        runs = _with_flags(runs, self._job.sweeps)
        self._append(REPETITIONS, runs)
        summary = summarise(runs, summary_schema(self._names))
        executive = [name for name in executive_schema(self._names).names if name in summary.column_names]
        for name in self._names:
            part = summary.filter(summary[name])
            if len(part):
                self._append(sweep_table(name), part)
        self._append(EXECUTIVE, summary.select(executive))
        self._append(SUMMARY, summary)
        self._ids.append(runs["experiment_id"].to_numpy())
        self._repetitions.append(runs["repetition"].to_numpy())
        self._mlflow_run_ids += runs["mlflow_run_id"].to_pylist()

    def _append(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            file = partition_file(self._job.dataset / name, self._job.partition)
            file.parent.mkdir(parents=True, exist_ok=True)
            self._writers[name] = self._stack.enter_context(TableWriter(file, table.schema))
        self._writers[name].write(table)

    def commit(self) -> None:
        """Put the files in place: the runs first, and the complete summary with their fingerprint last."""
        sweep_tables = [sweep_table(name) for name in self._names]
        for name in (REPETITIONS, *sweep_tables, EXECUTIVE):
            if name in self._writers:
                self._writers[name].commit()
            else:
                partition_file(self._job.dataset / name, self._job.partition).unlink(missing_ok=True)
        ids, repetitions = np.concatenate(self._ids), np.concatenate(self._repetitions)
        fingerprint = fingerprint_of(ids, repetitions, self._mlflow_run_ids, self._job.sweeps)
        self._writers[SUMMARY].commit({_FINGERPRINT: fingerprint})


def _groups(runs: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join the runs of experiments to row groups of a few tens of megabytes."""
    group: list[pa.Table] = []
    run_epochs = 0
    for table in runs:
        group.append(table)
        run_epochs += len(table["loss"].combine_chunks().flatten())
        if run_epochs >= _GROUP_RUN_EPOCHS:
            yield pa.concat_tables(group).combine_chunks()
            group, run_epochs = [], 0
    if group:
        yield pa.concat_tables(group).combine_chunks()


def _with_flags(runs: pa.Table, sweeps: Mapping[str, frozenset[int]]) -> pa.Table:
    """Put a boolean column for each sweep in front."""
    ids = runs["experiment_id"].to_pylist()
    for name in sorted(sweeps, reverse=True):
        runs = runs.add_column(0, name, pa.array([i in sweeps[name] for i in ids], pa.bool_()))
    return runs.cast(_without_partitions(repetition_schema(list(sweeps))))


def _without_partitions(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in schema if field.name not in PARTITION_COLUMNS])


def runs_schema() -> pa.Schema:
    """What a partition's file says of a run, but for the sweeps that it belongs to."""
    return _without_partitions(history_schema())


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a schema; one that an older version did not write is null."""
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
