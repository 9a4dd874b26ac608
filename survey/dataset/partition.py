"""The files of one partition of the data set, written a group of experiments at a time, in bounded memory.

All files are written beside their targets. The runs are put in place first and the complete summary, with a fingerprint
of its runs, last. The same runs give the same bytes, in one step or several.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.layout import (
    EXECUTIVE,
    METADATA,
    REPETITIONS,
    SUMMARY,
    partition_file,
    sweep_table,
)
from survey.dataset.reading import read_file
from survey.dataset.schema import executive_schema, history_schema, of_workload, repetition_schema, summary_schema
from survey.dataset.summary import summarise
from survey.dataset.table_writer import Slices, TableWriter
from survey.system.files import replacing
from survey.workloads.columns import Columns

_FINGERPRINT = "survey.fingerprint"

_GROUP_RUN_EPOCHS = 400_000
"""Epochs, summed over runs, after which a row group ends: 32 MB of curves. It decides the bytes of a file."""


def fingerprint_of(
    experiment_ids: np.ndarray,
    repetitions: np.ndarray,
    mlflow_run_ids: Iterable[str],
    sweeps: Mapping[str, Collection[int]],
) -> str:
    """Return the SHA-256, as hex, of what a summary depends on: the runs in order, their MLflow runs, their sweeps."""
    digest = hashlib.sha256(repr(sorted(sweeps)).encode())
    for experiment_id in np.unique(experiment_ids).tolist():
        digest.update("".join("01"[experiment_id in sweeps[name]] for name in sorted(sweeps)).encode())
    digest.update(experiment_ids.astype("<u8").tobytes() + repetitions.astype("<u2").tobytes())
    digest.update("\n".join(mlflow_run_ids).encode())
    return digest.hexdigest()


def stored_fingerprint(dataset: Path, partition: str) -> str | None:
    """Return the fingerprint in a partition's summary; None if there is no readable summary."""
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
        self._slices = Slices(file)

    @property
    def experiment_ids(self) -> list[int]:
        """The ids of the experiments that have runs here, in order."""
        return list(self._rows)

    def of(self, experiment_id: int) -> pa.Table:
        """Return the runs of one of these experiments.

        Raises:
            ExportError: The file is damaged.
        """
        start, end = self._rows[experiment_id]
        try:
            return self._slices.rows(start, end)
        except (pa.ArrowException, OSError):
            return read_file(self._path).slice(start, end - start)  # raises, and says what to do


class PartitionWriter:
    """The files of a partition in all tables, written group by group and put in place together at the end.

    Args:
        dataset: Folder of the data set.
        columns: Columns of its workload.
        partition: Path of the partition, relative to its tables.
        sweeps: Experiments of this partition that belong to each sweep.
        stack: Closes the files, and removes those that were not put in place.
    """

    def __init__(
        self,
        dataset: Path,
        columns: Columns,
        partition: str,
        sweeps: Mapping[str, Collection[int]],
        stack: ExitStack,
    ) -> None:
        self._dataset, self._columns, self._partition = dataset, columns, partition
        self._sweeps, self._stack = sweeps, stack
        self._names = sorted(sweeps)
        self._runs_schema, self._summary_schema, self._executive_names = _schemas(columns, tuple(self._names))
        self._writers: dict[str, TableWriter] = {}
        self._waiting: list[pa.Table] = []  # summaries that are not yet in the tables of sweeps
        self._ids: list[np.ndarray] = []
        self._repetitions: list[np.ndarray] = []
        self._mlflow_run_ids: list[str] = []

    @property
    def num_runs(self) -> int:
        """Number of runs written."""
        return len(self._mlflow_run_ids)

    def write(self, runs: pa.Table) -> None:
        """Write the runs of complete experiments, and all their summaries."""
        runs = _with_flags(runs, self._sweeps, self._runs_schema)
        self._append(REPETITIONS, runs)
        summary = summarise(runs, self._summary_schema, self._columns.metrics)
        self._waiting.append(summary)
        if self._ids:  # not the only group
            self._append_to_sweeps(self._names)
        recorded = set(summary.column_names)
        self._append(EXECUTIVE, summary.select([name for name in self._executive_names if name in recorded]))
        self._append(SUMMARY, summary)
        self._ids.append(runs["experiment_id"].to_numpy())
        self._repetitions.append(runs["repetition"].to_numpy())
        self._mlflow_run_ids += runs["mlflow_run_id"].to_pylist()

    def _append_to_sweeps(self, names: Sequence[str]) -> None:
        """Append the summaries that wait to the tables of some sweeps."""
        for summary, name in itertools.product(self._waiting, names):
            part = summary.filter(summary[name])
            if len(part):
                self._append(sweep_table(name), part)
        self._waiting.clear()

    def _append(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            file = partition_file(self._dataset / name, self._partition)
            file.parent.mkdir(parents=True, exist_ok=True)
            writer = TableWriter(file, table.schema, compression="zstd" if name == REPETITIONS else "lz4")
            self._writers[name] = self._stack.enter_context(writer)
        self._writers[name].write(table)

    def commit(self) -> str:
        """Put the files in place: the runs first, the complete summary with their fingerprint last; return that.

        Most partitions are one group, of which a sweep has all experiments: its file is a copy of the complete summary,
        with the fingerprint.
        """
        whole = [name for name in self._names if self._waiting and all(self._waiting[0][name].to_pylist())]
        parts = [name for name in self._names if name not in whole]
        self._append_to_sweeps(parts)
        copies = [partition_file(self._dataset / sweep_table(name), self._partition) for name in whole]
        for name in (REPETITIONS, *map(sweep_table, parts), EXECUTIVE):
            if name in self._writers:
                self._writers[name].commit()
            else:
                partition_file(self._dataset / name, self._partition).unlink(missing_ok=True)
        ids, repetitions = np.concatenate(self._ids), np.concatenate(self._repetitions)
        fingerprint = fingerprint_of(ids, repetitions, self._mlflow_run_ids, self._sweeps)
        self._writers[SUMMARY].commit({_FINGERPRINT: fingerprint}, copies)
        return fingerprint


def groups(runs: Iterable[pa.Table], columns: Columns) -> Iterator[pa.Table]:
    """Yield the runs of experiments joined to row groups of a few tens of megabytes."""
    group: list[pa.Table] = []
    run_epochs = 0
    for table in runs:
        group.append(table)
        run_epochs += len(table[columns.metrics.objective.curve].combine_chunks().flatten())
        if run_epochs >= _GROUP_RUN_EPOCHS:
            yield pa.concat_tables(group).combine_chunks()
            group, run_epochs = [], 0
    if group:
        yield pa.concat_tables(group).combine_chunks()


def _with_flags(runs: pa.Table, sweeps: Mapping[str, Collection[int]], schema: pa.Schema) -> pa.Table:
    """Prepend a boolean column for each sweep; return the table with this schema."""
    ids = runs["experiment_id"].to_pylist()
    for name in sorted(sweeps, reverse=True):
        runs = runs.add_column(0, name, pa.array([i in sweeps[name] for i in ids], pa.bool_()))
    return runs.cast(schema)


@lru_cache(maxsize=8)
def _schemas(columns: Columns, sweeps: tuple[str, ...]) -> tuple[pa.Schema, pa.Schema, list[str]]:
    """The schemas of runs and summaries, and the names of what the executive summary has of these."""
    runs = _without_partitions(repetition_schema(columns, sweeps), columns)
    return runs, summary_schema(columns, sweeps), executive_schema(columns, sweeps).names


def _without_partitions(schema: pa.Schema, columns: Columns) -> pa.Schema:
    return pa.schema([field for field in schema if field.name not in columns.partition])


def runs_schema(columns: Columns) -> pa.Schema:
    """Return the schema of the runs in a partition's file, without the sweeps."""
    return _without_partitions(history_schema(columns), columns)


def conform(table: pa.Table, schema: pa.Schema, columns: Columns) -> pa.Table:
    """Return the table with the columns of a schema; those that it lacks, as from an older version, are as `before`."""
    there = {field.name: field.type for field in table.schema}
    arrays = [
        (table[name] if there[name] == kind else table[name].cast(kind))  # a cast to the same type takes long, too
        if name in there
        else pa.repeat(pa.scalar(columns.before.get(name), kind), len(table))
        for name, kind in zip(schema.names, schema.types, strict=True)
    ]
    return pa.table(arrays, schema=schema)


def filled_in(runs: pa.Table, columns: Columns) -> pa.Table:
    """Return the runs of an experiment, with what they say of the data where an older version did not record it."""
    for name in columns.of_data:
        known = runs[name].drop_null()
        if 0 < len(known) < len(runs):
            index = runs.schema.get_field_index(name)
            runs = runs.set_column(index, runs.schema.field(name), runs[name].fill_null(known[0]))
    return runs


def write_schemas(dataset: Path, columns: Columns, sweeps: Sequence[str]) -> None:
    """Write the schema of every table of a data set with these sweeps."""
    schemas = {
        REPETITIONS: repetition_schema(columns, sweeps),
        EXECUTIVE: executive_schema(columns, sweeps),
        **dict.fromkeys((SUMMARY, *map(sweep_table, sweeps)), summary_schema(columns, sweeps)),
    }
    for name, schema in schemas.items():
        write_common_metadata(dataset / name, of_workload(schema, columns))


def write_common_metadata(table: Path, schema: pa.Schema) -> None:
    """Write `_common_metadata`, the full schema with the partition columns, unless it is up to date."""
    file = table / METADATA
    with suppress(pa.ArrowException, OSError):  # missing, or damaged
        if pq.read_schema(file).equals(schema, check_metadata=True):
            return
    table.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        pq.write_metadata(schema, temporary)
