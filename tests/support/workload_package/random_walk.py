"""Random walks: a workload that is no network, as the package of somebody else has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import pyarrow as pa
import torch
from pydantic import Field

from survey.spaces.axes import Axis, Rate
from survey.spaces.search_space import BaseGrid, BaseSpace
from survey.workloads.columns import Columns, common
from survey.workloads.cost import CostModel, Sample
from survey.workloads.experiment import TRAINING_VERSION, Experiment, Run
from survey.workloads.metrics import ALL_STATISTICS, Metric, Metrics
from survey.workloads.workload import Needs, SurveyData, Training, Workload

NAME = "random_walk"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkExperiment(Experiment):
    """One setting of both axes: the length of a step, and a drift that is added to each."""

    WORKLOAD: ClassVar[str] = NAME

    step: float = 1.0
    drift: float = 0.0
    epochs: int = 10

    @property
    def label(self) -> str:
        return f"step {self.step:g} drift {self.drift:g}"


class WalkGrid(BaseGrid, frozen=True):
    """Steps and drifts."""

    step: Annotated[tuple[Rate, ...], Axis] = (1.0,)
    drift: Annotated[tuple[Annotated[float, Field(ge=-10, le=10)], ...], Axis] = (0.0,)

    def experiments(self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION):
        for point in self.points(self.keys()):
            yield WalkExperiment(**point, training_version=training_version)


class WalkSpace(BaseSpace, frozen=True):
    """Random walks."""

    WORKLOAD: ClassVar[str] = NAME

    grids: Annotated[tuple[WalkGrid, ...], Field(min_length=1)]


METRICS = Metrics(
    (
        Metric("position", "where the walk is"),
        Metric("distance", "how far from the origin", best="min", statistics=ALL_STATISTICS, of_runs=True),
        Metric("spread", "standard deviation of all positions so far"),
    )
)

COLUMNS = Columns(
    workload=NAME,
    experiment={
        **common(),
        "step": (pa.float32(), "Standard deviation of a step"),
        "drift": (pa.float32(), "What is added to each step"),
    },
    partition=("step", "drift", "epochs"),
    metrics=METRICS,
)


class Walks:
    """Walks side by side: a step of all of them is an epoch."""

    def __init__(self, experiment: WalkExperiment, *, seeds: Sequence[int]) -> None:
        self._experiment, self._seeds = experiment, seeds
        self._positions = torch.zeros(1, len(seeds), dtype=torch.float64)
        self.epoch = 0

    def start_epoch(self) -> None:
        self.epoch += 1
        draws = [torch.Generator().manual_seed(seed + self.epoch) for seed in self._seeds]
        steps = torch.tensor([float(torch.randn((), generator=draw, dtype=torch.float64)) for draw in draws])
        last = self._positions[-1] + self._experiment.step * steps + self._experiment.drift
        self._positions = torch.cat([self._positions, last[None]])

    def end_epoch(self) -> torch.Tensor:
        last = self._positions[-1]
        return torch.stack([last, last.abs(), self._positions.std(0)]).float()

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "positions": self._positions.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.epoch, self._positions = state["epoch"], state["positions"].clone()


class WalkWork(NamedTuple):
    """One kind of work."""

    steps: float

    @property
    def flops(self) -> float:
        return 0.0

    @property
    def step_flops(self) -> float:
        return 0.0


class WalkNeeds(NamedTuple):
    """What walks need: little."""

    experiment: WalkExperiment

    @property
    def details(self) -> Mapping[str, Any]:
        return {}

    @property
    def run_bytes(self) -> int:
        return 8 * self.experiment.epochs

    @property
    def shared_bytes(self) -> int:
        return 0

    def work(self, runs: int, *, on_gpu: bool = False) -> WalkWork:
        return WalkWork(float(runs))

    def sample(self, runs: int, *, device: str, seconds: float, packed: int) -> Sample:
        import time

        walks = Walks(self.experiment, seeds=[Run(self.experiment, number).seed for number in range(runs)])
        began = time.perf_counter()
        for _ in range(20):
            walks.start_epoch()
        return Sample(self.work(runs), (time.perf_counter() - began) / 20)


class WalkData(SurveyData):
    """None: walks longer than 1,000 epochs are left out."""

    def needs(self, experiment: WalkExperiment, *, may_guess: bool = False) -> Needs | None:
        return WalkNeeds(experiment) if experiment.epochs <= 1000 else None


class _RandomWalk(Workload):
    name = NAME
    left_out = "too long"

    @property
    def experiment_type(self) -> type[WalkExperiment]:
        return WalkExperiment

    @property
    def space_type(self) -> type[WalkSpace]:
        return WalkSpace

    @property
    def columns(self) -> Columns:
        return COLUMNS

    def data(self, spaces: Sequence[WalkSpace]) -> SurveyData:
        return WalkData()

    def cost_model(self, *, on_gpu: bool) -> CostModel:
        return CostModel((1e-4,))

    def training(
        self, experiment: WalkExperiment, details: Mapping[str, Any], data: Mapping[str, Any], device: torch.device
    ) -> Training:
        def make_trainer(*, seeds: Sequence[int]) -> Walks:
            return Walks(experiment, seeds=seeds)

        return Training(make_trainer, {"step": experiment.step, "drift": experiment.drift})


WORKLOAD = _RandomWalk()
