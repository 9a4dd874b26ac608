"""Training functions as workloads: what the interface asks for, made from the description of a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey.errors import InputError
from survey.functions import kinds
from survey.functions.data import FunctionData
from survey.functions.description import Description, taken_names
from survey.functions.experiment import FunctionExperiment
from survey.functions.search_space import FunctionSpace, space_type_of
from survey.functions.server import FunctionServer
from survey.functions.source import Source
from survey.functions.trainer import Calls, FunctionTrainer
from survey.text.names import folded
from survey.workloads.columns import Columns
from survey.workloads.cost import CostModel
from survey.workloads.workload import Training, Workload

if TYPE_CHECKING:
    import torch


_TRIAL_S, _RUN_S = 0.06, 0.03
"""What a trial, and each call of a function in a process of its own, take beside the function itself, in seconds."""


class FunctionWorkload(Workload):
    """A training function, as its description says.

    Args:
        description: What is known of it.
        has_changed: Whether its source is another one than that of an earlier launch.
    """

    one_by_one = True

    def __init__(self, description: Description, *, has_changed: bool = False) -> None:
        self._has_changed = has_changed
        self.name, self.about, self.description = description.workload, description.to_json(), description
        self._server: tuple[str, FunctionServer] | None = None

    @property
    def experiment_type(self) -> type[FunctionExperiment]:
        """The class of its experiments."""
        return FunctionExperiment

    @property
    def space_type(self) -> type[FunctionSpace]:
        """The class of its search spaces, each of which has one of its own."""
        return FunctionSpace

    @property
    def columns(self) -> Columns:
        """Its columns in the data set."""
        return self.description.columns

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """What makes the values of its axes from texts, by name."""
        axes = {axis.name: partial(kinds.parsed, axis.kind) for axis in self.description.axes}
        return {**axes, "epochs": int, "draws": str, "function_version": int}

    def joined(self, earlier: Workload) -> FunctionWorkload:
        """Return it with what an output has recorded of it."""
        assert isinstance(earlier, FunctionWorkload)
        mine, before = self.description, earlier.description
        return FunctionWorkload(mine.joined(before), has_changed=mine.has_other_source(before))

    def data(self, spaces: Sequence[FunctionSpace]) -> FunctionData:
        """Return the source of the function."""
        return FunctionData(spaces, self.description, has_changed=self._has_changed)

    def cost_model(self, *, on_gpu: bool) -> CostModel:
        """Return costs of which nothing is known: an epoch takes the longer, the larger the numbers of its axes."""
        terms = 1 + len(self.description.numeric) + self.description.is_on_tasks
        return CostModel((1.0 / terms,) * terms, trial_s=_TRIAL_S, run_s=_RUN_S, is_relative=True)

    def training(
        self, experiment: FunctionExperiment, details: Mapping[str, Any], data: Mapping[str, Any], device: torch.device
    ) -> Training:
        """Return the training of an experiment: one run at a time."""
        source: Source = data["source"]
        taken = taken_names(self.columns).union(map(folded, data["spaces"]))
        task = data["tasks"][experiment.dataset] if experiment.is_on_task else None
        calls = Calls(
            self._serving(source), experiment, self.description.objective, taken, device.type, data["folder"], task
        )
        described = {**experiment.described, "source_digest": source.digest}
        if task:
            described["task_digest"] = task.digest
        leaves_files = "folder" in calls.server.signature["given"]
        return Training(partial(FunctionTrainer, calls), described, runs_at_once=1, leaves_files=leaves_files)

    def data_digest(self, experiment: FunctionExperiment, data: Mapping[str, Any]) -> str:
        """Return the digest of what it learns, if it asks for data."""
        return data["tasks"][experiment.dataset].digest if experiment.is_on_task else ""

    def _serving(self, source: Source) -> FunctionServer:
        """The process that has imported the function, which trials of this process share."""
        if self._server and (self._server[0] != source.digest or not self._server[1].is_alive):
            self._server[1].close()
            self._server = None
        if not self._server:
            self._server = source.digest, FunctionServer(source)
        return self._server[1]


class _Functions:
    """Training functions of all kinds, see `survey.workloads.workload.Family`."""

    @property
    def experiment_type(self) -> type[FunctionExperiment]:
        """The class of experiments on all functions."""
        return FunctionExperiment

    def member(self, name: str, about: str) -> FunctionWorkload:
        """Return the workload of one function."""
        try:
            return FunctionWorkload(Description.from_json(about))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"workload: what is recorded of {name!r} cannot be read: {error}") from None

    def space_type_of(self, document: dict[str, Any], folder: Path, *, is_kept: bool) -> type[FunctionSpace]:
        """Return the class of a search space, for its function."""
        return space_type_of(document, folder, is_kept=is_kept)


FAMILY = _Functions()
