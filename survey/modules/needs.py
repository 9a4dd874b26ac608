"""What the training of a module needs: operations and memory, as a probe has found, and a sample for the pilot."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from survey.modules.experiment import ModuleExperiment
from survey.networks.cost import rows_of
from survey.networks.needs import recorded_metrics
from survey.networks.rows import RowCounts
from survey.tasks.loading import TaskDescription
from survey.workloads.cost import CostModel, Sample
from survey.workloads.experiment import Run

if TYPE_CHECKING:
    from survey.modules.building import Builder, Setting
    from survey.modules.probe import Probe
    from survey.modules.training.lesson import Lesson

_SAMPLE_STEPS, _SAMPLE_EPOCHS = 4, 8
_FEW_ROWS = 8
_EPOCHS_AT_LEAST = 3
_MOST_SAMPLE_BYTES = 1 << 30


class ModuleWork(NamedTuple):
    """Operation counts of one epoch of a bundle; a coefficient turns each into seconds.

    Attributes:
        epochs: One: for calls made once, on rows, orders and statistics.
        steps: Minibatches: for calls made once for each.
        calls: Operators that are called in the passes of all minibatches; those of each run, if they cannot be one.
        flops: Floating-point operations of matrix products and convolutions.
        numbers: Numbers that pass from the forward to the backward pass.
        updates: Parameters times steps.
        rows: Rows of all runs times inputs and weighted outputs.
    """

    epochs: float
    steps: float
    calls: float
    flops: float
    numbers: float
    updates: float
    rows: float


CORE_MODEL = CostModel(ModuleWork(4e-3, 2e-4, 2e-5, 1e-11, 1.2e-9, 2.7e-9, 2.9e-9))
"""Rough costs of one core of an AMD EPYC, to order trials if no pilot has measured the machine."""

GPU_MODEL = CostModel(ModuleWork(4e-3, 2e-4, 2e-5, 5e-14, 1e-11, 2e-11, 6e-11), trial_s=0.1)
"""The same of a GPU: guessed, not measured."""


@dataclass(frozen=True, slots=True)
class ModuleNeeds:
    """What the training of an experiment needs, see `survey.workloads.workload.Needs`.

    Attributes:
        experiment: The hyperparameters.
        task: Rows, inputs and outputs of its task.
        probe: What is known of its module.
        setting: What its module is built for.
        builder: Builds it.
        records_initial: Whether its runs record their statistics before training too.
    """

    experiment: ModuleExperiment
    task: TaskDescription
    probe: Probe
    setting: Setting
    builder: Builder
    records_initial: bool = False

    @property
    def details(self) -> Mapping[str, Any]:
        """The number of parameters."""
        details: dict[str, Any] = {"num_free_parameters": self.probe.num_free_parameters}
        if self.records_initial:
            details["record_initial"] = True
        return details

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the statistics that are recorded."""
        return recorded_metrics(self.experiment, self.task)

    @property
    def rows(self) -> RowCounts:
        """Rows of each set."""
        return rows_of(self.experiment, self.task)

    @property
    def run_bytes(self) -> int:
        """Memory of each run, in bytes: of parameters, moments, what a minibatch keeps, outputs and curves."""
        batch = min(self.experiment.batch_size, self.rows.train)
        passes = batch * (3 * self.task.num_inputs + 2 * self.probe.row_numbers)
        stored = self.rows.used * (4 * self.task.num_outputs + 4)
        curves = len(self.metrics) * self.experiment.epochs
        return int(4 * (8 * self.probe.num_free_parameters + passes + stored + curves))

    @property
    def shared_bytes(self) -> int:
        """Memory of the task's data, in bytes."""
        return 4 * self.task.rows * (self.task.num_inputs + self.task.num_outputs)

    @property
    def state_bytes(self) -> int:
        """Parameters and moments of a run, in float32, at most."""
        return 4 * 3 * self.probe.num_free_parameters

    def work(self, runs: int, *, on_gpu: bool = False) -> ModuleWork:
        """Count the operations of an epoch of so many runs together."""
        rows, probe = self.rows, self.probe
        steps = -(-rows.train // self.experiment.batch_size)
        # Evaluation takes the forward pass alone, a third of the operations.
        passed = rows.train + (rows.used - rows.train) / 3
        passes = steps if probe.can_fuse else steps * runs
        return ModuleWork(
            1,
            steps,
            probe.calls * passes * (1 + (rows.used - rows.train) / rows.train / 3),
            runs * probe.row_flops * passed,
            runs * probe.row_numbers * rows.train,
            runs * probe.num_free_parameters * steps,
            runs * rows.used * (self.task.num_inputs + 8 * self.task.num_outputs),
        )

    def sample(self, runs: int, *, device: str, seconds: float, packed: int) -> Sample:
        """Train some minibatches of so many runs, or of fewer that fit into memory, for about so many seconds."""
        from survey.modules.training.trainer import Fusing, ModuleTrainer

        runs = max(1, min(runs, _MOST_SAMPLE_BYTES // self.run_bytes))
        part = self._part(runs, seconds / _SAMPLE_EPOCHS)
        lesson = part._lesson(device)
        seeds = [Run(self.experiment, number).seed for number in range(runs)]
        trainer = ModuleTrainer(lesson, Fusing(), seeds=seeds)
        trainer.train_epoch()
        took: list[float] = []
        ends = time.perf_counter() + seconds
        while len(took) < _EPOCHS_AT_LEAST or time.perf_counter() < ends:
            began = time.perf_counter()
            trainer.train_epoch()
            took.append(time.perf_counter() - began)
        return Sample(part.work(runs), sum(took) / len(took))

    def _part(self, runs: int, seconds: float) -> ModuleNeeds:
        """The same on so few rows that an epoch takes about so many seconds, and some steps at least."""
        share = seconds / CORE_MODEL.epoch_s(self.work(runs))
        rows = max(_SAMPLE_STEPS * self.experiment.batch_size * 5 // 4 + 5, int(share * self.task.rows))
        return replace(self, task=replace(self.task, rows=min(self.task.rows, rows), parts=None))

    def why_not_fused(self) -> str:
        """Say why runs cannot be trained as one, found out with a few rows; an empty text if they can."""
        from survey.modules.training.fusing import disagreement

        experiment = replace(self.experiment, batch_size=_FEW_ROWS, label_noise=0.0, validation_split=0.0)
        task = replace(self.task, rows=3 * _FEW_ROWS, parts=None)
        return disagreement(replace(self, experiment=experiment, task=task)._lesson("cpu"), seeds=(1, 2))

    def _lesson(self, device: str) -> Lesson:
        """Random data like those of the task."""
        import torch

        from survey.modules.training.lesson import Lesson

        task = self.task
        shape = task.input_shape or (task.num_inputs,)
        return Lesson.of(
            self.experiment,
            partial(self.builder.build, self.setting),
            inputs=torch.rand(task.rows, *shape),
            targets=_targets(task),
            task_kind=task.kind,
            device=device,
        )


def _targets(task: TaskDescription) -> Any:
    """Targets of a task, as random as its inputs: timing does not depend on values."""
    import torch

    if task.kind == "regression":
        return torch.rand(task.rows, task.num_outputs)
    classes = torch.arange(task.rows) % max(2, task.num_outputs)
    if task.num_outputs == 1:
        return classes[:, None].float()
    return torch.nn.functional.one_hot(classes, task.num_outputs).float()
