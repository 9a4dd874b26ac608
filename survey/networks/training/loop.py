"""The training loop: every epoch of all runs of a bundle, and the statistics of each: ten of every set of rows.

A bundle is split into chunks of runs whose arrays stay in the processor's caches. In each epoch each chunk makes its
pass over the data; between epochs the bundle can be stopped, saved and resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from survey.networks.experiment import NetworkExperiment, TaskExperiment
from survey.networks.topology import residual_layers
from survey.networks.training import streams
from survey.networks.training.batches import Batches, Data, split_into_batches
from survey.networks.training.chunk_size import runs_per_chunk_of
from survey.networks.training.clipping import Clipping
from survey.networks.training.drawing import draw_runs
from survey.networks.training.graphs import record
from survey.networks.training.memory import Memory
from survey.networks.training.network import Architecture, Network, Workspace
from survey.networks.training.optimizers import OPTIMIZERS, Optimizer, Updates
from survey.networks.training.outputs import APPLY, output_gradient
from survey.networks.training.precision import check_precision, products_in
from survey.networks.training.schedules import Schedule
from survey.networks.training.statistics import means, sum_over_rows
from survey.networks.training.trained_by import TORCH, TrainedBy

_EVALUATION_ROWS = 256
"""Rows of an evaluation batch, at least: smaller ones spend their time on calls rather than on arithmetic."""


def _no_warnings() -> np.errstate:
    """Let numpy's products be as silent about a run that diverges as PyTorch's are: on some processors they warn."""
    return np.errstate(invalid="ignore", over="ignore")


def _is_recorded(device: torch.device) -> bool:
    """Whether an epoch is recorded as a CUDA graph and replayed."""
    return device.type == "cuda"


class _Chunk:
    """Some runs of a bundle: their networks, optimizer, rows and stored outputs."""

    def __init__(
        self,
        experiment: NetworkExperiment,
        data: Data,
        architecture: Architecture,
        seeds: Sequence[int],
        memory: Memory,
    ) -> None:
        self.experiment, self.data, self.seeds = experiment, data, seeds
        like = data.inputs
        self.network = Network(architecture, len(seeds), dtype=like.dtype, device=like.device)
        self.optimizer: Optimizer = OPTIMIZERS[experiment.optimizer](
            self.network.parameters, self.network.gradients, updates_of(experiment)
        )
        limit = experiment.gradient_clip
        self._clipping = Clipping(self.network.all_gradients, limit) if limit else None
        self._apply = APPLY[data.kind]
        self._penalty_rate = (experiment.kernel_regularizer_l1, experiment.kernel_regularizer_l2)
        self._penalties = torch.zeros(len(seeds), dtype=torch.float64, device=like.device)
        self._draw_rows(memory)
        self._keys, self._dropout_keys = torch.zeros(2, len(seeds), dtype=torch.int64, device=like.device)
        self._recorded: Callable[[], Tensor] | None = None

    def draw_parameters(self) -> None:
        architecture = self.network.architecture
        for run, seed in enumerate(self.seeds):
            dtype = self.data.inputs.dtype
            layers = streams.initial_parameters(
                architecture.widths,
                architecture.num_inputs,
                seed=seed,
                dtype=dtype,
                initialization=self.experiment.initialization,
            )
            self.network.set_parameters(run, layers)

    def _draw_rows(self, memory: Memory) -> None:
        """Draw each run's rows and noisy labels, and make room for its minibatches."""
        data, device = self.data, self.data.inputs.device
        drawn = draw_runs(self.experiment, self.seeds, data.targets.cpu(), data.kind, data.num_outputs, data.parts)
        self._train_rows = drawn.train.to(device)
        self._train_targets = drawn.train_targets.transpose(1, 2).contiguous().to(device)
        batch_size = self.experiment.batch_size
        num_rows = self._train_rows.shape[1]
        self._train = split_into_batches(data, self.network, num_rows, batch_size, memory, trains=True)
        held_out = [rows.to(device) for rows in drawn.held_out]
        self._evaluated = [self._to_evaluate(rows, data.targets[rows].transpose(1, 2), memory) for rows in held_out]

    def _to_evaluate(self, rows: Tensor, targets: Tensor, memory: Memory) -> list[Batches]:
        """Minibatches of a set that is evaluated, whose rows are [runs, rows], their targets [runs, outputs, rows]."""
        data, batch_size = self.data, self.experiment.batch_size
        # Hinge labels of a regression depend on the minibatch, so its evaluation keeps the batch size.
        multiple = 1 if data.kind == "regression" else -(-_EVALUATION_ROWS // batch_size)
        parts = split_into_batches(data, self.network, rows.shape[1], batch_size * multiple, memory)
        for part in parts:
            part.set_rows(rows, targets)
        return parts

    def evaluate(self) -> Tensor:
        """Return the statistics of the networks as they are, of all sets, in the order of `train_epoch`.

        Those of the training set are taken as those of the others are: without updates in between, and without dropout.
        """
        train = self._to_evaluate(self._train_rows, self._train_targets, Memory(self.data.inputs))
        test, *validation = self._evaluated
        return torch.cat([self._evaluate(parts) for parts in (test, train, *validation)]).to(self.data.inputs.dtype)

    def train_epoch(self, epoch: int) -> Tensor:
        """Train epoch number `epoch`, from 1, and return its statistics, [20, runs], or [30, runs] with validation."""
        self._keys.copy_(streams.order_keys(self.seeds, epoch))
        if self.experiment.dropout:
            self._dropout_keys.copy_(streams.dropout_keys(self.seeds, epoch))
        self.optimizer.begin_epoch(sum(part.steps for part in self._train))
        if not _is_recorded(self._keys.device):
            return self._train_epoch()
        if not self._recorded:
            self._recorded = record(self._train_epoch, [self.network.parameters, *self.optimizer.state.values()])
        return self._recorded()

    def _train_epoch(self) -> Tensor:
        """Train an epoch in the order of `_keys`, and return its statistics; it depends on no number in Python."""
        num_rows = self._train_rows.shape[1]
        order = streams.orders(num_rows, self._keys)
        row_numbers = self._train_rows.gather(1, order)
        targets = self._train_targets.gather(2, order[:, None].expand_as(self._train_targets))
        for part in self._train:
            part.set_rows(row_numbers, targets)
        self._train_steps()
        train = _means(self.data, self._train, num_rows)
        train[0] += self._penalties / num_rows
        # Statistics are recorded in the network's own precision.
        test, *validation = [self._evaluate(parts) for parts in self._evaluated]
        return torch.cat([test, train, *validation]).to(self.data.inputs.dtype)

    def _train_steps(self) -> None:
        """Update all runs on each minibatch, and sum the penalties over the rows."""
        self._penalties.zero_()
        steps = ((part, step) for part in self._train for step in part.by_step)
        for number, (part, step) in enumerate(steps):
            if part.work.dropout:
                part.work.dropout.draw(self._dropout_keys, number)
            self._train_step(part.work, *step)
            self._penalise(self._penalties, part.num_valid)
            if self._clipping:
                self._clipping.apply()
            self.optimizer.step(number)

    def _train_step(self, work: Workspace, rows: Tensor, targets: Tensor, scores: Tensor, errors: Tensor) -> None:
        """Compute the gradients of the loss on one minibatch, without penalties."""
        torch.index_select(self.data.inputs, 0, rows, out=work.inputs)
        self._apply(self.network.forward(work), targets, scores, errors)
        output_gradient(self.data.kind, scores, errors, work.num_valid, out=work.logits_gradient)
        self.network.backward(work)

    def _penalise(self, penalties: Tensor, factor: float, with_gradient: bool = True) -> None:
        """Add the L1 or L2 penalty of the kernels, times a factor, to `penalties`, [runs], and its gradient."""
        l1, l2 = self._penalty_rate
        if not l1 and not l2:
            return
        for weight, gradient in zip(self.network.weights, self.network.weight_gradients, strict=True):
            kernel = weight[:, :, :-1]
            norm = kernel.abs().sum((1, 2)) if l1 else kernel.square().sum((1, 2))
            penalties.add_(norm, alpha=(l1 or l2) * factor)
            if with_gradient:
                gradient[:, :, :-1].add_(kernel.sign() if l1 else kernel, alpha=l1 or 2.0 * l2)

    def _evaluate(self, parts: Sequence[Batches]) -> Tensor:
        """Return the statistics of a set that is not trained on, float64 [10, runs]."""
        for part in parts:
            for rows, targets, scores, errors in part.by_step:
                torch.index_select(self.data.inputs, 0, rows, out=part.work.inputs)
                self._apply(self.network.forward(part.work), targets, scores, errors)
        found = _means(self.data, parts, sum(part.steps * part.num_valid for part in parts))
        self._penalise(found[0], 1.0, with_gradient=False)
        return found

    def state(self) -> dict[str, list[Tensor]]:
        """The state needed to continue: parameters and optimizer moments by name, live views [runs, ...] by layer."""
        buffers = {"parameters": self.network.parameters, **self.optimizer.state}
        return {name: self.network.by_layer(flat) for name, flat in buffers.items()}


def _means(data: Data, parts: Sequence[Batches], num_rows: int) -> Tensor:
    """The statistics of what the minibatches have stored, which is overwritten: float64 [10, runs]."""
    kind = data.kind
    sums = torch.stack([sum_over_rows(kind, p.scores, p.errors, p.targets, p.num_valid) for p in parts]).sum(0)
    return means(kind, sums, num_rows, data.num_outputs)


def updates_of(experiment: TaskExperiment) -> Updates:
    """Return how an experiment updates its parameters."""
    schedule = Schedule(
        experiment.schedule,
        experiment.epochs,
        experiment.warmup_epochs,
        experiment.step_epochs,
        experiment.step_factor,
    )
    return Updates(
        experiment.optimizer, experiment.learning_rate, experiment.momentum, experiment.weight_decay, schedule
    )


class Trainer:
    """Trains all runs of one experiment as one array.

    Args:
        experiment: The hyperparameters.
        inputs: Features [rows, num_inputs].
        targets: [rows, outputs]: one-hot classes, one column of 0 and 1, or regression targets.
        task_kind: `classification` or `regression`.
        widths: Width of each layer, from `survey.networks.topology.layer_widths`.
        seeds: Seed of each run.
        parts: [rows], the part of each row, as of `PreparedTask`, of a task with a split of its own.
        device: Where to train.
        dtype: float32, or float64 for comparisons.
        runs_per_chunk: Runs trained together; None to choose by their size. On a CPU it changes no number in float32.
        trained_by: Where to note what trains; None for nowhere.

    Attributes:
        epoch: Number of epochs trained so far.

    Raises:
        InputError: The device does not compute in the precision of the experiment.
    """

    def __init__(
        self,
        experiment: NetworkExperiment,
        *,
        inputs: Tensor,
        targets: Tensor,
        task_kind: str,
        widths: Sequence[int],
        seeds: Sequence[int],
        parts: Tensor | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        runs_per_chunk: int | None = None,
        trained_by: TrainedBy | None = None,
    ) -> None:
        check_precision(experiment.precision, torch.device(device))
        self._precision = experiment.precision
        self._trained_by = trained_by or TrainedBy()
        # Moments of weights that no longer change decay into denormal numbers, which are a hundred times as slow.
        torch.set_flush_denormal(True)
        data = replace(Data.of(inputs, targets, task_kind, dtype, torch.device(device)), parts=parts)
        residual = residual_layers(experiment.shape, widths)
        architecture = Architecture(
            inputs.shape[1],
            tuple(widths),
            residual,
            experiment.activation,
            experiment.normalization,
            experiment.dropout,
        )
        size = runs_per_chunk or runs_per_chunk_of(architecture, experiment.batch_size, data.inputs)
        # Chunks of nearly equal size, rather than full ones and a small last one.
        count = -(-len(seeds) // size)
        bounds = [len(seeds) * k // count for k in range(count + 1)]
        memory = Memory(data.inputs)
        self._chunks = [
            _Chunk(experiment, data, architecture, seeds[start:end], memory) for start, end in pairwise(bounds)
        ]
        # After all arrays are allocated: temporary arrays of the draws would otherwise leave holes between them.
        for chunk in self._chunks:
            chunk.draw_parameters()
        self.epoch = 0
        self._statistics: list[Tensor] = []

    def train_epoch(self) -> Tensor:
        """Train one epoch of every run.

        Returns:
            float32 [20, runs] on the CPU: the statistics in the order of `survey.networks.metrics.HISTORY_COLUMNS`; or
            [30, runs] with a validation set, those of `VALIDATION_COLUMNS` last.
        """
        self.start_epoch()
        return self.end_epoch()

    @torch.inference_mode()
    def start_epoch(self) -> None:
        """Train one epoch; on a GPU, only start it, on the current stream."""
        self.epoch += 1
        self._trained_by.add(TORCH)
        with products_in(self._precision), _no_warnings():
            self._statistics = [chunk.train_epoch(self.epoch) for chunk in self._chunks]

    def end_epoch(self) -> Tensor:
        """Wait for the epoch that was started last, on the same stream; return what `train_epoch` returns."""
        return torch.cat([each.cpu() for each in self._statistics], dim=1)

    @torch.inference_mode()
    def evaluate(self) -> Tensor:
        """Return the statistics of the networks as they are, in the form and order of `train_epoch`.

        Those of the training set are taken without updates in between, and without dropout.
        """
        with products_in(self._precision), _no_warnings():
            return torch.cat([chunk.evaluate().cpu() for chunk in self._chunks], dim=1)

    def state_dict(self) -> dict[str, Any]:
        """Copy the state needed to continue; random draws need none, as they depend on seed and epoch.

        Returns:
            `epoch`, `steps` of the optimizer, `tensors`: parameters and moments by name, a list of
            [runs, fan_out, fan_in + 1] by layer, on the CPU; and `cores`, the names of those that have trained. It
            does not depend on the split into chunks.
        """
        states = [chunk.state() for chunk in self._chunks]
        tensors = {
            name: [torch.cat(parts).cpu() for parts in zip(*(state[name] for state in states), strict=True)]
            for name in states[0]
        }
        steps = self._chunks[0].optimizer.steps
        return {"epoch": self.epoch, "steps": steps, "tensors": tensors, "cores": self._trained_by.cores}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a trainer of the same experiment and seeds, of whichever core."""
        self._trained_by.add(*state.get("cores", [TORCH]))
        self.epoch, first = state["epoch"], 0
        for chunk in self._chunks:
            chunk.optimizer.steps = state["steps"]
            runs = slice(first, first + len(chunk.seeds))
            for name, layers in chunk.state().items():
                for layer, saved in zip(layers, state["tensors"][name], strict=True):
                    layer.copy_(saved[runs])
            first = runs.stop
