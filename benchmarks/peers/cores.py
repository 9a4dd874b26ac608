"""Our cores: all runs of an experiment by one call for each epoch."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cells import Cell, data_of, seeds_of
from benchmarks.peers import Epochs, clock
from survey.networks.compiled.library import units
from survey.networks.compiled.trainer import CompiledTrainer
from survey.networks.training.loop import Trainer
from survey.networks.training.trained_by import TORCH


class Peer:
    """All runs at once, by the core in PyTorch or by a unit of the compiled one.

    Args:
        cell: What to train.
        num_runs: Runs at once.
        num_epochs: At most.
        device: Where to train.
        core: Name of the core, as in the column `core`.
    """

    def __init__(self, cell: Cell, num_runs: int, num_epochs: int, device: str, *, core: str) -> None:
        self._clock = clock(device)
        inputs, targets = (torch.tensor(each) for each in data_of(cell))
        arguments = {"inputs": inputs, "targets": targets, "task_kind": "classification"}
        arguments |= {"widths": cell.widths, "seeds": seeds_of(cell, num_runs)}
        if core == TORCH:
            self._trainer = Trainer(cell.experiment, device=device, **arguments)
        else:
            (unit,) = (each for each in units() if each.name == core)
            self._trainer = CompiledTrainer(cell.experiment, unit=unit, **arguments)

    def train(self, num_epochs: int) -> Epochs:
        """Train epochs; the statistics are on the CPU at the end of each, so that nothing is left to wait for."""
        seconds, statistics = [], []
        for _ in range(num_epochs):
            began = self._clock()
            statistics.append(self._trainer.train_epoch().numpy())
            seconds.append(self._clock() - began)
        return Epochs(seconds, np.stack(statistics))
