"""A prepared task on its device, and the minibatches of an epoch: where rows are gathered and outputs are stored."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from survey.networks.training.memory import Memory
from survey.networks.training.network import Network, Workspace, columns
from survey.networks.training.outputs import OutputKind, output_kind


@dataclass(frozen=True)
class Data:
    """A prepared task in the layout of the training loop.

    Attributes:
        inputs: [rows + 1, columns(num_inputs)], features, a column of ones for the bias, and zeros; the last row is all
            zeros.
        targets: int64 [rows, 1] classes where the output layer is softmax, else [rows, outputs] in the network's dtype.
        kind: Kind of output layer.
        num_outputs: Number of outputs of the network.
        parts: [rows] on the CPU, the part of each row of a task with a split of its own; None without.
    """

    inputs: Tensor
    targets: Tensor
    kind: OutputKind
    num_outputs: int
    parts: Tensor | None = None

    @property
    def num_rows(self) -> int:
        """Rows of the task."""
        return len(self.targets)

    @classmethod
    def of(cls, inputs: Tensor, targets: Tensor, task_kind: str, dtype: torch.dtype, device: torch.device) -> Data:
        """Make it from features [rows, num_inputs] and one-hot or plain targets [rows, outputs]."""
        kind = output_kind(task_kind, targets.shape[1])
        num_inputs = inputs.shape[1]
        with_ones = torch.zeros(len(inputs) + 1, columns(num_inputs), dtype=dtype)
        with_ones[:-1, :num_inputs] = inputs
        with_ones[:-1, num_inputs] = 1.0
        as_stored = targets.argmax(1, keepdim=True) if kind == "softmax" else targets.to(dtype)
        return cls(with_ones.to(device), as_stored.to(device), kind, targets.shape[1])


class Batches:
    """Equal minibatches of one set (training, test or validation) of all runs: where rows are gathered, outputs stored.

    All arrays are [steps, runs, *, rows] so that what one step touches is contiguous; rows beyond `num_valid` are
    padding, whose row number is that of the zeros at the end of the data.
    """

    def __init__(self, name: str, data: Data, network: Network, steps: int, work: Workspace, memory: Memory) -> None:
        runs, device = network.num_runs, network.parameters.device
        self.first, self.steps, self.num_valid, self.work = 0, steps, work.num_valid, work
        room = work.rows
        self.row_numbers = torch.full((steps, runs, room), data.num_rows, dtype=torch.int64, device=device)
        self.targets = data.targets.new_zeros(steps, runs, data.targets.shape[1], room)
        # Shared: their contents are used up before another chunk, or another set, needs them.
        self.scores = memory.zeros(f"{name} scores", steps, runs, data.num_outputs, room)
        self.errors = memory.zeros(f"{name} errors", steps, runs, data.num_outputs, room)
        self.by_step = list(zip(self.row_numbers.view(steps, -1), self.targets, self.scores, self.errors, strict=True))

    def set_rows(self, row_numbers: Tensor, targets: Tensor) -> None:
        """Take this part of the epoch's rows, [runs, all rows], and of their targets, [runs, outputs, all rows]."""
        part, rows = slice(self.first, self.first + self.steps * self.num_valid), self.num_valid
        by_step = row_numbers[:, part].unflatten(1, (self.steps, rows)).transpose(0, 1)
        self.row_numbers[:, :, :rows] = by_step
        self.targets[:, :, :, :rows] = targets[:, :, part].unflatten(2, (self.steps, rows)).permute(2, 0, 1, 3)


def split_into_batches(
    data: Data, network: Network, num_rows: int, batch_rows: int, memory: Memory, *, trains: bool = False
) -> list[Batches]:
    """Split `num_rows` rows, which are trained on or evaluated, into full minibatches and the last, smaller one."""
    full, rest = divmod(num_rows, batch_rows)
    shapes = {"full": (full, batch_rows), "last": (1, rest)}
    parts = [
        Batches(name, data, network, steps, network.workspace(rows, memory, trains=trains), memory)
        for name, (steps, rows) in shapes.items()
        if steps and rows
    ]
    if len(parts) == 2:
        parts[1].first = full * batch_rows
    return parts
