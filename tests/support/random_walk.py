"""Random walks: a workload of two axes and three metrics, whose runs take no training."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pyarrow as pa

from survey.workloads.columns import Columns, common
from survey.workloads.experiment import Experiment
from survey.workloads.metrics import ALL_STATISTICS, Metric, Metrics

NAME = "random_walk"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkExperiment(Experiment):
    """Walks of so many epochs."""

    WORKLOAD: ClassVar[str] = NAME

    step: float = 1.0
    drift: float = 0.0
    epochs: int = 10

    @property
    def label(self) -> str:
        return f"walk s{self.step:g} d{self.drift:g}"


METRICS = Metrics(
    (
        Metric("position", "Where the walk is"),
        Metric("distance", "How far it is from where it began", best="min", statistics=ALL_STATISTICS, of_runs=True),
        Metric("spread", "Greatest distance so far", statistics=()),
    )
)

COLUMNS = Columns(
    workload=NAME,
    experiment={
        **common(),
        "step": (pa.float32(), "Standard deviation of a step"),
        "drift": (pa.float32(), "Mean of a step"),
        "goes_up": (pa.bool_(), "Whether the drift is positive"),
    },
    partition=("step", "drift", "epochs"),
    metrics=METRICS,
)


def walks(experiment: WalkExperiment, seeds: list[int]) -> np.ndarray:
    """float32 [3, runs, epochs]: the metrics of some runs."""
    steps = [np.random.default_rng(seed).normal(experiment.drift, experiment.step, experiment.epochs) for seed in seeds]
    position = np.cumsum(steps, axis=1)
    distance = np.abs(position)
    return np.stack([position, distance, np.maximum.accumulate(distance, axis=1)]).astype(np.float32)


WORKLOAD = SimpleNamespace(name=NAME, columns=COLUMNS, experiment_type=WalkExperiment)
