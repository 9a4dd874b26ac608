"""Trains all runs of an experiment by the compiled core, with the same draws and statistics as the core in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from survey.networks.compiled import library
from survey.networks.compiled.library import Unit
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import STATISTICS
from survey.networks.topology import residual_layers
from survey.networks.training import streams
from survey.networks.training.drawing import draw_sets
from survey.networks.training.loop import updates_of
from survey.networks.training.optimizers import decays, moments, step_sizes
from survey.networks.training.outputs import OutputKind, output_kind
from survey.networks.training.states import RunStates
from survey.networks.training.statistics import means, num_sums
from survey.networks.training.trained_by import TORCH, TrainedBy

_ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "gelu", "swish")
_HEADS = ("softmax", "binary", "regression")
_OPTIMIZERS = {"adam": 0, "adamw": 0, "RMSprop": 1, "SGD": 2}
"""In the order of `interface.h`."""

_EVALUATION_ROWS = 256
"""Rows that are evaluated at once, at least: they stay in the caches."""

_TRAIN = 1
"""Place of the training set among the sets, which are in the order of the statistics."""

_FLOATS = 16
"""Parameters are padded to a multiple of this: whole vectors."""


class _Set:
    """A set of rows of all runs: row numbers, int64 [runs, rows], and targets as the core takes them."""

    def __init__(self, inputs: Tensor, numbers: Tensor, targets: Tensor) -> None:
        self._inputs, self.numbers, self._targets = inputs, numbers, targets.contiguous()

    def __len__(self) -> int:
        return self.numbers.shape[1]

    def rows(self, order: Tensor | None = None) -> library.Rows:
        """Return it for a pass, with the order of a pass, int64 [runs, rows], which must outlive that."""
        places = [each.data_ptr() for each in (self._inputs, self.numbers, self._targets)]
        return library.Rows(places[0], len(self), *places[1:], order.data_ptr() if order is not None else None)


class _Orders:
    """The orders in which runs visit their rows, drawn again and again into the same place in memory."""

    def __init__(self, unit: Unit, runs: int, count: int) -> None:
        self._unit = unit
        self._scratch = torch.empty(unit.orders_scratch(count), dtype=torch.int64)
        self._orders = torch.empty(runs, count, dtype=torch.int64)

    def draw(self, keys: Tensor) -> Tensor:
        """Return what `survey.networks.training.streams.orders` does, int64 [runs, rows]."""
        places = keys.data_ptr(), self._scratch.data_ptr(), self._orders.data_ptr()
        self._unit.draw_orders(len(self._orders), self._orders.shape[1], places)
        return self._orders


def _described(
    experiment: NetworkExperiment, inputs: Tensor, kind: OutputKind, widths: Sequence[int]
) -> library.Experiment:
    """Describe an experiment on these inputs, [rows, num_inputs], to the core."""
    num_rows, num_inputs = inputs.shape
    batch_size = min(experiment.batch_size, num_rows)
    described = library.Experiment(
        num_inputs=num_inputs,
        num_layers=len(widths),
        batch_size=batch_size,
        # Hinge labels of a regression depend on the minibatch, so its evaluation keeps the batch size.
        evaluation_rows=batch_size if kind == "regression" else min(max(_EVALUATION_ROWS, batch_size), num_rows),
        activation=_ACTIVATIONS.index(experiment.activation),
        head=_HEADS.index(kind),
        optimizer=_OPTIMIZERS[experiment.optimizer],
        drop_threshold=round(experiment.dropout * (1 << 16)),
        l1=experiment.kernel_regularizer_l1,
        l2=experiment.kernel_regularizer_l2,
        gradient_clip=experiment.gradient_clip,
        momentum=experiment.momentum,
    )
    described.widths[: len(widths)] = widths
    described.adds_input[: len(widths)] = [int(adds) for adds in residual_layers(experiment.shape, widths)]
    return described


class CompiledTrainer:
    """Trains all runs of one experiment, one after the other, in compiled code.

    Args:
        experiment: The hyperparameters; without normalization.
        inputs: Features, float32 [rows, num_inputs], on the CPU.
        targets: float32 [rows, outputs]: one-hot classes, one column of 0 and 1, or regression targets.
        task_kind: `classification` or `regression`.
        widths: Width of each layer, from `survey.networks.topology.layer_widths`.
        seeds: Seed of each run.
        parts: [rows], the part of each row, as of `PreparedTask`, of a task with a split of its own.
        unit: The core, for an instruction set of this processor.
        trained_by: Where to note what trains; None for nowhere.

    Attributes:
        epoch: Number of epochs trained so far.
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
        unit: Unit,
        parts: Tensor | None = None,
        trained_by: TrainedBy | None = None,
    ) -> None:
        self._trained_by = trained_by or TrainedBy()
        self._experiment, self._seeds, self._unit, self._widths = experiment, seeds, unit, widths
        self._kind: OutputKind = output_kind(task_kind, targets.shape[1])
        self._updates = updates_of(experiment)
        self._described = _described(experiment, inputs, self._kind, widths)
        self._memory = torch.zeros(unit.memory(self._described))
        train, test, *validation = draw_sets(experiment, seeds, targets, self._kind, parts)
        inputs = inputs.float().contiguous()
        self._sets = [_Set(inputs, *each) for each in (test, train, *validation)]
        self._num_rows = np.array([[len(each)] for each in self._sets], np.float64)
        self._sums = np.empty((len(self._sets), len(seeds), len(STATISTICS)))
        self._penalties = np.empty((len(self._sets), len(seeds)))
        self._places = [
            (self._memory.data_ptr(), sums.ctypes.data, penalties.ctypes.data)
            for sums, penalties in zip(self._sums, self._penalties, strict=True)
        ]
        names = ("parameters", *moments(self._updates))
        self._states = RunStates(names, inputs.shape[1], widths, len(seeds), multiple=_FLOATS)
        self._states.draw(seeds, experiment.initialization)
        self._orders = _Orders(unit, len(seeds), len(self._sets[_TRAIN]))
        self.epoch = self._steps = 0
        self._statistics = torch.empty(0)

    def train_epoch(self) -> Tensor:
        """Train one epoch of every run; see `survey.networks.training.loop.Trainer.train_epoch`."""
        self.start_epoch()
        return self.end_epoch()

    @torch.inference_mode()
    def start_epoch(self) -> None:
        """Train one epoch."""
        self.epoch += 1
        self._trained_by.add(self._unit.name)
        order = self._orders.draw(streams.order_keys(self._seeds, self.epoch))
        num_steps = -(-len(self._sets[_TRAIN]) // self._experiment.batch_size)
        rates, lost = (each(self._updates, self._steps, num_steps).float() for each in (step_sizes, decays))
        keys = streams.dropout_keys(self._seeds, self.epoch) if self._experiment.dropout else None
        places = (each.data_ptr() if each is not None else None for each in (rates, lost, keys))
        self._statistics = self._pass(library.Updates(*places), order)
        self._steps += num_steps

    def end_epoch(self) -> Tensor:
        """Return the statistics of the epoch: float32 [20, runs], or [30, runs] with a validation set."""
        return self._statistics

    @torch.inference_mode()
    def evaluate(self) -> Tensor:
        """Return the statistics of the networks as they are, in the form and order of `train_epoch`.

        Those of the training set are taken without updates in between, and without dropout.
        """
        return self._pass()

    def _pass(self, updates: library.Updates | None = None, order: Tensor | None = None) -> Tensor:
        """Train on the training set, or evaluate it, and evaluate the others; return what `train_epoch` returns."""
        buffers = self._states.buffers
        places = (buffers[name].data_ptr() if name in buffers else None for name in ("parameters", "m", "v"))
        states = library.States(len(self._seeds), self._states.size, *places)
        self._sums[:] = self._penalties[:] = 0.0
        for number in sorted(range(len(self._sets)), key=_TRAIN.__ne__):  # the training set first
            trains = number == _TRAIN
            rows = self._sets[number].rows(order if trains else None)
            self._unit.run(self._described, rows, states, updates if trains else None, self._places[number])
        sums = self._sums.transpose(2, 0, 1)[: num_sums(self._kind)]
        with np.errstate(all="ignore"):  # runs diverge
            found = means(self._kind, sums, self._num_rows, self._widths[-1], np.stack)
            found[0] += self._penalties / self._num_rows
            return torch.from_numpy(found.transpose(1, 0, 2).reshape(-1, len(self._seeds)).astype(np.float32))

    def state_dict(self) -> dict[str, Any]:
        """Copy the state needed to continue, in the form of `survey.networks.training.loop.Trainer.state_dict`."""
        tensors, cores = self._states.tensors(), self._trained_by.cores
        return {"epoch": self.epoch, "steps": self._steps, "tensors": tensors, "cores": cores}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a trainer of the same experiment and seeds, of whichever core."""
        self._trained_by.add(*state.get("cores", [TORCH]))
        self.epoch, self._steps = state["epoch"], state["steps"]
        self._states.load(state["tensors"])
