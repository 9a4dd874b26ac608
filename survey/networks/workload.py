"""Networks as a workload: what its interface asks for, each part imported when it is asked for."""

from __future__ import annotations

from survey.networks.columns import COLUMNS
from survey.networks.experiment import NetworkExperiment
from survey.workloads.columns import Columns
from survey.workloads.registry import NETWORKS
from survey.workloads.workload import Workload


class _Networks(Workload):
    name = NETWORKS
    left_out = "out of size tolerance"

    @property
    def experiment_type(self) -> type[NetworkExperiment]:
        return NetworkExperiment

    @property
    def columns(self) -> Columns:
        return COLUMNS


WORKLOAD = _Networks()
