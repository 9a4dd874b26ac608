"""What is recorded of the runs of a trial after each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from survey.workloads.metrics import Metrics


class Curves:
    """The metrics of the runs of a trial, and what each epoch took; undefined for epochs that are not trained yet.

    Args:
        metrics: What is recorded of each epoch.
        num_runs: Number of runs.
        epochs: Epochs that every run is to train.

    Attributes:
        values: float32 [metrics, runs, epochs].
        epoch_seconds: float32 [runs, epochs], divided by the runs that shared the epoch.
    """

    def __init__(self, metrics: Metrics, num_runs: int, epochs: int) -> None:
        self._metrics = metrics
        self.values: npt.NDArray[np.float32] = np.empty((len(metrics.all), num_runs, epochs), dtype=np.float32)
        self.epoch_seconds: npt.NDArray[np.float32] = np.empty((num_runs, epochs), dtype=np.float32)

    @property
    def by_name(self) -> dict[str, npt.NDArray[np.float32]]:
        """All curves, float32 [runs, epochs], by their columns in the data set."""
        return {**dict(zip(self._metrics.curves, self.values, strict=True)), "epoch_seconds": self.epoch_seconds}

    def record(self, runs: slice, epoch: int, values: torch.Tensor, seconds: float) -> None:
        """Record an epoch of some runs: their metrics, float32 [metrics, runs], and what it took them together."""
        self.values[:, runs, epoch - 1] = values.numpy()
        self.epoch_seconds[runs, epoch - 1] = seconds / values.shape[1]

    def objective(self, epoch: int) -> float:
        """Return the median of the objective over the runs after an epoch; NaN before the first."""
        place = self._metrics.all.index(self._metrics.objective)
        return float(np.median(self.values[place, :, epoch - 1])) if epoch else float("nan")

    def state_dict(self, runs: slice, epochs: int) -> dict[str, torch.Tensor]:
        """Copy the curves of some runs up to an epoch."""
        return {
            "curves": torch.tensor(self.values[:, runs, :epochs]),
            "epoch_seconds": torch.tensor(self.epoch_seconds[runs, :epochs]),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the curves of a `state_dict` of all runs."""
        self.values[:, :, : state["curves"].shape[2]] = state["curves"].numpy()
        self.epoch_seconds[:, : state["epoch_seconds"].shape[1]] = state["epoch_seconds"].numpy()
