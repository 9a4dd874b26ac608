"""Restores finished trials to the MLflow store from their artifacts.

Where the store lay on a disk of a node that is lost, its backup lacks what was finished in the last minute. The history
of each finished trial lies among the artifacts, and says all that the ledger needs.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset import runs_done
from survey.experiment import Experiment
from survey.metrics import HISTORY_COLUMNS
from survey.output import Output
from survey.tracking.store import TrackingStore
from survey.tracking.tags import HISTORY_FILE
from survey.tracking.trial_run import TrackingSettings, TrialRun, recorded_epochs

_MLFLOW_RUN_ID = re.compile(r"[0-9a-f]{32}")
"""A folder of another name is a copy that somebody has made, or not of an MLflow run at all."""


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


def recover(output: Output, store: TrackingStore, artifacts: str) -> int:
    """Give each history that the ledger lacks a finished MLflow run, and return how many there were.

    The run is a new one, tagged with the id of the lost one, with log-spaced epochs. A history that cannot be read is
    of a trial that did not finish. When this is cut short, it can be called again.

    Args:
        output: The output.
        store: Its tracking store.
        artifacts: URI of the place of artifacts, which has to be this output's alone: their folders are removed. Those
            that do not lie in a folder are not looked for: their trials are trained again.

    Raises:
        TrackingError: The store refuses.
    """
    done = runs_done(output.dataset, output.replaced)
    for experiment_id, numbers in store.runs_finished(output.replaced).items():
        done.setdefault(experiment_id, set()).update(numbers)
    recovered = 0
    for orphan in _orphans(_folder(artifacts), done, store.all_finished_run_ids() | output.replaced):
        _record(store, artifacts, orphan)
        done.setdefault(orphan.experiment.experiment_id, set()).update(orphan.repetitions)
        shutil.rmtree(orphan.folder, ignore_errors=True)
        recovered += 1
    return recovered


def _folder(artifacts: str) -> Path | None:
    parts = urlparse(artifacts)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _orphans(artifacts: Path | None, done: Mapping[int, Collection[int]], known: Collection[str]) -> Iterator[_Orphan]:
    for file in sorted(artifacts.glob(f"*/artifacts/{HISTORY_FILE}")) if artifacts else ():
        folder = file.parents[1]
        orphan = _read(file) if _MLFLOW_RUN_ID.fullmatch(folder.name) and folder.name not in known else None
        if orphan and not set(orphan.repetitions) <= set(done.get(orphan.experiment.experiment_id, ())):
            yield orphan


def _read(file: Path) -> _Orphan | None:
    try:
        history = pq.ParquetFile(file).read()
        command = json.loads(history["command"][0].as_py())
        settings = {name: value for name, value in command.items() if name in Experiment.__dataclass_fields__}
        experiment, repetitions = Experiment(**settings), tuple(history["repetition"].to_pylist())
    except (pa.ArrowException, OSError, KeyError, IndexError, TypeError, ValueError):
        return None
    if experiment.experiment_id != history["experiment_id"][0].as_py():
        return None
    return _Orphan(file.parents[1].name, file.parents[1], experiment, repetitions, history)


def _record(store: TrackingStore, artifacts: str, orphan: _Orphan) -> None:
    """Record an orphan as its trial would have, had it been as quick."""
    name = str(orphan.first("batch"))
    mlflow_experiment = store.open_experiment(name, note="", artifact_location=artifacts)
    run = TrialRun(
        TrackingSettings(
            store.uri,
            mlflow_experiment,
            all_epochs=False,
            repetition_runs=False,
            git_commit=str(orphan.first("git_hash") or ""),
            sql_artifacts=store.sql_artifacts(mlflow_experiment),
        ),
        orphan.experiment,
        orphan.repetitions,
        num_repetitions=max(orphan.repetitions) + 1,
        params={key: orphan.first(key) for key in ("num_free_parameters", "widths")},
        trial_id=str(orphan.first("trial_id")),
        recovered_from=orphan.mlflow_run_id,
    )
    curves = [np.stack(orphan.history[column].to_numpy()) for column in HISTORY_COLUMNS]  # 20 of [repetitions, epochs]
    for epoch in recorded_epochs(orphan.experiment.epochs, all_epochs=False):
        run.log_epoch(int(epoch), np.stack([curve[:, epoch - 1] for curve in curves]))
    position = orphan.history.schema.get_field_index("mlflow_run_id")
    run_ids = pa.array([run.run_id] * len(orphan.repetitions), orphan.history.schema.field(position).type)
    run.finish(orphan.history.set_column(position, orphan.history.schema.field(position), run_ids))
