"""Trains a run of an experiment: a call of the function, in a process of its own, an epoch at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey.functions.description import TASK_AXES
from survey.functions.experiment import FunctionExperiment
from survey.functions.folder import RunFolder
from survey.functions.run_data import run_data
from survey.functions.server import Call, FunctionError, FunctionServer
from survey.functions.yielded_names import YieldedNames
from survey.tasks.prepared import PreparedTask
from survey.workloads.workload import EndOfTrainingError, EpochUnderWayError

if TYPE_CHECKING:
    import torch


_PATIENCE_S = 8.0
"""How long to wait for an epoch at a time: a stop, which has 25 s, waits so long twice."""

_MOST_ENDING_S = 600.0
"""How long a function may go on after its last epoch."""


@dataclass(frozen=True)
class Calls:
    """How the runs of an experiment call the function.

    Attributes:
        server: The process that has imported it.
        experiment: What is trained.
        objective: The metric that the function has to yield.
        taken: Names that no metric can have, `folded`.
        device: `cpu` or `cuda`.
        folder: Where the function runs; the folder of this process, if that is not on this machine.
        task: What it learns, if it asks for data.
    """

    server: FunctionServer
    experiment: FunctionExperiment
    objective: str
    taken: frozenset[str]
    device: str
    folder: str
    task: PreparedTask | None = None

    def begin(self, seed: int, state: bytes, folder: RunFolder | None = None) -> Call:
        """Begin a call, from its beginning or from a state, with a folder for its files if it asks for one."""
        axes = {**dict(self.experiment.axes), **dict(self.experiment.rest)}
        if self.takes_epochs:
            axes["epochs"] = self.experiment.epochs
        cwd = self.folder if Path(self.folder).is_dir() else str(Path.cwd())
        given = {"axes": axes, "seed": seed, "device": self.device, "cwd": cwd}
        if folder:
            folder.open(goes_on=bool(state))
            given["folder"] = str(folder.path)
        if not self.task:
            return self.server.call(given, state)
        for axis in TASK_AXES:
            del axes[axis.name]  # the data themselves say what they are
        with run_data(self.task, self.experiment, seed=seed) as data:
            return self.server.call(given, state, data)

    @property
    def takes_epochs(self) -> bool:
        """Whether the function itself knows how many epochs it trains."""
        return any(axis["name"] == "epochs" for axis in self.server.signature["axes"])


class FunctionTrainer:
    """The trainer of one run, see `survey.workloads.workload.Trainer`.

    Args:
        calls: How to call the function.
        seeds: The seed of the run.
        folders: Where it may leave files, if it asks for a folder.

    Attributes:
        epoch: Number of epochs trained so far.
        peak_bytes: The most memory that the run has taken, when that was looked at last: of the GPU if it trains there;
            0 if it is not known.

    Raises:
        FunctionError: From every method: the function has failed.
    """

    def __init__(self, calls: Calls, *, seeds: Sequence[int], folders: Sequence[Path] = ()) -> None:
        (self._seed,) = seeds
        self._folder = RunFolder(folders[0]) if folders else None
        self._calls, self.epoch, self.peak_bytes = calls, 0, 0
        self._call: Call | None = None
        self._names = YieldedNames(calls.objective, calls.taken)
        self._state, self._has_state, self._has_ended = b"", False, False
        self._last: dict[str, torch.Tensor] | None = None  # the metrics of the last epoch, until the function ends
        self._ends_by = 0.0

    def start_epoch(self) -> None:
        """Let the function train an epoch."""
        self.begin().start({"next": True})

    def begin(self) -> Call:
        """Begin the call of the function, which trains nothing yet; return the one that is begun, if one is."""
        self._call = self._call or self._calls.begin(self._seed, self._state, self._folder)
        return self._call

    def close(self) -> None:
        """End a call that is under way, after a look at its memory."""
        if self._call:
            self._look_at_memory(self._call)
            self._call.close()
            self._call = None

    def _look_at_memory(self, call: Call) -> None:
        self.peak_bytes = call.peak_gpu_bytes() if self._calls.device == "cuda" else call.peak_bytes()

    def end_epoch(self) -> Mapping[str, torch.Tensor]:
        """Wait for the epoch, and return its metrics by name: float32 [1] each.

        Raises:
            EndOfTrainingError: The function has ended without a further epoch.
            EpochUnderWayError: It takes long.
        """
        if self._last is not None:
            return self._end_of_last()
        answer = self._answer()
        if "ended" in answer:
            self._end()
            raise EndOfTrainingError
        metrics = self._checked(answer["metrics"])
        self._has_state = answer["has_state"]
        if self.epoch + 1 < self._calls.experiment.epochs:
            self.epoch += 1
            return metrics
        self._last, self._ends_by = metrics, time.monotonic() + _MOST_ENDING_S
        if self._calls.takes_epochs:
            self.begin().start({"next": True})
        return self._end_of_last()

    def _answer(self) -> dict[str, Any]:
        """Wait for what the function yields next; raises what `end_epoch` raises."""
        assert self._call
        if not self._call.has_answered(_PATIENCE_S):
            raise EpochUnderWayError
        return self._call.answer()[0]

    def _checked(self, metrics: Mapping[str, float]) -> dict[str, torch.Tensor]:
        """Check the names of metrics that are new, and the size of what lies in the folder; return the metrics."""
        import torch

        self._names.add(metrics)
        if self._folder:
            self._folder.check_now_and_then()
        return {name: torch.tensor([value], dtype=torch.float32) for name, value in metrics.items()}

    def _end_of_last(self) -> dict[str, torch.Tensor]:
        """Let a function that knows how many epochs there are run to its end; return the metrics of the last one.

        Until then that epoch is under way, so that a trial can report and stop.
        """
        assert self._last is not None
        if self._calls.takes_epochs:
            try:
                answer = self._answer()
            except EpochUnderWayError:
                if time.monotonic() < self._ends_by:
                    raise
                raise FunctionError(
                    f"it has not ended within {_MOST_ENDING_S / 60:g} minutes after its last epoch; let it end, or do "
                    "what takes long before it yields that"
                ) from None
            if "ended" not in answer:
                raise FunctionError(f"it was to train {self.epoch + 1} epochs, and yields more often than that")
        self._end()
        metrics, self._last, self.epoch = self._last, None, self.epoch + 1
        return metrics

    def _end(self) -> None:
        self.close()
        self._has_state, self._has_ended = False, True
        if self._folder:
            self._folder.check()
        self._names.check_complete()

    def state_dict(self) -> dict[str, Any]:
        """Copy what the function has yielded as its state; without one, it begins again."""
        import torch

        if self._has_ended:
            return {"epoch": self.epoch, "seen": list(self._names), "state": None}
        if not self._call or not self._has_state:
            return {"epoch": 0, "seen": [], "state": None}
        _, state = self._call.ask({"state": True})
        copied = torch.frombuffer(bytearray(state), dtype=torch.uint8)
        return {"epoch": self.epoch, "seen": list(self._names), "state": copied}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that the function has yielded."""
        self.epoch = state["epoch"]
        self._names = YieldedNames(self._calls.objective, self._calls.taken, state["seen"])
        if state["state"] is not None:
            self._state = state["state"].numpy().tobytes()
