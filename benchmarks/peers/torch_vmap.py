"""torch.func: gradients and statistics of a functional model under vmap over the runs, Adam on stacked parameters."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.func import grad, vmap

from benchmarks.cells import Cell, data_of, draws_of, seeds_of
from benchmarks.peers import Epochs, clock
from benchmarks.peers.definitions import epoch_statistics, softmax_sums


def _log_p(layers, x):
    for k, (kernel, bias) in enumerate(layers):
        x = x @ kernel + bias
        if k < len(layers) - 1:
            x = torch.relu(x)
    return torch.log_softmax(x, 1)


def _loss(layers, x, y):
    log_p = _log_p(layers, x)
    return -(y * log_p).sum(1).mean(), softmax_sums(torch, log_p.detach(), y)


def _test_sums(layers, x, y):
    return softmax_sums(torch, _log_p(layers, x), y)


class Peer:
    """All runs at once."""

    def __init__(self, cell: Cell, num_runs: int, num_epochs: int, device: str) -> None:
        self._cell, self._epoch, self._steps, self._clock = cell, 0, 0, clock(device)
        self._inputs, self._targets = (torch.tensor(each, device=device) for each in data_of(cell))
        draws = [draws_of(cell, seed, num_epochs) for seed in seeds_of(cell, num_runs)]
        self._layers = [
            tuple(torch.tensor(np.stack(each), device=device) for each in zip(*layer, strict=True))
            for layer in zip(*(draw.layers for draw in draws), strict=True)
        ]
        self._optimizer = torch.optim.Adam(
            [each for layer in self._layers for each in layer], lr=cell.experiment.learning_rate, eps=1e-7, fused=True
        )
        self._orders = torch.tensor(np.stack([draw.orders for draw in draws], axis=1), device=device)
        self._test_rows = torch.tensor(np.stack([draw.test_rows for draw in draws]), device=device)
        self._gradients = vmap(grad(_loss, has_aux=True))
        self._test_sums = vmap(_test_sums)

    def train(self, num_epochs: int) -> Epochs:
        """Train epochs."""
        seconds, statistics = [], []
        for _ in range(num_epochs):
            began = self._clock()
            statistics.append(self._train_epoch())
            seconds.append(self._clock() - began)
            self._epoch += 1
        return Epochs(seconds, np.stack(statistics))

    @torch.no_grad()
    def _train_epoch(self) -> np.ndarray:
        order = self._orders[self._epoch]
        train_sums: torch.Tensor | float = 0.0
        for rows in order.split(self._cell.batch_size, dim=1):
            gradients, sums = self._gradients(self._layers, self._inputs[rows], self._targets[rows])
            for layer, gradient in zip(self._layers, gradients, strict=True):
                for parameter, its_gradient in zip(layer, gradient, strict=True):
                    parameter.grad = its_gradient
            self._steps += 1
            self._optimizer.param_groups[0]["eps"] = 1e-7 / math.sqrt(1.0 - 0.999**self._steps)
            self._optimizer.step()
            train_sums = train_sums + sums.double()
        test_sums: torch.Tensor | float = 0.0
        for rows in self._test_rows.split(self._cell.batch_size, dim=1):
            test_sums = test_sums + self._test_sums(self._layers, self._inputs[rows], self._targets[rows]).double()
        return epoch_statistics(
            test_sums.cpu().numpy(), self._test_rows.shape[1], train_sums.cpu().numpy(), order.shape[1]
        )
