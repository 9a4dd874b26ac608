"""The trainer of some runs of a module, see `survey.workloads.workload.Trainer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from survey.modules.training.fusing import Decision, decide
from survey.modules.training.lesson import Lesson
from survey.modules.training.runs import Runs


class Fusing:
    """Whether the runs of an experiment are trained as one: decided once, for all groups of its runs in a trial.

    Args:
        known: Decisions that were made in this process, to which this one is added.
        alike: What experiments have in common of which one decision holds: module, batch size and device.

    Attributes:
        columns: The column of the data set that says it, empty before.
    """

    def __init__(self, known: dict[object, Decision] | None = None, alike: object = None) -> None:
        self._known, self._alike = {} if known is None else known, alike
        self.columns: dict[str, Any] = {}
        self._decision: Decision | None = None

    def decided(self, lesson: Lesson, seeds: Sequence[int]) -> Decision:
        """Return the decision, which is made for the first group that asks."""
        if self._decision is None:
            key = self._alike, len(seeds)
            self._known[key] = self._known.get(key) or decide(lesson, seeds)
            self.set(self._known[key])
        assert self._decision
        return self._decision

    def set(self, decision: Decision) -> None:
        """Take a decision that was made earlier, so that a run that is resumed goes on the same way."""
        self._decision = decision
        self.columns["fused"] = str(decision)


class ModuleTrainer:
    """Trains some runs of an experiment.

    Args:
        lesson: What they learn.
        fusing: Whether they are trained as one.
        seeds: The seed of each.

    Attributes:
        epoch: Number of epochs trained so far.
    """

    def __init__(self, lesson: Lesson, fusing: Fusing, *, seeds: Sequence[int]) -> None:
        self._lesson, self._fusing, self._seeds = lesson, fusing, seeds
        self._runs: Runs | None = None
        self._statistics: Tensor | None = None
        self.epoch = 0

    def start_epoch(self) -> None:
        """Train one epoch; on a GPU, only start it, on the current stream."""
        self._runs = self._runs or self._made(self._fusing.decided(self._lesson, self._seeds))
        self.epoch += 1
        self._statistics = self._runs.train_epoch(self.epoch)

    def _made(self, decision: Decision) -> Runs:
        return Runs(self._lesson, self._seeds, is_fused=decision.is_fused)

    def end_epoch(self) -> Tensor:
        """Wait for the epoch, and return its statistics: float32 [20, runs] or [30, runs] on the CPU."""
        assert self._statistics is not None
        return self._statistics.cpu()

    def train_epoch(self) -> Tensor:
        """Train one epoch, and return its statistics."""
        self.start_epoch()
        return self.end_epoch()

    def state_dict(self) -> dict[str, Any]:
        """Copy the state needed to continue."""
        decision = self._fusing.decided(self._lesson, self._seeds)
        self._runs = self._runs or self._made(decision)
        how = {"is_fused": decision.is_fused, "reason": decision.reason}
        return {"epoch": self.epoch, "how": how, **self._runs.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of the same experiment and seeds."""
        decision = Decision(**state["how"])
        self._fusing.set(decision)
        self._runs, self.epoch = self._made(decision), state["epoch"]
        self._runs.load_state_dict(state)
