"""The plan of a launch: its trials in their order, and what of the survey is done already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

from survey.plan.cost_model import CostModel
from survey.plan.gpu_sharing import Joining, placed
from survey.plan.trials import PlannedTrial, in_order


@dataclass(frozen=True)
class Plan:
    """What a launch is to train, and what it need not.

    Attributes:
        trials: What is to be trained, in the order of scheduling: by GPU fraction, then longest first. Each is one
            experiment; what is joined stands together.
        num_experiments: Experiments within the size tolerance.
        num_experiments_done: Those of which every repetition is done.
        num_out_of_tolerance: Experiments left out because no network of their shape comes near their size.
        num_runs: Repetitions of all experiments.
        num_runs_done: Those that are done.
        epochs: Epochs of all experiments, done or not.
        run_epochs: Epochs of all their repetitions, done or not.
        sweeps_per_experiment: In how many of the search spaces an experiment is, on average.
        guessed: Tasks of which a number was guessed, see `survey.tasks.describe`.
        joined: How many of `trials`, one after the other, are one trial of Tune; empty where none is joined.
    """

    trials: tuple[PlannedTrial, ...]
    num_experiments: int
    num_experiments_done: int
    num_out_of_tolerance: int
    num_runs: int
    num_runs_done: int
    epochs: int
    run_epochs: int
    sweeps_per_experiment: float = 1.0
    guessed: tuple[str, ...] = ()
    joined: tuple[int, ...] = ()

    @cached_property
    def groups(self) -> tuple[tuple[PlannedTrial, ...], ...]:
        """What each trial of Tune is to train."""
        if not self.joined:
            return tuple((trial,) for trial in self.trials)
        ends = accumulate(self.joined)
        return tuple(self.trials[end - count : end] for end, count in zip(ends, self.joined, strict=True))

    @property
    def num_runs_planned(self) -> int:
        """Repetitions to be trained."""
        return sum(len(trial.repetitions) for trial in self.trials)

    @property
    def run_epochs_planned(self) -> int:
        """Epochs to be trained, summed over repetitions."""
        return sum(trial.run_epochs for trial in self.trials)

    def with_costs(self, model: CostModel) -> Plan:
        """Estimate the trials' costs by another model, and order them by it; none is joined."""
        trials = []
        for trial in self.trials:
            cost_s, training_s = model.bundle_s(trial.work, epochs=trial.experiment.epochs, runs=len(trial.repetitions))
            trials.append(replace(trial, cost_s=cost_s, training_s=training_s))
        return replace(self, trials=in_order(trials), joined=())

    def on_gpus(self, fraction: Callable[[int], float], joining: Joining | None = None) -> Plan:
        """Join trials, and give each the fraction of a GPU that `fraction` finds for its memory in bytes.

        What is joined is alike in cost, so that it ends together, and takes half of a GPU's memory at most, unless
        `fraction` is the same for all.
        """
        groups = placed(self.trials, fraction, joining)
        trials = tuple(trial for group in groups for trial in group)
        joined = tuple(len(group) for group in groups) if len(groups) < len(trials) else ()
        return replace(self, trials=trials, joined=joined)
