"""A Ray Tune trial: the repetitions of one experiment, trained as one array, tracked epoch by epoch."""

from __future__ import annotations

import logging
import platform
import socket
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import ray
from ray import tune

from survey.checkpoint import Checkpoint
from survey.clock import Clock
from survey.errors import DiskFullError, TrackingAwayError, TrackingError
from survey.experiment import Experiment, Run
from survey.history import history_table
from survey.plan import PlannedTrial
from survey.tasks import PreparedTask

if TYPE_CHECKING:
    import torch

    from survey.tracking.trial_run import TrackingSettings, TrialRun

_SLICE_S = 1.0
"""Time between two reports to Tune, in seconds: how soon a trial notices that it is to stop."""

_NO_TRIAL_GOES_ON = (TrackingAwayError, DiskFullError)
"""Errors that all trials would meet: the survey stops, rather than that each of them fails."""

_log = logging.getLogger(__name__)


def trial_config(trial: PlannedTrial) -> dict[str, Any]:
    """Turn a planned trial into what Tune stores, shows and sends: plain values, no data."""
    return {
        **trial.experiment.to_dict(),
        "repetitions": list(trial.repetitions),
        "num_repetitions": trial.num_repetitions,
        "widths": list(trial.widths),
        "num_free_parameters": trial.num_free_parameters,
        "num_gpus": trial.num_gpus,
        "cost_s": trial.cost_s,
    }


def experiment_of(config: Mapping[str, Any]) -> Experiment:
    """Return the experiment of a trial's config."""
    return Experiment(**{name: config[name] for name in Experiment.__dataclass_fields__})


class SurveyTrial(tune.Trainable):
    """Trains one experiment, about a second between two reports.

    Actors are used again for one trial after the other: all state of a trial is made in `_begin`. That is called by the
    first step, not by `setup`: Tune sets up actors that it then gives another trial.
    """

    def setup(  # pyright: ignore[reportIncompatibleMethodOverride] (`tune.with_parameters` adds the others)
        self,
        config: dict[str, Any],
        *,
        tasks: Mapping[str, PreparedTask],
        tracking: TrackingSettings,
        origin: Mapping[str, Any],
        checkpoints: Path,
    ) -> None:
        """Take what all trials share, and import what they need.

        Args:
            config: `{"trial": trial_config(...)}`.
            tasks: Prepared data by task, from Ray's object store.
            tracking: How to track.
            origin: Columns of the data set that say where the survey was made.
            checkpoints: Folder for checkpoints.
        """
        self._tasks, self._tracking, self._origin, self._checkpoints = tasks, tracking, origin, checkpoints
        self._run: TrialRun | None = None
        self._config = config["trial"]
        # Not at the top of the module, as the driver, which names this class, needs neither.
        import survey.tracking.trial_run
        import survey.training  # noqa: F401

    def __repr__(self) -> str:
        """What Ray's dashboard shows of an actor from its first trial on, so it says what is true for all of them."""
        num_gpus = self._config["num_gpus"]
        return f"trials of {self._origin['batch']} on {f'{num_gpus:g} GPU' if num_gpus else '1 CPU core'}"

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial in the same process."""
        self.cleanup()
        self._config = new_config["trial"]
        return True

    def _begin(self) -> TrialRun:
        """Make all state of the trial, or take it from its checkpoint, and make its MLflow run."""
        import torch

        from survey.bundle import Bundle
        from survey.tracking.trial_run import TrialRun
        from survey.training import Trainer

        config = self._config
        device = _device(config["num_gpus"])
        self._experiment = experiment_of(config)
        self._repetitions: list[int] = config["repetitions"]
        self._task = self._tasks[self._experiment.dataset]
        self._device_name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        self._clock = Clock()
        self._start_time_ms = self._clock.now_ms()
        self._train_s = 0.0
        self._checkpoint = Checkpoint(
            self._checkpoints, self._experiment, self._repetitions, data_digest=self._task.digest
        )
        saved = self._checkpoint.load()
        run = self._run = TrialRun(
            self._tracking,
            self._experiment,
            self._repetitions,
            num_repetitions=config["num_repetitions"],
            params={name: config[name] for name in ("num_free_parameters", "widths")},
            trial_id=self.trial_id,
            first_epoch=saved["epoch"] + 1 if saved else 1,
        )
        with self._failures_told(run):
            make_trainer = partial(
                Trainer,
                self._experiment,
                inputs=torch.tensor(self._task.inputs),
                targets=torch.tensor(self._task.targets),
                task_kind=self._task.kind,
                widths=config["widths"],
                device=device,
            )
            seeds = [Run(self._experiment.experiment_id, number).seed for number in self._repetitions]
            self._bundle, self._logged = Bundle(make_trainer, seeds, self._experiment.epochs), 0
            if saved:
                try:
                    self._resume(run, saved)
                except (TrackingError, DiskFullError):
                    raise
                except Exception:  # when the trial is tried again, it starts over
                    self._checkpoint.remove()
                    raise
        return run

    def _resume(self, run: TrialRun, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint; the MLflow run gets the epochs before it too."""
        self._bundle.load_state_dict(saved["bundle"])
        self._train_s, self._start_time_ms = saved["train_s"], saved["start_time_ms"]
        self._clock = Clock(not_before_ms=self._start_time_ms)
        self._log_epochs(run)

    def _log_epochs(self, run: TrialRun) -> None:
        """Track the epochs that all repetitions have reached since the last call."""
        while self._logged < self._bundle.epoch:
            self._logged += 1
            run.log_epoch(self._logged, self._bundle.curves[:, :, self._logged - 1])

    def _save_checkpoint(self) -> None:
        state = {"epoch": self._bundle.epoch, "train_s": self._train_s, "start_time_ms": self._start_time_ms}
        self._checkpoint.save({"bundle": self._bundle.state_dict(), **state})

    def step(self) -> dict[str, Any]:
        """Train for about a second; at the last epoch, store the history and finish.

        Returns:
            What Tune is told: `run_epochs` trained in this step, seconds in its epoch loop `loop_s`, the
            `mlflow_run_id`, and whether the trial is `done`; or `stop_all`, a message, where no trial can go on: the
            tracking server has been away for too long, or the disk is full. What is trained is in the checkpoint then,
            if it can be written.
        """
        try:
            return self._step()
        except _NO_TRIAL_GOES_ON as error:
            if self._run:
                self._save_checkpoint()
                self._run = None
            told = str(error)
            if isinstance(error, TrackingAwayError):
                told += "; what is trained is kept: launch again when it is back"
            return {"done": False, "stop_all": told, "epoch": 0, "run_epochs": 0, "loop_s": 0.0}

    def _step(self) -> dict[str, Any]:
        run = self._run or self._begin()
        with self._failures_told(run):
            first, began_s = self._bundle.run_epochs, time.monotonic()
            self._train_slice(run)
            loop_s = time.monotonic() - began_s
            done = self._bundle.is_done
            if done:
                run.finish(self._history(run))
                self._run = None
                self._checkpoint.remove()
            elif self._checkpoint.is_due:
                self._save_checkpoint()
        return {
            "done": done,
            "done_training": done,
            "epoch": self._bundle.epoch,
            "run_epochs": max(0, self._bundle.run_epochs - first),  # what the memory did not hold starts over
            "loop_s": loop_s,
            "mlflow_run_id": run.run_id,
            "test_loss": self._test_loss(),
        }

    @contextmanager
    def _failures_told(self, run: TrialRun) -> Iterator[None]:
        """Mark the MLflow run as failed before an error goes on to Tune, and let nothing hide that error."""
        try:
            yield
        except _NO_TRIAL_GOES_ON:
            raise  # nothing can be told to who is away or has no room
        except Exception:
            self._run = None
            try:
                run.fail(traceback.format_exc())
            except Exception:
                _log.warning("the MLflow run %s could not be marked as failed", run.run_id, exc_info=True)
            raise

    def _train_slice(self, run: TrialRun) -> None:
        """Train an epoch, and more until the time for a report has come or the last one is trained."""
        ends = time.perf_counter() + _SLICE_S
        while not self._bundle.is_done:
            epoch_began = time.perf_counter()
            self._bundle.train_epoch()
            now = time.perf_counter()
            self._train_s += now - epoch_began
            self._log_epochs(run)
            if now >= ends:
                break

    def _test_loss(self) -> float:
        """Median of the last epoch that all repetitions have trained."""
        epoch = self._bundle.epoch
        return float(np.median(self._bundle.curves[0, :, epoch - 1])) if epoch else float("nan")

    def _history(self, run: TrialRun) -> pa.Table:
        origin = {
            **self._origin,
            "python_version": platform.python_version(),
            "torch_version": version("torch"),
            "ray_version": ray.__version__,
            "mlflow_version": version("mlflow"),
            "platform": platform.platform(),
            "hostname": socket.gethostname(),
            "device": self._device_name,
            "start_time": self._start_time_ms,
            "update_time": self._clock.now_ms(),
            "train_seconds": self._train_s / len(self._repetitions),
            "trial_id": self.trial_id,
            "mlflow_run_id": run.run_id,
        }
        return history_table(
            self._experiment, self._repetitions, self._task, self._config["widths"], self._bundle.curves, origin
        )

    def cleanup(self) -> None:
        """Close the MLflow run of a trial that was stopped before its end, and keep what it has trained."""
        run, self._run = self._run, None
        if run:
            # The trial is over in any case, and the next launch closes abandoned runs.
            try:
                self._save_checkpoint()
            except Exception:
                _log.warning("no checkpoint of the MLflow run %s could be made", run.run_id, exc_info=True)
            try:
                run.kill()
            except Exception:
                _log.warning("the MLflow run %s could not be closed", run.run_id, exc_info=True)


def _device(num_gpus: float) -> torch.device:
    """The device of a trial: one core, or a share of a GPU that is capped to its fraction of the memory."""
    import torch

    if num_gpus and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(min(1.0, num_gpus))
        return torch.device("cuda")
    torch.set_num_threads(1)
    return torch.device("cpu")
