"""The training of one experiment in a trial: its bundle, its MLflow run and its states on disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from survey.dataset.history import history_table
from survey.errors import DiskFullError, TrackingError
from survey.tracking.rows import InputData
from survey.tracking.trial_run import TrackedTrial, TrialRun
from survey.trials.bundle import Bundle, is_device_lost, is_out_of_memory
from survey.trials.messages import ExperimentConfig, ExperimentProgress, TrialSettings
from survey.trials.provenance import process_origin
from survey.trials.run_files import RunFiles
from survey.trials.saved_states import SavedStates
from survey.trials.tracked_run import TrackedRun
from survey.workloads.experiment import Run
from survey.workloads.registry import experiment_of, workload_named
from survey.workloads.workload import MakeTrainer

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
        run: Its MLflow run.
        saved: What is on disk to go on from.
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
        digest = self._workload.data_digest(self.experiment, settings.data)
        name = self._workload.data_name(self.experiment)
        self._data = InputData(name, digest) if name else None
        self.saved = SavedStates(self.experiment, config, settings, trial_id=context.trial_id, data_digest=digest)
        self.run = TrackedRun()
        self.is_done = False
        self._files: RunFiles | None = None
        self._reported = 0  # epochs, summed over the repetitions

    def open(self) -> None:
        """Open the MLflow run and make the bundle, restored from a checkpoint or a kept state if there is one.

        If an earlier try of this trial has finished the experiment, there is nothing to open, and it is done.
        """
        saved = self.saved.load()
        if saved and "finished_by" in saved:
            self.is_done = True
            return
        first_epoch = saved["epoch"] + 1 if saved else 1
        self.run.open(self._trial_run(first_epoch))
        with self.run.failure_marked():
            settings, details = self._context.settings, self._config["details"]
            self._training = self._workload.training(self.experiment, details, settings.data, self._context.device)
            keep = self.saved.keep if settings.keep_states and self.experiment.draws == "paired" else None
            self._bundle = Bundle(
                self._make_trainer(),
                self._metrics,
                self._seeds,
                self.experiment.epochs,
                keep,
                runs_at_once=self._training.runs_at_once,
            )
            if saved:
                self._restore(saved)

    def _on_stream(self) -> AbstractContextManager[object]:
        """Queue what is within on the stream. Asking PyTorch for none costs more than an epoch has to spare."""
        return torch.cuda.stream(self._stream) if self._stream else nullcontext()

    @property
    def _seeds(self) -> list[int]:
        """The seed of each run."""
        return [Run(self.experiment, number).seed for number in self._config["repetitions"]]

    def _make_trainer(self) -> MakeTrainer:
        """What makes a trainer of some runs, with the folders for their files if they leave any."""
        make_trainer: Any = self._training.make_trainer  # which takes folders too, if it says so
        if not self._training.leaves_files:
            return make_trainer
        files = self._files = RunFiles(self.saved.files)
        return lambda *, seeds: make_trainer(seeds=seeds, folders=[files.of(seed) for seed in seeds])

    def _trial_run(self, first_epoch: int) -> TrialRun:
        """Make the MLflow run of the experiment, whose training begins with an epoch."""
        trial = TrackedTrial(
            self.experiment,
            self._config["repetitions"],
            num_repetitions=self._config["num_repetitions"],
            params=self._config["details"],
            trial_id=self._context.trial_id,
            first_epoch=first_epoch,
            data=self._data,
        )
        return TrialRun(replace(self._context.settings.tracking, metrics=self._metrics), trial)

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint or a kept state; the MLflow run gets the epochs before it too."""
        try:
            with self._on_stream():
                self._bundle.load_state_dict(saved)
            self._reported = self._bundle.run_epochs
            self.run.log_epochs(self._bundle.curves, self._bundle.epoch)
        except (TrackingError, DiskFullError):
            raise
        except Exception as error:
            # The next try starts over, unless it is not the checkpoint that is at fault.
            if not is_out_of_memory(error) and not is_device_lost(error):
                self.saved.remove_start()
            raise

    @property
    def is_training(self) -> bool:
        """Whether epochs are left to train."""
        return self.run.is_open and not self._bundle.is_done

    @property
    def objective(self) -> float:
        """Median at the last epoch that all repetitions have trained; NaN before the first."""
        return self._bundle.curves.objective(self._bundle.epoch)

    def report(self) -> ExperimentProgress:
        """Return the progress, and of the epochs those since the last report."""
        if not self.run.run_id:  # an earlier try of the trial has finished it
            return ExperimentProgress(self.experiment.epochs, 0, self.is_done)
        # What the memory does not hold starts over.
        trained = max(0, self._bundle.run_epochs - self._reported)
        self._reported = self._bundle.run_epochs
        return ExperimentProgress(self._bundle.epoch, trained, self.is_done)

    def start_epoch(self) -> None:
        """Train an epoch; on a GPU, let it start. One that is under way goes on."""
        with self.run.failure_marked(), self._on_stream():
            self._bundle.start_epoch()

    def end_epoch(self, not_before: float) -> float:
        """Wait for the epoch that was started, and track it; one that takes long may still be under way then.

        Args:
            not_before: When the epoch of another experiment ended that was waited for before this one, by
                `time.perf_counter`. Time before that counts for that experiment.

        Returns:
            When this one was tracked, by `time.perf_counter`.
        """
        with self.run.failure_marked():
            with self._on_stream():
                self._bundle.end_epoch(not_before)
            self.run.log_epochs(self._bundle.curves, self._bundle.epoch)
        return time.perf_counter()

    def finish(self) -> None:
        """Store the history, and remove the checkpoint.

        In a packed trial a note takes its place, so that a next try of the trial does not train the experiment again.
        """
        with self.run.failure_marked():
            repetitions = self._config["repetitions"]
            origin = {
                **self._context.settings.origin,
                **process_origin(self._context.device),
                **self._bundle.time.columns(len(repetitions)),
                "trial_id": self._context.trial_id,
                "mlflow_run_id": self.run.run_id,
            }
            columns, curves = self._workload.columns, self._bundle.curves
            if curves.metrics.is_open:
                columns = columns.recording(curves.metrics.names)
            history = history_table(
                columns,
                self.experiment,
                repetitions,
                self._training.columns,
                {**curves.by_name, **(self._training.of_runs(self._seeds) if self._training.of_runs else {})},
                origin,
                lengths=curves.lengths.tolist(),
            )
            folders = [self._files.of(seed) for seed in self._seeds] if self._files else []
            self.run.finish(history, folders, keep=self.save_checkpoint)
            self.is_done = True
            if self._files:
                self._files.remove()
            if self._context.is_packed:
                self.saved.note_finished()
            else:
                self.saved.remove_checkpoint()

    def save_checkpoint_if_due(self) -> None:
        """Write a checkpoint if it is time for one."""
        if self.saved.is_checkpoint_due:
            with self.run.failure_marked():
                self.save_checkpoint()

    def save_checkpoint(self) -> None:
        """Write a checkpoint, from which a trial of the same repetitions goes on.

        While an epoch takes long, there is none: the last one stays.
        """
        if self.run.is_open:
            with self._on_stream():
                self._bundle.end_epoch()  # one that is under way, perhaps beside others
                if self._bundle.is_under_way:
                    return
                self.saved.save_checkpoint(self._bundle.state_dict())

    def stop(self, *, close_run: bool = True) -> None:
        """Keep what is trained before the end of the trial; whatever fails is logged and no more.

        Args:
            close_run: Whether to close the MLflow run. If no trial can go on, the next launch closes it.
        """
        try:
            if self.is_done:
                self.saved.remove_checkpoint()
            else:
                self.save_checkpoint()
        except Exception:
            _log.warning("no checkpoint of the MLflow run %s could be made", self.run.run_id, exc_info=True)
        if self._files:
            self._files.leave()
        if close_run:
            self.run.kill()
        else:
            self.run.abandon()
