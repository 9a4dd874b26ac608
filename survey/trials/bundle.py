"""All runs of a trial, as one array if it fits into memory, else in groups of runs, one group after the other."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from survey.trials.curves import Curves
from survey.trials.training_time import TrainingTime
from survey.workloads.metrics import Metrics
from survey.workloads.workload import EndOfTrainingError, EpochUnderWayError, MakeTrainer, Trainer

_log = logging.getLogger(__name__)


class Bundle:
    """Trains the runs of a trial, even if they do not fit into memory at once.

    A group of runs that does not fit is halved, and the rest of it trains later. A run's numbers do not depend on this,
    except on a GPU, where products of other shapes may round differently.

    Args:
        make_trainer: Makes the trainer of a group.
        metrics: What its training records of each epoch.
        seeds: Seed of each run.
        epochs: Epochs to train, of every run.
        keep: Called with the places of the runs of a group that has trained all its epochs, and with their state, as
            `state_dict` of a bundle of these runs alone.
        runs_at_once: The most runs of a group; None for all.

    Attributes:
        curves: What is recorded.
        time: When the training started, and how long it took.
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
        self._first, self._size = 0, min(runs_at_once or len(seeds), len(seeds))
        self._trainer: Trainer | None = None
        self._has_started = self._has_ended = False
        self.curves, self.time = Curves(metrics, len(seeds), epochs), TrainingTime()

    @property
    def epoch(self) -> int:
        """Last epoch that all runs have trained, but for those that have stopped before."""
        if self.is_done:
            return int(self.curves.lengths.max())
        return self._group_epoch if self._runs.stop == len(self._seeds) else 0

    @property
    def run_epochs(self) -> int:
        """Epochs trained, summed over the runs."""
        return int(self.curves.lengths.sum())

    @property
    def is_done(self) -> bool:
        """Whether every run has trained all its epochs."""
        return self._is_group_done and self._runs.stop == len(self._seeds)

    @property
    def is_under_way(self) -> bool:
        """Whether an epoch was started that has not ended."""
        return self._trainer is not None and self._has_started

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

    def start_epoch(self) -> None:
        """Train an epoch of the current group; on a GPU, only start it, on the current stream.

        Raises:
            torch.OutOfMemoryError, RuntimeError, MemoryError: Not even a single run fits into memory.
        """
        if self.is_under_way:
            return
        self.time.start_epoch()
        if self._is_group_done:
            self._first, self._trainer, self._has_ended = self._runs.stop, None, False
        while not self._fits(lambda trainer: trainer.start_epoch()):
            pass  # it has half as many runs now
        self._has_started = True

    def end_epoch(self, not_before: float = 0.0) -> None:
        """Wait for the epoch that was started, if any, on the same stream, and record it.

        One that takes long may still be under way then. After the last one of the group, the state of that is kept.

        Args:
            not_before: By `time.perf_counter`; time before that is not counted.
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
        self.curves.record(self._runs, self._trainer.epoch, values, self.time.end_epoch(not_before))
        if self._keep and self._trainer.epoch == self._epochs:
            self._keep(self._runs, self._state_of_group())

    def _fits(self, act: Callable[[Trainer], None]) -> bool:
        """Act on the trainer of the group, which is made if there is none, and return whether memory was enough.

        If not, the group, whose arrays may be half updated, gives way to one of half as many runs, which starts again.
        """
        try:
            self._trainer = self._trainer or self._make_trainer(seeds=self._seeds[self._runs])
            act(self._trainer)
            return True
        except (MemoryError, RuntimeError) as error:
            if not _is_too_large(self._size, error):
                raise
        self._trainer = None
        self.curves.begin_at(self._runs, 0)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._size = -(-(self._runs.stop - self._first) // 2)
        return False

    def state_dict(self) -> dict[str, Any]:
        """Copy the state needed to continue, between two epochs; of finished groups, only the curves."""
        group = {
            "first": self._first,
            "size": self._size,
            "trainer": self._trainer.state_dict() if self._trainer else None,
            "has_ended": self._has_ended,
            **self.curves.state_dict(slice(None), int(self.curves.lengths.max())),
        }
        return {"bundle": group, "epoch": self.epoch, **self.time.state_dict()}

    def _state_of_group(self) -> dict[str, Any]:
        """Copy the state of a group that has trained all its epochs, as that of a bundle of its runs alone."""
        group = {
            "first": 0,
            "size": self._runs.stop - self._first,
            "trainer": self._trainer.state_dict() if self._trainer else None,
            "has_ended": False,
            **self.curves.state_dict(self._runs, self._epochs),
        }
        return {"bundle": group, "epoch": self._epochs, **self.time.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a bundle of the same runs.

        If there is less memory than before, the group that was training is halved and starts again.

        Raises:
            torch.OutOfMemoryError, RuntimeError, MemoryError: Not even a single run fits into memory.
        """
        group = state["bundle"]
        self._first, self._size, self._trainer = group["first"], group["size"], None
        self._has_ended = group.get("has_ended", False)
        self.curves.load_state_dict(group)
        self.time.load_state_dict(state)
        if group["trainer"] and self._fits(lambda trainer: trainer.load_state_dict(group["trainer"])):
            self.curves.begin_at(self._runs, self._group_epoch)


def _is_too_large(size: int, error: Exception) -> bool:
    """Whether an error says that a group of so many runs does not fit into memory, and a smaller one is possible."""
    if size == 1 or not is_out_of_memory(error):
        return False
    _log.warning("%d runs at once: %s", size, str(error).partition("\n")[0])
    return True


def is_device_lost(error: Exception) -> bool:
    """Whether the CUDA context of this process is unusable, as after an illegal access or a fault of its memory."""
    return isinstance(error, RuntimeError) and "CUDA error" in str(error) and not is_out_of_memory(error)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "DefaultCPUAllocator" in str(error)
