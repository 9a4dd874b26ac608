"""The training core: all runs as one array."""

from __future__ import annotations

import time

import numpy as np
import torch

from benchmarks.cells import Cell, data_of, seeds_of
from benchmarks.peers import Epochs
from survey.networks.training.loop import Trainer


class Peer:
    """All runs at once, in chunks as the core chooses."""

    def __init__(self, cell: Cell, num_runs: int, num_epochs: int, device: str) -> None:
        inputs, targets = data_of(cell)
        self._device = device
        self._trainer = Trainer(
            cell.experiment,
            inputs=torch.tensor(inputs),
            targets=torch.tensor(targets),
            task_kind="classification",
            widths=cell.widths,
            seeds=seeds_of(cell, num_runs),
            device=device,
        )

    def train(self, num_epochs: int) -> Epochs:
        """Train epochs; the statistics are on the CPU at the end of each, so that nothing is left to wait for."""
        seconds, statistics = [], []
        for _ in range(num_epochs):
            began = time.perf_counter()
            statistics.append(self._trainer.train_epoch().numpy())
            seconds.append(time.perf_counter() - began)
        return Epochs(seconds, np.stack(statistics))
