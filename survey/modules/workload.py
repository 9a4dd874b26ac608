"""Modules as workloads: what the interface asks for, made from the description of a module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey.errors import InputError
from survey.functions import kinds
from survey.modules.data import SOURCE, ModuleData
from survey.modules.description import ModuleDescription
from survey.modules.experiment import ModuleExperiment
from survey.modules.needs import CORE_MODEL, GPU_MODEL
from survey.modules.search_space import ModuleGrid, ModuleSpace, space_type_of
from survey.networks.description import task_described
from survey.workloads.columns import Columns
from survey.workloads.cost import CostModel
from survey.workloads.workload import Training, Workload

if TYPE_CHECKING:
    import torch


class ModuleWorkload(Workload):
    """A module, as its description says.

    Args:
        description: What is known of it.
        has_changed: Whether its source is another one than that of an earlier launch.
    """

    def __init__(self, description: ModuleDescription, *, has_changed: bool = False) -> None:
        self._has_changed = has_changed
        self._decisions: dict[object, Any] = {}  # of this process, see `survey.modules.training.trainer.Fusing`
        self.name, self.about, self.description = description.workload, description.to_json(), description

    @property
    def experiment_type(self) -> type[ModuleExperiment]:
        """The class of its experiments."""
        return ModuleExperiment

    @property
    def space_type(self) -> type[ModuleSpace]:
        """The class of its search spaces, each of which has one of its own."""
        return ModuleSpace

    @property
    def columns(self) -> Columns:
        """Its columns in the data set."""
        return self.description.columns

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """What makes the values of its axes from texts, by name."""
        own = {axis.name: partial(kinds.parsed, axis.kind) for axis in self.description.axes}
        ours = super().hyperparameters
        return {**own, **{name: ours[name] for name in ModuleGrid.model_fields}, "version": int}

    def joined(self, earlier: Workload) -> ModuleWorkload:
        """Return it with what an output has recorded of it."""
        assert isinstance(earlier, ModuleWorkload)
        mine, before = self.description, earlier.description
        return ModuleWorkload(mine.joined(before), has_changed=mine.has_other_source(before))

    def data(self, spaces: Sequence[ModuleSpace]) -> ModuleData:
        """Return the tasks, and the source of the module."""
        return ModuleData(spaces, self.description, has_changed=self._has_changed)

    def cost_model(self, *, on_gpu: bool) -> CostModel:
        """Return rough costs, in which passes of all runs as one are assumed."""
        return GPU_MODEL if on_gpu else CORE_MODEL

    def data_digest(self, experiment: ModuleExperiment, data: Mapping[str, Any]) -> str:
        """Return that of the task and of the source: what another module has begun cannot be gone on with."""
        return f"{data[experiment.dataset].digest}-{data[SOURCE].digest}"

    def training(
        self, experiment: ModuleExperiment, details: Mapping[str, Any], data: Mapping[str, Any], device: torch.device
    ) -> Training:
        """Return the training of an experiment."""
        import torch

        from survey.modules.building import Setting, builder_of
        from survey.modules.training.lesson import Lesson
        from survey.modules.training.runs import Runs
        from survey.modules.training.trainer import Fusing, ModuleTrainer
        from survey.networks.training.initial import initial_statistics

        task, source = data[experiment.dataset], data[SOURCE]
        shape = task.input_shape if len(task.input_shape) > 1 else task.num_inputs
        setting = Setting(experiment.setting, shape, task.num_outputs)
        lesson = Lesson.of(
            experiment,
            partial(builder_of(source).build, setting),
            inputs=torch.tensor(task.inputs),
            targets=torch.tensor(task.targets),
            task_kind=task.kind,
            parts=None if task.parts is None else torch.tensor(task.parts),
            device=device,
        )
        alike = source.name, source.digest, str(setting), experiment.batch_size, device.type
        fusing = Fusing(self._decisions, alike)
        described = task_described(experiment, task, details["num_free_parameters"])
        fusing.columns.update(described, source_digest=source.digest)
        alone = partial(Runs, lesson, is_fused=False)
        of_runs = partial(initial_statistics, alone) if details.get("record_initial") else None
        return Training(partial(ModuleTrainer, lesson, fusing), fusing.columns, of_runs=of_runs)


class _Modules:
    """Modules of all kinds, see `survey.workloads.workload.Family`."""

    @property
    def experiment_type(self) -> type[ModuleExperiment]:
        """The class of experiments on all modules."""
        return ModuleExperiment

    def member(self, name: str, about: str) -> ModuleWorkload:
        """Return the workload of one module."""
        try:
            return ModuleWorkload(ModuleDescription.from_json(about))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"workload: what is recorded of {name!r} cannot be read: {error}") from None

    def space_type_of(self, document: dict[str, Any], folder: Path, *, is_kept: bool) -> type[ModuleSpace]:
        """Return the class of a search space, for its module."""
        return space_type_of(document, folder, is_kept=is_kept)


FAMILY = _Modules()
