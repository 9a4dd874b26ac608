"""What the runs of a module learn: the prepared task on its device, the rows of each run, and the module itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from survey.modules.training.dropout import with_streams
from survey.networks.experiment import TaskExperiment
from survey.networks.training import streams
from survey.networks.training.drawing import row_counts, with_noise
from survey.networks.training.outputs import OutputKind, output_kind
from survey.networks.training.streams import Purpose


@dataclass(frozen=True)
class Lesson:
    """What runs learn, and what with.

    Attributes:
        experiment: The hyperparameters of data, optimizer and penalty.
        build: Builds the module of a run, with PyTorch's global generator.
        inputs: [rows, *shape].
        targets: int64 [rows, 1] classes where the output layer is softmax, else [rows, outputs] in the dtype of the
            inputs.
        kind: Kind of output layer.
        num_outputs: Outputs of the module.
        parts: [rows] on the CPU, the part of each row of a task with a split of its own; None without.
    """

    experiment: TaskExperiment
    build: Callable[[], nn.Module]
    inputs: Tensor
    targets: Tensor
    kind: OutputKind
    num_outputs: int
    parts: Tensor | None = None

    @classmethod
    def of(
        cls,
        experiment: TaskExperiment,
        build: Callable[[], nn.Module],
        *,
        inputs: Tensor,
        targets: Tensor,
        task_kind: str,
        parts: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> Lesson:
        """Make it from a prepared task: one-hot or plain targets [rows, outputs], which get the dtype of the inputs."""
        kind = output_kind(task_kind, targets.shape[1])
        stored = targets.argmax(1, keepdim=True) if kind == "softmax" else targets.to(inputs.dtype)
        return cls(experiment, build, inputs.to(device), stored.to(device), kind, targets.shape[1], parts)

    def module(self, seed: int) -> nn.Module:
        """Build the module of a run; what it draws depends on its seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(streams.key_of(seed, Purpose.MODULE_PARAMETERS))
            return with_streams(self.build()).to(device=self.inputs.device, dtype=self.inputs.dtype)

    def shorter(self, rows: int) -> Lesson:
        """Return it with about so many rows, evenly from all, and no split of its own."""
        every = slice(None, None, max(1, len(self.inputs) // rows))
        return replace(self, inputs=self.inputs[every], targets=self.targets[every], parts=None)

    def rows(self, seeds: Sequence[int]) -> Rows:
        """Draw the rows of runs with these seeds, and their noisy targets."""
        counts = row_counts(self.experiment, len(self.inputs), self.parts)
        drawn = [streams.draw_rows(len(self.inputs), counts, seed=seed, parts=self.parts) for seed in seeds]
        targets, noise = self.targets.cpu(), self.experiment.label_noise
        noisy = [
            with_noise(targets[rows.train], noise, self.kind, self.num_outputs, seed=seed)
            for rows, seed in zip(drawn, seeds, strict=True)
        ]
        device = self.inputs.device
        held_out = ([rows.test for rows in drawn], [rows.validation for rows in drawn])
        return Rows(
            torch.stack([rows.train for rows in drawn]).to(device),
            torch.stack(noisy).transpose(1, 2).contiguous().to(device),
            [torch.stack(rows).to(device) for rows in held_out if len(rows[0])],
        )


@dataclass(frozen=True)
class Rows:
    """The rows of some runs.

    Attributes:
        train: [runs, rows], numbers of those that they are trained on.
        targets: [runs, outputs, rows], the targets of these, noise included.
        evaluated: The same as `train` of the test set and, if there is one, of the validation set.
    """

    train: Tensor
    targets: Tensor
    evaluated: list[Tensor]
