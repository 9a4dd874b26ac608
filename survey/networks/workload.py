"""Networks as a workload: what its interface asks for, each part imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from survey.networks.columns import COLUMNS
from survey.networks.experiment import NetworkExperiment
from survey.workloads.columns import Columns
from survey.workloads.cost import CostModel
from survey.workloads.registry import NETWORKS
from survey.workloads.workload import SurveyData, Training, Workload

if TYPE_CHECKING:
    import torch

    from survey.networks.search_space import SearchSpace
    from survey.tasks.prepared import PreparedTask


class _Networks(Workload):
    """Fully connected networks on tables."""

    name = NETWORKS
    left_out = "out of size tolerance"

    @property
    def experiment_type(self) -> type[NetworkExperiment]:
        return NetworkExperiment

    @property
    def space_type(self) -> type[SearchSpace]:
        from survey.networks.search_space import SearchSpace

        return SearchSpace

    @property
    def columns(self) -> Columns:
        return COLUMNS

    def data(self, spaces: Sequence[SearchSpace]) -> SurveyData:
        from survey.networks.data import NetworkData

        return NetworkData(spaces)

    def cost_model(self, *, on_gpu: bool) -> CostModel:
        from survey.networks.cost import default_model

        return default_model(on_gpu=on_gpu)

    def data_name(self, experiment: NetworkExperiment) -> str:
        return experiment.dataset

    def data_digest(self, experiment: NetworkExperiment, data: Mapping[str, PreparedTask]) -> str:
        return data[experiment.dataset].digest

    def training(
        self,
        experiment: NetworkExperiment,
        details: Mapping[str, Any],
        data: Mapping[str, PreparedTask],
        device: torch.device,
    ) -> Training:
        import torch

        from survey.networks.cores import make_trainer
        from survey.networks.description import described
        from survey.networks.training.initial import initial_statistics
        from survey.networks.training.trained_by import TrainedBy

        task, widths = data[experiment.dataset], details["widths"]
        trained_by = TrainedBy()
        trained_by.columns.update(described(experiment, task, widths))
        make = partial(
            make_trainer,
            experiment,
            inputs=torch.tensor(task.inputs).flatten(1),
            targets=torch.tensor(task.targets),
            task_kind=task.kind,
            widths=widths,
            parts=None if task.parts is None else torch.tensor(task.parts),
            device=device,
        )
        of_runs = partial(initial_statistics, make) if details.get("record_initial") else None
        return Training(partial(make, trained_by=trained_by), trained_by.columns, of_runs=of_runs)


WORKLOAD = _Networks()
