"""Plain PyTorch, one run after the other: modules, autograd and its fused Adam, as most people would write it.

A DataLoader would be slower: rows are gathered by index, a minibatch at a time.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from benchmarks.cells import Cell, data_of, draws_of, seeds_of
from benchmarks.peers import Epochs, clock
from benchmarks.peers.definitions import epoch_statistics, softmax_sums


class _Run:
    def __init__(self, cell: Cell, seed: int, num_epochs: int, device: str) -> None:
        draws = draws_of(cell, seed, num_epochs)
        layers: list[nn.Module] = []
        for kernel, bias in draws.layers:
            linear = nn.Linear(*kernel.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(kernel.T))
                linear.bias.copy_(torch.tensor(bias))
            layers += [linear, nn.ReLU()]
        self.model = nn.Sequential(*layers[:-1]).to(device)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=cell.experiment.learning_rate, eps=1e-7, fused=True
        )
        self.test_rows = torch.tensor(draws.test_rows, device=device)
        self.orders = torch.tensor(draws.orders, device=device)
        self.steps = 0


class Peer:
    """One run after the other."""

    def __init__(self, cell: Cell, num_runs: int, num_epochs: int, device: str) -> None:
        self._cell, self._device, self._epoch, self._clock = cell, device, 0, clock(device)
        self._inputs, self._targets = (torch.tensor(each, device=device) for each in data_of(cell))
        self._labels = self._targets.argmax(1)
        self._runs = [_Run(cell, seed, num_epochs, device) for seed in seeds_of(cell, num_runs)]

    def train(self, num_epochs: int) -> Epochs:
        """Train epochs."""
        seconds, statistics = [], []
        for _ in range(num_epochs):
            began = self._clock()
            statistics.append(np.stack([self._train_epoch(run) for run in self._runs], axis=1))
            seconds.append(self._clock() - began)
            self._epoch += 1
        return Epochs(seconds, np.stack(statistics))

    def _train_epoch(self, run: _Run) -> np.ndarray:
        order = run.orders[self._epoch]
        train_sums = torch.zeros(10, dtype=torch.float64, device=self._device)
        for rows in order.split(self._cell.batch_size):
            logits = run.model(self._inputs[rows])
            loss = nn.functional.cross_entropy(logits, self._labels[rows])
            run.optimizer.zero_grad()
            loss.backward()
            run.steps += 1
            # Where epsilon stands in Keras.
            run.optimizer.param_groups[0]["eps"] = 1e-7 / math.sqrt(1.0 - 0.999**run.steps)
            run.optimizer.step()
            with torch.no_grad():
                train_sums += softmax_sums(torch, torch.log_softmax(logits, 1), self._targets[rows])
        test_sums = torch.zeros_like(train_sums)
        with torch.no_grad():
            for rows in run.test_rows.split(self._cell.batch_size):
                log_p = torch.log_softmax(run.model(self._inputs[rows]), 1)
                test_sums += softmax_sums(torch, log_p, self._targets[rows])
        return epoch_statistics(test_sums.cpu().numpy(), len(run.test_rows), train_sums.cpu().numpy(), len(order))
