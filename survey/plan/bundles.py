"""Bundles, of which trials are planned: each is an experiment with the repetitions to train."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from survey.workloads.cost import Work
from survey.workloads.experiment import Experiment
from survey.workloads.workload import Needs


@dataclass(frozen=True, slots=True)
class KeptState:
    """The state of some runs after their last epoch, from which an experiment of more epochs can go on.

    Attributes:
        epochs: That epoch.
        repetitions: Numbers of the repetitions, which were trained together.
    """

    epochs: int
    repetitions: tuple[int, ...]


class PlannedBundle(NamedTuple):
    """An experiment with the repetitions of it to train; a tuple, as a plan may have millions.

    Attributes:
        experiment: The hyperparameters.
        repetitions: Numbers of the repetitions to train, from 0.
        num_repetitions: How many repetitions the survey asks for in total.
        needs: What its training needs.
        work: Operation counts of an epoch.
        cost_s: Estimated seconds on its device.
        training_s: The part of `cost_s` spent in training.
        bundle_bytes: Estimated memory of the bundle, in bytes; 0 if nothing is known of it.
        start_epoch: Epoch of the kept state that it goes on from; 0 to begin.
        num_gpus: Fraction of a GPU; 0 on one CPU core.
    """

    experiment: Experiment
    repetitions: tuple[int, ...]
    num_repetitions: int
    needs: Needs
    work: Work
    cost_s: float
    training_s: float
    bundle_bytes: int
    start_epoch: int = 0
    num_gpus: float = 0.0

    @property
    def num_epochs(self) -> int:
        """Number of epochs to train."""
        return self.experiment.epochs - self.start_epoch

    @property
    def run_epochs(self) -> int:
        """The same, summed over the repetitions."""
        return self.num_epochs * len(self.repetitions)


def in_order(bundles: Iterable[PlannedBundle]) -> tuple[PlannedBundle, ...]:
    """Sort bundles by cost, highest first, so that no core idles long."""
    return tuple(sorted(bundles, key=lambda bundle: -bundle.cost_s))


def resource_name(num_gpus: float) -> str:
    """Name the resource of a trial with this fraction of a GPU: `1/8 GPU`; `1 CPU core` for 0."""
    if not num_gpus:
        return "1 CPU core"
    parts = round(1 / num_gpus)
    return f"1/{parts} GPU" if parts > 1 and math.isclose(parts * num_gpus, 1.0) else f"{num_gpus:g} GPU"
