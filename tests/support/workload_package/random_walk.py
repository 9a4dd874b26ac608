"""Random walks: a workload that is no network, as the package of somebody else has one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from survey.spaces.axes import Axis, Coefficient, Rate
from survey.spaces.search_space import BaseGrid, BaseSpace
from survey.workloads.columns import Columns, common
from survey.workloads.cost import CostModel, Sample
from survey.workloads.experiment import TRAINING_VERSION, Experiment
from survey.workloads.metrics import ALL_STATISTICS, Metric, Metrics
from survey.workloads.workload import SurveyData, Training, Workload

if TYPE_CHECKING:
    import torch

NAME = "random_walk"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkExperiment(Experiment):
    """Walks of so many epochs: the standard deviation and mean of a step, and the error of a measurement."""

    WORKLOAD: ClassVar[str] = NAME

    step: float = 1.0
    drift: float = 0.0
    error: float = 0.0
    epochs: int = 10

    @property
    def label(self) -> str:
        return f"walk s{self.step:g} d{self.drift:g}" + (f" e{self.error:g}" if self.error else "")


class WalkGrid(BaseGrid, frozen=True):
    """Steps, drifts and errors."""

    step: Annotated[tuple[Rate, ...], Axis] = (1.0,)
    drift: Annotated[tuple[Annotated[float, Field(ge=-10, le=10)], ...], Axis] = (0.0,)
    error: Annotated[tuple[Coefficient, ...], Axis] = (0.0,)

    def experiments(
        self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION
    ) -> Iterator[WalkExperiment]:
        for point in self.points(self.keys()):
            yield WalkExperiment(**point, training_version=training_version)


class WalkSpace(BaseSpace, frozen=True):
    """Random walks."""

    WORKLOAD: ClassVar[str] = NAME

    grids: Annotated[tuple[WalkGrid, ...], Field(min_length=1)]


METRICS = Metrics(
    (
        Metric("position", "Where the walk is"),
        Metric(
            "distance",
            "How far it is from where it began",
            best="min",
            statistics=ALL_STATISTICS,
            of_runs=True,
            at_choice=True,
        ),
        Metric("spread", "Greatest distance so far", statistics=()),
        Metric("measured", "How far it seems to be, where that is measured with an error", best="min"),
    ),
    choose_by="measured",
)

COLUMNS = Columns(
    workload=NAME,
    experiment={
        **common(),
        "step": (pa.float32(), "Standard deviation of a step"),
        "drift": (pa.float32(), "Mean of a step"),
        "error": (pa.float32(), "Standard deviation of the error of a measurement; 0 where there is none"),
        "goes_up": (pa.bool_(), "Whether the drift is positive"),
    },
    partition=("step", "drift", "epochs"),
    metrics=METRICS,
    derived=frozenset({"goes_up"}),
)


def walks(experiment: WalkExperiment, seeds: Sequence[int]) -> np.ndarray:
    """float32 [metrics, runs, epochs]: what some runs record, `measured` only if there is an error."""
    steps = [np.random.default_rng(seed).normal(experiment.drift, experiment.step, experiment.epochs) for seed in seeds]
    position = np.cumsum(steps, axis=1)
    distance = np.abs(position)
    recorded = [position, distance, np.maximum.accumulate(distance, axis=1)]
    if experiment.error:
        errors = [np.random.default_rng([seed, 1]).normal(0, experiment.error, experiment.epochs) for seed in seeds]
        recorded.append(np.abs(position + errors))
    return np.stack(recorded).astype(np.float32)


class Walks:
    """The trainer of walks side by side: a step of each is an epoch."""

    def __init__(self, experiment: WalkExperiment, *, seeds: Sequence[int]) -> None:
        self._curves, self.epoch = walks(experiment, seeds), 0

    def start_epoch(self) -> None:
        self.epoch += 1

    def end_epoch(self) -> torch.Tensor:
        import torch

        return torch.tensor(self._curves[:, :, self.epoch - 1])

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.epoch = state["epoch"]


class WalkWork(NamedTuple):
    """One kind of work."""

    steps: float
    flops: float = 0.0


@dataclass(frozen=True, slots=True)
class WalkNeeds:
    """What walks need: little."""

    experiment: WalkExperiment
    shared_bytes: int = 0
    state_bytes: int = 8

    @property
    def details(self) -> Mapping[str, Any]:
        return {"goes_up": self.experiment.drift > 0}

    @property
    def metrics(self) -> tuple[str, ...]:
        return METRICS.names if self.experiment.error else METRICS.names[:-1]

    @property
    def run_bytes(self) -> int:
        return 8 * self.experiment.epochs

    def work(self, runs: int, *, on_gpu: bool = False) -> WalkWork:
        return WalkWork(runs)

    def sample(self, runs: int, *, device: str, seconds: float, packed: int) -> Sample:
        began = time.perf_counter()
        walks(self.experiment, range(runs))
        return Sample(self.work(runs), (time.perf_counter() - began) / self.experiment.epochs)


class WalkData(SurveyData):
    """None: but walks of more than 1,000 epochs are left out."""

    def needs(self, experiment: WalkExperiment, *, may_guess: bool = False) -> WalkNeeds | None:
        return WalkNeeds(experiment) if experiment.epochs <= 1000 else None


class _RandomWalk(Workload):
    name = NAME
    left_out = "too long"
    experiment_type = WalkExperiment
    space_type = WalkSpace
    columns = COLUMNS

    def data(self, spaces: Sequence[WalkSpace]) -> SurveyData:
        return WalkData()

    def cost_model(self, *, on_gpu: bool) -> CostModel:
        return CostModel((1e-4, 0.0, 0.0))

    def training(
        self, experiment: WalkExperiment, details: Mapping[str, Any], data: Mapping[str, Any], device: torch.device
    ) -> Training:
        return Training(partial(Walks, experiment), details)


WORKLOAD = _RandomWalk()
