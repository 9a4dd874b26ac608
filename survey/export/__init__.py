"""From finished MLflow runs to the data set: `python -m survey.export --out DIR`.

Each partition is one file. It is rewritten only where it has new runs or other sweep flags, and its summaries with it;
the complete summary comes last and carries a fingerprint of the runs that it is made of, so that an export that was cut
short is finished by the next one. The same runs give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset import (
    EXECUTIVE,
    REPETITIONS,
    SUMMARY,
    partition_file,
    partition_of,
    partitions,
    read_file,
    runs_done,
    sweep_table,
    write_common_metadata,
    write_file,
)
from survey.errors import ExportError
from survey.output import Output
from survey.schema import executive_schema, history_schema, repetition_schema, summary_schema
from survey.summary import summarise
from survey.tracking.store import FinishedTrial, TrackingStore

_FINGERPRINT = "survey.fingerprint"


@dataclass(frozen=True)
class ExportResult:
    """What an export did.

    Attributes:
        num_new_runs: Runs that the data set did not hold before.
        num_partitions_written: Partitions that were rewritten.
        damaged: A message for each artifact that cannot be read; its runs count as missing.
    """

    num_new_runs: int
    num_partitions_written: int
    damaged: tuple[str, ...]


def export(output: Output, store: TrackingStore) -> ExportResult:
    """Bring the data set of an output up to date with its finished MLflow runs.

    Raises:
        ExportError: The data set is damaged or cannot be written.
        TrackingError: The store cannot be read.
    """
    contents = output.contents
    sweeps = {
        space.name: frozenset(experiment.experiment_id for experiment in space.experiments(contents))
        for space in output.spaces()
    }
    done = runs_done(output.dataset)
    new: dict[str, list[FinishedTrial]] = {}
    for trial in store.finished_trials():
        if not done.get(trial.experiment.experiment_id, set()).issuperset(trial.repetitions):
            new.setdefault(partition_of(trial.experiment), []).append(trial)

    damaged: list[str] = []
    read = _artifact_reader(output, store.uri, damaged)
    num_new = num_written = 0
    for partition in sorted({*partitions(output.dataset / REPETITIONS), *new}):
        added = _export_partition(output.dataset, partition, map(read, new.get(partition, ())), sweeps)
        if added is not None:
            num_new += added
            num_written += 1
    _write_schemas(output.dataset, sorted(sweeps))
    return ExportResult(num_new, num_written, tuple(damaged))


def _export_partition(
    dataset: Path, partition: str, new: Iterable[pa.Table | None], sweeps: Mapping[str, frozenset[int]]
) -> int | None:
    """Bring one partition up to date; return how many runs are new, or None where nothing had to be written."""
    file = partition_file(dataset / REPETITIONS, partition)
    known = read_file(file, ["run_id", "experiment_id"]) if file.exists() else None
    seen = set(known["run_id"].to_pylist()) if known else set()
    tables = []
    for table in new:
        if table is not None:
            fresh = table.filter(pa.array([run_id not in seen for run_id in table["run_id"].to_pylist()]))
            seen.update(fresh["run_id"].to_pylist())
            tables.append(fresh)
    num_new = sum(map(len, tables))
    if known is None and not num_new:
        return None
    if not num_new and known is not None and _fingerprint(known, sweeps) == _stored_fingerprint(dataset, partition):
        return None

    columns = [name for name in history_schema().names if known is None or name in pq.read_schema(file).names]
    old = [read_file(file).select(columns)] if known is not None else []
    runs = pa.concat_tables([*old, *(table.select(columns) for table in tables)], promote_options="permissive")
    runs = runs.sort_by([("experiment_id", "ascending"), ("repetition", "ascending")])
    runs = _with_flags(runs, sweeps)
    _write_partition(dataset, partition, runs, sweeps)
    return num_new


def _with_flags(runs: pa.Table, sweeps: Mapping[str, frozenset[int]]) -> pa.Table:
    """Put a boolean column for each sweep in front."""
    ids = runs["experiment_id"].to_pylist()
    for name in sorted(sweeps, reverse=True):
        runs = runs.add_column(0, name, pa.array([i in sweeps[name] for i in ids], pa.bool_()))
    return runs.cast(_in_order(repetition_schema(list(sweeps)), runs))


def _in_order(schema: pa.Schema, table: pa.Table) -> pa.Schema:
    """The fields of a schema that a table has."""
    return pa.schema([field for field in schema if field.name in table.column_names])


def _write_partition(dataset: Path, partition: str, runs: pa.Table, sweeps: Mapping[str, frozenset[int]]) -> None:
    """Write the runs of a partition, then every summary of them; the one with the fingerprint last."""
    names = sorted(sweeps)
    write_file(runs, partition_file(dataset / REPETITIONS, partition))
    summary = summarise(runs, summary_schema(names))
    for name in names:
        part = summary.filter(summary[name])
        file = partition_file(dataset / sweep_table(name), partition)
        if len(part):
            write_file(part, file)
        else:
            file.unlink(missing_ok=True)
    executive = summary.select([name for name in executive_schema(names).names if name in summary.column_names])
    write_file(executive, partition_file(dataset / EXECUTIVE, partition))
    fingerprint = {_FINGERPRINT: _fingerprint(runs, sweeps)}
    write_file(summary, partition_file(dataset / SUMMARY, partition), fingerprint)


def _fingerprint(runs: pa.Table, sweeps: Mapping[str, frozenset[int]]) -> str:
    """SHA-256 of what a summary hangs on: the runs, in order, and the sweeps that they belong to."""
    digest = hashlib.sha256(repr(sorted(sweeps)).encode())
    pairs = sorted(zip(runs["run_id"].to_pylist(), runs["experiment_id"].to_pylist(), strict=True))
    for run_id, experiment_id in pairs:
        flags = "".join("01"[experiment_id in sweeps[name]] for name in sorted(sweeps))
        digest.update(f"{run_id} {flags}\n".encode())
    return digest.hexdigest()


def _stored_fingerprint(dataset: Path, partition: str) -> str | None:
    file = partition_file(dataset / SUMMARY, partition)
    try:
        metadata = pq.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError):
        return None
    return metadata.get(_FINGERPRINT.encode(), b"").decode()


def _write_schemas(dataset: Path, sweeps: Sequence[str]) -> None:
    write_common_metadata(dataset / REPETITIONS, repetition_schema(sweeps))
    write_common_metadata(dataset / EXECUTIVE, executive_schema(sweeps))
    for table in (SUMMARY, *map(sweep_table, sweeps)):
        write_common_metadata(dataset / table, summary_schema(sweeps))


def _artifact_reader(output: Output, uri: str, damaged: list[str]) -> Callable[[FinishedTrial], pa.Table | None]:
    """Return a function that reads a trial's history, or notes why it cannot be read."""

    def read(trial: FinishedTrial) -> pa.Table | None:
        try:
            return _read_artifact(output, uri, trial)
        except ExportError as error:
            damaged.append(str(error))
            return None

    return read


def _read_artifact(output: Output, uri: str, trial: FinishedTrial) -> pa.Table:
    try:
        table = pq.read_table(_local_path(output, uri, trial))
    except (pa.ArrowException, OSError) as error:
        raise ExportError(f"artifact of MLflow run {trial.mlflow_run_id} ({trial.experiment.label}): {error}") from None
    wanted = (trial.experiment.experiment_id, list(trial.repetitions))
    if not len(table) or (table["experiment_id"][0].as_py(), table["repetition"].to_pylist()) != wanted:
        raise ExportError(
            f"artifact of MLflow run {trial.mlflow_run_id} ({trial.experiment.label}): holds other runs than it should"
        )
    return table


def _local_path(output: Output, uri: str, trial: FinishedTrial) -> Path:
    """Where the artifact lies on this machine; it is found too if the output folder has been moved, or is fetched."""
    parts = urlparse(trial.history_uri)
    if parts.scheme in ("", "file"):
        path = Path(unquote(parts.path) if parts.scheme else trial.history_uri)
        moved = output.artifacts / trial.mlflow_run_id / "artifacts" / path.name
        return path if path.exists() or not moved.exists() else moved
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(download_artifacts(artifact_uri=trial.history_uri, tracking_uri=uri))
    except MlflowException as error:
        raise ExportError(f"artifact {trial.history_uri} cannot be fetched: {error}") from None
