"""The runs of an experiment on a module: their parameters, rows and passes, and the statistics of their epochs.

Everything but the pass is done for all runs at once: rows are gathered, output layers and penalties applied, optimizers
stepped and statistics taken on arrays [runs, ...].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from survey.modules.training.dropout import stream_names, with_streams
from survey.modules.training.forward import Fused, OneByOne
from survey.modules.training.parameters import Parameters
from survey.networks.experiment import TaskExperiment
from survey.networks.training import streams
from survey.networks.training.drawing import row_counts, with_noise
from survey.networks.training.network import Memory
from survey.networks.training.optimizers import OPTIMIZERS, Optimizer
from survey.networks.training.outputs import APPLY, OutputKind, output_gradient, output_kind
from survey.networks.training.statistics import means, sum_over_rows
from survey.networks.training.streams import Purpose

_EVALUATION_ROWS = 256
"""Rows of an evaluation batch, at least."""

_GATHERED_BYTES = 32 << 20
"""Inputs that are gathered at once, for as many minibatches as fit: a gather for each is slower."""


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


class Runs:
    """Some runs side by side.

    Args:
        lesson: What they learn.
        seeds: The seed of each.
        is_fused: Whether their passes are one.
    """

    def __init__(self, lesson: Lesson, seeds: Sequence[int], *, is_fused: bool) -> None:
        # Moments of weights that no longer change decay into denormal numbers, which are a hundred times as slow.
        torch.set_flush_denormal(True)
        self._lesson, self._seeds = lesson, seeds
        experiment = lesson.experiment
        modules = [lesson.module(seed) for seed in seeds]
        self._dropouts = stream_names(modules[0])
        self.parameters = Parameters(modules)
        self.forward = (Fused if is_fused else OneByOne)(modules, self.parameters)
        self.optimizer: Optimizer = OPTIMIZERS[experiment.optimizer](
            self.parameters.flat.view(-1),
            self.parameters.gradients.view(-1),
            experiment.learning_rate,
            experiment.momentum,
        )
        self._penalties = torch.zeros(len(seeds), dtype=torch.float64, device=lesson.inputs.device)
        self._memory = Memory(lesson.inputs)
        self._epoch = self._passes = 0
        self._draw_rows()

    def _draw_rows(self) -> None:
        """Draw each run's rows and noisy targets."""
        lesson, experiment = self._lesson, self._lesson.experiment
        counts = row_counts(experiment, len(lesson.inputs), lesson.parts)
        drawn = [streams.draw_rows(len(lesson.inputs), counts, seed=seed, parts=lesson.parts) for seed in self._seeds]
        noisy = [
            with_noise(
                lesson.targets.cpu()[rows.train], experiment.label_noise, lesson.kind, lesson.num_outputs, seed=seed
            )
            for rows, seed in zip(drawn, self._seeds, strict=True)
        ]
        device = lesson.inputs.device
        self._train_rows = torch.stack([rows.train for rows in drawn]).to(device)
        self._train_targets = torch.stack(noisy).transpose(1, 2).contiguous().to(device)
        held_out = ([rows.test for rows in drawn], [rows.validation for rows in drawn])
        self._evaluated = [torch.stack(rows).to(device) for rows in held_out if len(rows[0])]

    def train_epoch(self, epoch: int) -> Tensor:
        """Train epoch number `epoch`, from 1.

        Returns:
            float32 [20, runs], or [30, runs] with a validation set, as of `survey.networks.training.loop.Trainer`.
        """
        with torch.random.fork_rng(devices=_devices(self._lesson.inputs)):
            self._begin(epoch)
            train = self._train()
            test, *validation = [self._evaluate(rows) for rows in self._evaluated]
        return torch.cat([test, train, *validation]).to(self._lesson.inputs.dtype)

    def _begin(self, epoch: int) -> None:
        """Set what the draws of an epoch depend on."""
        self._epoch, self._passes = epoch, 0
        for number, name in enumerate(self._dropouts):
            index = epoch * len(self._dropouts) + number
            keys = streams.stream_keys(self._seeds, Purpose.MODULE_DROPOUT, index)
            self.forward.set_buffers({name: keys.to(self._lesson.inputs.device)})

    def _train(self) -> Tensor:
        """Update all runs on each minibatch of the epoch; return the statistics, float64 [10, runs]."""
        rows = self._train_rows
        order = streams.orders(rows.shape[1], streams.order_keys(self._seeds, self._epoch).to(rows.device))
        targets = self._train_targets.gather(2, order[:, None].expand_as(self._train_targets))
        batch_size = self._lesson.experiment.batch_size
        self.optimizer.begin_epoch(-(-rows.shape[1] // batch_size))
        self._penalties.zero_()
        self.forward.set_training(True)
        steps = iter(range(rows.shape[1]))
        with torch.enable_grad():
            found = self._over(
                rows.gather(1, order), targets, batch_size, lambda *minibatch: self._step(next(steps), *minibatch)
            )
        found[0] += self._penalties / rows.shape[1]
        return found

    def _evaluate(self, rows: Tensor) -> Tensor:
        """Return the statistics of a set that is not trained on, whose rows are [runs, rows]: float64 [10, runs]."""
        lesson, batch_size = self._lesson, self._lesson.experiment.batch_size
        # Hinge labels of a regression depend on the minibatch, so its evaluation keeps the batch size.
        multiple = 1 if lesson.kind == "regression" else -(-_EVALUATION_ROWS // batch_size)
        self.forward.set_training(False)
        with torch.no_grad():
            targets = lesson.targets[rows].transpose(1, 2)
            found = self._over(rows, targets, batch_size * multiple, self._predict)
        self._penalise(found[0], 1.0, with_gradient=False)
        return found

    def _over(self, rows: Tensor, targets: Tensor, size: int, act: Callable[..., object]) -> Tensor:
        """Pass over rows in minibatches, and return the statistics of what is predicted: float64 [10, runs].

        Args:
            rows: [runs, rows], row numbers.
            targets: [runs, outputs, rows].
            size: Rows of a minibatch.
            act: Called for each with its inputs [runs, rows, *shape] and targets [runs, outputs, rows]; it fills scores
                and errors of that shape, as `survey.networks.training.outputs.APPLY` does.
        """
        lesson, sums = self._lesson, []
        runs, outputs, shape = len(rows), lesson.num_outputs, lesson.inputs.shape[1:]
        most = max(1, _GATHERED_BYTES // (runs * size * lesson.inputs[0].nbytes))
        for part, steps in _minibatches(rows.shape[1], size, most):
            by_step = rows[:, part].unflatten(1, (steps, -1)).transpose(0, 1)
            inputs = lesson.inputs.index_select(0, by_step.reshape(-1)).view(*by_step.shape, *shape)
            y = targets[:, :, part].unflatten(2, (steps, -1)).permute(2, 0, 1, 3).contiguous()
            scores, errors = (
                self._memory.zeros(name, steps, runs, outputs, by_step.shape[2]) for name in ("scores", "errors")
            )
            for step in zip(inputs, y, scores, errors, strict=True):
                act(*step)
            sums.append(sum_over_rows(lesson.kind, scores, errors, y, by_step.shape[2]))
        return means(lesson.kind, torch.stack(sums).sum(0), rows.shape[1], outputs)

    def _step(self, number: int, inputs: Tensor, targets: Tensor, scores: Tensor, errors: Tensor) -> None:
        """Update all runs on a minibatch, step `number` of the epoch."""
        kind, num_rows = self._lesson.kind, inputs.shape[1]
        outputs = self._predict(inputs, targets, scores, errors)
        gradient = self._memory.zeros("gradient", *scores.shape)
        output_gradient(kind, scores, errors, num_rows, out=gradient)
        self.forward.backward(outputs, gradient.transpose(1, 2))
        self._penalise(self._penalties, num_rows)
        self.optimizer.step(number)

    def _predict(self, inputs: Tensor, targets: Tensor, scores: Tensor, errors: Tensor) -> Tensor:
        """Return the outputs of a minibatch, [runs, rows, outputs], and fill its scores and errors."""
        self._passes += 1
        index = (self._epoch << 32) + self._passes
        outputs = self.forward(inputs, [streams.key_of(seed, Purpose.MODULE_DRAWS, index) for seed in self._seeds])
        APPLY[self._lesson.kind](outputs.detach().transpose(1, 2), targets, scores, errors)
        return outputs

    def _penalise(self, penalties: Tensor, factor: float, with_gradient: bool = True) -> None:
        """Add the L1 or L2 penalty of the kernels, times a factor, to `penalties`, [runs], and its gradient."""
        l1, l2 = self._lesson.experiment.kernel_regularizer_l1, self._lesson.experiment.kernel_regularizer_l2
        if not l1 and not l2:
            return
        for kernel, gradient in self.parameters.kernels:
            norm = kernel.abs().sum(1) if l1 else kernel.square().sum(1)
            penalties.add_(norm, alpha=(l1 or l2) * factor)
            if with_gradient:
                gradient.add_(kernel.sign() if l1 else kernel, alpha=l1 or 2.0 * l2)

    def outputs(self, *, is_training: bool) -> Tensor:
        """Return the outputs for the first rows of each run's test set, [runs, rows, outputs]."""
        rows = self._evaluated[0][:, : self._lesson.experiment.batch_size]
        self.forward.set_training(is_training)
        with torch.no_grad(), torch.random.fork_rng(devices=_devices(self._lesson.inputs)):
            return self.forward(self._lesson.inputs[rows], self._seeds)

    def state_dict(self) -> dict[str, Any]:
        """Copy the state needed to continue; random draws need none, as they depend on seed and epoch."""
        moments = {
            name: flat.view_as(self.parameters.flat).cpu().clone() for name, flat in self.optimizer.state.items()
        }
        return {
            "steps": self.optimizer.steps,
            "parameters": self.parameters.flat.cpu().clone(),
            "moments": moments,
            "buffers": {name: each.cpu().clone() for name, each in self.forward.buffers().items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of the same experiment and seeds."""
        self.optimizer.steps = state["steps"]
        self.parameters.flat.copy_(state["parameters"])
        for name, flat in self.optimizer.state.items():
            flat.view_as(self.parameters.flat).copy_(state["moments"][name])
        self.forward.set_buffers(state["buffers"])


def _minibatches(num_rows: int, size: int, most: int) -> Iterator[tuple[slice, int]]:
    """Yield slices of rows, and how many equal minibatches each is, at most `most`; the last one may be smaller."""
    full = num_rows // size
    for first in range(0, full, most):
        steps = min(most, full - first)
        yield slice(first * size, (first + steps) * size), steps
    if num_rows % size:
        yield slice(full * size, num_rows), 1


def _devices(like: Tensor) -> list[torch.device]:
    """The accelerator of a tensor, whose generator is to be restored beside that of the CPU."""
    return [like.device] if like.device.type == "cuda" else []
