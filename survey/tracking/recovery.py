"""Restores finished trials to the MLflow store from their artifacts.

Where the store lay on a disk of a node that is lost, its backup lacks what was finished in the last minute. The history
of each finished trial lies among the artifacts, and says all that the ledger needs.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.completed_runs import CompletedRuns
from survey.dataset.schema import found_metrics
from survey.dataset.summary import curves_of_runs
from survey.errors import InputError
from survey.output.folder import Output
from survey.output.ownership import has_marker
from survey.system.files import remove_with_folders
from survey.text.uris import local_path
from survey.tracking.finished import RUN_ID
from survey.tracking.store import TrackingStore
from survey.tracking.tags import HISTORY_FILE
from survey.tracking.trial_run import TrackedTrial, TrackingSettings, TrialRun, recorded_epochs
from survey.workloads.experiment import Experiment
from survey.workloads.metrics import Metrics
from survey.workloads.registry import experiment_of


@dataclass(frozen=True)
class _Orphan:
    """A history whose MLflow run is not finished in the store."""

    mlflow_run_id: str
    folder: Path
    experiment: Experiment
    repetitions: tuple[int, ...]
    history: pa.Table

    def first(self, column: str) -> object:
        return self.history[column][0].as_py()


def recover(output: Output, store: TrackingStore, given: str | None, *, hint: str | None) -> int:
    """Give each history that the ledger lacks a finished MLflow run, and return how many there were.

    They are looked for in the output and in the location of artifacts that somebody has named; where a note of the lost
    launch names another one, also there, if it has the marker of this output. A history that cannot be read is of a
    trial that did not finish. A new MLflow run is tagged with the id of the lost one, and has log-spaced epochs. When
    this is cut short, it can be called again.

    Args:
        output: The output.
        store: Its tracking store.
        given: URI of the location that was given by `--artifacts`, if one was.
        hint: The same of the lost launch, as its note says. What does not lie in a folder is not looked for: its trials
            are trained again.

    Raises:
        TrackingError: The store refuses.
    """
    superseded = output.redo_log.superseded
    done = CompletedRuns.of_dataset(output.dataset, superseded)
    done.merge(store.finished.completed_runs(superseded))
    known = store.finished.run_ids() | superseded
    recovered = 0
    for artifacts, is_own in _folders(output, given, hint).items():
        for orphan in _orphans(artifacts, done, known):
            _record(store, artifacts.as_uri(), orphan, output.workload.columns.metrics)
            done.add(orphan.experiment.experiment_id, orphan.repetitions)
            recovered += 1
            if is_own:
                with suppress(OSError):
                    remove_with_folders(orphan.folder / "artifacts" / HISTORY_FILE, num_folders=2)
    return recovered


def _folders(output: Output, given: str | None, hint: str | None) -> dict[Path, bool]:
    """Return the folders in which histories may lie, and whether this output has proof that they are its own."""
    folders = {output.artifacts: True}
    for uri in (given, hint):
        folder = local_path(output.artifacts_at(uri)) if isinstance(uri, str) else None
        is_own = folder is not None and has_marker(folder, output.marker)
        if folder and (is_own or uri == given):
            folders[folder] = is_own
    return folders


def _orphans(artifacts: Path, done: CompletedRuns, known: Collection[str]) -> Iterator[_Orphan]:
    for file in sorted(artifacts.glob(f"*/artifacts/{HISTORY_FILE}")):
        name = file.parents[1].name
        is_candidate = RUN_ID.fullmatch(name) and name not in known
        if not is_candidate or not file.resolve().is_relative_to(artifacts.resolve()):
            continue
        orphan = _read(file)
        if orphan and not done.includes(orphan.experiment.experiment_id, orphan.repetitions):
            yield orphan


def _read(file: Path) -> _Orphan | None:
    try:
        history = pq.ParquetFile(file).read()
        command = json.loads(history["command"][0].as_py())
        experiment, repetitions = experiment_of(command), tuple(history["repetition"].to_pylist())
    except (pa.ArrowException, OSError, KeyError, IndexError, TypeError, ValueError, InputError):
        return None
    if experiment.experiment_id != history["experiment_id"][0].as_py():
        return None
    return _Orphan(file.parents[1].name, file.parents[1], experiment, repetitions, history)


def _recorded(orphan: _Orphan, metrics: Metrics) -> Metrics:
    """What the lost trial has recorded, of the metrics of the workload and of those that it has found."""
    history = orphan.history
    if metrics.is_open:
        metrics = metrics.found(found_metrics(history.schema))
    there = [each for each in metrics.all if each.curve in history.column_names]
    return metrics.only([each.name for each in there if history[each.curve].null_count < len(history)])


def _record(store: TrackingStore, artifacts: str, orphan: _Orphan, known: Metrics) -> None:
    """Record an orphan as its trial would have, had it been as quick."""
    name = str(orphan.first("batch"))
    mlflow_experiment_id = store.open_experiment(name, note="", artifact_location=artifacts)
    metrics = _recorded(orphan, known)
    settings = TrackingSettings(
        store.uri,
        mlflow_experiment_id,
        all_epochs=False,
        repetition_runs=False,
        metrics=metrics,
        git_commit=str(orphan.first("git_hash") or ""),
        sql_artifacts=store.sql_artifacts(mlflow_experiment_id),
    )
    shown = [key for key in ("num_free_parameters", "widths") if key in orphan.history.schema.names]
    trial = TrackedTrial(
        orphan.experiment,
        orphan.repetitions,
        num_repetitions=max(orphan.repetitions) + 1,
        params={key: orphan.first(key) for key in shown},
        trial_id=str(orphan.first("trial_id")),
        recovered_from=orphan.mlflow_run_id,
    )
    run = TrialRun(settings, trial)
    curves = [curves_of_runs(orphan.history, column) for column in metrics.curves]  # [repetitions, epochs] each
    for epoch in recorded_epochs(curves[0].shape[1], all_epochs=False):
        run.log_epoch(int(epoch), np.stack([curve[:, epoch - 1] for curve in curves]))
    position = orphan.history.schema.get_field_index("mlflow_run_id")
    run_ids = pa.array([run.run_id] * len(orphan.repetitions), orphan.history.schema.field(position).type)
    run.finish(orphan.history.set_column(position, orphan.history.schema.field(position), run_ids))
