"""The training of one experiment in a trial: its bundle, its MLflow run and its checkpoint."""

from __future__ import annotations

import logging
import platform
import socket
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import torch

from survey.dataset.history import history_table
from survey.errors import NO_TRIAL_GOES_ON, DiskFullError, TrackingError
from survey.experiments.experiment import Run, experiment_of
from survey.system.clock import Clock
from survey.tracking.trial_run import TrialRun
from survey.training.bundle import Bundle, is_device_lost, is_out_of_memory
from survey.training.loop import Trainer
from survey.trials.checkpoint import Checkpoint
from survey.trials.messages import ExperimentConfig, TrialSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialContext:
    """What the experiments of a trial share.

    Attributes:
        settings: What all trials share.
        trial_id: Ray Tune's id of the trial.
        device: Where to train.
        is_packed: Whether the trial has other experiments too.
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
        Exception: From this and every method, what went wrong; the MLflow run is marked as failed then, except where no
            trial can go on (`survey.errors.NO_TRIAL_GOES_ON`).

    Attributes:
        config: As it was given.
        is_done: Whether its results are safe.
    """

    def __init__(
        self, config: ExperimentConfig, context: TrialContext, stream: torch.cuda.Stream | None = None
    ) -> None:
        self.config, self._context, self._stream = config, context, stream
        self.experiment = experiment_of(config)
        self._repetitions = config["repetitions"]
        self._task = context.settings.tasks[self.experiment.dataset]
        self._clock = Clock()
        self._start_time_ms = self._clock.now_ms()
        self._train_s, self._began, self._logged = 0.0, 0.0, 0
        self._checkpoint = Checkpoint(
            context.settings.checkpoints, self.experiment, self._repetitions, data_digest=self._task.digest
        )
        saved = self._checkpoint.load()
        finished_by = saved.get("finished_by") if saved else None
        self.is_done = finished_by == context.trial_id
        self._run: TrialRun | None = None
        self.run_id = ""
        if not self.is_done:
            self._begin(None if finished_by else saved)

    def _begin(self, saved: Mapping[str, Any] | None) -> None:
        """Make the MLflow run and the bundle, and go on from a checkpoint if there is one."""
        config, context = self.config, self._context
        self._run = TrialRun(
            context.settings.tracking,
            self.experiment,
            self._repetitions,
            num_repetitions=config["num_repetitions"],
            params={"num_free_parameters": config["num_free_parameters"], "widths": config["widths"]},
            trial_id=context.trial_id,
            first_epoch=saved["epoch"] + 1 if saved else 1,
        )
        self.run_id = self._run.run_id
        with self._marked_as_failed():
            make_trainer = partial(
                Trainer,
                self.experiment,
                inputs=torch.tensor(self._task.inputs),
                targets=torch.tensor(self._task.targets),
                task_kind=self._task.kind,
                widths=config["widths"],
                device=context.device,
            )
            seeds = [Run(self.experiment.experiment_id, number).seed for number in self._repetitions]
            self._bundle = Bundle(make_trainer, seeds, self.experiment.epochs)
            if not saved:
                return
            try:
                self._resume(saved)
            except (TrackingError, DiskFullError):
                raise
            except Exception as error:
                # When it is tried again, it starts over, unless it is not the checkpoint that is at fault.
                if not is_out_of_memory(error) and not is_device_lost(error):
                    self._checkpoint.remove()
                raise

    def _resume(self, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint; the MLflow run gets the epochs before it too."""
        with torch.cuda.stream(self._stream):
            self._bundle.load_state_dict(saved["bundle"])
        self._train_s, self._start_time_ms = saved["train_s"], saved["start_time_ms"]
        self._clock = Clock(not_before_ms=self._start_time_ms)
        self._log_epochs()

    @property
    def is_training(self) -> bool:
        """Whether epochs are left to train."""
        return self._run is not None and not self._bundle.is_done

    @property
    def epoch(self) -> int:
        """Last epoch that all repetitions have trained."""
        return self.experiment.epochs if self.is_done else self._bundle.epoch

    @property
    def run_epochs(self) -> int:
        """Epochs that this try of the trial has trained or taken from a checkpoint, summed over the repetitions."""
        return self._bundle.run_epochs if self.run_id else 0  # an earlier try had finished it

    @property
    def test_loss(self) -> float:
        """Median of the last epoch that all repetitions have trained; NaN before the first."""
        epoch = self._bundle.epoch
        return float(np.median(self._bundle.curves[0, :, epoch - 1])) if epoch else float("nan")

    def start_epoch(self) -> None:
        """Train an epoch; on a GPU, let it start."""
        self._began = time.perf_counter()
        with self._marked_as_failed(), torch.cuda.stream(self._stream):
            self._bundle.start_epoch()

    def end_epoch(self, not_before: float) -> float:
        """Wait for the epoch that was started, and track it.

        Args:
            not_before: When the epoch ended that was waited for before this one, by `time.perf_counter`; time before
                that is counted for its experiment.

        Returns:
            When that was done, by `time.perf_counter`.
        """
        with self._marked_as_failed():
            with torch.cuda.stream(self._stream):
                self._bundle.end_epoch()
            ended = time.perf_counter()
            self._train_s += ended - max(self._began, not_before)
            self._log_epochs()
        return time.perf_counter()

    def _log_epochs(self) -> None:
        """Track the epochs that all repetitions have reached since the last call."""
        while self._run and self._logged < self._bundle.epoch:
            self._logged += 1
            self._run.log_epoch(self._logged, self._bundle.curves[:, :, self._logged - 1])

    def finish(self) -> None:
        """Store what all epochs have given; in a packed trial, note it: where that is retried, it is not done twice."""
        with self._marked_as_failed():
            if self._run:
                self._run.finish(self._history(self._run), keep=self.save_checkpoint)
            self._run, self.is_done = None, True
            if self._context.is_packed:
                self._checkpoint.save({"finished_by": self._context.trial_id})
            else:
                self._checkpoint.remove()

    def leave_nothing(self) -> None:
        """Remove the checkpoint, or the note in its place: the whole trial is done."""
        self._checkpoint.remove()

    def save_checkpoint_if_due(self) -> None:
        """Write a checkpoint where it is time for one."""
        if self._checkpoint.is_due:
            with self._marked_as_failed():
                self.save_checkpoint()

    def save_checkpoint(self) -> None:
        """Write a checkpoint, from which a trial of the same repetitions goes on."""
        if self._run:
            with torch.cuda.stream(self._stream):
                self._bundle.end_epoch()  # one that is under way beside others
                state = {"epoch": self._bundle.epoch, "train_s": self._train_s, "start_time_ms": self._start_time_ms}
                self._checkpoint.save({"bundle": self._bundle.state_dict(), **state})

    @contextmanager
    def _marked_as_failed(self) -> Iterator[None]:
        """Mark the MLflow run as failed before an error goes on, and let nothing hide that error."""
        try:
            yield
        except NO_TRIAL_GOES_ON:
            raise  # a store that is away, or a disk that is full, takes no mark
        except Exception:
            run, self._run = self._run, None
            try:
                if run:
                    run.fail(traceback.format_exc())
            except Exception:
                _log.warning("MLflow does not have all of the failure of run %s", self.run_id, exc_info=True)
            raise

    def _history(self, run: TrialRun) -> pa.Table:
        device = self._context.device
        origin = {
            **self._context.settings.origin,
            "python_version": platform.python_version(),
            "torch_version": version("torch"),
            "ray_version": ray.__version__,
            "mlflow_version": version("mlflow"),
            "platform": platform.platform(),
            "hostname": socket.gethostname(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "start_time": self._start_time_ms,
            "update_time": self._clock.now_ms(),
            "train_seconds": self._train_s / len(self._repetitions),
            "trial_id": self._context.trial_id,
            "mlflow_run_id": run.run_id,
        }
        widths, curves = self.config["widths"], self._bundle.curves
        return history_table(self.experiment, self._repetitions, self._task, widths, curves, origin)

    def give_up(self) -> None:
        """Keep what is trained, where no trial can go on; the next launch closes the MLflow run."""
        try:
            if self.is_done:
                self.leave_nothing()
            else:
                self.save_checkpoint()
        except Exception:
            _log.warning("no checkpoint of the MLflow run %s could be made", self.run_id, exc_info=True)
        self._run = None

    def stop(self) -> None:
        """Close the MLflow run before its end, and keep what is trained."""
        run = self._run
        self.give_up()
        # The trial is over in any case, and the next launch closes abandoned runs.
        try:
            if run:
                run.kill()
        except Exception:
            _log.warning("the MLflow run %s could not be closed", self.run_id, exc_info=True)
