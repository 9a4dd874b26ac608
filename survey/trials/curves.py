"""What is recorded of the runs of a trial after each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from survey.workloads.metrics import NOT_RECORDED, Metrics, is_recorded


class Curves:
    """The metrics of the runs of a trial, and what each epoch took; undefined for epochs that are not trained yet.

    Of open metrics, what is not recorded is `survey.workloads.metrics.NOT_RECORDED`.

    Args:
        metrics: What is recorded of each epoch; of open ones, those that are known.
        num_runs: Number of runs.
        epochs: Epochs that every run is to train.

    Attributes:
        metrics: What is recorded, with what training has found.
        lengths: int64 [runs], epochs that each run has trained.
        values: float32 [metrics, runs, epochs].
        epoch_seconds: float32 [runs, epochs], divided by the runs that shared the epoch.
    """

    def __init__(self, metrics: Metrics, num_runs: int, epochs: int) -> None:
        self.metrics = metrics
        self.lengths: npt.NDArray[np.int64] = np.zeros(num_runs, dtype=np.int64)
        self.values: npt.NDArray[np.float32] = np.empty((0, num_runs, epochs), dtype=np.float32)
        self._make_room()
        self.epoch_seconds: npt.NDArray[np.float32] = np.empty((num_runs, epochs), dtype=np.float32)

    def _make_room(self) -> None:
        """Add the curves of metrics that are new."""
        shape = (len(self.metrics.all) - len(self.values), *self.values.shape[1:])
        if shape[0]:
            fresh = np.full(shape, NOT_RECORDED) if self.metrics.is_open else np.empty(shape, dtype=np.float32)
            self.values = np.concatenate([self.values, fresh]) if len(self.values) else fresh

    @property
    def by_name(self) -> dict[str, npt.NDArray[np.float32]]:
        """All curves, float32 [runs, epochs], by their columns in the data set."""
        return {**dict(zip(self.metrics.curves, self.values, strict=True)), "epoch_seconds": self.epoch_seconds}

    def record(
        self, runs: slice, epoch: int, values: torch.Tensor | Mapping[str, torch.Tensor], seconds: float
    ) -> None:
        """Record an epoch of some runs.

        Args:
            runs: Their places.
            epoch: Its number, from 1.
            values: Their metrics, as `survey.workloads.workload.Trainer` gives them.
            seconds: What the epoch took them together.
        """
        if isinstance(values, torch.Tensor):
            self.values[:, runs, epoch - 1] = values.numpy()
        else:
            self.metrics = self.metrics.found(values)
            self._make_room()
            for name, value in values.items():
                self.values[self.metrics.names.index(name), runs, epoch - 1] = value.numpy()
        self.epoch_seconds[runs, epoch - 1] = seconds / (runs.stop - runs.start)
        self.lengths[runs] = epoch

    def begin_at(self, runs: slice, epoch: int) -> None:
        """Drop what some runs have recorded after an epoch, as they go on from there."""
        self.lengths[runs] = epoch
        if self.metrics.is_open:
            self.values[:, runs, epoch:] = NOT_RECORDED

    def objective(self, epoch: int) -> float:
        """Return the median of the objective over the runs after an epoch; NaN before the first."""
        values = self.values[self.metrics.all.index(self.metrics.objective), :, max(0, epoch - 1)]
        recorded = values[is_recorded(values)] if epoch else ()
        return float(np.median(recorded)) if len(recorded) else float("nan")

    def state_dict(self, runs: slice, epochs: int) -> dict[str, Any]:
        """Copy the curves of some runs up to an epoch."""
        return {
            "metrics": list(self.metrics.names),
            "lengths": self.lengths[runs].tolist(),
            "curves": torch.tensor(self.values[:, runs, :epochs]),
            "epoch_seconds": torch.tensor(self.epoch_seconds[runs, :epochs]),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the curves of a `state_dict` of all runs."""
        self.metrics = self.metrics.found(state.get("metrics", ()))
        self._make_room()
        self.lengths[:] = state.get(
            "lengths", state["curves"].shape[2]
        )  # of an older version, in which none stops early
        self.values[:, :, : state["curves"].shape[2]] = state["curves"].numpy()
        self.epoch_seconds[:, : state["epoch_seconds"].shape[1]] = state["epoch_seconds"].numpy()
