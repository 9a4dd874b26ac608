"""What trials are planned of: bundles, each of an experiment with those of its repetitions that are to be trained."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from survey.experiments.experiment import Experiment
from survey.plan.cost_model import Work


@dataclass(frozen=True, slots=True)
class PlannedBundle:
    """An experiment with those of its repetitions that are to be trained.

    Attributes:
        experiment: The hyperparameters.
        repetitions: Numbers of the repetitions to train, from 0.
        num_repetitions: How many repetitions the survey asks for altogether.
        widths: Layer widths of the network.
        num_free_parameters: Its exact number of trainable parameters.
        work: What an epoch makes the device do.
        cost_s: Estimated seconds on its device.
        training_s: Those of them in training.
        bundle_bytes: Estimated memory of the bundle, in bytes.
        num_gpus: Fraction of a GPU; 0 on one CPU core.
    """

    experiment: Experiment
    repetitions: tuple[int, ...]
    num_repetitions: int
    widths: tuple[int, ...]
    num_free_parameters: int
    work: Work
    cost_s: float
    training_s: float
    bundle_bytes: int
    num_gpus: float = 0.0

    @property
    def run_epochs(self) -> int:
        """Number of epochs, summed over the repetitions."""
        return self.experiment.epochs * len(self.repetitions)


def in_order(bundles: Iterable[PlannedBundle]) -> tuple[PlannedBundle, ...]:
    """Longest first, so that no core idles long."""
    return tuple(sorted(bundles, key=lambda bundle: -bundle.cost_s))


def resource_name(num_gpus: float) -> str:
    """What a trial with that part of a GPU takes, in words: `1/8 GPU`; without one, `1 CPU core`."""
    if not num_gpus:
        return "1 CPU core"
    parts = round(1 / num_gpus)
    return f"1/{parts} GPU" if parts > 1 and math.isclose(parts * num_gpus, 1.0) else f"{num_gpus:g} GPU"
