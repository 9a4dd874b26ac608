"""The MLflow run of a trial: medians over its repetitions by epoch, and a child run for each repetition if wanted."""

from __future__ import annotations

import getpass
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from survey.dataset.table_writer import write_table
from survey.errors import TrackingAwayError, TrackingError
from survey.system.clock import Clock
from survey.system.files import disk_full_errors
from survey.text.counting import ranges
from survey.tracking.epoch_log import EpochLog, Waits
from survey.tracking.noted_epochs import NotedEpoch
from survey.tracking.rows import InputData, NewRun
from survey.tracking.tags import (
    EXPERIMENT,
    EXPERIMENT_ID,
    HISTORY_FILE,
    MOST_LETTERS,
    REPETITION_ROLE,
    REPETITIONS,
    ROLE,
    TRIAL_ROLE,
)
from survey.tracking.writer import make_writer
from survey.workloads.experiment import Experiment, Run
from survey.workloads.metrics import Metrics, log_spaced_epochs

LOG_EPOCHS = 40
"""The most log-spaced epochs of a training that go to MLflow."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class TrackingSettings:
    """How trials are tracked.

    Attributes:
        uri: MLflow tracking URI, valid in every worker.
        mlflow_experiment_id: The MLflow experiment of the survey.
        all_epochs: Whether every epoch is logged, or log-spaced ones.
        repetition_runs: Whether each repetition has a child run of its own.
        metrics: What is recorded of each epoch: of all trials, or of the one whose run it is.
        axes: Axes with which the names of runs begin: those that have several values in the survey.
        git_commit: Commit of the survey's source, or an empty string.
        sql_artifacts: Where the experiment keeps artifacts, if workers may write its rows by SQL; else None.
        waits: When they write.
    """

    uri: str
    mlflow_experiment_id: str
    all_epochs: bool
    repetition_runs: bool
    metrics: Metrics
    axes: tuple[str, ...] = ()
    git_commit: str = ""
    sql_artifacts: str | None = None
    waits: Waits = field(default_factory=Waits)


@dataclass(frozen=True)
class TrackedTrial:
    """What the MLflow run of a trial says about it.

    Attributes:
        experiment: What is trained.
        repetitions: Numbers of the repetitions.
        num_repetitions: How many the survey asks for altogether.
        params: Further parameters, such as the exact number of trainable parameters.
        trial_id: Ray Tune's id of the trial.
        first_epoch: The epoch that the trial begins with, beyond 1 where it goes on from a checkpoint.
        recovered_from: The MLflow run whose place this one takes, where that one was lost.
        data: What it is trained on; None if it needs no data.
    """

    experiment: Experiment
    repetitions: Sequence[int]
    num_repetitions: int
    params: Mapping[str, object]
    trial_id: str
    first_epoch: int = 1
    recovered_from: str | None = None
    data: InputData | None = None


def recorded_epochs(num_epochs: int, *, all_epochs: bool) -> npt.NDArray[np.int64]:
    """Return the epochs of a training that go to MLflow: all of them, or at most `LOG_EPOCHS` log-spaced ones."""
    return np.arange(1, num_epochs + 1) if all_epochs else log_spaced_epochs(num_epochs, LOG_EPOCHS)


class TrialRun:
    """The MLflow run of a trial, from its start to its end.

    Args:
        settings: How trials are tracked.
        trial: What the run says about it.

    Raises:
        TrackingAwayError: The server has been away for `Waits.patience_s`; from every method.
        TrackingError: The store refuses; from every method.
        DiskFullError: There is no room left for it; from every method.
    """

    def __init__(self, settings: TrackingSettings, trial: TrackedTrial) -> None:
        self._writer = make_writer(settings.uri, settings.mlflow_experiment_id, sql_artifacts=settings.sql_artifacts)
        self._metrics, self._waits = settings.metrics, settings.waits
        self._repetitions = trial.repetitions
        wanted = recorded_epochs(trial.experiment.epochs, all_epochs=settings.all_epochs)
        self._wanted = frozenset(wanted.tolist())
        self._clock = Clock()
        parent = parent_run(settings, trial, start_time_ms=self._clock.now_ms())
        numbers = trial.repetitions if settings.repetition_runs else ()
        children = [child_run(parent, trial.experiment, number) for number in numbers]
        self.run_id, *self._children = self._patiently(lambda: self._writer.create_runs([parent, *children]))
        self._epochs = EpochLog(self._writer, self.run_id, self._children, self._waits)

    def wants(self, epoch: int) -> bool:
        """Whether an epoch goes to MLflow; all of them, or log-spaced ones."""
        return epoch in self._wanted

    def log_epoch(
        self,
        epoch: int,
        statistics: np.ndarray,
        metrics: Metrics | None = None,
        *,
        runs: Iterable[int] | None = None,
        is_of_trial: bool = True,
    ) -> None:
        """Note the metrics of an epoch; a few seconds' worth is written at a time.

        Args:
            epoch: Its number, from 1.
            statistics: float32 [metrics, repetitions].
            metrics: Which ones these are: those of the settings, and after them any others that training has found.
            runs: Places of the repetitions whose own runs get it; None for all.
            is_of_trial: Whether the trial's run gets its medians: whether all repetitions have trained it.
        """
        if not self.wants(epoch) or not (is_of_trial or self._children):
            return
        numbers = frozenset(range(len(self._children)) if runs is None else runs)
        now_ms, statistics = self._clock.now_ms(), statistics.copy()  # what is trained again may replace them
        self._epochs.note(NotedEpoch(epoch, now_ms, statistics, metrics or self._metrics, numbers, is_of_trial))

    def flush(self) -> None:
        """Write what has been noted, or keep it while the server is away."""
        self._epochs.flush()

    def _patiently(self, call: Callable[[], _T]) -> _T:
        """Call until the server is back."""
        ends = time.monotonic() + self._waits.patience_s
        while True:
            try:
                return call()
            except TrackingAwayError:
                if time.monotonic() >= ends:
                    raise
                time.sleep(self._waits.ask_again_s)

    def finish(self, history: pa.Table, folders: Sequence[Path] = (), keep: Callable[[], None] = lambda: None) -> None:
        """Write what is left, store the history of every repetition as an artifact, and mark the runs FINISHED last.

        Args:
            history: The history.
            folders: For each repetition, the folder with files that it has left; none if they leave no files.
            keep: Called where that does not succeed at once, before it is tried again or given up.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / HISTORY_FILE
            with disk_full_errors(path):
                write_table(history, path)
            try:
                self._finish(path, folders)
            except TrackingError as error:
                keep()
                if not isinstance(error, TrackingAwayError):
                    raise
                self._patiently(lambda: self._finish(path, folders))

    def _finish(self, history: Path, folders: Sequence[Path]) -> None:
        self._epochs.write()
        for number, folder in enumerate(folders):
            self._log_files(number, folder)
        self._writer.log_artifact(self.run_id, history)
        self._end("FINISHED")

    def _log_files(self, number: int, folder: Path) -> None:
        """Store what a repetition has left among the artifacts of its run, or of the trial's in a folder of its own."""
        run_id, above = (
            (self._children[number], Path())
            if self._children
            else (self.run_id, Path(f"repetition_{self._repetitions[number]}"))
        )
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                below = above / file.parent.relative_to(folder)
                self._writer.log_artifact(run_id, file, "" if below == Path() else below.as_posix())

    def fail(self, traceback: str) -> None:
        """Write what is left and mark the runs FAILED, with the traceback as an artifact where it can be stored."""
        self.flush()
        self._end("FAILED")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "traceback.txt"
            path.write_text(traceback, encoding="utf-8")
            self._writer.log_artifact(self.run_id, path)

    def kill(self) -> None:
        """Write what is left and mark the runs KILLED: the trial was stopped before its end."""
        self.flush()
        self._end("KILLED")

    def _end(self, status: str) -> None:
        self._writer.end_runs([*self._children, self.run_id], status, self._clock.now_ms())


def parent_run(settings: TrackingSettings, trial: TrackedTrial, *, start_time_ms: int) -> NewRun:
    """Describe the MLflow run of a trial; times in milliseconds since 1970."""
    experiment, repetitions = trial.experiment, trial.repetitions
    described = {name: value for name, value in experiment.described.items() if name != "task_content"}
    tags = {
        ROLE: TRIAL_ROLE,
        EXPERIMENT: json.dumps(experiment.to_dict()),
        REPETITIONS: json.dumps(list(repetitions)),
        EXPERIMENT_ID: f"{experiment.experiment_id:016x}",
        "repetitions": f"{', '.join(ranges(repetitions))} of {trial.num_repetitions}",
        "trial_id": trial.trial_id,
        "epochs_logged": "all" if settings.all_epochs else "log-spaced",
        "mlflow.user": _user(),
        "mlflow.source.name": "survey.launch",
        "mlflow.source.type": "LOCAL",
    }
    if settings.git_commit:
        tags["mlflow.source.git.commit"] = settings.git_commit
    if trial.first_epoch > 1:
        tags["resumed_at_epoch"] = str(trial.first_epoch)
    if trial.recovered_from:
        tags["recovered_from"] = trial.recovered_from
    shown = {key: str(value) for key, value in {**described, **trial.params}.items() if value is not None}
    return NewRun(experiment.named_by(settings.axes)[:MOST_LETTERS], start_time_ms, tags, shown, trial.data)


def child_run(parent: NewRun, experiment: Experiment, repetition: int) -> NewRun:
    """Describe the MLflow run of a repetition, a child of its trial's."""
    run = Run(experiment, repetition)
    kept = (EXPERIMENT_ID, "mlflow.user", "mlflow.source.name", "mlflow.source.type")
    tags = {ROLE: REPETITION_ROLE, "mlflow.parentRunId": "", **{key: parent.tags[key] for key in kept}}
    params = {"repetition": str(repetition), "seed": str(run.seed)}
    return NewRun(f"{parent.name} #{repetition}", parent.start_time_ms, tags, params)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in the system's list, as in some containers
        return "unknown"
