"""Trains all runs of an experiment by the block core, with the same draws and statistics as the core in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from survey.networks.block.layout import Layout, columns_of
from survey.networks.block.passes import HEADS, OPTIMIZERS, Compile, described
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import STATISTICS
from survey.networks.training import streams
from survey.networks.training.drawing import draw_sets
from survey.networks.training.graphs import record
from survey.networks.training.loop import updates_of
from survey.networks.training.optimizers import decays, moments, step_sizes
from survey.networks.training.outputs import OutputKind, output_kind
from survey.networks.training.states import RunStates
from survey.networks.training.statistics import means, num_sums
from survey.networks.training.trained_by import TORCH, TrainedBy

BLOCK = "block"
"""Name of this core."""


class _Set:
    """A set of rows of all runs: row numbers, int64 [runs, rows], and targets as the core takes them."""

    def __init__(self, numbers: Tensor, targets: Tensor, device: torch.device | str) -> None:
        self.numbers = numbers.contiguous().to(device)
        self.targets = targets.contiguous().to(device)
        self.sums = torch.zeros(len(numbers), len(STATISTICS) + 1, dtype=torch.float64, device=device)

    def __len__(self) -> int:
        return self.numbers.shape[1]

    def means(self, kind: OutputKind, num_outputs: int) -> Tensor:
        """Return the statistics of the last pass, float64 [10, runs]."""
        *sums, penalties = self.sums.unbind(1)
        found = means(kind, torch.stack(sums[: num_sums(kind)]), len(self), num_outputs)
        found[0] += penalties / len(self)
        return found


class BlockTrainer:
    """Trains all runs of one experiment at once, each by a block of a GPU's threads, which trains a whole epoch.

    Args:
        experiment: The hyperparameters, such as `survey.networks.cores.block_layouts` takes.
        inputs: Features, float32 [rows, num_inputs].
        targets: float32 [rows, outputs]: one-hot classes, one column of 0 and 1, or regression targets.
        task_kind: `classification` or `regression`.
        widths: Width of each layer, from `survey.networks.topology.layer_widths`.
        seeds: Seed of each run.
        layout: How a block trains a run.
        compile_kernel: Compiles the kernel.
        device: A GPU.
        parts: [rows], the part of each row, as of `PreparedTask`, of a task with a split of its own.
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
        layout: Layout,
        compile_kernel: Compile,
        device: torch.device | str = "cuda",
        parts: Tensor | None = None,
        trained_by: TrainedBy | None = None,
    ) -> None:
        self._trained_by = trained_by or TrainedBy()
        self._experiment, self._seeds, self._layout = experiment, seeds, layout
        self._num_outputs, self._device = targets.shape[1], torch.device(device)
        self._kind: OutputKind = output_kind(task_kind, self._num_outputs)
        self._updates = updates_of(experiment)
        self._inputs = inputs.float().contiguous().to(device)
        train, *held_out = draw_sets(experiment, seeds, targets, self._kind, parts)
        self._train = _Set(*train, self._device)
        self._evaluated = [_Set(*each, self._device) for each in held_out]
        names = ("parameters", *moments(self._updates))
        self._states = RunStates(names, inputs.shape[1], widths, len(seeds), columns_of=columns_of, device=device)
        self._states.draw(seeds, experiment.initialization)
        self._keys = torch.zeros(len(seeds), dtype=torch.int64, device=device)
        self._order = torch.zeros_like(self._train.numbers)
        self._num_steps = -(-len(self._train) // experiment.batch_size)
        self._rates, self._decays = torch.zeros(2, self._num_steps, device=device)
        in_device_memory = layout.gradients < 0
        self._gradients = torch.zeros(len(seeds), layout.num_gradients, device=device) if in_device_memory else None
        self._kernel = compile_kernel(experiment.activation, layout)
        self._train_rows = self._bind(self._train, trains=True)
        self._evaluate_train, *self._evaluate_others = (
            self._bind(each, trains=False) for each in (self._train, *self._evaluated)
        )
        self._recorded: Callable[[], Tensor] | None = None
        self.epoch = self._steps = 0
        self._statistics = torch.empty(0)

    def _bind(self, rows: _Set, *, trains: bool) -> Callable[[], None]:
        """Return what starts a pass over a set of rows."""
        experiment, layout, buffers = self._experiment, self._layout, self._states.buffers
        found = described(layout)
        found.head, found.optimizer = HEADS.index(self._kind), OPTIMIZERS[experiment.optimizer]
        found.momentum = experiment.momentum
        found.l1, found.l2 = experiment.kernel_regularizer_l1, experiment.kernel_regularizer_l2
        # Hinge labels of a regression depend on the minibatch, so its evaluation keeps the batch size.
        keeps = trains or self._kind == "regression"
        found.batch_size = experiment.batch_size if keeps else len(rows)
        found.count = len(rows)
        places = {
            "inputs": self._inputs,
            "rows": rows.numbers,
            "targets_of_rows": rows.targets,
            "sums": rows.sums,
            "parameters": buffers["parameters"],
            "gradients_of_runs": self._gradients,
        }
        if trains:
            places |= {"order": self._order, "rates": self._rates, "decays": self._decays}
            places |= {"first_moment": buffers.get("m"), "second_moment": buffers.get("v")}
        for name, tensor in places.items():
            setattr(found, name, None if tensor is None else tensor.data_ptr())
        return self._kernel.bind(found, len(self._seeds))

    def train_epoch(self) -> Tensor:
        """Train one epoch of every run; see `survey.networks.training.loop.Trainer.train_epoch`."""
        self.start_epoch()
        return self.end_epoch()

    @torch.inference_mode()
    def start_epoch(self) -> None:
        """Start one epoch on the current stream."""
        self.epoch += 1
        self._trained_by.add(BLOCK)
        self._keys.copy_(streams.order_keys(self._seeds, self.epoch))
        self._rates.copy_(step_sizes(self._updates, self._steps, self._num_steps))
        self._decays.copy_(decays(self._updates, self._steps, self._num_steps))
        self._steps += self._num_steps
        if self._device.type != "cuda":
            self._statistics = self._epoch()
            return
        if not self._recorded:
            self._recorded = record(self._epoch, list(self._states.buffers.values()))
        self._statistics = self._recorded()

    def end_epoch(self) -> Tensor:
        """Wait for the epoch that was started last; return its statistics, see `train_epoch`."""
        return self._statistics.cpu()

    @torch.inference_mode()
    def evaluate(self) -> Tensor:
        """Return the statistics of the networks as they are, in the form and order of `train_epoch`.

        Those of the training set are taken without updates in between.
        """
        self._evaluate_train()
        return self._with_held_out().cpu()

    def _epoch(self) -> Tensor:
        """Train an epoch in the order of `_keys`, and return its statistics; it depends on no number in Python."""
        self._order.copy_(streams.orders(len(self._train), self._keys))
        self._train_rows()
        return self._with_held_out()

    def _with_held_out(self) -> Tensor:
        """Evaluate the held-out sets; return the statistics of all, float32 [20, runs], or [30, runs]."""
        for evaluate in self._evaluate_others:
            evaluate()
        test, *validation = self._evaluated
        found = [each.means(self._kind, self._num_outputs) for each in (test, self._train, *validation)]
        return torch.cat(found).float()

    def state_dict(self) -> dict[str, Any]:
        """Copy the state needed to continue, in the form of `survey.networks.training.loop.Trainer.state_dict`."""
        tensors, cores = self._states.tensors(), self._trained_by.cores
        return {"epoch": self.epoch, "steps": self._steps, "tensors": tensors, "cores": cores}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a trainer of the same experiment and seeds, of whichever core."""
        self._trained_by.add(*state.get("cores", [TORCH]))
        self.epoch, self._steps = state["epoch"], state["steps"]
        self._states.load(state["tensors"])
