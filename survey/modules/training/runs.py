"""The runs of an experiment on a module: their parameters, rows and passes, and the statistics of their epochs.

Everything but the pass is done for all runs at once: rows are gathered, output layers and penalties applied, optimizers
stepped and statistics taken on arrays [runs, ...].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from survey.modules.training.dropout import stream_names
from survey.modules.training.forward import Fused, OneByOne
from survey.modules.training.lesson import Lesson
from survey.modules.training.parameters import Parameters
from survey.modules.training.passes import Passes
from survey.networks.training import streams
from survey.networks.training.clipping import Clipping
from survey.networks.training.loop import updates_of
from survey.networks.training.memory import Memory
from survey.networks.training.optimizers import OPTIMIZERS, Optimizer
from survey.networks.training.outputs import APPLY, output_gradient
from survey.networks.training.streams import Purpose

_EVALUATION_ROWS = 256
"""Rows of an evaluation batch, at least."""


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
        self.forward = (Fused if is_fused else OneByOne)(modules, self.parameters, seeds)
        gradients = self.parameters.gradients
        self.optimizer: Optimizer = OPTIMIZERS[experiment.optimizer](
            self.parameters.flat.view(-1), gradients.view(-1), updates_of(experiment)
        )
        self._clipping = Clipping([gradients], experiment.gradient_clip) if experiment.gradient_clip else None
        self._penalty = experiment.kernel_regularizer_l1, experiment.kernel_regularizer_l2
        self._penalties = torch.zeros(len(seeds), dtype=torch.float64, device=lesson.inputs.device)
        self._rows, self._passes, self._memory = lesson.rows(seeds), Passes(lesson), Memory(lesson.inputs)
        self._epoch = self._called = 0

    def train_epoch(self, epoch: int) -> Tensor:
        """Train epoch number `epoch`, from 1.

        Returns:
            float32 [20, runs], or [30, runs] with a validation set, as of `survey.networks.training.loop.Trainer`.
        """
        with torch.random.fork_rng(devices=_devices(self._lesson.inputs)):
            self._begin(epoch)
            train = self._train()
            return self._with_held_out(train)

    def evaluate(self) -> Tensor:
        """Return the statistics of the modules as they are, in the form and order of `train_epoch`.

        Those of the training set are taken as those of the others are: in evaluation, without updates in between.
        """
        with torch.random.fork_rng(devices=_devices(self._lesson.inputs)):
            self._begin(0)
            train = self._evaluate(self._rows.train, self._rows.targets)
            return self._with_held_out(train)

    def _with_held_out(self, train: Tensor) -> Tensor:
        """Evaluate the sets that are not trained on; join their statistics with those of the training set."""
        targets = [self._lesson.targets[rows].transpose(1, 2) for rows in self._rows.evaluated]
        test, *validation = map(self._evaluate, self._rows.evaluated, targets)
        return torch.cat([test, train, *validation]).to(self._lesson.inputs.dtype)

    def _begin(self, epoch: int) -> None:
        """Set what the draws of an epoch depend on."""
        self._epoch, self._called = epoch, 0
        for number, name in enumerate(self._dropouts):
            index = epoch * len(self._dropouts) + number
            keys = streams.stream_keys(self._seeds, Purpose.MODULE_DROPOUT, index)
            self.forward.set_buffers({name: keys.to(self._lesson.inputs.device)})

    def _train(self) -> Tensor:
        """Update all runs on each minibatch of the epoch; return the statistics, float64 [10, runs]."""
        rows = self._rows.train
        order = streams.orders(rows.shape[1], streams.order_keys(self._seeds, self._epoch).to(rows.device))
        targets = self._rows.targets.gather(2, order[:, None].expand_as(self._rows.targets))
        batch_size = self._lesson.experiment.batch_size
        self.optimizer.begin_epoch(-(-rows.shape[1] // batch_size))
        self._penalties.zero_()
        self.forward.set_training(True)
        steps = iter(range(rows.shape[1]))
        with torch.enable_grad():
            found = self._passes.over(
                rows.gather(1, order), targets, batch_size, lambda *minibatch: self._step(next(steps), *minibatch)
            )
        found[0] += self._penalties / rows.shape[1]
        return found

    def _evaluate(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Return the statistics of a set without training on it, float64 [10, runs].

        Args:
            rows: [runs, rows], row numbers.
            targets: [runs, outputs, rows].
        """
        lesson, batch_size = self._lesson, self._lesson.experiment.batch_size
        # Hinge labels of a regression depend on the minibatch, so its evaluation keeps the batch size.
        multiple = 1 if lesson.kind == "regression" else -(-_EVALUATION_ROWS // batch_size)
        self.forward.set_training(False)
        with torch.no_grad():
            found = self._passes.over(rows, targets, batch_size * multiple, self._predict)
        self.parameters.penalise(*self._penalty, found[0], 1.0, with_gradient=False)
        return found

    def _step(self, number: int, inputs: Tensor, targets: Tensor, scores: Tensor, errors: Tensor) -> None:
        """Update all runs on a minibatch, step `number` of the epoch."""
        kind, num_rows = self._lesson.kind, inputs.shape[1]
        outputs = self._predict(inputs, targets, scores, errors)
        gradient = self._memory.zeros("gradient", *scores.shape)
        output_gradient(kind, scores, errors, num_rows, out=gradient)
        self.forward.backward(outputs, gradient.transpose(1, 2))
        self.parameters.penalise(*self._penalty, self._penalties, num_rows)
        if self._clipping:
            self._clipping.apply()
        self.optimizer.step(number)

    def _predict(self, inputs: Tensor, targets: Tensor, scores: Tensor, errors: Tensor) -> Tensor:
        """Return the outputs of a minibatch, [runs, rows, outputs], and fill its scores and errors."""
        self._called += 1
        outputs = self.forward(inputs, (self._epoch << 32) + self._called)
        APPLY[self._lesson.kind](outputs.detach().transpose(1, 2), targets, scores, errors)
        return outputs

    def outputs(self, *, is_training: bool) -> Tensor:
        """Return the outputs for the first rows of each run's test set, [runs, rows, outputs]."""
        rows = self._rows.evaluated[0][:, : self._lesson.experiment.batch_size]
        self.forward.set_training(is_training)
        with torch.no_grad(), torch.random.fork_rng(devices=_devices(self._lesson.inputs)):
            return self.forward(self._lesson.inputs[rows], 0)

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


def _devices(like: Tensor) -> list[torch.device]:
    """The accelerator of a tensor, whose generator is to be restored beside that of the CPU."""
    return [like.device] if like.device.type == "cuda" else []
