"""The training of one experiment in a trial: its bundle, its MLflow run and its checkpoint."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from survey.dataset.history import history_table
from survey.errors import FATAL_ERRORS, DiskFullError, TrackingError
from survey.output.states import States
from survey.tracking.trial_run import TrialRun
from survey.trials.bundle import Bundle, is_device_lost, is_out_of_memory
from survey.trials.checkpoint import Checkpoint, StateFile
from survey.trials.messages import ExperimentConfig, TrialSettings
from survey.trials.provenance import process_origin
from survey.trials.training_time import TrainingTime
from survey.workloads.experiment import Run
from survey.workloads.metrics import is_recorded
from survey.workloads.registry import experiment_of, workload_named

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialContext:
    """What the experiments of a trial share.

    Attributes:
        settings: What all trials share.
        trial_id: Ray Tune's id of the trial.
        device: Where to train.
        is_packed: Whether the trial has several experiments.
    """

    settings: TrialSettings
    trial_id: str
    device: torch.device
    is_packed: bool = False


class _TrackedRun:
    """An MLflow run that gets each epoch once, and is marked as failed if the training fails.

    Attributes:
        run_id: Its id; an empty string until it is opened.
    """

    def __init__(self) -> None:
        self.run_id = ""
        self._run: TrialRun | None = None
        self._logged = 0

    @property
    def is_open(self) -> bool:
        """Whether the experiment is still tracked."""
        return self._run is not None

    def open(self, run: TrialRun) -> None:
        """Track the experiment in this run."""
        self._run, self.run_id = run, run.run_id

    def log_epochs(self, bundle: Bundle) -> None:
        """Track the epochs that all repetitions have trained and that are not tracked yet."""
        while self._run and self._logged < bundle.epoch:
            self._logged += 1
            self._run.log_epoch(self._logged, bundle.curves[:, :, self._logged - 1], bundle.metrics)

    def finish(self, history: pa.Table, keep: Callable[[], None]) -> None:
        """Store the history and mark the run as finished; arguments as of `TrialRun.finish`."""
        if self._run:
            self._run.finish(history, keep=keep)
        self._run = None

    def abandon(self) -> None:
        """Leave the run as it is: the next launch closes it."""
        self._run = None

    def kill(self) -> None:
        """Mark the run as killed. A failure to do so is logged and no more: the next launch closes abandoned runs."""
        run, self._run = self._run, None
        try:
            if run:
                run.kill()
        except Exception:
            _log.warning("the MLflow run %s could not be closed", self.run_id, exc_info=True)

    @contextmanager
    def failure_marked(self) -> Iterator[None]:
        """Mark the run as failed before an error goes on, and let nothing hide that error."""
        try:
            yield
        except FATAL_ERRORS:
            raise  # a store that is away, or a disk that is full, takes no mark
        except Exception:
            run, self._run = self._run, None
            try:
                if run:
                    run.fail(traceback.format_exc())
            except Exception:
                _log.warning("MLflow does not have all of the failure of run %s", self.run_id, exc_info=True)
            raise


class ExperimentTraining:
    """Trains the repetitions of one experiment, from its checkpoint if there is one, and tracks them epoch by epoch.

    Args:
        config: Its configuration.
        context: What the experiments of the trial share.
        stream: Where its epochs are queued on a GPU; None for the default stream, and on a CPU.

    Raises:
        Exception: From every method, what went wrong. The MLflow run is marked as failed, unless no trial can go on
            (`survey.errors.FATAL_ERRORS`).

    Attributes:
        experiment: What is trained.
        is_done: Whether its results are safe.
    """

    def __init__(
        self, config: ExperimentConfig, context: TrialContext, stream: torch.cuda.Stream | None = None
    ) -> None:
        self._config, self._context, self._stream = config, context, stream
        self.experiment = experiment_of(config)
        settings = context.settings
        self._workload = workload_named(settings.workload, settings.about)
        self._metrics = self._workload.columns.metrics.only(config["metrics"])
        self._data_digest = self._workload.data_digest(self.experiment, settings.data)
        self._checkpoint = Checkpoint(
            settings.checkpoints, self.experiment, config["repetitions"], data_digest=self._data_digest
        )
        self._states = States(settings.states)
        self._time, self._run = TrainingTime(), _TrackedRun()
        self.is_done = False

    def open(self) -> None:
        """Open the MLflow run and make the bundle, restored from a checkpoint or a kept state if there is one.

        If an earlier try of this trial has finished the experiment, there is nothing to open, and it is done.
        """
        saved = self._checkpoint.load()
        finished_by = saved.get("finished_by") if saved else None
        if finished_by == self._context.trial_id:
            self.is_done = True
            return
        if finished_by:
            saved = None  # the note of another trial
        saved = saved or self._kept()
        first_epoch = saved["epoch"] + 1 if saved else 1
        self._run.open(self._trial_run(first_epoch))
        with self._run.failure_marked():
            settings, details = self._context.settings, self._config["details"]
            self._training = self._workload.training(self.experiment, details, settings.data, self._context.device)
            seeds = [Run(self.experiment, number).seed for number in self._config["repetitions"]]
            keeps = settings.keep_states and self.experiment.draws == "paired"
            self._bundle = Bundle(
                self._training.make_trainer,
                self._metrics,
                seeds,
                self.experiment.epochs,
                self._keep if keeps else None,
                runs_at_once=self._training.runs_at_once,
            )
            if saved:
                self._restore(saved)

    def _trial_run(self, first_epoch: int) -> TrialRun:
        """Make the MLflow run of the experiment, whose training begins with an epoch."""
        return TrialRun(
            replace(self._context.settings.tracking, metrics=self._metrics),
            self.experiment,
            self._config["repetitions"],
            num_repetitions=self._config["num_repetitions"],
            params=dict(self._config["details"]),
            trial_id=self._context.trial_id,
            first_epoch=first_epoch,
        )

    def _kept(self) -> dict[str, Any] | None:
        """The kept state from which the experiment goes on, in the form of a checkpoint; None to begin."""
        start = self._config["start_epoch"]
        file = self._state_file(self._config["repetitions"], start) if start else None
        return file.load() if file else None

    def _keep(self, runs: slice, state: dict[str, Any]) -> None:
        """Keep the state of runs that have trained all their epochs."""
        file = self._state_file(self._config["repetitions"][runs], self.experiment.epochs)
        if file:
            file.save({"bundle": state, "epoch": self.experiment.epochs, **self._time.state_dict()})

    def _state_file(self, repetitions: list[int], epochs: int) -> StateFile | None:
        file = self._states.file(self.experiment, repetitions, epochs)
        without_epochs = {name: value for name, value in self.experiment.canonical.items() if name != "epochs"}
        identity = {"epochs": epochs, "repetitions": repetitions, "data_digest": self._data_digest}
        return StateFile(file, {"experiment": without_epochs, **identity}) if file else None

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint or a kept state; the MLflow run gets the epochs before it too."""
        try:
            with torch.cuda.stream(self._stream):
                self._bundle.load_state_dict(saved["bundle"])
            self._time.load_state_dict(saved)
            self._run.log_epochs(self._bundle)
        except (TrackingError, DiskFullError):
            raise
        except Exception as error:
            # The next try starts over, unless it is not the checkpoint that is at fault.
            if not is_out_of_memory(error) and not is_device_lost(error):
                self._checkpoint.remove()
                if file := self._state_file(self._config["repetitions"], self._config["start_epoch"]):
                    file.remove()
            raise

    @property
    def run_id(self) -> str:
        """Id of the MLflow run; an empty string if an earlier try of the trial has finished the experiment."""
        return self._run.run_id

    @property
    def is_training(self) -> bool:
        """Whether epochs are left to train."""
        return self._run.is_open and not self._bundle.is_done

    @property
    def epoch(self) -> int:
        """Last epoch that all repetitions have trained."""
        return self.experiment.epochs if self.is_done else self._bundle.epoch

    @property
    def run_epochs(self) -> int:
        """Epochs that this try of the trial has trained or taken from a checkpoint, summed over the repetitions."""
        return self._bundle.run_epochs if self.run_id else 0

    @property
    def objective(self) -> float:
        """Median at the last epoch that all repetitions have trained; NaN before the first."""
        epoch, metrics = self._bundle.epoch, self._metrics
        values = self._bundle.curves[metrics.all.index(metrics.objective), :, max(0, epoch - 1)]
        recorded = values[is_recorded(values)] if epoch else ()
        return float(np.median(recorded)) if len(recorded) else float("nan")

    def start_epoch(self) -> None:
        """Train an epoch; on a GPU, let it start. One that is under way goes on."""
        if self._bundle.is_under_way:
            return
        self._time.start_epoch()
        with self._run.failure_marked(), torch.cuda.stream(self._stream):
            self._bundle.start_epoch()

    def end_epoch(self, not_before: float) -> float:
        """Wait for the epoch that was started, and track it; one that takes long may still be under way then.

        Args:
            not_before: When the epoch of another experiment ended that was waited for before this one, by
                `time.perf_counter`. Time before that counts for that experiment.

        Returns:
            When this one was tracked, by `time.perf_counter`.
        """
        with self._run.failure_marked():
            self._end_epoch(not_before)
            self._run.log_epochs(self._bundle)
        return time.perf_counter()

    def _end_epoch(self, not_before: float = 0.0) -> None:
        """Wait for the epoch that was started, if one was."""
        if self._bundle.is_under_way:
            with torch.cuda.stream(self._stream):
                self._bundle.end_epoch()
            if not self._bundle.is_under_way:
                self._bundle.took(self._time.end_epoch(not_before))

    def finish(self) -> None:
        """Store the history, and remove the checkpoint.

        In a packed trial a note takes its place, so that a next try of the trial does not train the experiment again.
        """
        with self._run.failure_marked():
            self._run.finish(self._history(), keep=self.save_checkpoint)
            self.is_done = True
            if self._context.is_packed:
                self._checkpoint.save({"finished_by": self._context.trial_id})
            else:
                self._checkpoint.remove()

    def _history(self) -> pa.Table:
        repetitions = self._config["repetitions"]
        origin = {
            **self._context.settings.origin,
            **process_origin(self._context.device),
            **self._time.columns(len(repetitions)),
            "trial_id": self._context.trial_id,
            "mlflow_run_id": self.run_id,
        }
        columns, bundle = self._workload.columns, self._bundle
        if bundle.metrics.is_open:
            columns = columns.recording(bundle.metrics.names)
        described, curves = self._training.columns, bundle.curves_by_name
        return history_table(
            columns, self.experiment, repetitions, described, curves, origin, lengths=bundle.lengths.tolist()
        )

    def remove_checkpoint(self) -> None:
        """Remove the checkpoint, or the note in its place: the whole trial is done."""
        self._checkpoint.remove()

    def save_checkpoint_if_due(self) -> None:
        """Write a checkpoint if it is time for one."""
        if self._checkpoint.is_due:
            with self._run.failure_marked():
                self.save_checkpoint()

    def save_checkpoint(self) -> None:
        """Write a checkpoint, from which a trial of the same repetitions goes on.

        There is none while an epoch takes long: the last one stays.
        """
        if self._run.is_open:
            self._end_epoch()  # one that is under way, perhaps beside others
            if self._bundle.is_under_way:
                return
            with torch.cuda.stream(self._stream):
                state = {"bundle": self._bundle.state_dict(), "epoch": self._bundle.epoch}
                self._checkpoint.save({**state, **self._time.state_dict()})

    def stop(self, *, close_run: bool = True) -> None:
        """Keep what is trained before the end of the trial; whatever fails is logged and no more.

        Args:
            close_run: Whether to close the MLflow run. If no trial can go on, the next launch closes it.
        """
        try:
            if self.is_done:
                self.remove_checkpoint()
            else:
                self.save_checkpoint()
        except Exception:
            _log.warning("no checkpoint of the MLflow run %s could be made", self.run_id, exc_info=True)
        if close_run:
            self._run.kill()
        else:
            self._run.abandon()
