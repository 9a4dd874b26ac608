"""All runs of a trial, as one array if it fits into memory, else in groups of runs, one group after the other."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from survey.workloads.metrics import NOT_RECORDED, Metrics
from survey.workloads.workload import EndOfTrainingError, EpochUnderWayError, MakeTrainer, Trainer

_log = logging.getLogger(__name__)


class Bundle:
    """Trains the runs of a trial, even if they do not fit into memory at once.

    A group of runs that does not fit is halved, and the rest of it trains later. A run's numbers do not depend on this,
    except on a GPU, where products of other shapes may round differently.

    Args:
        make_trainer: Makes the trainer of a group.
        metrics: What its training records of each epoch; of open ones, those that are known.
        seeds: Seed of each run.
        epochs: Epochs to train, of every run.
        keep: Called with the places of the runs of a group that has trained all its epochs, and with their state, as
            `state_dict` of a bundle of these runs alone.
        runs_at_once: The most runs of a group; None for all.

    Attributes:
        metrics: What has been recorded; of open ones, also those that training has found.
        curves: float32 [metrics, runs, epochs]; undefined for epochs that are not trained yet, or `NOT_RECORDED` if the
            metrics are open.
        lengths: int64 [runs], epochs that each run has trained.
        epoch_seconds: float32 [runs, epochs], what each epoch took, divided by the runs that it was shared by.
    """

    def __init__(
        self,
        make_trainer: MakeTrainer,
        metrics: Metrics,
        seeds: Sequence[int],
        epochs: int,
        keep: Callable[[slice, dict[str, Any]], object] | None = None,
        runs_at_once: int | None = None,
    ) -> None:
        self._make_trainer, self._seeds, self._epochs, self._keep = make_trainer, seeds, epochs, keep
        self.metrics = metrics
        self._first, self._size = 0, min(runs_at_once or len(seeds), len(seeds))
        self._trainer: Trainer | None = None
        self._has_started = self._has_ended = False
        self.lengths = np.zeros(len(seeds), dtype=np.int64)
        self.curves: npt.NDArray[np.float32] = self._empty(len(metrics.all))
        self.epoch_seconds: npt.NDArray[np.float32] = np.empty((len(seeds), epochs), dtype=np.float32)

    def _empty(self, num_metrics: int) -> npt.NDArray[np.float32]:
        shape = (num_metrics, len(self._seeds), self._epochs)
        return np.full(shape, NOT_RECORDED) if self.metrics.is_open else np.empty(shape, dtype=np.float32)

    @property
    def curves_by_name(self) -> dict[str, npt.NDArray[np.float32]]:
        """The curves and `epoch_seconds`, float32 [runs, epochs], by their columns in the data set."""
        return {**dict(zip(self.metrics.curves, self.curves, strict=True)), "epoch_seconds": self.epoch_seconds}

    @property
    def epoch(self) -> int:
        """Last epoch that all runs have trained, those aside that have stopped before."""
        if self.is_done:
            return int(self.lengths.max())
        return self._group_epoch if self._runs.stop == len(self._seeds) else 0

    @property
    def run_epochs(self) -> int:
        """Epochs trained, summed over the runs."""
        return int(self.lengths.sum())

    @property
    def is_done(self) -> bool:
        """Whether every run has trained all its epochs."""
        return self._is_group_done and self._runs.stop == len(self._seeds)

    @property
    def _is_group_done(self) -> bool:
        return self._has_ended or self._group_epoch == self._epochs

    @property
    def _runs(self) -> slice:
        """The runs of the group that trains."""
        return slice(self._first, min(self._first + self._size, len(self._seeds)))

    @property
    def _group_epoch(self) -> int:
        return self._trainer.epoch if self._trainer else 0

    def train_epoch(self) -> None:
        """Train an epoch of the current group; raises what `start_epoch` raises."""
        self.start_epoch()
        self.end_epoch()

    def start_epoch(self) -> None:
        """Train an epoch of the current group; on a GPU, only start it, on the current stream.

        Raises:
            torch.OutOfMemoryError, RuntimeError, MemoryError: Not even a single run fits into memory.
        """
        if self.is_under_way:
            return
        if self._is_group_done:
            self._first, self._trainer, self._has_ended = self._runs.stop, None, False
        while not self._fits():
            self._halve()
        self._has_started = True

    @property
    def is_under_way(self) -> bool:
        """Whether an epoch was started that has not ended."""
        return self._trainer is not None and self._has_started

    def end_epoch(self) -> None:
        """Wait for the epoch that was started, if any, on the same stream, and store its statistics.

        One that takes long may still be under way then.
        """
        if not self._trainer or not self._has_started:
            return
        try:
            values = self._trainer.end_epoch()
        except EpochUnderWayError:
            return
        except EndOfTrainingError:
            self._has_started, self._has_ended = False, True
            return
        self._has_started = False
        runs, epoch = self._runs, self._trainer.epoch
        self.lengths[runs] = epoch
        if isinstance(values, torch.Tensor):
            self.curves[:, runs, epoch - 1] = values.numpy()
            return
        self._find(values)
        for name, value in values.items():
            self.curves[self.metrics.names.index(name), runs, epoch - 1] = value.numpy()

    def _find(self, names: Iterable[str]) -> None:
        """Make room for the curves of metrics that training has found."""
        self.metrics = self.metrics.found(names)
        if new := len(self.metrics.all) - len(self.curves):
            self.curves = np.concatenate([self.curves, self._empty(new)])

    def took(self, seconds: float) -> None:
        """Note what the epoch took that has ended last; if it was the last one of the group, keep its state."""
        if not self._trainer or self._has_ended:
            return
        runs = self._runs
        self.epoch_seconds[runs, self._trainer.epoch - 1] = seconds / len(self._seeds[runs])
        if self._keep and self._trainer.epoch == self._epochs:
            group = {"first": 0, "size": len(self._seeds[runs]), "trainer": self._trainer.state_dict()}
            curves, seconds_of = torch.tensor(self.curves[:, runs]), torch.tensor(self.epoch_seconds[runs])
            self._keep(runs, {**group, "curves": curves, "epoch_seconds": seconds_of})

    def _fits(self) -> bool:
        """Start an epoch, and return whether memory was enough."""
        try:
            self._trainer = self._trainer or self._make_trainer(seeds=self._seeds[self._runs])
            self._trainer.start_epoch()
        except (MemoryError, RuntimeError) as error:
            if not self._is_too_large(error):
                raise
            return False
        return True

    def _is_too_large(self, error: Exception) -> bool:
        """Whether an error says that the group does not fit into memory, and a smaller one is possible."""
        if self._size == 1 or not is_out_of_memory(error):
            return False
        _log.warning("%d runs at once: %s", self._size, str(error).partition("\n")[0])
        return True

    def _halve(self) -> None:
        """Drop the group, whose arrays may be half updated, for one of half as many runs, which starts again."""
        self._trainer, self._has_started, self.lengths[self._runs] = None, False, 0
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._size = -(-(self._runs.stop - self._first) // 2)

    def state_dict(self) -> dict[str, Any]:
        """Copy the state needed to continue, between two epochs; of finished groups, only the curves."""
        epochs = int(self.lengths.max())
        return {
            "first": self._first,
            "size": self._size,
            "trainer": self._trainer.state_dict() if self._trainer else None,
            "has_ended": self._has_ended,
            "lengths": self.lengths.tolist(),
            "metrics": list(self.metrics.names),
            "curves": torch.tensor(self.curves[:, :, :epochs]),
            "epoch_seconds": torch.tensor(self.epoch_seconds[:, :epochs]),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a bundle of the same runs.

        If there is less memory than before, the group that was training is halved and starts again.

        Raises:
            torch.OutOfMemoryError, RuntimeError, MemoryError: Not even a single run fits into memory.
        """
        self._first, self._size = state["first"], state["size"]
        self._has_ended = state.get("has_ended", False)
        self.lengths[:] = state.get("lengths", [self._epochs] * self._first + [0] * (len(self._seeds) - self._first))
        self._find(state.get("metrics", ()))
        self.curves[:, :, : state["curves"].shape[2]] = state["curves"].numpy()
        self.epoch_seconds[:, : state["epoch_seconds"].shape[1]] = state["epoch_seconds"].numpy()
        self._trainer = None
        if not state["trainer"]:
            return
        try:
            self._trainer = self._make_trainer(seeds=self._seeds[self._runs])
            self._trainer.load_state_dict(state["trainer"])
            self._begin_at(self._trainer.epoch)
        except (MemoryError, RuntimeError) as error:
            if not self._is_too_large(error):
                raise
            self._halve()

    def _begin_at(self, epoch: int) -> None:
        """Let the group go on after an epoch, which is earlier than the curves say where its runs begin again."""
        self.lengths[self._runs] = epoch
        if self.metrics.is_open:
            self.curves[:, self._runs, epoch:] = NOT_RECORDED


def is_device_lost(error: Exception) -> bool:
    """Whether the CUDA context of this process is unusable, as after an illegal access or a fault of its memory."""
    return isinstance(error, RuntimeError) and "CUDA error" in str(error) and not is_out_of_memory(error)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "DefaultCPUAllocator" in str(error)
